"""Bundles are deterministic, and archives are judged before anything is inflated."""

import io
import stat
import warnings
import zipfile

import pytest

from contracts.templates import ArchiveLimits, BadArchive, TemplateBundle, TemplateManifest, TemplateSource


def bundle(**files: bytes) -> TemplateBundle:
    source = TemplateSource(engine="typst", file="main.typ", formats=("pdf",))
    return TemplateBundle(TemplateManifest(sources=(source,)), {"main.typ": b"Hello", **files})


def archive(*members: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns about the duplicate names that we make on purpose
        with zipfile.ZipFile(out, "w", method) as made:
            for name, content in members:
                made.writestr(name, content)
    return out.getvalue()


def test_a_bundle_survives_packing() -> None:
    made = bundle(extra=b"\x00\xff")
    read = TemplateBundle.unpack(made.pack())
    assert (read.manifest, dict(read.files), read.sha256) == (made.manifest, dict(made.files), made.sha256)


def test_the_order_of_files_does_not_change_the_digest() -> None:
    manifest = bundle().manifest
    first = TemplateBundle(manifest, {"main.typ": b"a", "b.typ": b"b"})
    second = TemplateBundle(manifest, {"b.typ": b"b", "main.typ": b"a"})
    assert first.pack() == second.pack()
    assert first.sha256 != bundle().sha256


def test_an_unpacked_bundle_keeps_the_digest_it_was_pinned_by() -> None:
    assert TemplateBundle.unpack(bundle().pack()).pack() == bundle().pack()


@pytest.mark.parametrize("name", ["../up.typ", "/etc/passwd", "a/../../b", "a\\b", "C:x", "a\nb"])
def test_a_name_that_leaves_the_archive_is_refused(name: str) -> None:
    with pytest.raises(BadArchive, match="unsafe name"):
        TemplateBundle.unpack(archive((name, b"x")))


def test_a_name_given_twice_is_refused() -> None:
    with pytest.raises(BadArchive, match="twice"):
        TemplateBundle.unpack(archive(("a", b"1"), ("a", b"2")))


def test_a_symbolic_link_is_refused() -> None:
    link = zipfile.ZipInfo("link")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with pytest.raises(BadArchive, match="symbolic link"):
        TemplateBundle.unpack(archive((link, b"/etc/passwd")))


def test_a_bomb_is_refused_by_its_ratio() -> None:
    with pytest.raises(BadArchive, match="bomb"):
        TemplateBundle.unpack(archive(("zeros", bytes(10_000_000))))


def test_a_picture_of_plain_pixels_that_is_nearly_white_is_no_bomb() -> None:
    pictures = [("word/media/image1.emf", bytes(11_000_000)), ("logo.BMP", bytes(3_000_000))]
    manifest = ("manifest.json", TemplateBundle.of_file("typst", b"").manifest.model_dump_json().encode())
    bundle = TemplateBundle.unpack(archive(manifest, *pictures))
    assert {name: len(content) for name, content in bundle.files.items()} == {
        "word/media/image1.emf": 11_000_000,
        "logo.BMP": 3_000_000,
    }
    with pytest.raises(BadArchive, match="bomb"):
        TemplateBundle.unpack(archive(("image1.emf", bytes(40_000_000))))


def test_too_many_files_and_too_many_bytes_are_refused() -> None:
    many = archive(*((str(number), b"") for number in range(4)))
    with pytest.raises(BadArchive, match="4 files; 3"):
        TemplateBundle.unpack(many, ArchiveLimits(entries=3))
    with pytest.raises(BadArchive, match="inflates to 20"):
        TemplateBundle.unpack(archive(("a", bytes(10)), ("b", bytes(10))), ArchiveLimits(total_bytes=19))


def test_a_member_that_lies_about_its_size_is_refused() -> None:
    honest = archive(("manifest.json", b"x" * 1000))
    directory = honest.rindex(b"PK\x01\x02")
    lying = honest[: directory + 24] + (10).to_bytes(4, "little") + honest[directory + 28 :]
    with pytest.raises(BadArchive):
        TemplateBundle.unpack(lying)


@pytest.mark.parametrize("content", [b"", b"PK", b"not a zip", archive(("a", b"b"))])
def test_what_is_no_bundle_is_refused(content: bytes) -> None:
    with pytest.raises(BadArchive):
        TemplateBundle.unpack(content)
