"""Which assets are needed: by a user who has used one lately, by a document that may be made from it, by a sample.

An asset's owners and uses are small blobs beside it (contracts.assets), so that nothing else needs to know of it.
"""

from collections.abc import Callable

from backends.blobs import BlobStore, StoredBlob
from backends.template_store import TemplateStore
from contracts.assets import digests
from contracts.ids import now_ms
from generator.maintenance.retention import Retention


class AssetReferences:
    """Raises BlobUnavailable, QueueUnavailable."""

    def __init__(
        self, blobs: BlobStore, store: TemplateStore, retention: Retention, clock_ms: Callable[[], int] = now_ms
    ) -> None:
        self._blobs = blobs
        self._store = store
        self._retention = retention
        self._clock_ms = clock_ms

    async def needed(self) -> set[str]:
        """Return the digests of all assets that somebody needs."""
        found = await self.in_samples()
        async for owners in self._blobs.listing("asset-owners"):
            found.update(asset_in(blob) for blob in owners if not self.forgotten(blob))
        async for uses in self._blobs.listing("asset-uses"):
            found.update(blob.key.split("/")[2] for blob in uses)
        return found

    async def in_samples(self) -> set[str]:
        """Return the digests of the assets that templates' samples name."""
        return {digest for head in await self._store.visible_to(None) for digest in digests(head.sample or {})}

    def forgotten(self, blob: StoredBlob) -> bool:
        """Tell whether an owner has not used an asset for so long that it may go."""
        kept_ms = self._retention.assets_ms
        return kept_ms is not None and self._clock_ms() - blob.written_at > kept_ms


def asset_in(blob: StoredBlob) -> str:
    """Return the digest that an asset, or who owns it, is named by."""
    return blob.key.rpartition("/")[2]
