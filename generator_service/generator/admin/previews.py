"""Pictures of finished pages: drawn in the render sandbox, one at a time, the last ones kept in memory.

Never more than one render process is taken from documents, however many pages somebody looks at.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Protocol

from contracts.templates import TemplateBundle
from generator.renderers.port import Rendered, RenderRequest
from generator.renderers.raster import bundle_of, preview_request

#: Pixels across: a page on its own, shown at half that on fine screens, and one of many.
LARGE, SMALL = 1200, 320
TIMEOUT_S = 10.0
KEPT_BYTES = 32 * 1024 * 1024
#: The last document is kept for its further pages if it is no larger.
KEPT_PDF_BYTES = 8 * 1024 * 1024


class Pool(Protocol):
    async def render(self, request: RenderRequest, timeout_s: float) -> Rendered: ...


class Previews:
    """Draws pages of PDFs. Raises DocumentFailed for a PDF that does not open or takes too long to draw."""

    def __init__(self, pool: Pool, kept_bytes: int = KEPT_BYTES) -> None:
        self._pool = pool
        self._drawing = asyncio.Lock()
        self._kept = Kept(kept_bytes)
        self._last: tuple[str, TemplateBundle] | None = None

    async def page(self, sha256: str, page: int, width: int, pdf: Callable[[], Awaitable[bytes]]) -> bytes:
        """Return the PNG of a page (from 1) of the PDF with this digest; `pdf` reads it if need be."""
        key = (sha256, page, width)
        if (picture := self._kept.get(key)) is not None:
            return picture
        async with self._drawing:
            if (picture := self._kept.get(key)) is not None:
                return picture
            bundle = await self._bundle(sha256, pdf)
            picture = (await self._pool.render(preview_request(bundle, page, width), TIMEOUT_S)).content
            self._kept.put(key, picture)
            return picture

    async def _bundle(self, sha256: str, pdf: Callable[[], Awaitable[bytes]]) -> TemplateBundle:
        if self._last is not None and self._last[0] == sha256:
            return self._last[1]
        content = await pdf()
        bundle = bundle_of(content)
        await asyncio.to_thread(lambda: bundle.sha256)  # packs and digests megabytes: not in the event loop
        self._last = (sha256, bundle) if len(content) <= KEPT_PDF_BYTES else None
        return bundle


class Kept:
    """Pictures used last, up to a number of bytes in all."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pictures: OrderedDict[tuple[str, int, int], bytes] = OrderedDict()
        self.bytes = 0

    def get(self, key: tuple[str, int, int]) -> bytes | None:
        if key in self._pictures:
            self._pictures.move_to_end(key)
        return self._pictures.get(key)

    def put(self, key: tuple[str, int, int], picture: bytes) -> None:
        """Keep a picture, and let go of those that were not used for longest."""
        self.bytes += len(picture) - len(self._pictures.pop(key, b""))
        self._pictures[key] = picture
        while self.bytes > self._limit:
            self.bytes -= len(self._pictures.popitem(last=False)[1])
