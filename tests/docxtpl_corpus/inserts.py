"""Cases of what is more than text: rich text, pictures, documents in documents."""

from docx.document import Document
from docx.enum.style import WD_STYLE_TYPE
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls

from tests.docxtpl_corpus.building import Case, built, framed, image, inserted, lines, stream


def styled(*texts: str) -> bytes:
    def build(document: Document) -> None:
        document.styles.add_style("myrichtextstyle", WD_STYLE_TYPE.CHARACTER)
        document.styles.add_style("SquareBullet", WD_STYLE_TYPE.PARAGRAPH)
        for text in texts:
            document.add_paragraph(text)

    return built(build)


def rich(tpl: object, _: object) -> dict[str, object]:
    made = tpl.RichText("an exemple of ")  # type: ignore[attr-defined]
    made.add("a rich text", style="myrichtextstyle")
    made.add(" with ")
    made.add("some italic", italic=True)
    made.add(" some violet", color="#ff00ff")
    made.add(" some striked", strike=True)
    made.add(" some small", size=14)
    made.add("\n1st line\n\n<cool>")
    return {"example": made}


RICH = [
    "an exemple of ",
    {"text": "a rich text", "style": "myrichtextstyle"},
    " with ",
    {"text": "some italic", "italic": True},
    {"text": " some violet", "color": "#ff00ff"},
    {"text": " some striked", "strike": True},
    {"text": " some small", "size": 7},
    "\n1st line\n\n<cool>",
]


def rich_paragraphs(tpl: object, _: object) -> dict[str, object]:
    made = tpl.RichTextParagraph()  # type: ignore[attr-defined]
    made.add("styles for paragraphs", parastyle="IntenseQuote")
    made.add("custom bullet\apoints", parastyle="SquareBullet")
    inner = tpl.RichText("works with ")  # type: ignore[attr-defined]
    inner.add("Rich Text", bold=True)
    made.add(inner, parastyle="SquareBullet")
    return {"example": made}


def sub(document: Document) -> None:
    document.add_paragraph("This is a sub-document")
    document.add_paragraph("listed", "List Bullet")
    document.add_table(rows=1, cols=2).cell(0, 1).text = "cell"
    document.add_picture(stream("green"))


def sub_with_tag(document: Document) -> None:
    document.add_paragraph("Sub {{ Sub_Doc_Field }}")


def sub_with_object(document: Document) -> None:
    run = document.add_paragraph("object ").add_run()
    run._r.append(parse_xml(f'<w:object {nsdecls("w")}/>'))


def replaceable(document: Document) -> None:
    document.add_paragraph("a picture")
    document.add_picture(stream("red"))
    for properties in document.element.body.iter("{*}docPr"):
        properties.set("name", "python_logo.png")


def embedding(document: Document) -> None:
    document.add_paragraph("{{ name }} keeps the object ").add_run()._r.append(parse_xml(f'<w:object {nsdecls("w")}/>'))


FRAMEWORKS = [("Django", "navy"), ("Zope", "red")]


def object_left_out(script: str, note: str = "as before") -> Case:
    source, inner = lines("{{p s }}"), {"s": inserted(sub_with_object)}
    return Case(script, source, ("object ",), inner, compared=False, lacks=("<w:object",), note=note)


