"""The DOCX engine: docxtpl's dialect, values that stay text, files that Word opens, errors that point."""

import io
import re
import zipfile

import docx
import jinja2
import pytest
from docx.document import Document
from docx.oxml import parse_xml
from docxtpl import DocxTemplate

from contracts.jobs import Simulate
from generator.core import Engines
from tests.unit.docx_files import error, paragraphs, part, render, rows, template, texts


def test_values_are_printed(engines: Engines) -> None:
    assert texts(render(engines, paragraphs("Hi {{ a.b }}!"), {"a": {"b": "Ёж"}}).content) == ["Hi Ёж!"]


@pytest.mark.parametrize(
    "pieces", [("{", "{ x", " }", "}"), ("a {{", "x", "}} b"), ("{{x}}{", "%if y%}", "1{%endif", "%}")]
)
def test_tags_that_word_scattered_over_runs_are_joined(engines: Engines, pieces: tuple[str, ...]) -> None:
    def build(document: Document) -> None:
        paragraph = document.add_paragraph()
        for number, piece in enumerate(pieces):
            paragraph.add_run(piece).bold = bool(number % 2)

    [text] = texts(render(engines, template(build), {"x": "X", "y": True}).content)
    assert text in ("X", "a X b", "X1")


def test_formatting_of_the_run_where_a_tag_begins_is_kept(engines: Engines) -> None:
    def build(document: Document) -> None:
        paragraph = document.add_paragraph("before ")
        paragraph.add_run("{{ x").bold = True
        paragraph.add_run(" }} after")

    runs = docx.Document(io.BytesIO(render(engines, template(build), {"x": "X"}).content)).paragraphs[0].runs
    assert [(run.text, run.bold) for run in runs] == [("before ", None), ("X", True), (" after", None)]


def test_paragraph_tags_leave_no_paragraph(engines: Engines) -> None:
    source = paragraphs(
        "{%p for i in items %}", "- {{ i }}", "{%p endfor %}", "{%p if no %}", "gone", "{%p endif %}", "end"
    )
    assert texts(render(engines, source, {"items": [1, 2], "no": 0}).content) == ["- 1", "- 2", "end"]


def test_row_and_cell_tags_repeat_rows_and_cells(engines: Engines) -> None:
    source = rows(
        ("{%tc for c in cols %}", "{{ c }}", "{%tc endfor %}"),
        ("{%tr for r in data %}",),
        ("{{ r }}",),
        ("{%tr endfor %}",),
    )
    made = docx.Document(io.BytesIO(render(engines, source, {"cols": ["a", "b", "c", "d"], "data": [1, 2]}).content))
    table = made.tables[0]._tbl
    cells = [
        ["".join(t.text or "" for t in cell.iter("{*}t")) for cell in row.findall("{*}tc")]
        for row in table.findall("{*}tr")
    ]
    assert cells == [["a", "b", "c", "d"], ["1", "", ""], ["2", "", ""]]
    assert len(table.findall("{*}tblGrid/{*}gridCol")) == 4


def test_comments_and_raw_blocks_and_literal_braces(engines: Engines) -> None:
    source = paragraphs(
        "a{# note #}b", "{#p whole paragraph #}", "{% raw %}{{ x }}{% endraw %}", "{_{ x }_}", "a } b { c {#1"
    )
    assert texts(render(engines, source).content) == ["ab", "{{ x }}", "{{ x }}", "a } b { c {#1"]


def test_typographic_quotes_in_tags_are_straightened(engines: Engines) -> None:
    assert texts(render(engines, paragraphs("{{ x if x == “a” else ‘b’ }}"), {"x": "c"}).content) == ["b"]


def test_headers_footers_and_properties_are_rendered(engines: Engines) -> None:
    def build(document: Document) -> None:
        document.sections[0].footer.paragraphs[0].text = "No. {{ n }}"
        document.sections[0].header.paragraphs[0].text = "{% if n %}Head{% endif %}"
        document.core_properties.title = "Title {{ n }}"

    made = docx.Document(io.BytesIO(render(engines, template(build), {"n": 7}).content))
    section = made.sections[0]
    assert (section.footer.paragraphs[0].text, section.header.paragraphs[0].text) == ("No. 7", "Head")
    assert made.core_properties.title == "Title 7"


def test_text_boxes_belong_to_their_own_paragraph(engines: Engines) -> None:
    def build(document: Document) -> None:
        run = document.add_paragraph("outer {{ x }} ").add_run()
        box = parse_xml(
            '<w:pict xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" '
            'xmlns:v="urn:schemas-microsoft-com:vml"><v:shape><v:textbox><w:txbxContent>'
            "<w:p><w:r><w:t>in {{ x }}</w:t></w:r></w:p></w:txbxContent></v:textbox></v:shape></w:pict>"
        )
        run._r.append(box)

    assert "in X" in texts(render(engines, template(build), {"x": "X"}).content)


