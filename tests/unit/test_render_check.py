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


W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
PART = f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<w:document {W}><w:tbl>%s</w:tbl></w:document>'
ROW = "<w:tr><w:tc><w:p><w:r><w:t>%s</w:t></w:r></w:p></w:tc></w:tr>"


def a_table(*rows: str) -> bytes:
    part = (PART % "".join(rows)).encode("utf-8", "surrogateescape")
    return a_docx(lambda members: members.update({"word/document.xml": part}))


@pytest.mark.parametrize(
    "rows",
    [
        [ROW % "a & b", ROW % "c"],
        [ROW % "a &nbsp; b", ROW % "c"],
        [ROW % "&#0;", ROW % "c"],
        [ROW % "\x01", ROW % "c"],
        [ROW % "\udcff", ROW % "c"],
        [ROW % "\uffff", ROW % "c"],
        [ROW % "a]]>b", ROW % "c"],
        [ROW % "a", ROW % "<w:b>c"],
        [ROW % "a", (ROW % "c").replace("</w:p>", "")],
        [ROW % "a", (ROW % "c").removesuffix("</w:tr>")],
        [ROW % "a", ROW % "c", "</w:tr>"],
        [ROW % "a", '<w:tr w:a="' + ROW % "c" + '">'],
    ],
)
def test_texts_and_rows_are_judged_although_their_like_was_seen(rows: list[str]) -> None:
    check = OutputCheck()
    check("docx", a_table(ROW % "good", ROW % "better"))
    with pytest.raises(DocumentFailed, match="word/document.xml is not well-formed"):
        check("docx", a_table(*rows))


@pytest.mark.parametrize(
    "rows",
    [
        [ROW % "one"] * 3,
        [ROW % "a &amp; b", ROW % "&#x27;", ROW % "Ж"],
        [ROW % "a > b", "<!-- <w:tr> -->", ROW % "c"],
        ["<w:tr/>", ROW % "a", '<w:tr w:a="b"/>', ROW % "c"],
        [f"<w:tr><w:tc><w:tbl>{ROW % 'inner'}</w:tbl></w:tc></w:tr>"] * 2,
        [ROW % f"</w:t><w:t{number}/><w:t>" for number in range(60)],
    ],
)
def test_texts_and_rows_of_every_kind_pass_twice(rows: list[str]) -> None:
    check = OutputCheck()
    for _ in range(2):
        assert check("docx", a_table(*rows)) is None


def test_a_relationship_is_missed_although_the_words_are_the_same() -> None:
    check = OutputCheck()
    check("docx", a_table(ROW % "good"))
    with pytest.raises(DocumentFailed, match="the relationship rId999"):
        check("docx", a_table((ROW % "good").replace("<w:p>", '<w:p xmlns:r="urn:r" r:id="rId999">')))


def repacked(content: bytes, change: Callable[[bytearray, int], object]) -> bytes:
    """Change an archive, given where its directory begins."""
    made = bytearray(content)
    change(made, int.from_bytes(content[-6:-2], "little"))
    return bytes(made)


def test_bytes_between_the_members_are_refused() -> None:
    good = a_docx()
    directory = int.from_bytes(good[-6:-2], "little")
    end = good[-22:-6] + (directory + 4).to_bytes(4, "little") + good[-2:]
    assert "archive" in refused("docx", good[:directory] + b"more" + good[directory:-22] + end)


@pytest.mark.parametrize("at", [8, 10, 16, 20, 24, 46])
def test_a_directory_that_says_something_else_than_the_members_is_refused(at: int) -> None:
    def flip(content: bytearray, directory: int) -> None:
        content[directory + at] ^= 1

    check = OutputCheck()
    check("docx", a_docx())
    with pytest.raises(DocumentFailed, match="archive"):
        check("docx", repacked(a_docx(), flip))


def test_a_name_that_is_there_twice_is_refused() -> None:
    out = io.BytesIO(a_docx())
    with zipfile.ZipFile(out, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("word/styles.xml", "<a/>")
    assert "two files of the same name" in refused("docx", out.getvalue())


def test_previews_are_checked_too() -> None:
    assert "PNG" in refused("png", b"GIF89a")
    assert "SVG" in refused("svg", b"<svg>")
    assert OutputCheck()("svg", b"<svg/>") is None
