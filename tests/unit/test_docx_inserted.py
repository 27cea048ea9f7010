"""Markdown and whole Word documents inside Word documents, and what may not come along."""

import io
import re
import zipfile
from collections.abc import Callable

import docx
import pytest
from docx.document import Document
from docx.oxml import parse_xml

from generator.core import Engines
from tests.unit.docx_files import error, paragraphs, part, render, rows, template, texts
from tests.unit.pictures import data_uri, media, names, picture

WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"


def opened(content: bytes) -> Document:
    return docx.Document(io.BytesIO(content))


def markdown(engines: Engines, text: str, source: bytes | None = None) -> Document:
    return opened(render(engines, source or paragraphs("{{p x|markdown }}"), {"x": text}).content)


def test_markdown_is_paragraphs_with_the_styles_of_the_template(engines: Engines) -> None:
    made = markdown(engines, "# One\n\n## Two\n\nText **b** *i* `c` ~~s~~\nsame\\\nbroken\n\n> said")
    assert [(one.text, one.style.name if one.style else "") for one in made.paragraphs] == [
        ("One", "Heading 1"),
        ("Two", "Heading 2"),
        ("Text b i c s same\nbroken", "Normal"),
        ("said", "Quote"),
    ]
    runs = {run.text: run for run in made.paragraphs[2].runs}
    assert (runs["b"].bold, runs["i"].italic, runs["c"].font.name, runs["s"].font.strike) == (
        True,
        True,
        "Courier New",
        True,
    )


def test_lists_of_markdown_are_lists_of_word(engines: Engines) -> None:
    made = markdown(engines, "- a\n- b\n  1. x\n  2. y\n\n     more\n\ntext\n\n7. seven\n8. eight")
    levels = [
        (one.text, number.ilvl.val, number.numId.val) if number is not None else one.text
        for one in made.paragraphs
        for number in [one._p.get_or_add_pPr().numPr]
    ]
    numbers = [level[2] for level in levels if isinstance(level, tuple)]
    assert [level[:2] if isinstance(level, tuple) else level for level in levels] == [
        ("a", 0),
        ("b", 0),
        ("x", 1),
        ("y", 1),
        "more",
        "text",
        ("seven", 0),
        ("eight", 0),
    ]
    assert numbers[0] == numbers[1] != numbers[2] == numbers[3] != numbers[4] == numbers[5]
    numbering = made.part.numbering_part.element
    [last] = numbering.xpath(f'./w:num[@w:numId="{numbers[5]}"]/w:abstractNumId/@w:val')
    assert numbering.xpath(f'./w:abstractNum[@w:abstractNumId="{last}"]/w:lvl[1]/w:start/@w:val') == ["7"]
    kinds = [child.tag.rpartition("}")[2] for child in numbering]
    assert kinds == sorted(kinds, key=["abstractNum", "num"].index)


def test_tables_of_markdown_are_tables_with_their_alignment(engines: Engines) -> None:
    made = markdown(engines, "| A | B |\n|---|--:|\n| 1 | **2** |\n\n| C |\n|---|\n| 3 |")
    assert [[[cell.text for cell in row.cells] for row in table.rows] for table in made.tables] == [
        [["A", "B"], ["1", "2"]],
        [["C"], ["3"]],
    ]
    assert made.tables[0].cell(1, 1).paragraphs[0].alignment == 2
    assert made.tables[0]._tbl.getnext().tag.endswith("}p")  # or Word would join the two


def test_code_keeps_its_lines_and_html_stays_text(engines: Engines) -> None:
    made = markdown(engines, "```\na\n  b\n```\n\n<b onclick=x>&amp;</b> <!-- c -->")
    assert [one.text for one in made.paragraphs] == ["a\n  b", "<b onclick=x>&</b> <!-- c -->"]


def test_links_of_markdown_are_safe_and_pictures_come_from_the_data(engines: Engines) -> None:
    uri = data_uri(picture())
    made = markdown(engines, f"[a](https://example.org) [b](ftp://x/y) ![pic]({uri}) ![far](https://example.org/x.png)")
    assert [link.address for link in made.paragraphs[0].hyperlinks] == ["https://example.org"]
    assert made.paragraphs[0].text == "a b  far"
    assert len(made.inline_shapes) == 1


