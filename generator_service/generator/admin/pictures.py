"""Pictures of templates: page 1 made from the sample data in the render sandbox, kept in the blob store.

They are made one at a time: a gallery of fifty templates takes one render process, and leaves the others to documents.
"""

import asyncio
import hashlib
import time
from collections import OrderedDict

from markupsafe import Markup
from pydantic_core import to_json

from backends.blobs import BlobStore
from contracts.assets import digests
from contracts.errors import DocumentFailed
from contracts.templates import TemplateHead, TemplateVersion
from generator.admin.previews import Pool
from generator.bundles import Bundles
from generator.renderers.port import Rendered, RenderRequest, failed

#: Page 1 comes from the engine itself; further pages are drawn from the sample's PDF.
PICTURE, PAGES = "png", "pdf"
#: A picture is worth less waiting than a document.
TIMEOUT_S = 15.0
#: A sample that does not render is tried again after this time.
REFUSED_S, KEPT = 300.0, 256
#: Pages are taken for A4 until their picture is known; in points, as placeholders are drawn.
A4 = (595, 842)
#: Width and height stand in a PNG's first chunk (RFC 2083, 11.2.2).
_SIZE_AT, _SIZE_END = 16, 24


class TemplatePictures:
    """Raises BlobUnavailable from every method when the blob store does not work."""

    def __init__(self, blobs: BlobStore, pool: Pool) -> None:
        self._blobs = blobs
        self._pool = pool
        self._bundles = Bundles(blobs)
        self._turn = asyncio.Lock()
        self._pages: OrderedDict[str, int] = OrderedDict()
        self._refused: OrderedDict[str, tuple[float, DocumentFailed]] = OrderedDict()

    async def png(self, head: TemplateHead, locale: str) -> bytes:
        """Return page 1 of the sample in a language. Raises DocumentFailed if it does not render."""
        key = picture_key(head, locale)
        kept = await self._blobs.get(key)
        if kept is not None:
            return kept
        async with self._turn:
            kept = await self._blobs.get(key)  # made while this one waited for its turn
            if kept is None:
                kept = (await self._rendered(head, locale, PICTURE)).content
                await self._blobs.put(key, kept)
        return kept

    async def pdf(self, head: TemplateHead, locale: str) -> bytes:
        """Make the sample as a PDF. Raises DocumentFailed."""
        async with self._turn:
            rendered = await self._rendered(head, locale, PAGES)
        self._pages[picture_key(head, locale)] = rendered.pages or 1
        if len(self._pages) > KEPT:
            self._pages.popitem(last=False)
        return rendered.content

    async def pages(self, head: TemplateHead, locale: str) -> int:
        """Count the pages of the sample; 1 for a template that makes no PDF of it."""
        key = picture_key(head, locale)
        try:
            if key not in self._pages:
                await self.pdf(head, locale)
        except DocumentFailed:
            return 1
        return self._pages[key]

    async def size(self, head: TemplateHead, locale: str) -> tuple[int, int]:
        """Return width and height of a picture, in proportion; A4 while there is none."""
        beginning = await self._blobs.read(picture_key(head, locale), _SIZE_AT, _SIZE_END)
        if beginning is None or len(beginning) < 8:
            return A4
        return int.from_bytes(beginning[:4]), int.from_bytes(beginning[4:])

    async def _rendered(self, head: TemplateHead, locale: str, output_format: str) -> Rendered:
        key = f"{picture_key(head, locale)} {output_format}"
        self._refuse_again(key)
        try:
            return await self._pool.render(await self._request(head, locale, output_format), TIMEOUT_S)
        except DocumentFailed as failure:
            if not failure.error.retryable:
                self._refused[key] = (time.monotonic() + REFUSED_S, failure)
            if len(self._refused) > KEPT:
                self._refused.popitem(last=False)
            raise

    def _refuse_again(self, key: str) -> None:
        until, failure = self._refused.get(key, (0.0, None))
        if failure is not None and time.monotonic() < until:
            raise failure

    async def _request(self, head: TemplateHead, locale: str, output_format: str) -> RenderRequest:
        version = shown_version(head)
        if output_format not in version.formats:
            raise failed("unsupported_format", f"{head.name} makes no {output_format}.")
        sample = head.sample or {}
        return RenderRequest(
            bundle=await self._bundles.pinned(version.sha256),
            data=to_json(sample),
            assets=await self._bundles.assets(digests(sample)),
            format=output_format,
            created_at_ms=version.created_at,
            locale=locale,
            template=head.name,
            version=version.version,
            trusted=head.owner_id is None,
            missing=head.missing,
        )


def shown_version(head: TemplateHead) -> TemplateVersion:
    """Return the version that a plain reference means: production, else the newest."""
    return head.version(head.tags.get("production", 0)) or head.versions[-1]


def picture_key(head: TemplateHead, locale: str) -> str:
    """Name a picture's blob by all that it depends on: source, language and sample."""
    sample = hashlib.sha256(to_json(head.sample or {})).hexdigest()[:16]
    return f"previews/{shown_version(head).sha256}-{locale}-{sample}.png"


def picture_tag(head: TemplateHead, locale: str) -> str:
    """Return what stands in a picture's address, so that browsers keep it until it changes."""
    return hashlib.sha256(picture_key(head, locale).encode()).hexdigest()[:16]


def placeholder(title: str, note: str) -> Markup:
    """Draw the sheet that stands for a template without a picture: its initials, a few lines, and why."""
    width, height = A4
    lines = Markup("").join(
        Markup('<rect x="{}" y="{}" width="{}" height="9" rx="4.5" fill="#e6eaef"/>').format(72, y, across)
        for y, across in ((92, 180), (118, 120), (560, 451), (588, 451), (616, 451), (644, 300))
    )
    return Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {w} {h}" width="{w}" height="{h}">'
        '<rect width="{w}" height="{h}" fill="#fff"/>{lines}'
        '<g font-family="Inter, system-ui, sans-serif" text-anchor="middle">'
        '<text x="{x}" y="350" font-size="112" font-weight="600" fill="#b4bfcc">{initials}</text>'
        '<text x="{x}" y="420" font-size="27" fill="#5c6877">{note}</text></g></svg>'
    ).format(w=width, h=height, x=width // 2, lines=lines, initials=initials(title), note=note)


def initials(title: str) -> str:
    """Return the first letters of the first two words."""
    words = [word for word in title.replace("-", " ").split() if word[0].isalnum()]
    return "".join(word[0].upper() for word in words[:2]) or "?"
