"""Pictures in data, `{"$asset": "sha256:..."}` and `{"$image": "data:..."}`: files for a Typst template.

In the data that the template reads, each is the path of its file, by order: the names never vary between documents.
"""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from generator.renderers.image_headers import MAX_PIXELS, Picture, picture_of
from generator.renderers.port import RenderRequest, failed

#: Where the files lie below the root; what a bundle has there of its own gives way.
FOLDER = "presswork"
MAX_PICTURES = 1_000
_MARKS = (b'"$asset"', b'"$image"')
_DATA_URI = re.compile(r"data:(?P<type>[\w.+/-]*)(?:;[\w=.-]+)*?(?P<base64>;base64)?,(?P<body>.*)", re.DOTALL)
_KINDS = "PNG, JPEG, GIF, WebP and SVG"


@dataclass
class Pictures:
    """Files by name below the root, and what the data say of each besides: `alt`, `width`, `height`, by path."""

    files: dict[str, bytes] = field(default_factory=dict)
    said: dict[str, dict[str, object]] = field(default_factory=dict)
    _paths: dict[bytes, str] = field(default_factory=dict)

    def add(self, content: bytes, kind: str) -> str:
        """Keep a file; equal ones are kept once. Returns its path as templates write it."""
        if content not in self._paths:
            name = f"{FOLDER}/asset-{len(self.files) + 1}.{kind}"
            self.files[name] = content
            self._paths[content] = f"/{name}"
        return self._paths[content]


def with_pictures(request: RenderRequest) -> tuple[RenderRequest, Pictures]:
    """Return the request with paths in its data, and the files. Raises DocumentFailed data_invalid with data_path."""
    pictures = Pictures()
    if not any(mark in request.data for mark in _MARKS):
        return request, pictures
    placed = _placed(json.loads(request.data), "", request.assets, pictures)
    return replace(request, data=json.dumps(placed, ensure_ascii=False).encode()), pictures


def _placed(value: object, path: str, assets: Mapping[str, bytes], pictures: Pictures) -> object:
    if isinstance(value, list):
        return [_placed(one, f"{path}[{at}]", assets, pictures) for at, one in enumerate(value)]
    if not isinstance(value, dict):
        return value
    if isinstance(value.get("$asset"), str) or isinstance(value.get("$image"), str):
        return _path_of(value, path, assets, pictures)
    return {name: _placed(one, f"{path}.{name}".lstrip("."), assets, pictures) for name, one in value.items()}


def _path_of(value: dict[str, object], path: str, assets: Mapping[str, bytes], pictures: Pictures) -> str:
    content = _asset(value["$asset"], path, assets) if "$asset" in value else _inline(str(value["$image"]), path)
    found = _judged(content, path)
    if len(pictures.files) >= MAX_PICTURES:
        raise _refused(path, f"is one picture too many: {MAX_PICTURES} are allowed.", "Use fewer different pictures.")
    placed = pictures.add(content, found.kind)
    pictures.said.setdefault(placed, {name: said for name, said in value.items() if not name.startswith("$")})
    return placed


def _asset(reference: object, path: str, assets: Mapping[str, bytes]) -> bytes:
    content = assets.get(str(reference).removeprefix("sha256:"))
    if content is None:
        raise _refused(path, f"names {reference}, which is not stored.", "Upload it with POST /v1/assets.")
    return content


def _inline(uri: str, path: str) -> bytes:
    parts = _DATA_URI.fullmatch(uri)
    if parts is None or not parts["base64"]:
        raise _refused(path, "is no data URI.", "Write `data:image/png;base64,` and the picture's bytes in base64.")
    try:
        return base64.b64decode(parts["body"], validate=True)
    except ValueError:
        raise _refused(path, "has damaged base64.", "Encode the picture's bytes again.") from None


def _judged(content: bytes, path: str) -> Picture:
    found = picture_of(content)
    if found is None:
        raise _refused(path, "is no picture that can be read.", f"{_KINDS} can be read.")
    if found.too_large:
        size = f"{found.width} x {found.height} pixels"
        raise _refused(path, f"has {size}: {MAX_PIXELS} in all are allowed.", "Make the picture smaller.")
    return found


def _refused(path: str, what: str, hint: str) -> Exception:
    return failed("data_invalid", f"`{path}` {what}", data_path=path, hint=hint)
