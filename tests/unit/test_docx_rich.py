"""Rich text, paragraphs, links and listings in Word templates: JSON shapes become formatting, nothing else does."""

import io

import docx
import pytest
from docx.document import Document
from docx.oxml import parse_xml
from docx.text.paragraph import Paragraph

from generator.core import Engines
from tests.unit.docx_files import error, paragraphs, part, render, template, texts

RICH = {
    "$rich": [
        "plain ",
        {"text": "bold", "bold": True, "color": "#ff0000", "size": 16},
        {"text": "2", "superscript": True},
    ]
}


def first(content: bytes) -> Paragraph:
    return docx.Document(io.BytesIO(content)).paragraphs[0]


@pytest.mark.parametrize("tag", ["{{r x }}", "{{ x }}"])
def test_rich_text_is_printed_in_runs_of_its_own(engines: Engines, tag: str) -> None:
    made = first(render(engines, paragraphs(f"a {tag} b"), {"x": RICH}).content)
    assert [run.text for run in made.runs] == ["a ", "plain ", "bold", "2", " b"]
    bold = made.runs[2].font
    assert (bold.bold, str(bold.color.rgb), bold.size.pt if bold.size else 0) == (True, "FF0000", 16)
    assert made.runs[3].font.superscript and made.runs[4].font.bold is None


def test_rich_text_looks_as_the_run_it_stands_in_where_it_says_nothing(engines: Engines) -> None:
    def build(document: Document) -> None:
        document.add_paragraph().add_run("{{ x }}").italic = True

    made = first(render(engines, template(build), {"x": {"$rich": ["a", {"text": "b", "italic": False}]}}).content)
    assert [(run.text, run.italic) for run in made.runs] == [("a", True), ("b", False)]


@pytest.mark.parametrize(
    ("given", "xml"),
    [
        ({"italic": True}, "<w:i/>"),
        ({"underline": True}, '<w:u w:val="single"/>'),
        ({"underline": "wave"}, '<w:u w:val="wave"/>'),
        ({"strike": True}, "<w:strike/>"),
        ({"highlight": "yellow"}, '<w:highlight w:val="yellow"/>'),
        ({"highlight": "#EEEEEE"}, 'w:fill="EEEEEE"'),
        ({"font": "Arial"}, '<w:rFonts w:ascii="Arial" w:hAnsi="Arial" w:cs="Arial"/>'),
        ({"font": "eastAsia:微软雅黑"}, 'w:eastAsia="微软雅黑"'),
        ({"style": "Strong"}, '<w:rStyle w:val="Strong"/>'),
        ({"style": "intense emphasis"}, '<w:rStyle w:val="IntenseEmphasis"/>'),
        ({"subscript": True}, '<w:vertAlign w:val="subscript"/>'),
        ({"lang": "ar-DZ", "rtl": True}, "<w:rtl/><w:lang"),
    ],
)
def test_every_property_of_rich_text_is_written(engines: Engines, given: dict[str, object], xml: str) -> None:
    assert xml in part(render(engines, paragraphs("{{ x }}"), {"x": {"$rich": [{"text": "t", **given}]}}).content)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"color": "red"}, "no colour"),
        ({"color": '"/><w:evil/>'}, "no colour"),
        ({"size": "huge"}, "no size"),
        ({"underline": "<w:b/>"}, "no underline"),
        ({"bolt": True}, "no `bolt`"),
        ({"href": "javascript:alert(1)"}, "cannot be linked"),
        ({"href": "file:///etc/passwd"}, "cannot be linked"),
    ],
)
def test_a_property_that_is_wrong_is_refused_with_its_path(
    engines: Engines, given: dict[str, object], says: str
) -> None:
    found = error(engines, paragraphs("{{ a.x }}"), {"a": {"x": {"$rich": [{"text": "t", **given}]}}})
    assert (found.code, found.data_path, found.part) == ("data_invalid", "a.x", "word/document.xml")
    assert says in found.message and found.hint


@pytest.mark.parametrize("text", ["<w:p/>", "a & b", "]]>", '"/><w:evil/>', "\ufdd4123\ufdd5"])
def test_texts_and_names_within_the_shapes_stay_text(engines: Engines, text: str) -> None:
    shape = {"$rich": [{"text": text, "font": text, "style": text, "lang": text}]}
    made = render(engines, paragraphs("{{ x }}"), {"x": shape}).content
    assert texts(made) == [text]
    assert "<w:evil" not in part(made)


def test_line_breaks_tabs_and_pages_in_rich_text(engines: Engines) -> None:
    made = first(render(engines, paragraphs("{{ x }}"), {"x": {"$rich": "1\n2\t3\f4"}}).content)
    assert [child.tag.rpartition("}")[2] for child in made.runs[0]._r] == ["t", "br", "t", "tab", "t", "br", "t"]
    assert made.runs[0]._r.xpath("./w:br/@w:type") == ["page"]


