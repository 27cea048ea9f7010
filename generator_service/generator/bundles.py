"""Template bundles for the worker: from the blob store by sha256, the last ones kept; shipped ones are put there."""

from collections import OrderedDict

from backends.blobs import BlobStore
from backends.template_store import TemplateStore
from contracts.errors import DocumentError, DocumentFailed
from contracts.ids import now_ms
from contracts.jobs import GenerationJob, InlineSource
from contracts.templates import ENGINE_OF_SUFFIX, TemplateBundle, TemplateHead, TemplateVersion
from generator.shipped import ShippedTemplate

KEPT = 64


def bundle_key(sha256: str) -> str:
    return f"templates/{sha256}"


class Bundles:
    """Loads what a job pins. Raises BlobUnavailable, or DocumentFailed when the source is gone."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs
        self._kept: OrderedDict[str, TemplateBundle] = OrderedDict()

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
    return TemplateBundle.of_file(source.engine, source.content.encode(), f"main{suffix}")


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
