"""Cases of text: values, conditions, loops, escapes, headers, footers, notes, properties."""

from docx.document import Document

from tests.docxtpl_corpus.building import Case, built, framed, image, lines, linked, stream, with_notes

BREAKS = "Here is a multiple\nlines\nstring\aand some\aother\aparagraphs"


def properties(document: Document) -> None:
    document.add_paragraph("{{ test }}")
    document.core_properties.title = "{{ test }}"
    document.core_properties.subject = "S {{ test }}"
    document.core_properties.author = "{{ test }}"


def split(document: Document) -> None:
    paragraph = document.add_paragraph()
    for piece in ("Hello {", "{", "name", "}", "}!"):
        paragraph.add_run(piece)


def delimiters(document: Document) -> None:
    for delimiter in ("{_%", "%_}", "{_{", "}_}"):
        document.add_paragraph(delimiter)
    for delimiter in ("{_%", "%_}", "{_{", "}_}"):
        paragraph = document.add_paragraph()
        for character in delimiter:
            paragraph.add_run(character)
    document.add_paragraph("{a_{hello")


def header_picture(document: Document) -> None:
    document.add_paragraph("body")
    document.sections[0].header.paragraphs[0].add_run().add_picture(stream("red"))
    for properties_ in document.sections[0].header.part.element.iter("{*}docPr"):
        properties_.set("name", "dummy_pic.jpg")


def illegal(document: Document) -> None:
    document.add_paragraph("{{ myvar }} {{ escaped|e }}")
    document.sections[0].header.paragraphs[0].text = "{{ hdr }}"
    document.sections[0].footer.paragraphs[0].text = "{{ ftr }}"
    document.core_properties.title = "{{ prop }}"


PEOPLE = [
    {"name": "Saint-Exupery", "books": ["Le petit prince", "L'aviateur"]},
    {"name": "Barjavel", "books": ["Ravage"]},
]
PICTURES = {"dummy_pic.jpg": image()}

