"""Which uploaded fonts are needed: by somebody who has them, or by a document that may be made from them."""

from backends.blobs import BlobStore


class FontReferences:
    """Raises BlobUnavailable."""

    def __init__(self, blobs: BlobStore) -> None:
        self._blobs = blobs

    async def needed(self) -> set[str]:
        """Return the digests of all fonts that somebody needs."""
        found: set[str] = set()
        for kind in ("font-records", "font-uses"):
            async for blobs in self._blobs.listing(kind):
                found.update(blob.key.rpartition("/")[2] for blob in blobs)
        return found