@pytest.mark.parametrize("text", ["", "\n\n", "[x]: https://example.org"])
def test_a_cell_with_empty_markdown_still_has_a_paragraph(engines: Engines, text: str) -> None:
    made = opened(render(engines, rows(("{{p x }}",)), {"x": {"$markdown": text}}).content)
    assert len(made.tables[0].cell(0, 0).paragraphs) == 1


def test_a_table_at_the_end_of_a_cell_is_followed_by_a_paragraph(engines: Engines) -> None:
    made = opened(render(engines, rows(("{{p x }}",)), {"x": {"$markdown": "| a |\n|---|\n| b |"}}).content)
    assert [child.tag.rpartition("}")[2] for child in made.tables[0].cell(0, 0)._tc] == ["tcPr", "tbl", "p"]


def test_blocks_within_a_sentence_part_it(engines: Engines) -> None:
    assert texts(render(engines, paragraphs("a {{ x }} b"), {"x": {"$markdown": "m\n\nn"}}).content) == [
        "a ",
        "m",
        "n",
        " b",
    ]


@pytest.mark.parametrize(
    "text", ["- " * 200 + "x", "> " * 500 + "x", "*" * 5000, "[" * 5000, "| a " * 500 + "|\n" + "|-" * 500]
)
def test_hostile_markdown_ends_and_opens(engines: Engines, text: str) -> None:
    assert opened(render(engines, paragraphs("{{p x|markdown }}"), {"x": text}).content) is not None


def sub(build: Callable[[Document], object]) -> dict[str, object]:
    return {"$docx": data_uri(template(build), WORD)}


def everything(document: Document) -> None:
    document.add_heading("Sub", 1)
    document.add_paragraph("listed", "List Bullet")
    document.add_table(1, 2, "Light Grid Accent 1").cell(0, 1).text = "cell"
    document.add_picture(io.BytesIO(picture(colour="green")))


def test_a_document_is_inserted_with_its_tables_lists_and_pictures(engines: Engines) -> None:
    content = render(engines, paragraphs("a", "{{p x }}", "b"), {"x": sub(everything)}).content
    made = opened(content)
    assert [(one.text, one.style.name if one.style else "") for one in made.paragraphs] == [
        ("a", "Normal"),
        ("Sub", "Heading 1"),
        ("listed", "List Bullet"),
        ("", "Normal"),
        ("b", "Normal"),
    ]
    assert made.tables[0].cell(0, 1).text == "cell"
    assert len(made.inline_shapes) == len(media(content)) == 1
    assert len(made.element.body.xpath("./w:sectPr")) == 1


def test_styles_that_the_template_lacks_come_along_and_its_own_stay(engines: Engines) -> None:
    def build(document: Document) -> None:
        base = document.styles.add_style("Their Base", 1)
        own = document.styles.add_style("Theirs", 1)
        own.base_style = base
        document.styles["Heading 1"].font.name = "Papyrus"
        document.add_paragraph("x", "Theirs")
        document.add_paragraph("y", "Heading 1")

    content = render(engines, paragraphs("{{p x }}"), {"x": sub(build)}).content
    made = opened(content)
    style = made.paragraphs[0].style
    assert style is not None and style.name == "Theirs" and style.base_style is not None
    assert style.base_style.name == "Their Base"
    assert "Papyrus" not in part(content, "word/styles.xml")


def test_numbered_lists_of_a_document_are_numbered_apart(engines: Engines) -> None:
    def build(document: Document) -> None:
        one = document.add_paragraph("own list")
        numbering = document.part.numbering_part.element
        first = numbering.xpath("./w:abstractNum/@w:abstractNumId")[0]
        number = numbering.add_num(int(first))
        one._p.get_or_add_pPr().get_or_add_numPr().get_or_add_numId().val = number.numId

    content = render(engines, paragraphs("{{p x }}", "{{p x }}"), {"x": sub(build)}).content
    made = opened(content)
    used = [one._p.pPr.numPr.numId.val for one in made.paragraphs]
    known = made.part.numbering_part.element.xpath("./w:num/@w:numId")
    assert all(str(number) in known for number in used)
    assert len(known) == len(set(known))


