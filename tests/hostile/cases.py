"""What a hostile case is: a template and its data, and how Presswork may answer it.

Sources name the file that nobody may read as `@CANARY@`: the stage puts its path there.
"""

import io
import json
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from contracts.templates import ENGINES, TemplateBundle, TemplateManifest, TemplateSource
from generator.core import RenderRequest

#: Allowed outcomes beside the codes of errors: a document that opens, and an upload that is refused.
GOOD, REFUSED = "completed", "upload_refused"
#: Of a case that asks too much: which limit stops it first depends on the machine.
TOO_MUCH = ("render_timeout", "memory_limit", "output_too_large", "template_error")
CANARY = "@CANARY@"

Builder = Callable[[str], RenderRequest]


@dataclass(frozen=True)
class Case:
    """One input. `build` gets the canary's path; with `upload` the case comes through the upload's door first."""

    name: str
    allowed: frozenset[str]
    build: Builder
    upload: Callable[[str], bytes] | None = None


def typst(
    name: str,
    source: str,
    *allowed: str,
    files: Mapping[str, bytes] | None = None,
    data: object = None,
    assets: Mapping[str, bytes] | None = None,
    made: str = "pdf",
) -> Case:
    """Make a case of a Typst source and its files."""

    def build(canary: str) -> RenderRequest:
        text = source.replace(CANARY, canary).encode()
        told = {name: content.replace(CANARY.encode(), canary.encode()) for name, content in (files or {}).items()}
        manifest = TemplateManifest(
            sources=(TemplateSource(engine="typst", file="main.typ", formats=ENGINES["typst"]),)
        )
        bundle = TemplateBundle(manifest, {"main.typ": text, **told})
        return RenderRequest(bundle, as_json(data), made, assets=assets or {})

    return Case(f"typst-{name}", frozenset(allowed), build)


def docx(name: str, content: Callable[[str], bytes], *allowed: str, data: object = None) -> Case:
    """Make a case of a Word file, which is built with the canary's path."""

    def build(canary: str) -> RenderRequest:
        return RenderRequest(TemplateBundle.of_file("docx", content(canary)), as_json(data), "docx")

    return Case(f"docx-{name}", frozenset(allowed), build)


def upload(name: str, content: Callable[[str], bytes], *allowed: str) -> Case:
    """Make a case of a zip that is uploaded as a template; what is accepted is rendered."""

    def build(canary: str) -> RenderRequest:
        raise AssertionError("an upload is built by its door")

    return Case(f"upload-{name}", frozenset(allowed), build, content)


def as_json(data: object) -> bytes:
    """Write data as it comes from the API; bytes are JSON already."""
    return data if isinstance(data, bytes) else json.dumps({} if data is None else data).encode()


WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
TYPES = (
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="xml" ContentType="application/xml"/><Default Extension="png" ContentType="image/png"/>'
    '<Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.'
    'wordprocessingml.document.main+xml"/></Types>'
)
DECLARED = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'


def relations(*links: str) -> str:
    """Write a relationships part of these `<Relationship>` elements."""
    return f'{DECLARED}<Relationships xmlns="{RELATIONS}">{"".join(links)}</Relationships>'


def relation(name: str, kind: str, target: str, more: str = "") -> str:
    """Write one relationship; `kind` is the end of its type."""
    return f'<Relationship Id="{name}" Type="{OFFICE}/{kind}" Target="{target}"{more}/>'


def body(inner: str, prefix: str = "") -> str:
    """Write the main part around the content of w:body; `prefix` stands before its first element."""
    namespaces = f'xmlns:w="{WORD}" xmlns:r="{OFFICE}"'
    return f"{DECLARED}{prefix}<w:document {namespaces}><w:body>{inner}</w:body></w:document>"


def paragraph(text: str) -> str:
    """Write a paragraph of one run; the text is XML already."""
    return f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>"


def members(document: str | bytes) -> dict[str, str | bytes]:
    """Name the members of a small Word file."""
    main = relation("rId1", "officeDocument", "word/document.xml")
    return {"[Content_Types].xml": TYPES, "_rels/.rels": relations(main), "word/document.xml": document}


def zipped(files: Mapping[str, str | bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Write a zip of these files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def word(text: str, more: Mapping[str, str | bytes] | None = None) -> bytes:
    """Write a Word file with one paragraph of this text, which is XML already."""
    return zipped(members(body(paragraph(text))) | dict(more or {}))
