"""Pictures in the line of text: from an asset or a data URI, sized by the data, the template or their own resolution.

Only headers are read, never pixels: what opens a picture is the reader's program. Its size is limited all the same.
"""

import base64
import hashlib
import posixpath
import re
import struct

from lxml import etree

from contracts.assets import NAME
from generator.renderers.docx.additions import OFFICE
from generator.renderers.docx.inserts import Insert
from generator.renderers.docx.links import safe_address
from generator.renderers.docx.place import Place
from generator.renderers.docx.xml import PIC, WP, A, Element, R, cleaned, make, parse, r
from generator.renderers.image_headers import MAX_PIXELS, Picture
from generator.renderers.image_headers import picture_of as header_of

#: English Metric Units, as DrawingML counts.
EMU_PER_MM, EMU_PER_INCH, EMU_PER_TWIP = 36_000, 914_400, 635
#: Pictures that do not say their resolution are taken at that of a screen, as Word does.
_DPI = 96.0
_MM = {"mm": 1.0, "cm": 10.0, "in": 25.4, "pt": 25.4 / 72, "px": 25.4 / 96, "": 1.0}
_LENGTH = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(mm|cm|in|pt|px|)\s*")
#: Word has no larger pages: 22 inches.
_MOST_MM = 558.8
_DATA_URI = re.compile(r"data:[\w.+/-]*(?:;[\w=.+-]+)*;base64,", re.IGNORECASE)
#: What Word shows, by the usual end of the files' names.
_TYPES = {"png": "image/png", "jpg": "image/jpeg", "gif": "image/gif"}
#: Resolutions stand near the beginning.
_HEADER = 4096

_DRAWING = (
    f'<w:drawing xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" xmlns:wp="{WP}" xmlns:a="{A}"'
    f' xmlns:pic="{PIC}" xmlns:r="{R}"><wp:inline distT="0" distB="0" distL="0" distR="0"><wp:extent/>'
    '<wp:docPr/><wp:cNvGraphicFramePr><a:graphicFrameLocks noChangeAspect="1"/></wp:cNvGraphicFramePr><a:graphic>'
    f'<a:graphicData uri="{PIC}"><pic:pic><pic:nvPicPr><pic:cNvPr/><pic:cNvPicPr/></pic:nvPicPr>'
    '<pic:blipFill><a:blip/><a:stretch><a:fillRect/></a:stretch></pic:blipFill><pic:spPr><a:xfrm><a:off x="0" y="0"/>'
    '<a:ext/></a:xfrm><a:prstGeom prst="rect"><a:avLst/></a:prstGeom></pic:spPr></pic:pic></a:graphicData></a:graphic>'
    "</wp:inline></w:drawing>"
)


def run_with_picture(place: Place, insert: Insert) -> Element:
    """Draw a picture in a run of its own. Raises DocumentFailed data_invalid for what is no picture."""
    content = picture_bytes(place, insert)
    picture = picture_of(place, insert, content)
    key = embed(place, content, picture)
    number = place.additions.number()
    drawing = parse(_DRAWING)
    width, height = (str(side) for side in _size(place, insert, picture, resolution(content)))
    for name in (f"{{{WP}}}extent", f"{{{A}}}ext"):
        for extent in drawing.iter(name):
            extent.set("cx", width)
            extent.set("cy", height)
    address = _address(place, insert)
    for name in (f"{{{WP}}}docPr", f"{{{PIC}}}cNvPr"):
        for properties in drawing.iter(name):
            _describe(properties, number, insert, address)
    for blip in drawing.iter(f"{{{A}}}blip"):
        blip.set(r("embed"), key)
    made = make("r")
    made.append(drawing)
    etree.cleanup_namespaces(made)
    return made


def _describe(properties: Element, number: int, insert: Insert, address: str | None) -> None:
    properties.set("id", str(number))
    properties.set("name", f"Picture {number}")
    properties.set("descr", cleaned(str(insert.value.get("alt") or "")))
    if address:
        link = properties.makeelement(f"{{{A}}}hlinkClick")
        link.set(r("id"), address)
        properties.append(link)


def _address(place: Place, insert: Insert) -> str | None:
    href = insert.value.get("href")
    if href is None or href == "":
        return None
    return place.additions.relate(place.part, OFFICE + "hyperlink", safe_address(place, insert, href), external=True)


def embed(place: Place, content: bytes, picture: Picture) -> str:
    """Add a picture's file to the package, once however often it is used; return its relationship's id."""
    folder = posixpath.dirname(place.additions.package.main)
    name = posixpath.join(folder, "media", f"pw-{hashlib.sha256(content).hexdigest()[:20]}.{picture.kind}")
    if not place.additions.has_file(name):
        place.additions.add_file(name, content, _TYPES[picture.kind], by_suffix=True)
    return place.additions.relate(place.part, OFFICE + "image", name)


