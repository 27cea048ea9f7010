"""Small pictures, and Word documents read back with what they point to."""

import base64
import io
import re
import zipfile

from PIL import Image


def picture(kind: str = "PNG", size: tuple[int, int] = (96, 48), colour: str = "navy", **options: object) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, kind, **options)
    return out.getvalue()


def data_uri(content: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def names(content: bytes) -> list[str]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.namelist()


def media(content: bytes) -> list[str]:
    return [name for name in names(content) if "/media/" in name]


def extents(xml: str) -> list[tuple[float, float]]:
    """Return the sizes of the drawings in millimetres."""
    found = re.findall(r'<wp:extent cx="(\d+)" cy="(\d+)"', xml)
    return [(round(int(width) / 36000, 1), round(int(height) / 36000, 1)) for width, height in found]
