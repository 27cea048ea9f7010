"""Pictures that claim to be huge, drawings that call out, fonts that are none: files beside a Typst source."""

import hashlib
import io
import struct
import zlib

from PIL import Image

from generator.renderers.registry import FONTS
from tests.hostile.cases import CANARY, GOOD, TOO_MUCH, Case, docx, typst, word

_SVG = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="9" height="9">'
_DRAWINGS = {
    "link-to-the-canary": f'<image xlink:href="file://{CANARY}" width="9" height="9"/>',
    "link-to-a-path": '<image xlink:href="/etc/passwd" width="9" height="9"/>',
    "link-upwards": '<image href="../../../../etc/passwd" width="9" height="9"/>',
    "link-to-an-address": '<image href="http://127.0.0.1:9/x.png" width="9" height="9"/>',
    "use-of-a-file": f'<use xlink:href="file://{CANARY}#a"/>',
    "use-of-itself": '<g id="a"><use xlink:href="#a"/></g>',
    "uses-of-uses": "<defs>"
    + '<g id="u0"><rect width="1" height="1"/></g>'
    + "".join(f'<g id="u{n}">{f"<use xlink:href=\'#u{n - 1}\'/>" * 10}</g>' for n in range(1, 9))
    + '</defs><use xlink:href="#u8"/>',
    "script": "<script>alert(1)</script><rect width='9' height='9' onload='x()'/>",
    "stylesheet": '<style>@import url("http://127.0.0.1:9/x.css");</style>',
    "foreign": '<foreignObject><iframe xmlns="http://www.w3.org/1999/xhtml" src="file:///etc/passwd"/></foreignObject>',
    "filter-large": '<filter id="f"><feGaussianBlur stdDeviation="100000"/></filter>'
    '<rect width="9" height="9" filter="url(#f)"/>',
    "turbulence": '<filter id="f" width="99999" height="99999"><feTurbulence numOctaves="9999"/></filter>'
    '<rect width="9" height="9" filter="url(#f)"/>',
    "mask-of-itself": '<mask id="m"><rect mask="url(#m)" width="9" height="9"/></mask>'
    '<rect width="9" height="9" mask="url(#m)"/>',
    "pattern-of-itself": '<pattern id="p" width="1" height="1"><rect fill="url(#p)" width="9" height="9"/></pattern>'
    '<rect width="9" height="9" fill="url(#p)"/>',
    "nested-20000-deep": "<g>" * 20_000 + "</g>" * 20_000,
    "picture-inside": '<image href="data:image/svg+xml;base64,PHN2Zy8+" width="9" height="9"/>',
    "text-of-unknown-font": '<text x="1" y="5" font-family="/etc/passwd">a</text>',
}
_WHOLE = {
    "entities": f'<!DOCTYPE svg [<!ENTITY e SYSTEM "file://{CANARY}">]>{_SVG}<text>&e;</text></svg>',
    "laughs": "<!DOCTYPE svg ["
    + '<!ENTITY l0 "ha">'
    + "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    + f"]>{_SVG}<text>&l9;</text></svg>",
    "size-huge": _SVG.replace('"9"', '"999999999"') + "<rect width='9' height='9'/></svg>",
    "size-nan": _SVG.replace('"9"', '"NaN"') + "</svg>",
    "size-negative": _SVG.replace('"9"', '"-9"') + "</svg>",
    "torn": _SVG + "<rect",
}


def cases() -> list[Case]:
    """Return the family."""
    return [*_pictures(), *_drawings(), *_fonts(), *_names(), *_assets()]