def hostile(document: Document) -> None:
    document.add_paragraph("kept")
    relation = document.part.relate_to("http://10.0.0.1/x.png", f"{REL}/image", is_external=True)
    document.element.body.insert(0, parse_xml(PICTURE % relation))
    for code in ("INCLUDEPICTURE http://10.0.0.1/y.png", "DDEAUTO c:\\\\windows\\\\cmd.exe"):
        run = document.add_paragraph("field ").add_run()
        for piece in (
            '<w:fldChar %s w:fldCharType="begin"/>',
            code[:3],
            code[3:],
            '<w:fldChar %s w:fldCharType="end"/>',
        ):
            xml = piece if piece.startswith("<") else f"<w:instrText %s>{piece}</w:instrText>"
            run._r.append(parse_xml(xml % f'xmlns:w="{W}"'))
    document.element.body.insert(
        0, parse_xml(f'<w:p xmlns:w="{W}"><w:r><w:object><w:t>ole</w:t></w:object></w:r></w:p>')
    )
    link = document.part.relate_to("file:///etc/passwd", f"{REL}/hyperlink", is_external=True)
    document.element.body.insert(0, parse_xml(LINK % link))


W = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
REL = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
LINK = f'<w:p xmlns:w="{W}" xmlns:r="{REL}"><w:hyperlink r:id="%s"><w:r><w:t>link</w:t></w:r></w:hyperlink></w:p>'
PICTURE = (
    f'<w:p xmlns:w="{W}" xmlns:r="{REL}" xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main">'
    '<w:r><w:drawing><a:blip r:link="%s"/></w:drawing></w:r></w:p>'
)


def all_of(content: bytes) -> str:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return "".join(archive.read(name).decode(errors="replace") for name in archive.namelist())


@pytest.mark.parametrize("inserted", [True, False])
def test_nothing_calls_out(engines: Engines, inserted: bool) -> None:
    source = paragraphs("{{p x }}") if inserted else template(hostile)
    content = render(engines, source, {"x": sub(hostile)} if inserted else {}).content
    everywhere = all_of(content)
    assert "10.0.0.1/x" not in everywhere and "/etc/passwd" not in everywhere and "r:link" not in everywhere
    assert "kept" in "".join(texts(content)) and texts(content)[0] == "link"
    if inserted:
        assert not re.search("INCLUDEPICTURE|DDEAUTO|CLUDEPICTURE|w:object", everywhere)


def test_an_attached_template_is_taken_off_and_links_stay(engines: Engines) -> None:
    def build(document: Document) -> None:
        settings = document.settings.element
        relation = document.part.relate_to("https://example.org/", f"{REL}/hyperlink", is_external=True)
        document.element.body.insert(0, parse_xml(LINK % relation))
        attached = document.part._settings_part.relate_to(
            "http://10.0.0.1/evil.dotm", f"{REL}/attachedTemplate", is_external=True
        )
        settings.insert(0, parse_xml(f'<w:attachedTemplate xmlns:w="{W}" xmlns:r="{REL}" r:id="{attached}"/>'))

    content = render(engines, template(build)).content
    assert "evil.dotm" not in all_of(content) and "attachedTemplate" not in part(content, "word/settings.xml")
    assert opened(content).paragraphs[0].hyperlinks[0].address == "https://example.org/"


def test_a_document_inserted_twice_is_in_the_file_once(engines: Engines) -> None:
    content = render(engines, paragraphs("{{p x }}", "{{p x }}"), {"x": sub(everything)}).content
    assert len(media(content)) == 1
    ids = re.findall(r'<wp:docPr [^>]*?id="(\d+)"', part(content))
    assert len(ids) == len(set(ids)) == 2
    assert len(names(content)) == len(set(names(content)))