CASES = [
    Case(
        "richtext",
        styled("{{r example }}"),
        ("an exemple of a rich text with some italic some violet some striked some small\n1st line\n\n<cool>",),
        {"example": {"$rich": RICH}},
        theirs=rich,
        holds=(
            '<w:rStyle w:val="myrichtextstyle"/>',
            "<w:i/>",
            '<w:color w:val="FF00FF"/>',
            "<w:strike/>",
            '<w:sz w:val="14"/>',
        ),
        note="the same; sizes are points, not half points",
    ),
    Case(
        "richtext_and_if",
        lines("Is {% if foobar %}set: {{r foobar }}{% endif %}!"),
        ("Is set: Foobar!!",),
        {"foobar": {"$rich": [{"text": "Foobar!", "color": "#ff0000"}]}},
        theirs=lambda tpl, _: {"foobar": tpl.RichText("Foobar!", color="ff0000")},
        holds=('<w:color w:val="FF0000"/>',),
    ),
    Case(
        "richtext_eastAsia",
        lines("{{r example }}", "{{r Chinese }}"),
        ("测试TEST", "测试TEST"),
        {
            "example": {"$rich": [{"text": "测试TEST", "font": "eastAsia:Microsoft YaHei"}]},
            "Chinese": {"$rich": [{"text": "测试TEST", "font": "eastAsia:微软雅黑"}]},
        },
        theirs=lambda tpl, _: {
            "example": tpl.RichText("测试TEST", font="eastAsia:Microsoft YaHei"),
            "Chinese": tpl.RichText("测试TEST", font="eastAsia:微软雅黑"),
        },
        holds=('w:eastAsia="Microsoft YaHei"', 'w:eastAsia="微软雅黑"'),
    ),
    Case(
        "richtextparagraph",
        styled("{{p example }}"),
        ("styles for paragraphs", "custom bullet", "points", "works with Rich Text"),
        {
            "example": {
                "$paragraphs": [
                    {"text": "styles for paragraphs", "style": "IntenseQuote"},
                    {"text": "custom bullet\apoints", "style": "SquareBullet"},
                    {"text": ["works with ", {"text": "Rich Text", "bold": True}], "style": "SquareBullet"},
                ]
            }
        },
        theirs=rich_paragraphs,
        holds=('<w:pStyle w:val="IntenseQuote"/>', '<w:pStyle w:val="SquareBullet"/>'),
    ),
    Case(
        "inline_image",
        lines(
            "{{ myimage }} and {{ myimageratio }}",
            "{%p for f in frameworks %}",
            "{{ f.image }} {{ f.desc }}",
            "{%p endfor %}",
        ),
        (" and ", " Django", " Zope"),
        {
            "myimage": image(width="20mm"),
            "myimageratio": image(width="30mm", height="60mm"),
            "frameworks": [{"image": image(colour, height="10mm"), "desc": name} for name, colour in FRAMEWORKS],
        },
        theirs=lambda tpl, made: {
            "myimage": tpl.InlineImage(made, stream(), width=720000),
            "myimageratio": tpl.InlineImage(made, stream(), width=1080000, height=2160000),
            "frameworks": [
                {"image": tpl.InlineImage(made, stream(colour), height=360000), "desc": name}
                for name, colour in FRAMEWORKS
            ],
        },
        holds=('cx="720000" cy="480000"', 'cx="1080000" cy="2160000"', 'cy="360000"'),
    ),
    Case(
        "inline_image_and_subdoc",
        lines("{{p subdoc }}", "{{ image }}"),
        ("This is a sub-document", "listed", "cell"),
        {"subdoc": inserted(sub), "image": image()},
        compared=False,
        holds=("word/media/",),
    ),
    Case(
        "replace_picture",
        built(replaceable),
        ("a picture",),
        {"$pictures": {"python_logo.png": image()}},
        compared=False,
        holds=('r:embed="rIdPw1"',),
        note="`replace_pic` by the picture's name: `$pictures`, or a tag as alternative text",
    ),
    Case(
        "subdoc",
        lines("before", "{{p mysubdoc }}", "after"),
        ("before", "This is a sub-document", "listed", "cell", "after"),
        {"mysubdoc": inserted(sub)},
        compared=False,
        note="the same; a document is given as a `.docx`, not built in Python",
    ),
    Case(
        "subdoc_optional_dependency",
        framed("{{ t }}", "{{p s }}"),
        ("This is a sub-document", "listed", "cell", "H"),
        {"t": "H", "s": inserted(sub)},
        compared=False,
        note="nothing more to install",
    ),
    Case(
        "merge_docx",
        lines("a", "{{p s }}", "b"),
        ("a", "This is a sub-document", "listed", "cell", "b"),
        {"s": inserted(sub)},
        compared=False,
    ),
    Case(
        "merge_docx_with_render",
        lines("{{ f }}", "{{p s }}"),
        ("Foo", "Sub {{ Sub_Doc_Field }}"),
        {"f": "Foo", "s": inserted(sub_with_tag), "Sub_Doc_Field": "Bar"},
        compared=False,
        note="tags in an inserted document stay text: data is no template",
    ),
    Case(
        "pandoc_subdoc",
        lines("{{p s }}"),
        ("This is a sub-document", "listed", "cell"),
        {"s": inserted(sub)},
        compared=False,
        holds=("<a:blip ", "word/media/"),
    ),
    Case(
        "embedded",
        built(embedding),
        ("Ann keeps the object ",),
        {"name": "Ann"},
        holds=("<w:object",),
        note="objects of the template stay as they are; they cannot be replaced",
    ),
    object_left_out("embedded_ole_subdoc", "objects of an inserted document are left out, for safety"),
    object_left_out("issue_621_public_reproduction"),
    object_left_out("_issue_621_ole"),
]
