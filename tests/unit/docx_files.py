"""Word templates made as a test needs them, rendered, and what the result holds."""

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import docx
import pytest
from docx.document import Document

from contracts.errors import DocumentError, DocumentFailed
from contracts.templates import TemplateBundle
from generator.core import Engines, Rendered, RenderRequest, generate


def template(build: Callable[[Document], object]) -> bytes:
    """Save what `build` makes of an empty document."""
    document = docx.Document()
    build(document)
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def paragraphs(*texts: str) -> bytes:
    """Make a template of these paragraphs."""
    return template(lambda document: [document.add_paragraph(text) for text in texts])


def rows(*cells: tuple[str, ...]) -> bytes:
    def build(document: Document) -> None:
        table = document.add_table(rows=0, cols=max(map(len, cells)))
        for texts in cells:
            for cell, text in zip(table.add_row().cells, texts, strict=False):
                cell.text = text

    return template(build)


def render(engines: Engines, source: bytes, data: object = None, **options: Any) -> Rendered:
    bundle = TemplateBundle.of_file("docx", source)
    raw = data if isinstance(data, bytes) else json.dumps(data or {}).encode()
    return generate(RenderRequest(bundle, raw, "docx", **options), engines)


def error(engines: Engines, source: bytes, data: object = None, **options: Any) -> DocumentError:
    with pytest.raises(DocumentFailed) as failure:
        render(engines, source, data, **options)
    return failure.value.error


def part(content: bytes, name: str = "word/document.xml") -> str:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.read(name).decode()


def texts(content: bytes) -> list[str]:
    body = docx.Document(io.BytesIO(content)).element.body
    return ["".join(text.text or "" for text in one.iter("{*}t")) for one in body.iter("{*}p")]
