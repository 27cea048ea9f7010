"""A generator's end of the workbench that judges uploads by the first line of their source, and calls for uploads."""

import asyncio
import io
import json
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import httpx2

from backends.asks import Ask, Asks
from contracts.documents import Warned
from contracts.errors import DocumentError
from contracts.templates import TemplateBundle, bundle_key
from contracts.workbench import Answer, CheckAsk, Verdict
from tests.integration.conftest import Api

Files = dict[str, bytes | str]
INFERRED: dict[str, object] = {
    "type": "object",
    "properties": {"items": {"type": "array", "x-certain": True}, "name": {"type": "string"}},
    "required": ["name"],
}


@dataclass
class Inspector:
    """Finds `BROKEN` sources broken; infers a schema from all others. `seen`: what it was asked.

    `deaf`: it takes no asks. `after`: what it does to a bundle's blob once it has seen it.
    """

    api: Api
    seen: list[CheckAsk] = field(default_factory=list)
    deaf: bool = False
    after: Callable[[str], Awaitable[None]] | None = None

    async def run(self) -> None:
        asks = Asks(self.api.scripts)
        while True:
            await asks.wait(1)
            while not self.deaf and (taken := await asks.take()):
                await asks.answer(taken.ask.ask_id, await self._answer(taken.ask))

    async def _answer(self, ask: Ask) -> Answer:
        if not isinstance(ask, CheckAsk):
            return Answer(error=DocumentError(code="template_error", message="nothing is rendered here"))
        self.seen.append(ask)
        return await self._judged(ask)

    async def _judged(self, ask: CheckAsk) -> Answer:
        packed = await self.api.blobs.get(bundle_key(ask.sha256))
        assert packed is not None
        if self.after:
            await self.after(bundle_key(ask.sha256))
        sources = b"".join(TemplateBundle.unpack(packed).files.values())
        if b"BROKEN" in sources:
            error = DocumentError(
                code="template_error", message="unknown variable: totl", template=ask.name, line=1, hint="total?"
            )
            return Answer(error=error)
        if b"INTERNAL" in sources:
            return Answer(error=DocumentError(code="internal_error", message="a bug"))
        found = (Warned(code="template_warning", message="unknown font family"),)
        return Answer(verdict=Verdict(inferred_schema=INFERRED, example={"name": "text"}, warnings=found))


@asynccontextmanager
async def inspecting(api: Api) -> AsyncIterator[Inspector]:
    inspector = Inspector(api)
    task = asyncio.create_task(inspector.run())
    try:
        yield inspector
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def zipped(files: Files, description: object = None) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        if description is not None:
            archive.writestr("template.json", json.dumps(description))
    return out.getvalue()


async def upload(
    client: httpx2.AsyncClient,
    name: str = "note",
    content: bytes = b"= Note",
    filename: str = "note.typ",
    *,
    path: str = "/v1/templates",
    **parts: str,
) -> httpx2.Response:
    data = {**({"name": name} if path == "/v1/templates" else {}), **parts}
    return await client.post(path, data=data, files={"file": (filename, content)})


async def made(
    client: httpx2.AsyncClient, name: str = "note", content: bytes = b"= Note", **parts: str
) -> dict[str, object]:
    answer = await upload(client, name, content, **parts)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def add(client: httpx2.AsyncClient, content: bytes, name: str = "note", **parts: str) -> httpx2.Response:
    return await upload(client, name, content, path=f"/v1/templates/{name}/versions", **parts)


def problem(answer: httpx2.Response) -> tuple[int, str, str]:
    """Return the status, the code, and where the first flaw is."""
    body = answer.json()
    assert answer.headers["Content-Type"] == "application/problem+json", answer.text
    return answer.status_code, body["code"], body.get("errors", [{}])[0].get("pointer", "")