def png(width: int, height: int, pixels: bytes = b"\0\0") -> bytes:
    """Make a PNG of any claim; `pixels` are what it has."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")


def _encoded(kind: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), "navy").save(out, kind)
    return out.getvalue()


def _claims() -> dict[str, bytes]:
    """Pictures whose headers claim 60000 x 60000 pixels."""
    side = 60_000
    gif, jpeg = bytearray(_encoded("GIF")), bytearray(_encoded("JPEG"))
    gif[6:10] = struct.pack("<HH", side, side)
    frame = jpeg.index(b"\xff\xc0") + 5
    jpeg[frame : frame + 4] = struct.pack(">HH", side, side)
    size = (side - 1).to_bytes(3, "little")
    extended = b"VP8X" + struct.pack("<L", 10) + bytes(4) + size + size
    webp = b"RIFF" + struct.pack("<L", 4 + len(extended)) + b"WEBP" + extended
    return {"png": png(side, side), "gif": bytes(gif), "jpg": bytes(jpeg), "webp": webp}


def _pictures() -> list[Case]:
    made = []
    for kind, content in _claims().items():
        source, files = f'#image("x.{kind}")', {f"x.{kind}": content}
        made.append(typst(f"picture-60000-{kind}", source, "template_error", files=files))
        made.append(
            typst(
                f"picture-60000-{kind}-hidden",
                f'#image("x.bin", format: "{kind}")',
                "template_error",
                files={"x.bin": content},
            )
        )
        made.append(
            typst(
                f"picture-60000-{kind}-as-bytes",
                '#image(read("x.dat", encoding: none))',
                "template_error",
                files={"x.dat": content},
            )
        )
    others = {
        "torn": _encoded("PNG")[:40],
        "no-pixels": png(0, 0),
        "pixels-missing": png(5_000, 5_000),
        "pixels-inflate": png(6_000, 6_000, bytes(36_006_000)),
        "wide": png(39_000_000, 1, bytes(39_000_001)),
        "another-kind": _encoded("JPEG"),
        "garbage": bytes(range(256)) * 10,
        "empty": b"",
    }
    codes = (*TOO_MUCH, GOOD)
    return made + [typst(f"picture-{n}", '#image("x.png")', *codes, files={"x.png": c}) for n, c in others.items()]


def _drawings() -> list[Case]:
    whole = {**{name: f"{_SVG}{inner}</svg>" for name, inner in _DRAWINGS.items()}, **_WHOLE}
    codes = (*TOO_MUCH, GOOD, "render_crashed")
    return [
        typst(f"drawing-{name}", '#image("x.svg")', *codes, files={"x.svg": text.encode()})
        for name, text in whole.items()
    ]


def _fonts() -> list[Case]:
    font = (FONTS / "Inter-Bold.otf").read_bytes()
    tables = bytearray(font)
    tables[4:6] = b"\xff\xff"
    offsets = bytearray(font)
    for at in range(20, 300, 16):
        offsets[at : at + 8] = b"\x7f\xff\xff\xff" * 2
    broken = {
        "garbage": b"\0\1\2\3" * 1_000,
        "empty": b"",
        "header-only": font[:12],
        "torn-10": font[: len(font) // 10],
        "torn-50": font[: len(font) // 2],
        "torn-90": font[: len(font) * 9 // 10],
        "tables-65535": bytes(tables),
        "offsets-beyond": bytes(offsets),
        "zeros-inside": font[:2_000] + bytes(50_000) + font[52_000:],
        "called-a-collection": b"ttcf" + struct.pack(">LL", 0x10000, 0xFFFFFFFF) + font,
        "a-picture": _encoded("PNG"),
    }
    source = '#set text(font: "Inter", fallback: true)\nHello *bold* _x_ 123'
    codes = (*TOO_MUCH, GOOD, "missing_glyphs")
    return [typst(f"font-{name}", source, *codes, files={"fonts/x.otf": content}) for name, content in broken.items()]


def _names() -> list[Case]:
    """Names of files in a bundle that are taken from the User API on trust: none may leave the folder."""
    unsafe = ("../x.bin", "/x.bin", "a/../../x.bin", "a\\b.bin", "C:x.bin", "main.typ/x.bin", "x" * 300 + ".bin")
    refused = [_named(f"unsafe-{number}", name, "template_error", GOOD) for number, name in enumerate(unsafe)]
    return [*refused, _named("of-the-library", "presswork.typ", GOOD), _named("of-the-data", "data.json", GOOD)]


def _named(name: str, file: str, *allowed: str) -> Case:
    return typst(f"name-{name}", "Hello", *allowed, files={file: b"\xff\0"})


def _assets() -> list[Case]:
    """Pictures of the data, in both engines."""
    made = []
    for kind, content in _claims().items():
        digest = hashlib.sha256(content).hexdigest()
        data = {"x": {"$asset": f"sha256:{digest}"}}
        source = '#image(json("data.json").x)'
        made.append(typst(f"asset-60000-{kind}", source, "data_invalid", data=data, assets={digest: content}))
    values: dict[str, object] = {
        "unknown": {"$asset": "sha256:" + "0" * 64},
        "no-digest": {"$asset": "../../etc/passwd"},
        "no-text": {"$asset": 7},
        "image-of-a-path": {"$image": "/etc/passwd"},
        "image-of-an-address": {"$image": "http://127.0.0.1:9/x.png"},
        "image-of-a-file": {"$image": "file:///etc/passwd"},
        "image-not-base64": {"$image": "data:image/png;base64,%%%"},
        "image-huge": {"$image": "data:image/png;base64," + "A" * 1_000_000},
        "docx-of-garbage": {"$docx": "UEsFBg=="},
    }
    codes = ("data_invalid", "template_error", "data_missing", "input_lost", GOOD)
    for name, value in values.items():
        made.append(typst(f"value-{name}", '#image(json("data.json").x)', *codes, data={"x": value}))
        made.append(docx(f"value-{name}", lambda canary: word("{{ x }}{{ x|image }}"), *codes, data={"x": value}))
    return made