@pytest.mark.parametrize(
    "given", [b"no zip", template(lambda _document: None)[:500], b"PK\3\4" + bytes(40)], ids=["text", "half", "zeros"]
)
def test_what_is_no_document_is_refused_with_its_path(engines: Engines, given: bytes) -> None:
    found = error(engines, paragraphs("{{p a.x }}"), {"a": {"x": {"$docx": data_uri(given, WORD)}}})
    assert (found.code, found.data_path, found.part) == ("data_invalid", "a.x", "word/document.xml")


def test_a_bomb_is_refused(engines: Engines) -> None:
    out = io.BytesIO(template(lambda _document: None))
    with zipfile.ZipFile(out, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/media/x.bin", bytes(20_000_000))
    found = error(engines, paragraphs("{{p x }}"), {"x": {"$docx": data_uri(out.getvalue(), WORD)}})
    assert "bomb" in found.message


def field(code: str) -> Callable[[Document], object]:
    def build(document: Document) -> None:
        run = document.add_paragraph("f ").add_run()
        for piece in (
            '<w:fldChar %s w:fldCharType="begin"/>',
            f"<w:instrText %s>{code}</w:instrText>",
            '<w:fldChar %s w:fldCharType="end"/>',
        ):
            run._r.append(parse_xml(piece % f'xmlns:w="{W}"'))

    return build


@pytest.mark.parametrize(
    ("code", "kept"),
    [
        ("INCLUDEPICTURE http://10.0.0.1/", False),
        ("{{ x }} http://10.0.0.1/", False),
        ("PAGE", True),
        ('HYPERLINK "https://example.org/"', True),
    ],
)
def test_fields_of_a_template_do_not_fetch_whatever_the_data_says(engines: Engines, code: str, kept: bool) -> None:
    xml = part(render(engines, template(field(code)), {"x": "INCLUDEPICTURE"}).content)
    assert (code in xml) is kept and "10.0.0.1" not in xml


def test_a_drawing_in_a_loop_has_an_id_of_its_own_each_time(engines: Engines) -> None:
    def build(document: Document) -> None:
        document.add_paragraph("{%p for i in [1, 2, 3] %}")
        document.add_picture(io.BytesIO(picture()))
        document.add_paragraph("{%p endfor %}")

    ids = re.findall(r'<wp:docPr [^>]*?id="(\d+)"', part(render(engines, template(build)).content))
    assert len(ids) == len(set(ids)) == 3


def test_a_link_within_a_link_is_its_text(engines: Engines) -> None:
    def build(document: Document) -> None:
        relation = document.part.relate_to("https://example.org/", f"{REL}/hyperlink", is_external=True)
        document.element.body.insert(
            0, parse_xml((LINK % relation).replace("link<", "{{ 'x'|link('https://example.com') }}<"))
        )

    made = opened(render(engines, template(build)).content)
    assert [link.address for link in made.paragraphs[0].hyperlinks] == ["https://example.org/"]
    assert made.paragraphs[0].text == "x"


@pytest.mark.parametrize("name", ["word/styles.xml", "word/numbering.xml"])
def test_a_template_with_damaged_styles_or_lists_is_told_so(engines: Engines, name: str) -> None:
    source, out = paragraphs("{{p x|markdown }}"), io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(source)) as before, zipfile.ZipFile(out, "w") as after:
        for member in before.namelist():
            after.writestr(member, b"<w:broken" if member == name else before.read(member))
    assert "damaged" in error(engines, out.getvalue(), {"x": "# a\n\n- b"}).message


@pytest.mark.parametrize("text", ["[" * 50_000, "![" * 25_000, "[a](" * 12_000])
def test_markdown_of_nothing_but_brackets_is_refused_at_once(engines: Engines, text: str) -> None:
    found = error(engines, paragraphs("{{ x.y }}"), {"x": {"y": {"$markdown": text}}})
    assert (found.code, found.data_path) == ("data_invalid", "x.y") and "opening brackets" in found.message
    assert render(engines, paragraphs("{{ x }}"), {"x": {"$markdown": "[" * 10_000}}).content