def test_cell_tags_of_the_dialect_change_their_cells(engines: Engines) -> None:
    source = rows(
        ("{% colspan n %}wide", "{% cellbg colour %}red"),
        ("{%tr for i in [1, 2] %}",),
        ("{% vm %}once", "{{ i }}"),
        ("{%tr endfor %}",),
    )
    xml = part(render(engines, source, {"n": 2, "colour": "FF0000"}).content)
    assert '<w:gridSpan w:val="2"/>' in xml and 'w:fill="FF0000"' in xml
    assert re.findall(r'<w:vMerge w:val="(\w+)"/>', xml) == ["restart", "continue"]
    assert xml.count("once") == 1


DIALECT = [
    paragraphs(
        "{{ name|upper }} {% if items %}has{% else %}none{% endif %}",
        "{%p for i in items %}",
        "{{ loop.index }}:{{ i.n }}",
        "{%p endfor %}",
    ),
    rows(
        ("{%tr for i in items %}",),
        ("{{ i.n }}", "{{ i.n * 2 }}"),
        ("{%tr endfor %}",),
        ("total", "{{ items|length }}"),
    ),
    paragraphs(
        "{% set x = name ~ '!' %}{{ x }}",
        "{%p if name == 'none' %}",
        "no",
        "{%p else %}",
        "yes {{ name }}",
        "{%p endif %}",
    ),
    paragraphs("joined {%- if name %} text{% endif %}", "tail"),
]


@pytest.mark.parametrize("source", DIALECT)
def test_the_text_is_what_docxtpl_makes(engines: Engines, source: bytes) -> None:
    data = {"name": "Tom & <Jerry>", "items": [{"n": 1}, {"n": 2}, {"n": 3}]}
    theirs = DocxTemplate(io.BytesIO(source))
    theirs.render(data, jinja2.Environment(autoescape=True), autoescape=True)
    out = io.BytesIO()
    theirs.save(out)
    assert texts(render(engines, source, data).content) == texts(out.getvalue())


def test_line_breaks_and_tabs_of_values_become_breaks_and_tabs(engines: Engines) -> None:
    [paragraph] = docx.Document(
        io.BytesIO(render(engines, paragraphs("a {{ x }} b"), {"x": "1\n2\r\n3\t4"}).content)
    ).paragraphs
    assert paragraph.text == "a 1\n2\n3\t4 b"
    assert len(paragraph.runs[0]._r.findall("{*}br")) == 2


def test_null_prints_nothing(engines: Engines) -> None:
    rendered = render(
        engines, paragraphs("[{{ x }}][{{ y.z }}][{{ x|default('d', true) }}]"), {"x": None, "y": {"z": None}}
    )
    assert (texts(rendered.content), rendered.warnings) == (["[][][d]"], ())


def test_a_missing_value_is_blank_with_a_warning(engines: Engines) -> None:
    source = paragraphs(
        "[{{ a }}]",
        "{%p for i in items %}",
        "[{{ i.n|upper }}]",
        "{%p endfor %}",
        "{% for j in none_such %}x{% endfor %}",
    )
    rendered = render(engines, source, {"items": [{"n": "x"}, {}]})
    assert texts(rendered.content) == ["[]", "[X]", "[]", ""]
    assert [warning.code for warning in rendered.warnings] == ["data_missing"] * 3
    assert [re.findall("`(.*?)`", warning.message)[0] for warning in rendered.warnings] == [
        "a",
        "items[].n",
        "none_such",
    ]


@pytest.mark.parametrize("name", ["items", "values", "keys", "copy", "get", "update", "count"])
def test_a_missing_name_is_missing_even_if_python_has_a_method_of_that_name(engines: Engines, name: str) -> None:
    rendered = render(
        engines, paragraphs(f"[{{{{ {name} }}}}][{{{{ a.{name} }}}}][{{{{ b.{name} }}}}]"), {"a": {}, "b": []}
    )
    assert texts(rendered.content) == ["[][][]"]
    assert [re.findall("`(.*?)`", one.message)[0] for one in rendered.warnings] == [name, f"a.{name}", f"b.{name}"]


def test_methods_of_the_dialect_still_work(engines: Engines) -> None:
    source = paragraphs(
        "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}{{ d.get('z', 9) }}{{ s.upper() }}{{ d.items }}"
    )
    assert texts(render(engines, source, {"d": {"b": 1, "a": 2, "items": 3}, "s": "x"}).content) == [
        "b=1;a=2;items=3;9X3"
    ]


