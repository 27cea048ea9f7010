"""What becomes a template of an uploaded file, and what is refused, with a pointer to what is wrong."""

import io
import json
import zipfile

import pytest

from app.services.template_uploads import read_upload, source_archive
from contracts.errors import Invalid
from contracts.templates import ArchiveLimits, TemplateBundle

LIMITS = ArchiveLimits(entries=20, total_bytes=1_000_000)
PICTURE = b"\x89PNG"


def packed(files: dict[str, bytes | str], description: object = None) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
        if description is not None:
            archive.writestr("template.json", json.dumps(description))
    return out.getvalue()


def sources(bundle: TemplateBundle) -> dict[str, tuple[str, ...]]:
    return {source.file: source.formats for source in bundle.manifest.sources}


def refused(filename: str, content: bytes) -> tuple[str, str, str]:
    with pytest.raises(Invalid) as caught:
        read_upload(filename, content, LIMITS)
    flaw = caught.value.flaws[0]
    return flaw.pointer, flaw.code, flaw.detail


@pytest.mark.parametrize(
    ("filename", "file", "formats"),
    [("a.typ", "main.typ", ("pdf", "png", "svg")), ("Brief 7.DOCX", "main.docx", ("docx",))],
)
def test_a_sole_source_makes_all_that_its_engine_can(filename: str, file: str, formats: tuple[str, ...]) -> None:
    upload = read_upload(filename, b"= Hello", LIMITS)
    assert sources(upload.bundle) == {file: formats} and upload.bundle.files == {file: b"= Hello"}


def test_equal_files_make_equal_bundles_however_they_were_zipped() -> None:
    one = read_upload("a.zip", packed({"a.typ": "= A", "logo.png": PICTURE}), LIMITS)
    other = read_upload("b.zip", packed({"logo.png": PICTURE, "a.typ": "= A", "__MACOSX/a.typ": "x"}), LIMITS)
    assert one.bundle.sha256 == other.bundle.sha256


def test_without_a_description_the_sources_are_the_sole_ones_at_the_top() -> None:
    files = {"letter.typ": "= A", "letter.docx": b"PK", "parts/head.typ": "x", "fonts/a.ttf": b"f"}
    bundle = read_upload("a.zip", packed(files), LIMITS).bundle
    assert sources(bundle) == {"letter.typ": ("pdf", "png", "svg"), "letter.docx": ("docx",)}
    assert set(bundle.files) == set(files)


def test_main_typ_wins_and_the_others_are_included_files() -> None:
    assert list(sources(read_upload("a.zip", packed({"a.typ": "", "main.typ": "= A"}), LIMITS).bundle)) == ["main.typ"]


def test_a_description_says_what_each_source_is_for() -> None:
    described = {
        "title": "Invoice",
        "description": "On A4.",
        "pdf_standards": ["a-2b"],
        "tagged": True,
        "sources": [{"file": "a.typ", "formats": ["pdf"]}, {"file": "thumb.typ", "formats": ["png"]}],
    }
    upload = read_upload("a.zip", packed({"a.typ": "= A", "thumb.typ": "= T"}, described), LIMITS)
    assert (upload.title, upload.description) == ("Invoice", "On A4.")
    assert sources(upload.bundle) == {"a.typ": ("pdf",), "thumb.typ": ("png",)}
    assert upload.bundle.manifest.pdf_standards == ("a-2b",) and upload.bundle.manifest.tagged
    assert "template.json" not in upload.bundle.files


def test_a_description_may_begin_with_a_byte_order_mark() -> None:
    content = packed({"a.typ": "= A", "template.json": b'\xef\xbb\xbf{"title": "Note"}'})
    assert read_upload("a.zip", content, LIMITS).title == "Note"


def test_what_is_downloaded_can_be_uploaded_again() -> None:
    described = {"title": "T", "pdf_standards": ["ua-1"], "sources": [{"file": "a.typ", "formats": ["pdf"]}]}
    upload = read_upload("a.zip", packed({"a.typ": "= A", "logo.png": PICTURE}, described), LIMITS)
    again = read_upload("a.zip", source_archive(upload.bundle, upload.title, upload.description), LIMITS)
    assert (again.bundle.sha256, again.title) == (upload.bundle.sha256, "T")


@pytest.mark.parametrize(
    ("filename", "content", "code", "word"),
    [
        ("a.html", b"<p>", "not_available", "HTML"),
        ("a.md", b"# A", "not_available", "Markdown"),
        ("a.xlsx", b"PK", "not_available", "XLSX"),
        ("a.exe", b"MZ", "unsupported_file", ".typ"),
        ("a", b"x", "unsupported_file", ".typ"),
        ("a.typ", b"", "invalid_value", "empty"),
        ("a.zip", b"no zip", "bad_archive", "not a zip"),
        ("a.zip", packed({"readme.txt": "x"}), "unsupported_file", "no .typ or .docx"),
        ("a.zip", packed({"index.html": "x"}), "not_available", "HTML"),
        ("a.zip", packed({"a.typ": "", "b.typ": "x"}), "invalid_value", "several"),
        ("a.zip", packed({"a.docx": "", "b.docx": "x"}), "invalid_value", "several"),
        ("a.zip", packed({"a.typ": "x", "../b.typ": "x"}), "bad_archive", "unsafe"),
        ("a.zip", packed({"a.typ": "x", "./b.typ": "x"}), "bad_archive", "unusable"),
        ("a.zip", packed({"a.typ": "x", "b": "x", "b/c": "x"}), "bad_archive", "unusable"),
        ("a.zip", packed({"a.typ": "x", "manifest.json": "{}"}), "bad_archive", "reserved"),
        ("a.zip", packed({"a.typ": "0" * 2_000_000}), "bad_archive", "bomb"),
        ("a.zip", packed({f"{n}.txt": "x" for n in range(21)}), "bad_archive", "21 files"),
    ],
)
def test_what_is_no_template_is_refused(filename: str, content: bytes, code: str, word: str) -> None:
    pointer, found, detail = refused(filename, content)
    assert (pointer, found) == ("/file", code) and word in detail


@pytest.mark.parametrize(
    ("description", "pointer", "code"),
    [
        ({"titel": "A"}, "/titel", "unknown_field"),
        ({"sources": [{"file": "b.typ"}]}, "/sources/0/file", "invalid_value"),
        ({"sources": [{"file": "logo.png"}]}, "/sources/0/file", "unsupported_file"),
        ({"sources": [{"file": "a.typ", "formats": ["docx"]}]}, "/sources/0/formats", "unsupported_format"),
        ({"sources": [{"file": "a.typ"}, {"file": "a.typ"}]}, "/sources/1/formats", "invalid_value"),
        ({"sources": [{"file": "a.typ", "page": 1}]}, "/sources/0/page", "unknown_field"),
        ({"sources": []}, "/sources", "invalid_value"),
        ({"pdf_standards": ["a-9"]}, "/pdf_standards/0", "invalid_value"),
        ({"tagged": "yes"}, "/tagged", "invalid_value"),
        ([], "", "invalid_value"),
    ],
)
def test_a_wrong_description_is_pointed_at(description: object, pointer: str, code: str) -> None:
    content = packed({"a.typ": "= A", "logo.png": PICTURE}, description)
    assert refused("a.zip", content)[:2] == (f"/file/template.json{pointer}", code)
