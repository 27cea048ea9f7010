"""What a job is rendered from: its template's bundle (the last ones are kept) and its assets, from the blob store."""

import base64
from collections import OrderedDict
from collections.abc import Iterable

from pydantic_core import to_json

from backends.blobs import BlobStore
from backends.template_store import TemplateStore
from contracts.assets import asset_key, digests
from contracts.errors import DocumentError, DocumentFailed
from contracts.fonts import font_key
from contracts.ids import now_ms
from contracts.jobs import GenerationJob, InlineSource
from contracts.templates import (
    ENGINE_OF_SUFFIX,
    TemplateBundle,
    TemplateHead,
    TemplateManifest,
    TemplateVersion,
    bundle_key,
)
from generator.renderers.port import RenderRequest
from generator.shipped import ShippedTemplate

KEPT = 64
#: Sets of fonts that inline sources name, which are kept as bundles of their own; each has at most 32 MiB.
FONTS_KEPT = 4
#: Of one document: they are copied into its render process, which may use little more than its memory limit.
MAX_ASSETS_BYTES = 64 * 1024 * 1024


class Bundles:
    """Loads what a job pins. Raises BlobUnavailable, or DocumentFailed when the source is gone."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._kept: OrderedDict[str, TemplateBundle] = OrderedDict()
        self._fonts: OrderedDict[tuple[str, ...], TemplateBundle] = OrderedDict()

    async def request(self, job: GenerationJob) -> RenderRequest:
        """Load all that a job's render needs."""
        template = job.template
        return RenderRequest(
            bundle=await self.of(job),
            data=to_json(job.data),
            format=job.format,
            created_at_ms=job.created_at,
            locale=job.locale,
            timezone=job.timezone,
            strict=job.options.strict,
            simulate=job.options.simulate,
            template=template.name if template else None,
            version=template.version if template else None,
            trusted=template is not None and template.trusted,
            missing=template.missing if template else "blank",
            assets=await self.assets(digests(job.data)),
            fonts=await self.fonts(job.source.fonts) if job.source and job.source.fonts else None,
        )

    async def fonts(self, names: tuple[str, ...]) -> TemplateBundle:
        """Return uploaded fonts, named `<sha256>.<kind>`, as a bundle without sources: sent to a process only once."""
        if names not in self._fonts:
            files = {name: await self._font(name) for name in names}
            self._fonts[names] = TemplateBundle(TemplateManifest(sources=()), files)
        self._fonts.move_to_end(names)
        if len(self._fonts) > FONTS_KEPT:
            self._fonts.popitem(last=False)
        return self._fonts[names]

    async def _font(self, name: str) -> bytes:
        content = await self._blobs.get(font_key(name.partition(".")[0]))
        if content is None:
            message = f"The font {name} is no longer kept: upload it again."
            raise DocumentFailed(DocumentError(code="input_lost", message=message))
        return content

    async def assets(self, wanted: Iterable[str]) -> dict[str, bytes]:
        """Load assets by hex digest. Raises BlobUnavailable, or DocumentFailed for one that is gone or too much."""
        found: dict[str, bytes] = {}
        left = MAX_ASSETS_BYTES
        for digest in wanted:
            content = await self._blobs.get(asset_key(digest))
            if content is None:
                message = f"The asset sha256:{digest} is no longer kept: upload it again."
                raise DocumentFailed(DocumentError(code="input_lost", message=message))
            left -= len(content)
            if left < 0:
                message = f"The document's assets have more than {MAX_ASSETS_BYTES} bytes in all."
                raise DocumentFailed(DocumentError(code="data_invalid", message=message))
            found[digest] = content
        return found

    async def of(self, job: GenerationJob) -> TemplateBundle:
        """Return the bundle that a job is rendered from."""
        if job.source is not None:
            return inline_bundle(job.source)
        assert job.template is not None
        return await self.pinned(job.template.sha256)

    async def pinned(self, sha256: str) -> TemplateBundle:
        """Return the bundle of a template version."""
        if sha256 in self._kept:
            self._kept.move_to_end(sha256)
            return self._kept[sha256]
        packed = await self._blobs.get(bundle_key(sha256))
        if packed is None:
            message = f"The template's source sha256:{sha256} is not in the blob store."
            raise DocumentFailed(DocumentError(code="input_lost", message=message))
        bundle = self._kept[sha256] = TemplateBundle.unpack(packed)
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return bundle


def inline_bundle(source: InlineSource) -> TemplateBundle:
    """Make the bundle of a source that came with the request: one file, nothing else."""
    suffix = next(suffix for suffix, engine in ENGINE_OF_SUFFIX.items() if engine == source.engine)
    content = base64.b64decode(source.content) if source.encoding == "base64" else source.content.encode()
    return TemplateBundle.of_file(source.engine, content, f"main{suffix}")


async def register(shipped: list[ShippedTemplate], blobs: BlobStore, store: TemplateStore) -> None:
    """Store the sources of the templates that ship with Presswork and make them known. Idempotent."""
    for template in shipped:
        await _stored(template, blobs)
        await store.ship(head_of(template))
        # An old source that no head named may have been pruned just after we saw it; from now on it is named.
        await _stored(template, blobs)


async def _stored(template: ShippedTemplate, blobs: BlobStore) -> None:
    key = bundle_key(template.bundle.sha256)
    if await blobs.size(key) is None:
        await blobs.put(key, template.bundle.pack())


def head_of(template: ShippedTemplate) -> TemplateHead:
    """Describe a shipped template as version 1; the store counts on from what it knows."""
    manifest, now = template.bundle.manifest, now_ms()
    engines = {made: source.engine for source in reversed(manifest.sources) for made in source.formats}
    version = TemplateVersion(version=1, sha256=template.bundle.sha256, engines=engines, created_at=now)
    return TemplateHead(
        name=template.name,
        visibility="shared",
        title=template.title,
        description=template.description,
        engine=manifest.sources[0].engine,
        formats=manifest.formats,
        versions=(version,),
        tags={"production": 1},
        sample=template.sample,
        data_schema=template.data_schema,
        created_at=now,
        updated_at=now,
    )