CASES = [
    Case(
        "comments",
        lines("a{# inline #}b", "{#p a paragraph #}", "{# {{ never }} #}c"),
        ("ab", "c"),
    ),
    Case(
        "core_properties",
        built(properties),
        ("HelloWorld",),
        {"test": "HelloWorld"},
        holds=("<dc:title>HelloWorld</dc:title>", "<dc:subject>S HelloWorld</dc:subject>"),
    ),
    Case(
        "doc_properties",
        built(properties),
        ("HelloWorld",),
        {"test": "HelloWorld"},
        holds=("<dc:creator>HelloWorld</dc:creator>",),
    ),
    Case(
        "custom_delimiters",
        built(split),
        ("Hello Bob!",),
        {"name": "Bob"},
        note="the usual delimiters over split runs; others cannot be chosen, `{name}` stays text",
    ),
    Case(
        "custom_jinja_filters",
        lines("{{ base_value_string|my_filterA('x') }}"),
        (),
        {"base_value_string": " Hello"},
        compared=False,
        error=("There is no such filter", "{{ base_value_string|my_filterA('x') }}"),
        note="filters in Python cannot be brought along: an error names the filter and its tag",
    ),
    Case(
        "escape",
        lines(
            "{{r myvar }}", "{{ myescvar|e }}", "{{r nlnp }}", "{{ mylisting }}", "{{ new_listing }}", "{{ some_html }}"
        ),
        (
            '"less than" must be escaped : <',
            "escaped < ",
            "Here is a multiple\nlines\nstring",
            "and some",
            "other",
            "paragraphs",
            "the listing\nwith\nspecial chars : <>& ...",
            "a \t tab",
            "\nnew paragraph",
            "HTTP/1.1 200 OK\n\n<html>\n\t<title>",
        ),
        {
            "myvar": {"$rich": '"less than" must be escaped : <'},
            "myescvar": "escaped < ",
            "nlnp": {"$rich": [{"text": BREAKS, "color": "#ff00ff"}]},
            "mylisting": "the listing\nwith\nspecial chars : <>& ...",
            "new_listing": "a \t tab\a\nnew paragraph",
            "some_html": "HTTP/1.1 200 OK\n\n<html>\n\t<title>",
        },
        theirs=lambda tpl, _: {
            "myvar": tpl.R('"less than" must be escaped : <'),
            "myescvar": "escaped < ",
            "nlnp": tpl.R(BREAKS, color="#ff00ff"),
            "mylisting": tpl.Listing("the listing\nwith\nspecial chars : <>& ..."),
            "new_listing": "a \t tab\a\nnew paragraph",
            "some_html": tpl.Listing("HTTP/1.1 200 OK\n\n<html>\n\t<title>"),
        },
        note="the same; values are always escaped, a `Listing` is a plain text",
    ),
    Case(
        "escape_auto",
        lines("{{r nlnp }}", "{{ mylisting }}", "{{ autoescape }}"),
        ("Here is a multiple\nlines\nstring", "and some", "other", "paragraphs", "with\n<>&", "<, >, &, \", and '."),
        {"nlnp": {"$rich": BREAKS}, "mylisting": "with\n<>&", "autoescape": "<, >, &, \", and '."},
        theirs=lambda tpl, _: {
            "nlnp": tpl.R(BREAKS),
            "mylisting": tpl.Listing("with\n<>&"),
            "autoescape": "<, >, &, \", and '.",
        },
    ),
    Case(
        "escaping_delimiters",
        built(delimiters),
        ("{%", "%}", "{{", "}}", "{%", "%}", "{{", "}}", "{a_{hello"),
        compared=False,
        note="the same; docxtpl 0.20 does not find them over split runs",
    ),
    Case(
        "footnotes",
        with_notes("Note: {{ a_jinja_variable }}"),
        ("Text with a note",),
        {"a_jinja_variable": "A & B"},
        holds=("Note: A &amp; B",),
    ),
    Case(
        "get_undeclared_variables",
        lines(
            "{{ name }}",
            "{% if is_student %}student{% endif %}",
            "{% for p in projects %}{{ p.name }}{% endfor %}",
            "{{ author }}",
        ),
        ("John", "student", "Someone"),
        {"name": "John", "is_student": True, "author": "Someone"},
        note="the same text; what is missing is told in warnings, or is an error",
    ),
    Case(
        "header_footer",
        framed("{{ title }} of {{ company_name }}", "body", footer="{{ date }}"),
        ("body", "Title of Company", "2016-03-17"),
        {"title": "Title", "company_name": "Company", "date": "2016-03-17"},
    ),
    Case(
        "header_footer_entities", framed("{{ title }} & <more>", "body"), ("body", "Title & <more>"), {"title": "Title"}
    ),
    Case(
        "header_footer_ko", framed("{{ title }}", "{{ body }}"), ("본문", "머리글"), {"title": "머리글", "body": "본문"}
    ),
    Case(
        "header_footer_utf8",
        framed("Ёж {{ title }}", "{{ x }}", footer="µ"),
        ("世界", "Ёж è", "µ"),
        {"title": "è", "x": "世界"},
    ),
    Case(
        "header_footer_image",
        built(header_picture),
        ("body",),
        {"$pictures": PICTURES},
        compared=False,
        holds=('r:embed="rIdPw1"',),
        note="`replace_media` by the name of the picture: `$pictures`",
    ),
    Case(
        "header_footer_image_file_obj",
        built(header_picture),
        ("body",),
        {"$pictures": PICTURES},
        compared=False,
        holds=('r:embed="rIdPw1"',),
        note="as before, with an asset or a data URI instead of a file object",
    ),
    Case(
        "header_footer_inline_image",
        framed("head {{ inline_image }}", "body", footer="foot {{ inline_image }}"),
        ("body", "head ", "foot "),
        {"inline_image": image(height="10mm")},
        theirs=lambda tpl, made: {"inline_image": tpl.InlineImage(made, stream(), height=360000)},
        holds=('cy="360000"',),
    ),
    Case(
        "hyperlink",
        linked("%7B%7B%20foo%20%7D%7D", "{{ foo }}"),
        ("https://example.com",),
        {"foo": "https://example.com"},
        holds=('Target="https:&#x2f;&#x2f;example.com"',),
        note="the same, safe schemes only; docxtpl 0.20 leaves the address as it is",
    ),
    Case(
        "illegal_xml_chars",
        built(illegal),
        ("ab <c>", "header", "footer"),
        {"myvar": "a\x01b", "escaped": "<c>\x01", "hdr": "header\x01", "ftr": "footer\x01", "prop": "property\x01"},
        compared=False,
        lacks=("\x01",),
        note="the same, with a warning; docxtpl 0.20 makes a broken file",
    ),
    Case(
        "invalid_xml_after_rendering",
        lines("Criticality: {{ defect.criticality }}", "Source: {{ defect.source }}"),
        ("Criticality: <select>", "Source: QA"),
        {"defect": {"criticality": "<select>", "source": "QA"}},
    ),
    Case("main", lines("{{ v }}"), ("from JSON",), {"v": "from JSON"}, note="the same, by `presswork render`"),
    Case(
        "module_execute", lines("{{ v }}"), ("from JSON",), {"v": "from JSON"}, note="the same, by `presswork render`"
    ),
    Case("module_execute_utf8_json", lines("{{ v }}"), ("äöü 世界 Привет",), {"v": "äöü 世界 Привет"}),
    Case("utf8_locale", lines("Ж {{ v }}"), ("Ж äöü 世界 Привет",), {"v": "äöü 世界 Привет"}),
    Case(
        "merge_paragraph",
        lines(
            "My house is located",
            "{%- if living_in_town -%}",
            "in urban area",
            "{%- else -%}",
            "in countryside",
            "{%- endif -%}",
            "and I love it.",
        ),
        ("My house is locatedin urban areaand I love it.",),
        {"living_in_town": True},
    ),
    Case(
        "multi_rendering",
        lines("{{ title }}", "{{ body }}"),
        ("Title ONE", "first"),
        {"title": "Title ONE", "body": "first"},
        note="the same: a template is compiled once and rendered any number of times",
    ),
    Case(
        "nested_for",
        lines(
            "{%p for a in authors %}",
            "{{ loop.index }}. {{ a.name }}",
            "{%p for b in a.books %}",
            "- {{ b }}{% if loop.last %} (last){% endif %}",
            "{%p endfor %}",
            "{%p endfor %}",
        ),
        ("1. Saint-Exupery", "- Le petit prince", "- L'aviateur (last)", "2. Barjavel", "- Ravage (last)"),
        {"authors": PEOPLE},
    ),
    Case(
        "patch_xml_modulo_brace",
        lines(
            "{%p set x = a % 3 %}",
            "{{ x }}",
            "{%p set d = {'a': 1} %}",
            "{{ d.a }}",
            "{%p for i in items if i % 2 %}",
            "{{ i }}",
            "{%p endfor %}",
        ),
        ("1", "1", "1", "3"),
        {"a": 7, "items": [1, 2, 3]},
        compared=False,
        note="the same; docxtpl 0.20 makes a broken template of it",
    ),
    Case(
        "preserve_spaces",
        lines("for {{ tag_1 }} spicy {% if tag_2 %} and {{ tag_2 }} {% endif %}!"),
        ("for looking spicy  and too !",),
        {"tag_1": "looking", "tag_2": "too"},
    ),
    Case(
        "template_error",
        lines("fine", "{{ test_variable }}", "{% if test_variable %}open"),
        (),
        {"test_variable": "x"},
        compared=False,
        error=("is never ended", "{% if test_variable %}"),
        note="an error that names the paragraph, the tag and the remedy",
    ),
    Case("unescape_jinja2_tags", lines("{% if 1 < 2 and 'a' != “b” %}{{ ‘quoted’ }}{% endif %}"), ("quoted",)),
    Case(
        "word2016",
        lines("[{{ test_space }}]", "[{{ test_tabs }}]", "[{{r test_space_r }}]", "[{{r test_tabs_r }}]"),
        ("[     ]", "[\t\t]", "[     ]", "[\t\t]"),
        {
            "test_space": "     ",
            "test_tabs": "\t\t",
            "test_space_r": {"$rich": "     "},
            "test_tabs_r": {"$rich": "\t\t"},
        },
        theirs=lambda tpl, _: {
            "test_space": "     ",
            "test_tabs": "\t\t",
            "test_space_r": tpl.RichText("     "),
            "test_tabs_r": tpl.RichText("\t\t"),
        },
    ),
]
