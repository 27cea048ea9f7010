"""What templates and data may not do to the Word engine: break out, never end, or spoil the file."""

import base64
import io
import re
import zipfile
from collections.abc import Callable
from typing import Any

import pytest

from contracts.errors import DocumentFailed
from generator.core import Engines
from generator.renderers.docx.output import CELL_END, GRID_START
from tests.unit.docx_files import error, paragraphs, part, render, rows, texts


@pytest.mark.parametrize("value", ["<w:p/>", "a & b", "]]>", "&#0;", "{{ 7*7 }}", "\"'", "\ufdd01\ufdd1", "<!--"])
def test_values_are_text_whatever_they_hold(engines: Engines, value: str) -> None:
    for tag in ("{{ x }}", "{{ x|safe }}", "{{ (x ~ '')|safe }}"):
        assert texts(render(engines, paragraphs(tag), {"x": value}).content) == [value]


@pytest.mark.parametrize(
    "raw", [rb"a\u0000b", rb"a\u001fb", rb"a\bb", rb"a\ffb"[:-1] + b"b", rb"a\uffffb", rb"a\u000bb"]
)
def test_characters_that_xml_forbids_are_dropped(engines: Engines, raw: bytes) -> None:
    made = texts(render(engines, paragraphs("{{ x }}"), b'{"x": "' + raw + b'"}').content)
    assert made[0].startswith("a") and made[0].endswith("b") and len(made[0]) <= 3


def test_half_a_surrogate_pair_does_not_stop_a_document(engines: Engines) -> None:
    assert texts(render(engines, paragraphs("{{ x }}"), rb'{"x": "a\ud800b"}').content) == ["a?b"]


@pytest.mark.parametrize(
    "raw", [b"[1]", b"{", b'{"a": NaN}', b"\xff", b'{"a": pw_d}', b'{"a": ' + b"[" * 3000 + b"]" * 3000 + b"}"]
)
def test_data_that_is_no_json_object_is_refused(engines: Engines, raw: bytes) -> None:
    with pytest.raises((DocumentFailed, RecursionError)):
        render(engines, paragraphs("{{ a }}"), raw)


@pytest.mark.parametrize("options", [{"strict": True}, {"missing": "error"}])
def test_an_attribute_of_a_missing_value_is_an_error_where_missing_values_are(
    engines: Engines, options: dict[str, Any]
) -> None:
    found = error(engines, paragraphs("{{ buyer.name }}"), {"buyr": {"name": "A"}}, **options)
    assert (found.code, found.data_path, found.tag) == ("data_missing", "buyer", "{{ buyer.name }}")
    assert found.hint == "The data has `buyr`: is that meant?"


@pytest.mark.parametrize(
    ("texts_", "line", "tag"),
    [
        (("ok", "{{ a + }}"), 2, "{{ a + }}"),
        (("{{ a|nofilter }}",), 1, "{{ a|nofilter }}"),
        (("ok", "ok", "open {{ a"), 3, "{{ a"),
        (("{% include 'x' %}",), 1, "{% include 'x' %}"),
        (("{% autoescape false %}{{ a }}{% endautoescape %}",), 1, "{% autoescape false %}"),
        (("{%tr for i in a %}",), 1, "{%tr for i in a %}"),
    ],
)
def test_a_broken_tag_is_located(engines: Engines, texts_: tuple[str, ...], line: int, tag: str) -> None:
    found = error(engines, paragraphs(*texts_), {"a": 1})
    assert (found.code, found.part, found.line, found.tag) == ("template_error", "word/document.xml", line, tag)


def test_a_loop_without_end_is_stopped(engines: Engines) -> None:
    nested = "".join(f"{{% for {name} in range(10000) %}}" for name in "abc") + "{% endfor %}" * 3
    assert error(engines, paragraphs(nested)).code == "render_timeout"


@pytest.mark.parametrize(
    "probe",
    [
        "{{ ''.__class__ }}",
        "{{ x.__init__.__globals__ }}",
        "{{ cycler }}",
        "{{ self }}",
        "{{ x|attr('__class__') }}",
        "{{ __missing.__self__ }}",
    ],
)
def test_python_is_out_of_reach(engines: Engines, probe: str) -> None:
    try:
        printed = "".join(texts(render(engines, paragraphs(probe), {"x": {}}).content))
    except DocumentFailed:
        return
    assert "class" not in printed and "object" not in printed and "module" not in printed


def rezipped(source: bytes, change: Callable[[dict[str, bytes]], object]) -> bytes:
    with zipfile.ZipFile(io.BytesIO(source)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in members.items():
            made.writestr(name, content)
    return out.getvalue()


@pytest.mark.parametrize(
    "dtd",
    [b'<!DOCTYPE d [<!ENTITY e SYSTEM "file:///etc/passwd">]>', b'<!DOCTYPE d [<!ENTITY a "a"><!ENTITY b "&a;&a;">]>'],
)
def test_a_part_with_a_dtd_is_refused(engines: Engines, dtd: bytes) -> None:
    def declare(members: dict[str, bytes]) -> None:
        head, rest = members["word/document.xml"].split(b"<w:document", 1)
        members["word/document.xml"] = head + dtd + b"<w:document" + rest

    assert "DTD" in error(engines, rezipped(paragraphs("{{ x }}"), declare)).message


def test_what_is_no_word_document_is_refused(engines: Engines) -> None:
    assert error(engines, b"not a zip").code == "template_error"
    assert (
        error(engines, rezipped(paragraphs("x"), lambda members: members.pop("word/document.xml"))).code
        == "template_error"
    )
    bomb = rezipped(paragraphs("x"), lambda members: members.update({"word/media/x.bin": bytes(30_000_000)}))
    assert "bomb" in error(engines, bomb).message


def _with_project(members: dict[str, bytes]) -> None:
    members["word/vbaProject.bin"] = b"macro"


def _as_docm(members: dict[str, bytes]) -> None:
    members["[Content_Types].xml"] = members["[Content_Types].xml"].replace(
        b"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml",
        b"application/vnd.ms-word.document.macroEnabled.main+xml",
    )


@pytest.mark.parametrize("change", [_with_project, _as_docm])
def test_documents_with_macros_are_refused_with_the_remedy(
    engines: Engines, change: Callable[[dict[str, bytes]], object]
) -> None:
    source = rezipped(paragraphs("x"), change)
    found = error(engines, source)
    assert (found.code, found.message) == ("template_error", "Macros are not allowed in a template.")
    assert ".docx" in (found.hint or "")
    inserted = {"d": {"$docx": "data:application/octet-stream;base64," + base64.b64encode(source).decode()}}
    refused = error(engines, paragraphs("{{ d }}"), inserted)
    assert (refused.code, refused.data_path) == ("data_invalid", "d") and "macros" in refused.message


@pytest.mark.parametrize("mark", [CELL_END, GRID_START])
def test_a_value_may_hold_the_marks_of_the_engine(engines: Engines, mark: str) -> None:
    source = rows(("{%tc for x in xs %}", "{{ x }}", "{%tc endfor %}"), ("a", "b", "c"))
    xml = part(render(engines, source, {"xs": [f"1{mark}", "2"]}).content)
    assert [text.replace(mark, "") for text in re.findall(">([^<]*)</w:t>", xml)] == ["1", "2", "a", "b", "c"]
