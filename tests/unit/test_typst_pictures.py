"""Pictures that come with the data of a Typst template, and what is refused before it is decoded."""

import base64
import hashlib
import json
import struct
import zlib
from pathlib import Path

import pytest

from contracts.errors import DocumentError, DocumentFailed
from contracts.templates import TemplateBundle
from generator.core import Engines, Rendered, RenderRequest, generate
from generator.renderers.image_headers import picture_of
from generator.renderers.registry import FONTS
from generator.renderers.typst import TypstRenderer

SHOW = '#let d = json("data.json")\n#image(d.logo)'


def png(width: int, height: int = 1) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    rows = zlib.compress(b"".join(b"\0" + b"\x80" * width for _ in range(height)))
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def claiming(width: int, height: int) -> bytes:
    """Make a PNG whose header claims a size that its few bytes do not have."""
    return png(1)[:16] + struct.pack(">II", width, height) + png(1)[24:]


def asset(content: bytes, **more: str) -> tuple[dict[str, str], dict[str, bytes]]:
    digest = hashlib.sha256(content).hexdigest()
    return {"$asset": f"sha256:{digest}", **more}, {digest: content}


def inline(content: bytes, kind: str = "png") -> dict[str, str]:
    return {"$image": f"data:image/{kind};base64,{base64.b64encode(content).decode()}"}


def render(engines: Engines, source: str, data: object, assets: dict[str, bytes] | None = None) -> Rendered:
    bundle = TemplateBundle.of_file("typst", source.encode())
    return generate(RenderRequest(bundle, json.dumps(data).encode(), "pdf", assets=assets or {}), engines)


def error(engines: Engines, data: object, source: str = SHOW) -> DocumentError:
    with pytest.raises(DocumentFailed) as failure:
        render(engines, source, data)
    return failure.value.error


def test_an_asset_is_the_path_of_its_file(engines: Engines) -> None:
    logo, assets = asset(png(3))
    source = (
        f'{SHOW}\n#assert.eq(d.logo, "/presswork/asset-1.png")\n#context assert.eq(measure(image(d.logo)).width, 3pt)'
    )
    assert render(engines, source, {"logo": logo}, assets).pages == 1


def test_a_data_uri_is_too_and_equal_pictures_are_one_file(engines: Engines) -> None:
    data = {"rows": [{"p": inline(png(2))}, {"p": inline(png(2))}, {"p": inline(b"<svg/>", "svg+xml")}]}
    paths = '("/presswork/asset-1.png", "/presswork/asset-1.png", "/presswork/asset-2.svg")'
    assert render(engines, f'#assert.eq(json("data.json").rows.map(r => r.p), {paths})', data).pages == 1


def test_pictures_of_documents_are_never_mixed_up(engines: Engines) -> None:
    """All have the same names on disk."""
    for width in [5, 9, 5, 7]:
        source = f"{SHOW}\n#context assert.eq(measure(image(d.logo)).width, {width}pt)"
        assert render(engines, source, {"logo": inline(png(width))}).pages == 1


def test_pictures_leave_the_disk_with_their_document(tmp_path: Path) -> None:
    renderer = TypstRenderer(FONTS, tmp_path)
    bundle = TemplateBundle.of_file("typst", SHOW.encode())
    data = json.dumps({"logo": inline(png(4))}).encode()
    renderer.render(bundle.manifest.sources[0], RenderRequest(bundle, data, "svg"))
    broken = TemplateBundle.of_file("typst", f"{SHOW}\n#panic()".encode())
    with pytest.raises(DocumentFailed):
        renderer.render(broken.manifest.sources[0], RenderRequest(broken, data, "svg"))
    assert list(tmp_path.rglob("asset-*")) == []


def test_the_library_shows_them_with_what_the_data_say(engines: Engines) -> None:
    logo, assets = asset(png(4), alt="Our logo", width="20mm")
    source = (
        '#import "/presswork.typ": *\n#let p = picture(json("data.json").logo)\n'
        '#assert.eq(p.alt, "Our logo")\n#assert.eq(p.width, 20mm + 0%)\n#p'
    )
    assert render(engines, source, {"logo": logo}, assets).pages == 1


@pytest.mark.parametrize(
    ("picture", "words"),
    [
        ({"$asset": "sha256:00"}, "names sha256:00, which is not stored"),
        ({"$image": "https://example.com/a.png"}, "is no data URI"),
        ({"$image": "data:image/png;base64,A"}, "has damaged base64"),
        (inline(b"no picture"), "is no picture that can be read"),
        (inline(claiming(100_000, 100_000)), "has 100000 x 100000 pixels"),
    ],
)
def test_what_is_no_picture_is_refused_at_its_place(engines: Engines, picture: object, words: str) -> None:
    found = error(engines, {"rows": [{}, {"logo": picture}]})
    assert (found.code, found.data_path) == ("data_invalid", "rows[1].logo")
    assert words in found.message and found.hint


def test_a_huge_picture_in_a_template_is_refused(engines: Engines) -> None:
    bundle = TemplateBundle.of_file("typst", b'#image("a.png")')
    huge = TemplateBundle(bundle.manifest, {**bundle.files, "a.png": claiming(50_000, 50_000)})
    with pytest.raises(DocumentFailed, match="a.png has 50000 x 50000 pixels") as failure:
        generate(RenderRequest(huge, b"{}", "pdf"), engines)
    assert failure.value.error.part == "a.png"


JPEG = b"\xff\xd8\xff\xe0\x00\x04AB\xff\xff\xc0\x00\x11\x08\x00\x10\x00\x20\x03" + bytes(9)


@pytest.mark.parametrize(
    ("content", "kind", "size"),
    [
        (png(7, 5), "png", (7, 5)),
        (b"GIF89a\x07\x00\x05\x00", "gif", (7, 5)),
        (JPEG, "jpg", (32, 16)),
        (b"RIFF....WEBPVP8X" + bytes(8) + b"\x06\x00\x00\x04\x00\x00", "webp", (7, 5)),
        (b"RIFF....WEBPVP8L" + bytes(5) + struct.pack("<I", 6 | 4 << 14), "webp", (7, 5)),
        (b"RIFF....WEBPVP8 " + bytes(10) + b"\x07\x00\x05\x00", "webp", (7, 5)),
        (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "svg", (0, 0)),
    ],
)
def test_headers_are_read_without_decoding(content: bytes, kind: str, size: tuple[int, int]) -> None:
    picture = picture_of(content)
    assert picture and (picture.kind, (picture.width, picture.height)) == (kind, size)


@pytest.mark.parametrize("content", [b"", b"%PDF-1.7", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", JPEG[:12], b"<html>"])
def test_what_is_cut_off_or_strange_is_no_picture(content: bytes) -> None:
    assert picture_of(content) is None
