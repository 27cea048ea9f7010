"""From an uploaded file to a template bundle: a sole source, or a zip with sources, fonts and pictures. Pure.

`template.json` in a zip says what its sources are for; without it they are the sole .typ and .docx at the top.
"""

import io
import zipfile
from codecs import BOM_UTF8
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.services.flaw_words import in_words
from contracts.errors import Flaw, Invalid
from contracts.templates import (
    ENGINE_OF_SUFFIX,
    ENGINES,
    MANIFEST_NAME,
    PDF_STANDARDS,
    ArchiveLimits,
    BadArchive,
    TemplateBundle,
    TemplateManifest,
    TemplateSource,
    checked_members,
    read_member,
)

DESCRIPTION = "template.json"
MAIN = "main.typ"
#: Engines of the contract that are not built yet, by the end of a file's name.
LATER = {".html": "HTML", ".htm": "HTML", ".md": "Markdown", ".xlsx": "XLSX"}
#: What archivers of some systems leave in a zip.
LITTER = ("__MACOSX/", ".DS_Store", "Thumbs.db")
MAX_DESCRIPTION_BYTES = 64 * 1024


class SourceDescribed(BaseModel):
    """A source in template.json; without `formats` it is for all that its engine makes."""

    model_config = ConfigDict(extra="forbid", strict=True)

    file: str
    formats: Annotated[list[str], Field(min_length=1)] | None = None


class Description(BaseModel):
    """template.json: what a zip holds."""

    model_config = ConfigDict(extra="forbid", strict=True)

    title: Annotated[str, Field(max_length=200)] = ""
    description: Annotated[str, Field(max_length=2000)] = ""
    pdf_standards: list[Literal[PDF_STANDARDS]] = []  # type: ignore[valid-type]
    tagged: bool = False
    sources: Annotated[list[SourceDescribed], Field(min_length=1)] | None = None


@dataclass(frozen=True)
class Upload:
    """What was uploaded; `title` and `description` are empty where template.json does not say them."""

    bundle: TemplateBundle
    title: str = ""
    description: str = ""


def read_upload(filename: str, content: bytes, limits: ArchiveLimits) -> Upload:
    """Make a bundle of a file, whose name says what it is. Raises Invalid at `/file`."""
    suffix = PurePosixPath(filename.lower()).suffix
    if not content:
        raise Invalid.at("/file", "The file is empty.")
    if suffix == ".zip":
        return _from_zip(content, limits)
    if suffix not in ENGINE_OF_SUFFIX:
        raise _no_source(suffix)
    return Upload(TemplateBundle.of_file(ENGINE_OF_SUFFIX[suffix], content))


def source_archive(bundle: TemplateBundle, title: str, description: str) -> bytes:
    """Write a bundle as a zip that can be uploaded again."""
    manifest = bundle.manifest
    described = Description(
        title=title,
        description=description,
        pdf_standards=list(manifest.pdf_standards),
        tagged=manifest.tagged,
        sources=[SourceDescribed(file=source.file, formats=list(source.formats)) for source in manifest.sources],
    )
    files = {**bundle.files, DESCRIPTION: described.model_dump_json(indent=2).encode()}
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(files.items()):
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(info, content)
    return out.getvalue()


def _from_zip(content: bytes, limits: ArchiveLimits) -> Upload:
    files = _inflated(content, limits)
    described = _description(files.pop(DESCRIPTION, None))
    _check_names(files)
    sources = tuple(_described(described.sources, files) if described.sources else _found(files))
    manifest = TemplateManifest(
        sources=sources, tagged=described.tagged, pdf_standards=tuple(dict.fromkeys(described.pdf_standards))
    )
    return Upload(TemplateBundle(manifest, files), described.title, described.description)


def _inflated(content: bytes, limits: ArchiveLimits) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = checked_members(archive, limits)
            return {info.filename: read_member(archive, info) for info in members if not _is_litter(info.filename)}
    except BadArchive as error:
        raise Invalid.at("/file", str(error), "bad_archive") from error
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError) as error:
        raise Invalid.at("/file", f"This is not a zip archive: {error}", "bad_archive") from error


def _is_litter(name: str) -> bool:
    return name.startswith(LITTER[0]) or PurePosixPath(name).name in LITTER


