"""Templates as the services know them: sources, the bundle that is stored and pinned by sha256, and the head in Redis.

ENGINES is here, not beside the engines, because the User API names the formats it can accept and never loads an engine.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath
from typing import Literal
from uuid import UUID

from pydantic import BaseModel

from contracts.ids import name_id

#: What each engine can make. The first format is its default.
ENGINES: dict[str, tuple[str, ...]] = {
    "typst": ("pdf", "png", "svg"),
    "docx": ("docx",),
}

#: The engine of a template file, by the end of its name.
ENGINE_OF_SUFFIX: dict[str, str] = {".typ": "typst", ".docx": "docx"}

#: What a PDF can be made to conform to, in Typst's names. Those for archives exclude each other and some versions:
#: the compiler judges that, when the template is checked.
PDF_STANDARDS: tuple[str, ...] = (
    *("1.4", "1.5", "1.6", "1.7", "2.0"),
    *("a-1a", "a-1b", "a-2a", "a-2b", "a-2u", "a-3a", "a-3b", "a-3u", "a-4", "a-4e", "a-4f"),
    "ua-1",
)

#: Files of a bundle that are fonts, wherever they lie, by the end of their names.
FONT_SUFFIXES = frozenset({".ttf", ".otf", ".ttc"})

MANIFEST_NAME = "manifest.json"

#: Every member carries this moment, so that equal files make equal bytes.
_EPOCH = (1980, 1, 1, 0, 0, 0)

Visibility = Literal["private", "shared"]
#: How strictly data must fit a template's schema: refuse at accept, or warn with the result.
Validation = Literal["strict", "warn", "off"]
#: What a template prints for data that is not there: nothing at all (the document fails), a blank, or a mark.
Missing = Literal["error", "blank", "mark"]


#: Pictures that are kept as plain pixels: one that is nearly white shrinks to nothing.
_BITMAPS = (".emf", ".wmf", ".bmp", ".tif", ".tiff")
_BITMAP_BYTES = 32 * 1024 * 1024


class BadArchive(ValueError):
    """The zip archive is damaged, unsafe or larger than allowed."""


@dataclass(frozen=True)
class ArchiveLimits:
    """How large an archive may be once inflated: checked against its directory before anything is inflated."""

    entries: int = 2_000
    total_bytes: int = 100 * 1024 * 1024
    ratio: int = 200


def checked_members(archive: zipfile.ZipFile, limits: ArchiveLimits) -> list[zipfile.ZipInfo]:
    """Return the archive's files. Raises BadArchive for a bomb, a path out of the archive, or a name given twice.

    The sizes are the directory's own claim; `read_member` refuses a member that lies about them.
    """
    members = [info for info in archive.infolist() if not info.is_dir()]
    if len(members) > limits.entries:
        raise BadArchive(f"The archive has {len(members)} files; {limits.entries} are allowed.")
    if len({info.filename for info in members}) != len(members):
        raise BadArchive("The archive names a file twice.")
    for info in members:
        _check_member(info, limits)
    total = sum(info.file_size for info in members)
    if total > limits.total_bytes:
        raise BadArchive(f"The archive inflates to {total} bytes; {limits.total_bytes} are allowed.")
    return members


def _check_member(info: zipfile.ZipInfo, limits: ArchiveLimits) -> None:
    name = info.filename
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name or ":" in name or not name.isprintable():
        raise BadArchive(f"The archive has an unsafe name: {name[:80]!r}.")
    if info.flag_bits & 0x1:
        raise BadArchive(f"{name} is encrypted.")
    if (info.external_attr >> 16) & 0o170000 == 0o120000:
        raise BadArchive(f"{name} is a symbolic link.")
    unsuspicious = _BITMAP_BYTES if name.lower().endswith(_BITMAPS) else 64 * 1024
    if info.file_size > unsuspicious and info.file_size > limits.ratio * max(info.compress_size, 1):
        raise BadArchive(f"{name} inflates {info.file_size // max(info.compress_size, 1)} times: it looks like a bomb.")


def read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """Inflate one member, never beyond its declared size. Raises BadArchive if it is damaged or lies."""
    try:
        with archive.open(info) as stream:
            content = stream.read(info.file_size + 1)
    except (zipfile.BadZipFile, EOFError, RuntimeError, ValueError, OSError) as error:
        raise BadArchive(f"{info.filename} is damaged: {error}") from error
    except Exception as error:  # zlib.error, lzma.LZMAError: one class per compression module
        raise BadArchive(f"{info.filename} cannot be inflated: {error}") from error
    if len(content) != info.file_size:
        raise BadArchive(f"{info.filename} lies about its size.")
    return content


def bundle_key(sha256: str) -> str:
    """Name the blob that keeps a bundle."""
    return f"templates/{sha256}"


class TemplateSource(BaseModel, frozen=True):
    """One file of a bundle that an engine renders, and the formats it is used for."""

    engine: str
    file: str
    formats: tuple[str, ...]


class TemplateManifest(BaseModel, frozen=True):
    """What a bundle holds. `tagged`: PDFs carry structure tags (accessible, a third slower to make).

    `pdf_standards`: what PDFs conform to, in Typst's names, such as `a-2b`, `ua-1`, `1.7`, `2.0`.
    """

    sources: tuple[TemplateSource, ...]
    tagged: bool = False
    pdf_standards: tuple[str, ...] = ()

    @property
    def formats(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(made for source in self.sources for made in source.formats))

    def source_for(self, output_format: str) -> TemplateSource | None:
        """Return the first source that makes this format, or None."""
        return next((source for source in self.sources if output_format in source.formats), None)


@dataclass(frozen=True)
class TemplateBundle:
    """A template version: its manifest and files. `pack()` is what the blob store keeps under `sha256`."""

    manifest: TemplateManifest
    files: Mapping[str, bytes] = field(repr=False)

    def pack(self) -> bytes:
        """Return the bundle as a zip whose bytes depend on the files alone (sorted, stored, fixed timestamps)."""
        return self._packed

    @cached_property
    def sha256(self) -> str:
        """The hex digest of `pack()`."""
        return hashlib.sha256(self._packed).hexdigest()

    @cached_property
    def _packed(self) -> bytes:
        # Stored, not deflated: zlib's output differs between its implementations, and the digest would too.
        manifest = json.dumps(self.manifest.model_dump(mode="json"), sort_keys=True, ensure_ascii=False).encode()
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
            for name, content in [(MANIFEST_NAME, manifest), *sorted(self.files.items())]:
                info = zipfile.ZipInfo(name, _EPOCH)
                info.create_system = 3
                info.external_attr = 0o644 << 16
                archive.writestr(info, content)
        return out.getvalue()

    @classmethod
    def unpack(cls, packed: bytes, limits: ArchiveLimits | None = None) -> "TemplateBundle":
        """Read what `pack` wrote. Raises BadArchive."""
        try:
            with zipfile.ZipFile(io.BytesIO(packed)) as archive:
                members = checked_members(archive, limits or ArchiveLimits())
                files = {info.filename: read_member(archive, info) for info in members}
            manifest = TemplateManifest.model_validate_json(files.pop(MANIFEST_NAME))
        except (zipfile.BadZipFile, KeyError, ValueError, NotImplementedError, OSError) as error:
            raise BadArchive(f"This is not a template bundle: {error}") from error
        return cls(manifest, files)

    @classmethod
    def of_file(cls, engine: str, content: bytes, name: str | None = None) -> "TemplateBundle":
        """Make the bundle of one source file, for all formats of its engine. Raises KeyError for an unknown engine."""
        file = name or f"main{_suffix(engine)}"
        return cls(
            TemplateManifest(sources=(TemplateSource(engine=engine, file=file, formats=ENGINES[engine]),)),
            {file: content},
        )


def _suffix(engine: str) -> str:
    return next((suffix for suffix, name in ENGINE_OF_SUFFIX.items() if name == engine), "")


class TemplateVersion(BaseModel, frozen=True):
    """One immutable version: numbers never recur. `engines` by format.

    `inferred_schema`: the JSON Schema (2020-12) of the data that its tags ask for; None if nothing could be told.
    """

    version: int
    sha256: str
    engines: dict[str, str]
    created_at: int
    inferred_schema: dict[str, object] | None = None

    @property
    def formats(self) -> tuple[str, ...]:
        return tuple(self.engines)


class TemplateHead(BaseModel, frozen=True):
    """What Redis keeps and the API shows of a template. `owner_id` None: it ships with Presswork. Times: epoch ms.

    `data_schema`: the JSON Schema (2020-12) that data must fit, whichever version is asked for. `validation` None: a
    given schema refuses, an inferred one refuses what is certain to fail and warns of the rest. `revision` counts the
    changes of one that somebody owns. Under the same name it begins anew after it was deleted: `last_version` is the
    highest number ever given, `first_at` when the name was first used.
    """

    name: str
    owner_id: UUID | None = None
    visibility: Visibility = "private"
    title: str = ""
    description: str = ""
    engine: str
    formats: tuple[str, ...]
    versions: tuple[TemplateVersion, ...] = ()
    tags: dict[str, int] = {}
    sample: dict[str, object] | None = None
    data_schema: dict[str, object] | None = None
    validation: Validation | None = None
    missing: Missing = "blank"
    created_at: int
    updated_at: int
    revision: int = 0
    last_version: int = 0
    first_at: int = 0
    deleted_at: int | None = None

    @property
    def template_id(self) -> UUID:
        """What history knows it by: its owner's use of its name."""
        return name_id(f"{self.owner_id or ''}/{self.name}")

    def version(self, number: int) -> TemplateVersion | None:
        """Return the version of this number, or None."""
        return next((version for version in self.versions if version.version == number), None)


class TemplateEvent(BaseModel, frozen=True):
    """A line of the event stream: a template after a change. `schemas`: inferred ones that are new, by version.

    `event`: template.created, template.version_added, template.updated, template.tagged, template.untagged,
    template.deleted.
    """

    template_id: UUID
    owner_id: UUID | None
    name: str
    head: TemplateHead
    schemas: dict[str, str] = {}
    created_at: int
    updated_at: int
    version: int
    deleted: int
    event: str
    at: int
    actor_id: UUID | None = None

    @classmethod
    def of(
        cls, head: TemplateHead, event: str, at: int, actor_id: UUID | None = None, **more: object
    ) -> "TemplateEvent":
        """Tell of a head that was just changed. `created_at` is when its name was first used, so that rows replace."""
        return cls.model_validate(
            {
                **more,
                "template_id": head.template_id,
                "owner_id": head.owner_id,
                "name": head.name,
                "head": head,
                "created_at": head.first_at,
                "updated_at": head.updated_at,
                "version": head.revision,
                "deleted": int(head.deleted_at is not None),
                "event": event,
                "at": at,
                "actor_id": actor_id,
            }
        )
