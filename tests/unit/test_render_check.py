"""Nothing that does not open leaves as completed."""

import io
import zipfile
from collections.abc import Callable

import docx
import pikepdf
import pytest

from contracts.errors import DocumentFailed
from generator.renderers.check import OutputCheck


def a_pdf(pages: int = 2) -> bytes:
    out = io.BytesIO()
    with pikepdf.new() as pdf:
        for _ in range(pages):
            pdf.add_blank_page()
        pdf.save(out)
    return out.getvalue()


def a_docx(change: Callable[[dict[str, bytes]], object] | None = None) -> bytes:
    raw = io.BytesIO()
    docx.Document().save(raw)
    with zipfile.ZipFile(raw) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    if change:
        change(members)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in members.items():
            made.writestr(name, content)
    return out.getvalue()


def refused(output_format: str, content: bytes) -> str:
    with pytest.raises(DocumentFailed) as failure:
        OutputCheck()(output_format, content)
    assert failure.value.error.code == "invalid_output"
    return failure.value.error.message


def test_pages_of_a_pdf_are_counted() -> None:
    assert OutputCheck()("pdf", a_pdf(3)) == 3


RELATED = b'<a xmlns:r="urn:r"><b r:id="%s"/></a>'


@pytest.mark.parametrize("content", [b"", b"%PDF-1.7\n", a_pdf()[:-200], b"PK\x03\x04", a_pdf(0)])
def test_a_pdf_that_does_not_open_is_refused(content: bytes) -> None:
    assert "PDF" in refused("pdf", content)


def test_an_intact_docx_passes_twice() -> None:
    check = OutputCheck()
    assert check("docx", a_docx()) is None
    assert check("docx", a_docx()) is None


@pytest.mark.parametrize("content", [b"", b"PK", a_docx()[:-30], a_docx()[:2000]])
def test_a_torn_docx_is_refused(content: bytes) -> None:
    assert "archive" in refused("docx", content)


def test_a_flipped_bit_is_found() -> None:
    content = bytearray(a_docx())
    content[len(content) // 2] ^= 0x10
    with pytest.raises(DocumentFailed):
        OutputCheck()("docx", bytes(content))


def test_a_damaged_member_is_found_although_its_like_was_seen() -> None:
    check = OutputCheck()
    check("docx", a_docx())
    broken = a_docx(lambda members: members.update({"word/styles.xml": b"<w:styles>"}))
    with pytest.raises(DocumentFailed, match="word/styles.xml is not well-formed"):
        check("docx", broken)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda members: members.update({"word/document.xml": b"<a><b></a>"}), "not well-formed"),
        (lambda members: members.update({"word/document.xml": b"<!DOCTYPE a><a/>"}), "DTD"),
        (lambda members: members.pop("word/settings.xml"), "word/settings.xml"),
        (lambda members: members.pop("[Content_Types].xml"), "[Content_Types].xml"),
        (lambda members: members.pop("_rels/.rels"), "_rels/.rels"),
        (lambda members: members.update({"word/odd.thing": b""}), "no content type"),
        (lambda members: members.update({"word/document.xml": RELATED % b"rId999"}), "the relationship rId999"),
    ],
)
def test_a_package_with_a_gap_is_refused(change: Callable[[dict[str, bytes]], object], message: str) -> None:
    assert message in refused("docx", a_docx(change))


def test_words_in_a_text_are_no_relationships() -> None:
    text = b'<a><t>x> r:id="rId999"</t></a>'
    assert OutputCheck()("docx", a_docx(lambda members: members.update({"word/document.xml": text}))) is None


def test_previews_are_checked_too() -> None:
    assert "PNG" in refused("png", b"GIF89a")
    assert "SVG" in refused("svg", b"<svg>")
    assert OutputCheck()("svg", b"<svg/>") is None
