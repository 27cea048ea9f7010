"""Trouble is answered 503 or 429, which may be repeated, or not at all; never 500, nor 404 for what was accepted."""

from collections.abc import Iterator

from tests.chaos.evidence import Evidence
from tests.chaos.history import Call

BUSY = frozenset({429, 503})
EXPECTED: dict[str, frozenset[int]] = {
    "request": frozenset({202}),
    "look": frozenset({200}),
    "download": frozenset({200, 409}),
    "trace": frozenset({200}),
    "list": frozenset({200}),
    "cancel": frozenset({200, 409}),
    "retry": frozenset({200, 409}),
    "delete": frozenset({204}),
    "read_user": frozenset({200}),
    "write_user": frozenset({200, 412}),
    "sign_up": frozenset({201, 409}),
}
#: Refusals that would be true elsewhere, but not of inputs and results that are minutes old.
NEVER = frozenset({"input_expired", "expired"})


def answers(evidence: Evidence) -> Iterator[str]:
    """Find answers that are none of the expected ones."""
    for call in evidence.story.calls:
        if call.status is None:
            continue
        if call.status in BUSY:
            if not call.answer.get("retry_after"):
                yield f"no Retry-After: {call}"
        elif call.status == 404 and evidence.deletions.get(call.about.get("id", ""), float("inf")) < call.ended:
            continue
        elif not _expected(call):
            yield f"unexpected: {call}"


def _expected(call: Call) -> bool:
    return call.status in EXPECTED[call.do] and call.answer.get("code") not in NEVER
