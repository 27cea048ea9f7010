"""Pictures and QR codes in Word templates: bytes of the data in the line of text, sized, related, once each."""

import hashlib
import io
import re
import struct
import zlib

import docx
import pytest
import zxingcpp
from docx.document import Document
from docx.shared import Mm
from PIL import Image

from generator.core import Engines
from tests.unit.docx_files import error, paragraphs, part, render, template
from tests.unit.pictures import data_uri, extents, media, picture

LOGO = picture()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF"])
def test_a_picture_of_the_data_is_shown(engines: Engines, kind: str) -> None:
    logo = picture(kind)
    content = render(engines, paragraphs("a {{ x }} b"), {"x": {"$image": data_uri(logo), "alt": "Logo & Co"}}).content
    made = docx.Document(io.BytesIO(content))
    assert len(made.inline_shapes) == 1
    assert made.part.related_parts["rIdPw1"].blob == logo
    assert made.paragraphs[0].text == "a  b"
    assert 'descr="Logo &amp; Co"' in part(content)


def test_a_picture_may_be_an_asset(engines: Engines) -> None:
    digest = hashlib.sha256(LOGO).hexdigest()
    for shape in ({"$asset": f"sha256:{digest}"}, {"$image": {"$asset": f"sha256:{digest}"}}):
        content = render(engines, paragraphs("{{ x }}"), {"x": shape}, assets={digest: LOGO}).content
        assert len(media(content)) == 1


@pytest.mark.parametrize(
    ("tag", "given", "size"),
    [
        ("{{ x }}", {}, (25.4, 12.7)),
        ("{{ x }}", {"width": "40mm"}, (40, 20)),
        ("{{ x }}", {"height": "1in"}, (50.8, 25.4)),
        ("{{ x }}", {"width": "2cm", "height": "2cm"}, (20, 20)),
        ("{{ x }}", {"width": 30}, (30, 15)),
        ("{{ x|image(width='10mm') }}", {"width": "40mm", "height": "40mm"}, (10, 5)),
        ("{{ x|image(height='72pt') }}", {}, (50.8, 25.4)),
    ],
)
def test_sizes_are_those_of_the_data_or_the_template(
    engines: Engines, tag: str, given: dict[str, object], size: tuple[float, float]
) -> None:
    xml = part(render(engines, paragraphs(tag), {"x": {"$image": data_uri(LOGO), **given}}).content)
    assert extents(xml) == [size]
    assert re.findall(r'<a:ext cx="(\d+)"', xml) == re.findall(r'<wp:extent cx="(\d+)"', xml)


@pytest.mark.parametrize(
    ("kind", "options", "width"),
    [("PNG", {"dpi": (300, 300)}, 25.4), ("JPEG", {"dpi": (150, 150)}, 50.8), ("GIF", {}, 79.4)],
)
def test_without_a_size_the_resolution_counts(
    engines: Engines, kind: str, options: dict[str, object], width: float
) -> None:
    logo = picture(kind, (300, 30), **options)
    xml = part(render(engines, paragraphs("{{ x }}"), {"x": {"$image": data_uri(logo)}}).content)
    assert extents(xml)[0][0] == pytest.approx(width, abs=0.1)


def test_a_large_picture_fits_between_the_margins(engines: Engines) -> None:
    xml = part(render(engines, paragraphs("{{ x }}"), {"x": {"$image": data_uri(picture(size=(3000, 300)))}}).content)
    assert extents(xml) == [(152.4, 15.2)]


def test_the_same_picture_is_in_the_file_once_and_every_drawing_has_its_own_id(engines: Engines) -> None:
    def build(document: Document) -> None:
        document.add_picture(io.BytesIO(picture(colour="red")))
        document.add_paragraph("{% for i in [1, 2, 3] %}{{ x }}{% endfor %}")
        document.sections[0].header.paragraphs[0].text = "{{ x }}"

    content = render(engines, template(build), {"x": {"$image": data_uri(LOGO)}}).content
    assert len(media(content)) == 2
    ids = re.findall(r'<wp:docPr id="(\d+)"', part(content) + part(content, "word/header1.xml"))
    assert len(ids) == len(set(ids)) == 5
    assert "media/pw-" in part(content, "word/_rels/header1.xml.rels")


def test_a_picture_may_be_a_link(engines: Engines) -> None:
    shape = {"$image": data_uri(LOGO), "href": "https://example.org/"}
    content = render(
        engines, paragraphs("{{ x }}{{ y|image|link('https://example.com') }}"), {"x": shape, "y": data_uri(LOGO)}
    )
    assert part(content.content).count("hlinkClick r:id=") == 4
    assert "https://example.com" in part(content.content, "word/_rels/document.xml.rels")