def _check_names(files: dict[str, bytes]) -> None:
    """Refuse names that another file system would not keep apart, and the one that is ours."""
    folders = {str(folder) for name in files for folder in PurePosixPath(name).parents}
    for name in files:
        if name == MANIFEST_NAME:
            raise Invalid.at("/file", f"{MANIFEST_NAME} is a reserved name: choose another.", "bad_archive")
        if str(PurePosixPath(name)) != name or name in folders or len(name) > 200:
            raise Invalid.at("/file", f"The archive has an unusable name: {name[:80]!r}.", "bad_archive")


def _description(content: bytes | None) -> Description:
    if content is None:
        return Description()
    if len(content) > MAX_DESCRIPTION_BYTES:
        raise Invalid.at(f"/file/{DESCRIPTION}", f"{DESCRIPTION} may have {MAX_DESCRIPTION_BYTES} bytes.", "too_large")
    try:
        return Description.model_validate_json(content.removeprefix(BOM_UTF8))
    except ValidationError as error:
        raise Invalid(*(_flaw(item["type"], item["loc"], in_words(item)) for item in error.errors())) from error


def _flaw(type_: str, place: tuple[int | str, ...], message: str) -> Flaw:
    pointer = "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in ("file", DESCRIPTION, *place))
    if type_ == "extra_forbidden":
        return Flaw(pointer, f"{DESCRIPTION} has no such field.", "unknown_field")
    return Flaw(pointer, f"{DESCRIPTION}: {message}", "invalid_value")


def _described(sources: list[SourceDescribed], files: dict[str, bytes]) -> list[TemplateSource]:
    found: list[TemplateSource] = []
    for number, source in enumerate(sources):
        place = f"/file/{DESCRIPTION}/sources/{number}"
        if source.file not in files:
            raise Invalid.at(f"{place}/file", f"There is no file {source.file!r} in the archive.")
        engine = ENGINE_OF_SUFFIX.get(PurePosixPath(source.file.lower()).suffix)
        if engine is None:
            raise _no_source(PurePosixPath(source.file.lower()).suffix, f"{place}/file")
        formats = tuple(dict.fromkeys(source.formats or ENGINES[engine]))
        _check_formats(f"{place}/formats", engine, formats, found)
        found.append(TemplateSource(engine=engine, file=source.file, formats=formats))
    return found


def _check_formats(place: str, engine: str, formats: tuple[str, ...], known: list[TemplateSource]) -> None:
    for made in formats:
        if made not in ENGINES[engine]:
            detail = f"{engine} cannot make {made}; it can make: {', '.join(ENGINES[engine])}."
            raise Invalid.at(place, detail, "unsupported_format")
        if twice := next((source for source in known if made in source.formats), None):
            raise Invalid.at(place, f"{twice.file} makes {made} already: name the formats of each source.")


def _found(files: dict[str, bytes]) -> list[TemplateSource]:
    """Pick the sources at the top of an archive that does not describe them: one of each engine."""
    top = sorted(name for name in files if "/" not in name)
    found: list[TemplateSource] = []
    for suffix, engine in ENGINE_OF_SUFFIX.items():
        names = [name for name in top if name.lower().endswith(suffix)]
        if not names:
            continue
        if len(names) > 1 and MAIN not in names:
            detail = f"The archive has several sources ({', '.join(names[:3])}): say in {DESCRIPTION} which is which."
            raise Invalid.at("/file", detail + (f" Or call one {MAIN}." if engine == "typst" else ""))
        file = MAIN if MAIN in names else names[0]
        found.append(TemplateSource(engine=engine, file=file, formats=ENGINES[engine]))
    if not found:
        later = next((suffix for name in top if (suffix := PurePosixPath(name.lower()).suffix) in LATER), "")
        raise _no_source(later, what="The archive has no .typ or .docx at its top")
    return found


def _no_source(
    suffix: str, place: str = "/file", what: str = "A template is a .typ, a .docx, or a .zip of them"
) -> Invalid:
    if suffix in LATER:
        detail = f"{LATER[suffix]} templates ({suffix}) are not built yet; there are .typ and .docx."
        return Invalid.at(place, detail, "not_available")
    return Invalid.at(place, f"{what}.", "unsupported_file")
