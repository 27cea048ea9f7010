"""Mutations of templates and data: slices of bytes inserted, removed, doubled and turned over, in what was valid."""

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from contracts.templates import TemplateBundle
from generator.core import RenderRequest
from generator.shipped import load_shipped
from tests.hostile.cases import as_json, body, members, paragraph, word, zipped
from tests.hostile.naughty import STRINGS
from tests.hostile.tags import INJECTIONS

_PIECES = (
    *(text.encode("utf-8", "replace") for text in (*STRINGS, *INJECTIONS) if len(text) < 300),
    *(
        b"#",
        b"#{",
        b"#while true {}",
        b"#let ",
        b"#set page(",
        b"#show ",
        b"$",
        b"[",
        b"]",
        b"(",
        b")",
        b"\\",
        b'"',
        b"0",
    ),
    *(b"{% for i in range(9) %}", b"{% endfor %}", b"{%tr ", b"{%p ", b"{% if ", b"{% endif %}", b"{{ ", b" }}", b"|"),
    *(b"<w:p>", b"</w:p>", b"<w:tbl>", b"</w:t>", b"<w:t>", b'r:id="rId9"', b"&amp;", b"<!--", b"-->", b"\0", b"\xff"),
)
_SMALL = {
    "typst": b'#let d = json("data.json")\n= #d.x\n#for i in d.xs [- #i]\n#table(columns: (1fr, 2fr), ..d.xs.map(str))',
    "docx": word("{{ x }} {% for i in xs %}{{ i|upper }}{% endfor %} {% if x %}{{ x|length }}{% endif %}"),
}
_ROWS = "".join(
    f"<w:tr><w:tc>{paragraph(text)}</w:tc></w:tr>" for text in ("{%tr for i in xs %}", "{{ i }}", "{%tr endfor %}")
)


def _one_of[T](values: Sequence[T]) -> st.SearchStrategy[T]:
    """Draw one of these, as `sampled_from`, which writes them all out when it describes itself."""
    return st.integers(0, len(values) - 1).map(values.__getitem__)


@dataclass(frozen=True)
class Edit:
    """One change of bytes. `at` and `length` are taken modulo what is there."""

    kind: str
    at: int
    length: int
    piece: bytes

    def applied(self, content: bytes) -> bytes:
        """Return the changed bytes."""
        at = self.at % (len(content) + 1)
        end = min(at + self.length, len(content))
        middle = {
            "insert": self.piece + content[at:end],
            "replace": self.piece,
            "remove": b"",
            "double": content[at:end] * 2,
            "repeat": self.piece * self.length + content[at:end],
            "turn": bytes(byte ^ 1 << self.at % 8 for byte in content[at:end]),
        }[self.kind]
        return content[:at] + middle + content[end:]


def seeds() -> list[RenderRequest]:
    """Return what is mutated: every shipped template with its sample, and small ones."""
    data = as_json({"x": "Text", "xs": ["a", "b", "c"]})
    made = [RenderRequest(TemplateBundle.of_file(kind, text), data, _made(kind)) for kind, text in _SMALL.items()]
    table = zipped(members(body(f"<w:tbl><w:tblGrid><w:gridCol/></w:tblGrid>{_ROWS}</w:tbl>")))
    made.append(RenderRequest(TemplateBundle.of_file("docx", table), data, "docx"))
    for shipped in load_shipped():
        for output in ("pdf", "docx"):
            made.append(RenderRequest(shipped.bundle, as_json(shipped.sample), output))
    return made


def _made(engine: str) -> str:
    return "docx" if engine == "docx" else "pdf"


def mutated(known: list[RenderRequest]) -> st.SearchStrategy[RenderRequest]:
    """Draw one of the seeds with its source, its data or both changed."""
    edit = st.builds(
        Edit,
        kind=st.sampled_from(("insert", "replace", "remove", "double", "repeat", "turn")),
        at=st.integers(0, 1 << 20),
        length=st.integers(0, 64),
        piece=_one_of(_PIECES) | st.binary(max_size=8),
    )
    edits = st.lists(edit, max_size=5)
    return st.builds(_changed, _one_of(known), edits, edits | _values, st.integers(0, 100), st.booleans())


_values = st.dictionaries(
    st.sampled_from(("x", "xs", "to", "items", "total", "")) | st.text(max_size=8),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | _one_of(STRINGS),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
        max_leaves=10,
    ),
    max_size=5,
)


def _changed(
    seed: RenderRequest, of_source: list[Edit], of_data: list[Edit] | dict[str, object], member: int, whole: bool
) -> RenderRequest:
    source = seed.bundle.manifest.source_for(seed.format)
    assert source is not None
    content = seed.bundle.files[source.file]
    if source.engine == "docx" and not whole:
        content = _in_member(content, of_source, member)
    else:
        content = _edited(content, of_source)
    bundle = TemplateBundle(seed.bundle.manifest, {**seed.bundle.files, source.file: content})
    if isinstance(of_data, dict):
        data = json.dumps({**json.loads(seed.data), **of_data}).encode()
    else:
        data = _edited(seed.data, of_data)
    return RenderRequest(bundle, data, seed.format)


def _edited(content: bytes, edits: list[Edit]) -> bytes:
    for edit in edits:
        content = edit.applied(content)
    return content


def _in_member(content: bytes, edits: list[Edit], number: int) -> bytes:
    """Change one XML part of a Word file; most often the main one."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        files: Mapping[str, bytes] = {name: archive.read(name) for name in archive.namelist()}
    parts = sorted(name for name in files if name.endswith((".xml", ".rels")))
    name = parts[number] if number < len(parts) else "word/document.xml"
    return zipped({**files, name: _edited(files[name], edits)})