def _png_of(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + header + struct.pack(">I", zlib.crc32(header))


@pytest.mark.parametrize(
    ("shape", "says"),
    [
        ({"$image": data_uri(b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml")}, "SVG"),
        ({"$image": data_uri(b"BM123456")}, "this format"),
        ({"$image": data_uri(_png_of(100_000, 100_000))}, "pixels"),
        ({"$image": data_uri(_png_of(0, 10))}, "pixels"),
        ({"$image": data_uri(LOGO[:18])}, "damaged"),
        ({"$image": data_uri(b"\xff\xd8\xff\xe0\x00")}, "damaged"),
        ({"$image": "data:image/png;base64,@@@"}, "base64"),
        ({"$image": "https://example.org/logo.png"}, "neither an asset nor"),
        ({"$image": "file:///etc/passwd"}, "neither an asset nor"),
        ({"$image": 7}, "neither an asset nor"),
        ({"$asset": "sha256:" + "0" * 64}, "no asset"),
        ({"$image": data_uri(LOGO), "width": "wide"}, "no length"),
        ({"$image": data_uri(LOGO), "width": "3km"}, "no length"),
        ({"$image": data_uri(LOGO), "width": "-4mm"}, "no length"),
        ({"$image": data_uri(LOGO), "href": "javascript:x"}, "linked"),
    ],
)
def test_what_is_no_picture_is_refused_with_its_path(engines: Engines, shape: dict[str, object], says: str) -> None:
    found = error(engines, paragraphs("{{ items[0].logo }}"), {"items": [{"logo": shape}]})
    assert (found.code, found.data_path) == ("data_invalid", "items[0].logo")
    assert says in found.message


def test_a_picture_that_is_not_printed_is_not_judged(engines: Engines) -> None:
    assert media(render(engines, paragraphs("{% if x %}yes{% endif %}"), {"x": {"$image": "nothing"}}).content) == []


def test_a_missing_picture_prints_nothing(engines: Engines) -> None:
    assert (
        media(render(engines, paragraphs("{{ x|image(width='4mm') }}{{ y|qr }}"), {"x": None, "y": ""}).content) == []
    )


@pytest.mark.parametrize("text", ["https://example.org/pay?n=7", "ST00012|Name=ООО Ёж|Sum=100"])
def test_a_qr_code_reads_back(engines: Engines, text: str) -> None:
    content = render(engines, paragraphs("{{ x|qr(size='30mm') }}"), {"x": text}).content
    assert extents(part(content)) == [(30, 30)]
    made = docx.Document(io.BytesIO(content)).part.related_parts["rIdPw1"].blob
    [read] = zxingcpp.read_barcodes(Image.open(io.BytesIO(made)).convert("L"))
    assert read.text == text


def test_a_text_too_long_for_a_qr_code_is_refused_at_its_tag(engines: Engines) -> None:
    found = error(engines, paragraphs("a", "{{ x|qr }}"), {"x": "x" * 5000})
    assert (found.code, found.line, found.tag) == ("data_invalid", 2, "{{ x|qr }}")


def replaceable(document: Document) -> None:
    document.add_picture(io.BytesIO(picture(colour="red")), width=Mm(33))
    [properties] = document.element.body.iter("{*}docPr")
    properties.set("descr", "{{ logo }}")
    properties.set("name", "python.png")


def test_a_picture_whose_description_names_one_of_the_data_is_replaced_in_its_frame(engines: Engines) -> None:
    data = {"logo": {"$image": data_uri(LOGO), "alt": "New"}}
    content = render(engines, template(replaceable), data).content
    assert extents(part(content))[0][0] == 33
    assert 'descr="New"' in part(content)
    assert docx.Document(io.BytesIO(content)).part.related_parts["rIdPw1"].blob == LOGO
    assert re.findall(r'r:embed="(\w+)"', part(content)) == ["rIdPw1"]


def test_pictures_are_replaced_by_name_in_parts_without_tags_too(engines: Engines) -> None:
    def build(document: Document) -> None:
        run = document.sections[0].header.paragraphs[0].add_run()
        run.add_picture(io.BytesIO(picture(colour="red")))
        [properties] = document.sections[0].header.paragraphs[0]._p.iter("{*}docPr")
        properties.set("name", "python.png")

    data = {"$pictures": {"python.png": {"$image": data_uri(LOGO)}}}
    content = render(engines, template(build), data).content
    assert re.findall(r'r:embed="(\w+)"', part(content, "word/header1.xml")) == ["rIdPw1"]


def test_control_characters_in_a_description_are_dropped(engines: Engines) -> None:
    content = render(engines, paragraphs("{{ x }}"), {"x": {"$image": data_uri(LOGO), "alt": "a\f\a\ufffeb"}}).content
    assert 'descr="ab"' in part(content)
