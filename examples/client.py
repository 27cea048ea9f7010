"""A client of Presswork in one file, of Python's standard library alone: take it, and change what you like."""

import io
import json
import time
import urllib.error
import urllib.request
import uuid
import zipfile
from pathlib import Path
from typing import Any

#: A document is waited for in steps of so long.
WAIT_S = 60
ATTEMPTS = 4


class Refused(Exception):
    """What the server answered instead of 2xx: `problem` is its JSON (RFC 9457), with a code and pointers."""

    def __init__(self, problem: dict[str, Any]) -> None:
        self.problem = problem
        super().__init__(explained(problem))


class Presswork:
    """The calls that it takes to make documents from templates of one's own."""

    def __init__(self, url: str, key: str) -> None:
        self.url, self.key = url.rstrip("/"), key

    def put_template(self, name: str, archive: bytes, sample: object) -> dict[str, Any]:
        """Upload a template; if the name is there already, publish a further version of it."""
        parts = {"sample": json.dumps(sample).encode(), "file": archive}
        try:
            return self._send("/v1/templates", parts | {"name": name.encode()})
        except Refused as refused:
            if refused.problem["code"] != "name_taken":
                raise
        return self._send(f"/v1/templates/{name}/versions", parts | {"publish": b"true"})

    def put_asset(self, content: bytes) -> dict[str, Any]:
        """Upload a picture or a Word document, and return how data name it. The same bytes are the same asset."""
        answer = self._call("/v1/assets", content, "application/octet-stream")
        return {"$asset": json.loads(answer)["asset"]}

    def make(self, idempotency_key: str = "", **order: Any) -> dict[str, Any]:
        """Make a document and wait for it; see POST /v1/documents for what an order says.

        `idempotency_key`: your own number of the order. However often it is sent, there is one document for it.
        """
        headers = {"Prefer": f"wait={WAIT_S}"} | ({"Idempotency-Key": idempotency_key} if idempotency_key else {})
        document: dict[str, Any] = json.loads(self._call("/v1/documents", json.dumps(order).encode(), **headers))
        while document["status"] not in ("completed", "failed", "cancelled"):  # it is queued, and will be made
            document = json.loads(self._call(f"/v1/documents/{document['id']}?wait={WAIT_S}"))
        if document["status"] != "completed":
            raise Refused(document["error"] or {"code": document["status"]})
        return document

    def content(self, document: dict[str, Any]) -> bytes:
        """Fetch a document's file."""
        return self._call(f"/v1/documents/{document['id']}/content")

    def _send(self, path: str, parts: dict[str, bytes]) -> dict[str, Any]:
        """Post a form with a file, as browsers do."""
        border = uuid.uuid4().hex
        body = b""
        for name, content in parts.items():
            filename = '; filename="template.zip"' if name == "file" else ""
            head = f'--{border}\r\nContent-Disposition: form-data; name="{name}"{filename}\r\n\r\n'
            body += head.encode() + content + b"\r\n"
        answer = self._call(path, body + f"--{border}--\r\n".encode(), f"multipart/form-data; boundary={border}")
        return dict(json.loads(answer))

    def _call(self, path: str, body: bytes | None = None, kind: str = "application/json", **headers: str) -> bytes:
        """Send a request; when the server says that it is full, come again as it asks."""
        headers |= {"Authorization": f"Bearer {self.key}", "Content-Type": kind}
        for attempt in range(ATTEMPTS):
            try:
                request = urllib.request.Request(self.url + path, body, headers)
                with urllib.request.urlopen(request, timeout=WAIT_S + 30) as answer:
                    return bytes(answer.read())
            except urllib.error.HTTPError as error:
                if error.code not in (429, 503) or attempt + 1 == ATTEMPTS:
                    raise Refused(problem_of(error)) from None
                time.sleep(float(error.headers.get("Retry-After", 1)))
        raise AssertionError("the last attempt returns or raises")


def problem_of(error: urllib.error.HTTPError) -> dict[str, Any]:
    """Read the problem of an answer; something between here and the server may have answered without one."""
    try:
        return dict(json.load(error))
    except ValueError:
        return {"code": f"http_{error.code}", "detail": str(error.reason)}


def zipped(folder: Path) -> bytes:
    """Pack a template's folder: sources, what they include, pictures, fonts, and template.json."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder))
    return out.getvalue()


def explained(problem: dict[str, Any]) -> str:
    """Write a problem as text: what is wrong, where, and what to do."""
    found = problem.get("error") or problem  # of a template that was refused, or a document that failed
    lines = [f"{problem['code']}: {found.get('message') or found.get('detail') or ''}"]
    lines += [f"  at {one['pointer']}: {one['detail']}" for one in problem.get("errors", [])]
    places = ("part", "line", "tag", "data_path", "excerpt", "hint")
    return "\n".join(lines + [f"  {place}: {found[place]}" for place in places if found.get(place)])
