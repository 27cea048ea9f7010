"""What is downloaded is what was made: the bytes have the digest that the document's row, and every answer, names."""

from collections.abc import Iterator

from tests.chaos.evidence import Evidence


def content(evidence: Evidence) -> Iterator[str]:
    """Find bytes that are missing or not the ones that were recorded."""
    yield from _downloads(evidence)
    yield from _last_looks(evidence)


def _downloads(evidence: Evidence) -> Iterator[str]:
    for call in evidence.calls("download"):
        if call.status == 200:
            runs = evidence.by_document.get(call.about["id"], [])
            made = {row["result"]["sha256"] for row in runs if row["result"]}
            if call.answer["digest"] != call.answer["etag"] or call.answer["etag"] not in made:
                yield f"the bytes are not those of a run ({sorted(made)}): {call}"


def _last_looks(evidence: Evidence) -> Iterator[str]:
    for id_, view in evidence.views.items():
        if view.body.get("status") != "completed":
            continue
        wanted = view.body["result"]["sha256"]
        if view.content_status != 200 or view.digest != wanted:
            yield f"{id_} is completed as {wanted}; its content is answered {view.content_status} {view.digest}"
