"""Fonts that users upload: their own for their templates, an admin's for everybody's if it shares them.

A font's bytes lie in the blob store by their hash, and beside them a record for each user who has uploaded it. A
template version gets copies of the fonts that it names, so that it stays what it is whatever becomes of them; a
document with an inline source holds those that it found when it was accepted.
"""

import hashlib
import math
import time
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from uuid import UUID

from app.services.records import Quota, Records, Turns, font_quota
from backends.blobs import BlobStore
from contracts.errors import Invalid, NotFound
from contracts.fonts import BadFont, FontFace, FontRecord, faces_of, font_key, font_record_key, kind_of_font
from contracts.ids import now_ms
from contracts.templates import FONT_SUFFIXES, TemplateBundle, Visibility

#: Of a bundle: what is unpacked again may have a little more (ArchiveLimits).
MOST_BYTES = 96 * 1024 * 1024
#: Of the fonts that an inline source names: each render process keeps some, beside the templates it has seen.
MOST_INLINE_BYTES = 32 * 1024 * 1024
#: How long the list of fonts is believed when a document with an inline source is accepted.
FRESH_S = 0.5
#: Where a bundle keeps the fonts that were copied into it.
FOLDER = "fonts"


class FontService:
    """Raises BlobUnavailable from every method."""

    def __init__(self, blobs: BlobStore, quota: Quota | None = None) -> None:
        self._blobs = blobs
        self._quota = quota or font_quota()
        self._records = Records(blobs, "font-records", FontRecord)
        self._turns = Turns()
        self._listed: list[FontRecord] = []
        self._listed_at = -math.inf

    async def add(self, user_id: UUID, content: bytes, visibility: Visibility) -> FontRecord:
        """Keep a font for a user; again, with what has changed. Raises Invalid, Conflict `too_many_fonts`."""
        try:
            faces, kind = faces_of(content), kind_of_font(content)
        except BadFont as error:
            raise Invalid.at("", str(error), "invalid_font") from error
        digest = hashlib.sha256(content).hexdigest()
        async with self._turns.of(user_id):
            known = await self._records.read(font_record_key(user_id, digest))
            if known is None:
                kept = await self._records.listed(str(user_id))
                self._quota.require([record.size for _, record in kept], len(content))
            record = FontRecord(
                sha256=digest,
                owner_id=user_id,
                visibility=visibility,
                kind=kind,
                family=faces[0].families[0],
                style=faces[0].style,
                families=_families(faces),
                size=len(content),
                created_at=known.created_at if known else now_ms(),
            )
            # Bytes that were written a moment ago are left alone by the pruner, whatever names them.
            await self._blobs.put(font_key(digest), content)
            await self._records.write(font_record_key(user_id, digest), record)
        self._listed_at = -math.inf
        return record

    async def delete(self, user_id: UUID, digest: str) -> None:
        """Take a font from its owner: templates that have a copy keep it. Raises NotFound."""
        if await self._blobs.size(font_record_key(user_id, digest)) is None:
            raise NotFound("font")
        await self._blobs.delete(font_record_key(user_id, digest))
        self._listed_at = -math.inf

    async def visible_to(self, user_id: UUID | None) -> list[FontRecord]:
        """List the uploaded fonts that a user's templates may use (None: every one), newest first."""
        seen = [record for _, record in await self._records.listed() if user_id is None or _sees(user_id, record)]
        return sorted(seen, key=lambda record: (record.created_at, record.sha256), reverse=True)

    async def fonts_for(self, user_id: UUID, texts: Iterable[str]) -> dict[str, bytes]:
        """Return the fonts whose family is named in quotes in one of these texts: file name in the bundle -> bytes."""
        found = {}
        for digest, record in _named(await self.visible_to(user_id), texts).items():
            content = await self._blobs.get(font_key(digest))
            if content is not None:
                found[f"{FOLDER}/{digest[:16]}.{record.kind}"] = content
        return found

    async def named_in(self, user_id: UUID, source: str) -> tuple[str, ...]:
        """Return the fonts that an inline source names, as `<sha256>.<kind>`. Up to half a second old.

        Raises Invalid at `/source/content` if they are too large together.
        """
        if "font" not in source:  # nothing else names one
            return ()
        now = time.monotonic()
        if now - self._listed_at > FRESH_S:
            self._listed_at, self._listed = now, await self.visible_to(None)
        named = _named((record for record in self._listed if _sees(user_id, record)), [source])
        if (size := sum(record.size for record in named.values())) > MOST_INLINE_BYTES:
            detail = f"The fonts that it names have {size} bytes; {MOST_INLINE_BYTES} are allowed."
            raise Invalid.at("/source/content", detail, "too_large")
        return tuple(f"{digest}.{record.kind}" for digest, record in named.items())


def _sees(user_id: UUID, record: FontRecord) -> bool:
    return record.visibility == "shared" or record.owner_id == user_id


def _named(records: Iterable[FontRecord], texts: Iterable[str]) -> dict[str, FontRecord]:
    """Pick the fonts whose family is named in quotes in one of these texts, by digest."""
    searched = [text.casefold() for text in texts]
    named = {
        record.sha256: record
        for record in records
        if any(f'"{family.casefold()}"' in text for family in record.families for text in searched)
    }
    return dict(sorted(named.items()))


def texts_of(bundle: TemplateBundle) -> list[str]:
    """Return the sources of a bundle that can name fonts."""
    texts = (content for name, content in bundle.files.items() if name.endswith(".typ"))
    return [content.decode("utf-8", "replace") for content in texts]


def with_fonts(bundle: TemplateBundle, fonts: Mapping[str, bytes]) -> TemplateBundle:
    """Add fonts to a bundle, as far as it does not have them. Raises Invalid at `/file` if it gets too large."""
    own = {content for name, content in bundle.files.items() if PurePosixPath(name.lower()).suffix in FONT_SUFFIXES}
    added = {name: content for name, content in fonts.items() if content not in own}
    if not added:
        return bundle
    files = {**bundle.files, **added}
    if (size := sum(map(len, files.values()))) > MOST_BYTES:
        detail = f"With the fonts that it names, the template has {size} bytes; {MOST_BYTES} are allowed."
        raise Invalid.at("/file", detail, "too_large")
    return TemplateBundle(bundle.manifest, files)


def _families(faces: list[FontFace]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(family for face in faces for family in face.families))
