"""Where a hostile case is tried: a real pool with small limits, a secret outside, a neighbour; what must hold after."""

import asyncio
import contextlib
import io
import os
import re
import secrets
import tempfile
import time
import zipfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pikepdf
import psutil
import pypdfium2

from app.services.template_uploads import read_upload
from contracts.errors import DocumentError, DocumentFailed, Invalid
from contracts.templates import ArchiveLimits, TemplateBundle
from generator.core import Rendered, RenderRequest
from generator.sandbox import RenderPool, SandboxLimits
from tests.hostile.cases import GOOD, REFUSED, Case

MIB = 1024 * 1024
#: For what is expected to be stopped, and for everything else.
SHORT_S, LONG_S = 0.4, 20
LIMITS = SandboxLimits(workers=2, spare=1, memory_bytes=256 * MIB, output_bytes=4 * MIB)
UPLOAD = ArchiveLimits(entries=2_000, total_bytes=20 * MIB)
#: The first line of /etc/passwd everywhere.
PASSWD = b"root:x:0:0"
#: Relationships to addresses; links to pages and letters are the only ones that wait for a click.
_OUTSIDE = re.compile(rb"<Relationship [^>]*External[^>]*>")
_CLICKED = re.compile(rb'Type="[^"]*/hyperlink".*Target="(?:https?|mailto|tel):')
_PLACES = ("line", "part", "tag", "data_path", "hint")


@dataclass
class Stage:
    """A pool, the canary that nobody may read, and a neighbour whose bytes are known."""

    pool: RenderPool
    canary: Path
    secret: bytes
    neighbour: RenderRequest
    expected: bytes
    temporary: Path

    async def run(self, case: Case) -> tuple[str, Rendered | DocumentError | None]:
        """Run a case beside the neighbour; return its outcome. Raises AssertionError for whatever must not be."""
        try:
            request = self._request(case)
        except Invalid as refusal:
            flaw = refusal.flaws[0]
            assert flaw.detail and flaw.pointer.startswith("/file"), refusal
            return REFUSED, None
        return await self.rendered(request, SHORT_S if "render_timeout" in case.allowed else LONG_S)

    def _request(self, case: Case) -> RenderRequest:
        if case.upload is None:
            return case.build(str(self.canary))
        bundle = read_upload("template.zip", case.upload(str(self.canary)), UPLOAD).bundle
        return RenderRequest(bundle, b"{}", bundle.manifest.formats[0])

    async def rendered(self, request: RenderRequest, timeout_s: float) -> tuple[str, Rendered | DocumentError]:
        """Render beside the neighbour and check all that must hold, whatever the outcome."""
        outcome, beside = await asyncio.gather(
            self._tried(request, timeout_s), self.pool.render(self.neighbour, LONG_S)
        )
        assert beside.content == self.expected, "the neighbour's document is another one"
        code, found = outcome
        if isinstance(found, DocumentError):
            self.judge(found)
        else:
            carried = pieces(request.format, found.content)
            self._keeps_secrets(b" ".join(carried))
            assert request.format != "docx" or not _calls(carried), "it calls out"
            self._keeps_secrets(" ".join(one.message for one in found.warnings).encode())
        await self._whole()
        return code, found

    async def _tried(self, request: RenderRequest, timeout_s: float) -> tuple[str, Rendered | DocumentError]:
        try:
            return GOOD, await self.pool.render(request, timeout_s)
        except DocumentFailed as failure:
            return failure.error.code, failure.error

    def judge(self, error: DocumentError) -> None:
        """Check that an error says what is wrong, and where or what to do; and nothing that is secret."""
        assert error.code != "internal_error" and error.message.strip(), error
        assert any(getattr(error, place) is not None for place in _PLACES), f"neither place nor hint: {error}"
        self._keeps_secrets(error.model_dump_json().encode())

    def _keeps_secrets(self, text: bytes) -> None:
        assert self.secret not in text, "the canary was read"
        assert PASSWD not in text, "/etc/passwd was read"

    async def _whole(self) -> None:
        """Wait until the pool is as large as before; then nothing else of it may be left."""
        deadline = time.monotonic() + 20
        while not self._is_whole():
            assert time.monotonic() < deadline, f"the pool did not recover: {self.pool.children}"
            await asyncio.sleep(0.01)
        assert self.pool._scratch is not None
        assert os.listdir(self.temporary) == [self.pool._scratch.path.name], "files were left in the temporary folder"
        assert not Path("/tmp/slipped").exists() and self.canary.read_bytes() == self.secret

    def _is_whole(self) -> bool:
        assert self.pool._scratch is not None
        free = {child.pid for child in self.pool.children if not child.busy}
        kept = {child.scratch.name for child in self.pool._living}
        on_disk = set(os.listdir(self.pool._scratch.path))
        return len(free) == LIMITS.workers + LIMITS.spare and free == _render_processes() and kept == on_disk


def _render_processes() -> set[int]:
    """Find the render processes that this one has, whatever the pool thinks."""
    found = set()
    for child in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            if "generator.sandbox_child" in child.cmdline():
                found.add(child.pid)
    return found


def _calls(carried: list[bytes]) -> list[bytes]:
    found = [link for content in carried[1:] for link in _OUTSIDE.findall(content)]
    return [link for link in found if not _CLICKED.search(link)]


def pieces(made: str, content: bytes) -> list[bytes]:
    """Return all that a document carries: its bytes, inflated, and what is printed."""
    found = [content]
    if made == "docx":
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            found += [archive.read(name) for name in archive.namelist()]
    elif made == "pdf":
        found += _streams(content) + _printed(content)
    return found


def _streams(content: bytes) -> list[bytes]:
    with pikepdf.open(io.BytesIO(content)) as pdf:
        streams = [one for one in pdf.objects if isinstance(one, pikepdf.Stream)]
        return [_inflated(stream) for stream in streams]


def _inflated(stream: pikepdf.Stream) -> bytes:
    try:
        return bytes(stream.read_bytes())
    except pikepdf.PdfError:  # pictures have filters of their own
        return bytes(stream.read_raw_bytes())


def _printed(content: bytes) -> list[bytes]:
    pdf = pypdfium2.PdfDocument(content)
    try:
        return [
            pdf[number].get_textpage().get_text_range().encode(errors="replace") for number in range(min(len(pdf), 20))
        ]
    finally:
        pdf.close()


@contextlib.asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Stage]:
    """Start a pool with a canary in `folder`, another in the environment and one neighbour."""
    secret = f"canary{secrets.token_hex(8)}".encode()
    canary, temporary = folder / "canary", folder / "temporary"
    canary.write_bytes(secret)
    temporary.mkdir()
    environment = mock.patch.dict(os.environ, {"PRESSWORK_SECRET_KEY": secret.decode()})
    with environment, mock.patch.object(tempfile, "tempdir", str(temporary)):
        pool = RenderPool(LIMITS)
        await pool.start()
        try:
            neighbour = RenderRequest(TemplateBundle.of_file("typst", b"The neighbour"), b"{}", "pdf")
            expected = (await pool.render(neighbour, LONG_S)).content
            yield Stage(pool, canary, secret, neighbour, expected, temporary)
        finally:
            await pool.close()
    assert os.listdir(temporary) == [], "files were left when the pool closed"
