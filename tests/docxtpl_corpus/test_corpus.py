"""docxtpl's own test scripts, each rebuilt: the texts that must come out, and the same from docxtpl where it can."""

import io
import json
import zipfile
from pathlib import Path

import docx
import docxtpl
import pytest
from docx.table import Table
from docx.text.paragraph import Paragraph

from contracts.errors import DocumentFailed
from contracts.templates import TemplateBundle
from generator.core import Engines, RenderRequest, generate
from tests.docxtpl_corpus import inserts, tables, texts
from tests.docxtpl_corpus.building import Case

CASES = sorted([*texts.CASES, *tables.CASES, *inserts.CASES], key=lambda case: case.script.strip("_"))
COMPARED = [case for case in CASES if case.compared]


@pytest.fixture(scope="module")
def engines() -> Engines:
    return Engines()


def rendered(engines: Engines, case: Case) -> bytes:
    bundle = TemplateBundle.of_file("docx", case.template)
    return generate(RenderRequest(bundle, json.dumps(case.data).encode(), "docx"), engines).content


def theirs(case: Case) -> bytes:
    template = docxtpl.DocxTemplate(io.BytesIO(case.template))
    template.init_docx()
    context = case.theirs(docxtpl, template) if case.theirs else case.data
    template.render(context, autoescape=True)
    out = io.BytesIO()
    template.save(out)
    return out.getvalue()


def contents(content: bytes) -> tuple[list[str], list[list[list[str]]]]:
    """Return all paragraphs with text, of the body in order, then of headers and footers; and the tables' cells."""
    document = docx.Document(io.BytesIO(content))
    section = document.sections[0]
    holders = [document, section.header, section.footer]
    found = [text for holder in holders for one in holder.iter_inner_content() for text in _texts(one)]
    return [text for text in found if text], [
        [[cell.text for cell in row.cells] for row in table.rows] for table in document.tables
    ]


def _texts(one: Paragraph | Table) -> list[str]:
    if isinstance(one, Paragraph):
        return [one.text]
    cells = (docx.table._Cell(cell, one) for row in one._tbl.tr_lst for cell in row.tc_lst)
    return [paragraph.text for cell in cells for paragraph in cell.paragraphs]


def everything(content: bytes) -> str:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        files = (archive.read(name).decode() for name in archive.namelist() if name.endswith((".xml", ".rels")))
        return "\n".join([*archive.namelist(), *files])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.script)
def test_a_script_of_docxtpl_comes_out(engines: Engines, case: Case) -> None:
    if case.error:
        with pytest.raises(DocumentFailed) as failure:
            rendered(engines, case)
        found = failure.value.error
        assert found.code == "template_error" and case.error[0] in found.message and found.tag == case.error[1]
        return
    content = rendered(engines, case)
    assert contents(content)[0] == list(case.texts)
    xml = everything(content)
    assert [piece for piece in case.holds if piece not in xml] == []
    assert [piece for piece in case.lacks if piece in xml] == []


@pytest.mark.parametrize("case", COMPARED, ids=lambda case: case.script)
def test_docxtpl_makes_the_same(engines: Engines, case: Case) -> None:
    assert contents(rendered(engines, case)) == contents(theirs(case))


def test_every_script_is_listed_in_the_docs() -> None:
    docs = (Path(__file__).parents[2] / "docs" / "docx.md").read_text()
    assert [case.script for case in CASES if f"| `{case.script}` | {case.note} |" not in docs] == []
    assert len({case.script for case in CASES}) == len(CASES) == 58