def picture_bytes(place: Place, insert: Insert) -> bytes:
    """Return the bytes that an image shape names. Raises DocumentFailed data_invalid."""
    return bytes_of(place, insert, insert.value.get("$image", insert.value))


def bytes_of(place: Place, insert: Insert, given: object) -> bytes:
    """Return the bytes of `{"$asset": "sha256:..."}`, of the bare text of one, or of a data URI."""
    if isinstance(given, bytes):
        return given
    if isinstance(given, dict):
        given = given.get("$asset")
    text = given if isinstance(given, str) else ""
    asset = NAME.fullmatch(text)
    if asset:
        content = place.inserts.assets.get(asset[1])
        if content is None:
            raise place.refused(insert, f"There is no asset {text}.", "Upload it with POST /v1/assets.")
        return content
    uri = _DATA_URI.match(text)
    if uri is None:
        hint = 'Give {"$asset": "sha256:<64 hex digits>"} or a data URI: data:image/png;base64,...'
        raise place.refused(insert, "This is neither an asset nor a data URI.", hint)
    try:
        return base64.b64decode(text[uri.end() :], validate=True)
    except ValueError as error:
        raise place.refused(insert, f"The data URI is not base64: {error}.") from error


def picture_of(place: Place, insert: Insert, content: bytes) -> Picture:
    """Read a picture's header. Raises DocumentFailed data_invalid for other formats and too many pixels."""
    picture = header_of(content)
    if picture is None or picture.kind not in _TYPES:
        kind = f"{picture.kind.upper()} pictures" if picture else "Pictures of this format, or damaged ones,"
        raise place.refused(insert, f"{kind} cannot be put into a Word document.", "Give a PNG, JPEG or GIF.")
    if picture.too_large or not picture.width * picture.height:
        size = f"{picture.width} x {picture.height}"
        raise place.refused(insert, f"The picture has {size} pixels; {MAX_PIXELS} are allowed.", "Make it smaller.")
    return picture


def resolution(content: bytes) -> tuple[float, float]:
    """Return the pixels per inch, across and down, that a PNG's or JPEG's header says, else those of a screen."""
    across, down = _png_resolution(content) if content.startswith(b"\x89PNG") else _jfif_resolution(content)
    return (across if across >= 1 else _DPI, down if down >= 1 else _DPI)


def _png_resolution(content: bytes) -> tuple[float, float]:
    at = content.find(b"pHYs", 0, _HEADER)
    if at < 0 or len(content) < at + 13:
        return 0, 0
    across, down, unit = struct.unpack_from(">IIB", content, at + 4)
    return (across * 0.0254, down * 0.0254) if unit == 1 else (0, 0)


def _jfif_resolution(content: bytes) -> tuple[float, float]:
    at = content.find(b"JFIF\0", 0, _HEADER)
    if at < 0 or len(content) < at + 12:
        return 0, 0
    unit, across, down = struct.unpack_from(">BHH", content, at + 7)
    factor = {1: 1.0, 2: 2.54}.get(unit, 0.0)
    return across * factor, down * factor


def _size(place: Place, insert: Insert, picture: Picture, dpi: tuple[float, float]) -> tuple[int, int]:
    """Return width and height in EMU; a side that is not given follows the other, both the picture's resolution.

    A picture without a given size is never wider than the page's text.
    """
    width = length(place, insert, insert.value.get("width"))
    height = length(place, insert, insert.value.get("height"))
    natural = (picture.width / dpi[0] * EMU_PER_INCH, picture.height / dpi[1] * EMU_PER_INCH)
    if width is None and height is None:
        scale = min(1.0, place.additions.package.text_width * EMU_PER_TWIP / natural[0])
        return max(round(natural[0] * scale), 1), max(round(natural[1] * scale), 1)
    if width is None and height is not None:
        width = height * natural[0] / natural[1]
    if height is None and width is not None:
        height = width * natural[1] / natural[0]
    return max(round(width or 0), 1), max(round(height or 0), 1)


def length(place: Place, insert: Insert, given: object) -> float | None:
    """Read a length ("40mm", "1.5in", "90px"; bare numbers are millimetres) as EMU, None for none."""
    if given is None or given == "":
        return None
    found = _LENGTH.fullmatch(str(given)) if not isinstance(given, bool) else None
    millimetres = float(found[1]) * _MM[found[2]] if found else 0.0
    if not 0 < millimetres <= _MOST_MM:
        hint = f"Write it as 40mm, 4cm, 1.5in, 72pt or 90px, at most {_MOST_MM} mm."
        raise place.refused(insert, f"`{str(given)[:40]}` is no length.", hint)
    return millimetres * EMU_PER_MM
