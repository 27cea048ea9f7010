"""Drawn shapes of the shipped DOCX templates: frames behind a page's text, and a seal."""

from collections.abc import Iterator

from docx.oxml import parse_xml
from docx.text.paragraph import Paragraph

from .look import ACCENT, WHITE

GOLD = "A8894F"
EMU_PER_MM = 36_000
_SPACES = {
    "w": "http://schemas.openxmlformats.org/wordprocessingml/2006/main",
    "mc": "http://schemas.openxmlformats.org/markup-compatibility/2006",
    "wp": "http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing",
    "a": "http://schemas.openxmlformats.org/drawingml/2006/main",
    "wps": "http://schemas.microsoft.com/office/word/2010/wordprocessingShape",
    "wpg": "http://schemas.microsoft.com/office/word/2010/wordprocessingGroup",
}
_DECLARED = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in _SPACES.items())
_NO_DISTANCE = 'distT="0" distB="0" distL="0" distR="0"'


def frames(paragraph: Paragraph) -> None:
    """Draw a certificate's frames and corners on an A4 page across, behind the text."""
    for number, drawn in enumerate(_frames(), 1):
        _append(paragraph, "wps", _anchored(number, *drawn))


def seal(paragraph: Paragraph) -> None:
    """Draw a seal of 30 mm in line with the text."""
    parts = (
        _shape("star32", 0, 0, 30, 30, fill=GOLD, adjust=("adj", 45_667)),
        _shape("ellipse", 2.8, 2.8, 24.4, 24.4, stroke=(WHITE, 0.8)),
        _shape("ellipse", 3.7, 3.7, 22.6, 22.6, stroke=(WHITE, 0.4)),
        _shape("star5", 8.6, 8.6, 12.8, 12.8, fill=WHITE),
    )
    size = 30 * EMU_PER_MM
    box = (
        f'<a:off x="0" y="0"/><a:ext cx="{size}" cy="{size}"/><a:chOff x="0" y="0"/><a:chExt cx="{size}" cy="{size}"/>'
    )
    _append(
        paragraph,
        "wpg",
        f'<wp:inline {_NO_DISTANCE}><wp:extent cx="{size}" cy="{size}"/><wp:docPr id="100" name="Seal"/>'
        f'<wp:cNvGraphicFramePr/><a:graphic><a:graphicData uri="{_SPACES["wpg"]}"><wpg:wgp><wpg:cNvGrpSpPr/>'
        f'<wpg:grpSpPr><a:xfrm>{box}</a:xfrm></wpg:grpSpPr>{"".join(parts)}</wpg:wgp></a:graphicData></a:graphic>'
        "</wp:inline>",
    )


def _frames() -> Iterator[tuple[float, float, float, float, str]]:
    """Yield place, size (mm) and shape."""
    yield 9, 9, 279, 192, _shape("rect", 0, 0, 279, 192, stroke=(ACCENT, 2))
    for inset, thick in ((12.5, 0.8), (14, 0.4)):
        width, height = 297 - 2 * inset, 210 - 2 * inset
        corner = ("adj", round(11 / height * 100_000))
        yield inset, inset, width, height, _shape("plaque", 0, 0, width, height, stroke=(GOLD, thick), adjust=corner)
    for x in (15.5, 281.5):
        for y in (15.5, 194.5):
            yield x - 3.1, y - 3.1, 6.2, 6.2, _shape("ellipse", 0, 0, 6.2, 6.2, stroke=(GOLD, 0.6))
            yield x - 2.2, y - 2.2, 4.4, 4.4, _shape("star8", 0, 0, 4.4, 4.4, fill=GOLD, adjust=("adj", 29_545))


def _shape(
    form: str,
    x: float,
    y: float,
    width: float,
    height: float,
    *,
    fill: str = "",
    stroke: tuple[str, float] | None = None,
    adjust: tuple[str, int] | None = None,
) -> str:
    """Write a shape of a preset form; measures in mm, the stroke's thickness in points."""
    left, top, wide, high = (round(value * EMU_PER_MM) for value in (x, y, width, height))
    guides = f'<a:gd name="{adjust[0]}" fmla="val {adjust[1]}"/>' if adjust else ""
    color, thick = stroke or ("", 0)
    edge = f'<a:ln w="{round(thick * 12_700)}">{_solid(color)}</a:ln>' if stroke else "<a:ln><a:noFill/></a:ln>"
    return (
        f"<wps:wsp><wps:cNvSpPr/><wps:spPr>"
        f'<a:xfrm><a:off x="{left}" y="{top}"/><a:ext cx="{wide}" cy="{high}"/></a:xfrm>'
        f'<a:prstGeom prst="{form}"><a:avLst>{guides}</a:avLst></a:prstGeom>{_solid(fill)}{edge}</wps:spPr>'
        "<wps:bodyPr/></wps:wsp>"
    )


def _solid(color: str) -> str:
    return f'<a:solidFill><a:srgbClr val="{color}"/></a:solidFill>' if color else "<a:noFill/>"


def _anchored(number: int, x: float, y: float, width: float, height: float, shape: str) -> str:
    """Place a shape on the page, behind the text."""
    left, top, wide, high = (round(value * EMU_PER_MM) for value in (x, y, width, height))
    return (
        f'<wp:anchor {_NO_DISTANCE} simplePos="0" relativeHeight="{number}" behindDoc="1" locked="0" layoutInCell="1" '
        f'allowOverlap="1"><wp:simplePos x="0" y="0"/><wp:positionH relativeFrom="page"><wp:posOffset>{left}'
        f'</wp:posOffset></wp:positionH><wp:positionV relativeFrom="page"><wp:posOffset>{top}</wp:posOffset>'
        f'</wp:positionV><wp:extent cx="{wide}" cy="{high}"/><wp:effectExtent l="0" t="0" r="0" b="0"/><wp:wrapNone/>'
        f'<wp:docPr id="{number}" name="Ornament {number}"/><wp:cNvGraphicFramePr/><a:graphic><a:graphicData '
        f'uri="{_SPACES["wps"]}">{shape}</a:graphicData></a:graphic></wp:anchor>'
    )


def _append(paragraph: Paragraph, needs: str, drawing: str) -> None:
    run = (
        f'<w:r {_DECLARED}><mc:AlternateContent><mc:Choice Requires="{needs}"><w:drawing>{drawing}</w:drawing>'
        "</mc:Choice></mc:AlternateContent></w:r>"
    )
    paragraph._p.append(parse_xml(run))