def test_asking_whether_a_value_is_there_is_no_warning(engines: Engines) -> None:
    source = paragraphs(
        "{% if a %}x{% endif %}{% if b.c is defined %}y{% endif %}{{ b.d|default('z') }}{{ 1 if a else 2 }}"
    )
    rendered = render(engines, source, {"b": {}}, strict=True)
    assert (texts(rendered.content), rendered.warnings) == (["z2"], ())


def test_a_missing_value_is_an_error_if_strict(engines: Engines) -> None:
    source = paragraphs("fine", "{%p for i in items %}", "Price: {{ i.price }}", "{%p endfor %}")
    found = error(engines, source, {"items": [{"prise": 1}]}, strict=True, template="quote", version=4)
    assert (found.code, found.data_path, found.tag) == ("data_missing", "items[].price", "{{ i.price }}")
    assert (found.part, found.line, found.template, found.version) == ("word/document.xml", 3, "quote", 4)
    assert found.hint == "The data has `items[].prise`: is that meant?"


def test_a_missing_value_is_missed_through_a_filter_too(engines: Engines) -> None:
    """Filters in Python see None for a missing value, as for null."""
    source = paragraphs("{{ total|money }}{{ a.total|money('EUR') }}{{ none_yet|default(1)|money }}")
    rendered = render(engines, source, {"a": {}, "none_yet": None})
    assert [re.findall("`(.*?)`", one.message) for one in rendered.warnings] == [["total"], ["a.total"]]
    found = error(engines, paragraphs("{{ total|money }}"), {"totl": 1}, strict=True)
    assert (found.code, found.data_path, found.tag) == ("data_missing", "total", "{{ total|money }}")
    assert render(engines, paragraphs("[{{ total|money }}]"), {"total": None}, strict=True).warnings == ()


def test_the_same_data_makes_the_same_bytes(engines: Engines) -> None:
    source = paragraphs("{{ x }}")
    assert render(engines, source, {"x": 1}).content == render(Engines(), source, {"x": 1}).content


def test_a_cell_left_without_paragraphs_gets_one(engines: Engines) -> None:
    source = rows(("{%p if no %}",))

    def second(document: Document) -> None:
        cell = document.add_table(rows=1, cols=1).rows[0].cells[0]
        cell.text = "{%p if no %}"
        cell.add_paragraph("text")
        cell.add_paragraph("{%p endif %}")

    source = template(second)
    xml = part(render(engines, source, {"no": False}).content)
    assert re.search(r"</w:tcPr><w:p/></w:tc>", xml)


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_a_table_of_looped_cells_has_the_grid_of_its_first_row(engines: Engines, count: int) -> None:
    def build(document: Document) -> None:
        table = document.add_table(rows=1, cols=3)
        for cell, text in zip(table.rows[0].cells, ("{%tc for x in xs %}", "{{ x }}", "{%tc endfor %}"), strict=True):
            cell.text = text
        table.rows[0].cells[1]._tc.tcPr.find("{*}tcW").set(f"{{{table._tbl.nsmap['w']}}}w", "{{ x }}")

    xml = part(render(engines, template(build), {"xs": [100 * (number + 1) for number in range(count)]}).content)
    grid = [int(width) for width in re.findall(r'<w:gridCol w:w="(\d+)"', xml)]
    assert [round(width / grid[0]) for width in grid] == [number + 1 for number in range(count)]


def test_a_table_left_without_rows_is_dropped(engines: Engines) -> None:
    source = rows(("{%tr for i in items %}",), ("{{ i }}",), ("{%tr endfor %}",))
    assert "<w:tbl>" not in part(render(engines, source, {"items": []}).content)


def test_simulated_pages_are_page_breaks(engines: Engines) -> None:
    for source in (paragraphs("{{ x }}"), paragraphs("no tags")):
        made = render(engines, source, {"x": 1}, simulate=Simulate(pages=5)).content
        assert part(made).count('<w:br w:type="page"/>') == 4


def test_an_unchanged_member_is_copied_as_it_was(engines: Engines) -> None:
    source = paragraphs("{{ x }}")
    with (
        zipfile.ZipFile(io.BytesIO(source)) as before,
        zipfile.ZipFile(io.BytesIO(render(engines, source, {"x": 1}).content)) as after,
    ):
        assert before.namelist() == after.namelist()
        assert [name for name in before.namelist() if before.read(name) != after.read(name)] == ["word/document.xml"]