def test_rich_text_within_rich_text_and_from_filters(engines: Engines) -> None:
    inner = {"$rich": [{"text": "in", "bold": True}]}
    data = {"x": {"$rich": ["a ", {"text": [inner, " b"], "italic": True}]}}
    made = first(render(engines, paragraphs("{{ x }}|{{ 'n'|rich(bold=true) }}"), data).content)
    looks = [(run.text, run.bold, run.italic) for run in made.runs]
    assert looks == [("a ", None, None), ("in", True, True), (" b", None, True), ("|", None, None), ("n", True, None)]


def test_paragraphs_take_the_place_of_theirs(engines: Engines) -> None:
    items = ["One", {"text": ["Two ", {"text": "bold", "bold": True}], "style": "heading 2", "align": "center"}]
    made = docx.Document(
        io.BytesIO(render(engines, paragraphs("a", "{{p x }}", "b"), {"x": {"$paragraphs": items}}).content)
    )
    assert [(one.text, one.style.name if one.style else "") for one in made.paragraphs] == [
        ("a", "Normal"),
        ("One", "Normal"),
        ("Two bold", "Heading 2"),
        ("b", "Normal"),
    ]


@pytest.mark.parametrize("tag", ["{{p x }}", "{{r x }}", "{{ x }}"])
def test_plain_text_is_printed_by_every_tag(engines: Engines, tag: str) -> None:
    assert texts(render(engines, paragraphs("a", tag, "b"), {"x": "<t>"}).content) == ["a", "<t>", "b"]


def test_a_bell_is_a_new_paragraph_and_a_form_feed_a_new_page(engines: Engines) -> None:
    rendered = render(engines, paragraphs("<{{ x }}>"), {"x": "1\n2\a3\f4\a"})
    assert texts(rendered.content) == ["<12", "34", ">"]
    assert part(rendered.content).count('<w:br w:type="page"/>') == 1
    assert rendered.warnings == ()


def test_links_are_relationships_of_their_part(engines: Engines) -> None:
    def build(document: Document) -> None:
        document.add_paragraph("{{ 'site'|link(url) }} {{ x }} {{ 'above'|link('#top') }}")
        document.sections[0].footer.paragraphs[0].text = "{{ 'site'|link(url) }}"

    data = {"url": "https://example.org/?a=1&b=2", "x": {"$rich": [{"text": "mail", "href": "mailto:a@example.org"}]}}
    content = render(engines, template(build), data).content
    made = docx.Document(io.BytesIO(content))
    assert [link.address for link in made.paragraphs[0].hyperlinks] == [data["url"], "mailto:a@example.org", ""]
    assert made.paragraphs[0].hyperlinks[2].fragment == "top"
    footer = part(content, "word/_rels/footer1.xml.rels")
    assert 'Target="https://example.org/?a=1&amp;b=2"' in footer and 'TargetMode="External"' in footer


def test_a_mark_that_data_makes_up_stands_for_nothing(engines: Engines) -> None:
    data = {"x": RICH, "y": [f"\ufdd4{number}\ufdd5" for number in range(20)]}
    [text] = texts(render(engines, paragraphs("{% for i in y %}{{ i }}{% endfor %}"), data).content)
    assert text == "".join(data["y"])


def test_a_shape_where_no_markup_can_stand_is_words(engines: Engines) -> None:
    def build(document: Document) -> None:
        document.core_properties.title = "T {{ x }}"

    assert docx.Document(io.BytesIO(render(engines, template(build), {"x": RICH}).content)).core_properties.title == (
        "T plain bold2"
    )


def test_the_same_shapes_make_the_same_bytes(engines: Engines) -> None:
    source = paragraphs("{{ x }} {{ 'q'|qr }} {{ 'a'|link('https://example.org') }}")
    assert render(engines, source, {"x": RICH}).content == render(Engines(), source, {"x": RICH}).content


def linked(address: str) -> bytes:
    def build(document: Document) -> None:
        relation = document.part.relate_to(address, f"{RELATIONSHIPS}/hyperlink", is_external=True)
        document.element.body.insert(0, parse_xml(LINK % relation))

    return template(build)


RELATIONSHIPS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
LINK = (
    '<w:p xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
    f' xmlns:r="{RELATIONSHIPS}"><w:hyperlink r:id="%s"><w:r><w:t>{{{{ url }}}}</w:t></w:r></w:hyperlink></w:p>'
)


@pytest.mark.parametrize("address", ["{{ url }}", "%7B%7B%20url%20%7D%7D", "https://example.org/{{ url }}"])
def test_tags_in_the_address_of_a_link_are_rendered(engines: Engines, address: str) -> None:
    url = "a/b?c=1&d=2" if "example" in address else "https://example.org/a/b?c=1&d=2"
    made = docx.Document(io.BytesIO(render(engines, linked(address), {"url": url}).content))
    assert made.paragraphs[0].hyperlinks[0].address == "https://example.org/a/b?c=1&d=2"
    assert made.paragraphs[0].text == url


def test_an_address_made_of_data_is_judged(engines: Engines) -> None:
    found = error(engines, linked("{{ url }}"), {"url": "javascript:alert(1)"})
    assert (found.code, found.part) == ("data_invalid", "word/_rels/document.xml.rels")
