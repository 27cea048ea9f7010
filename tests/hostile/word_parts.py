"""Word files whose parts are missing, call out, go in circles or are not what they say; and tags in strange places."""

from collections.abc import Callable, Mapping

from tests.hostile.cases import (
    CANARY,
    GOOD,
    TOO_MUCH,
    TYPES,
    Case,
    body,
    docx,
    members,
    paragraph,
    relation,
    relations,
    word,
    zipped,
)

_OUTSIDE = ' TargetMode="External"'
_RELATIONS = "word/_rels/document.xml.rels"
_SCHEMES = ("file://@CANARY@", "http://127.0.0.1:9/x", "\\\\127.0.0.1\\share\\x", "javascript:alert(1)", "../../../etc")
_KINDS = ("image", "attachedTemplate", "oleObject", "subDocument", "frame", "aFChunk", "hyperlink", "package")


def cases() -> list[Case]:
    """Return the family."""
    return [*_missing(), *_circles(), *_calling(), *_split(), *_heavy()]


def _missing() -> list[Case]:
    made = []
    for name in ("[Content_Types].xml", "_rels/.rels", "word/document.xml"):
        files = members(body(paragraph("Hello")))
        del files[name]
        made.append(_files(f"without-{name.replace('/', '-')}", files, "template_error", "invalid_output"))
    hello = members(body(paragraph("Hello")))
    types = {
        "macros": TYPES.replace("document.main+xml", "document.macroEnabled.main+xml"),
        "another-main-part": TYPES.replace("/word/document.xml", "/word/none.xml"),
        "main-part-above": TYPES.replace("/word/document.xml", "/../../etc/passwd"),
        "spreadsheet": TYPES.replace("wordprocessingml.document", "spreadsheetml.sheet"),
        "no-types": "<Types/>",
        "main-part-twice": TYPES.replace("</Types>", TYPES[TYPES.index("<Override") :]),
    }
    for name, text in types.items():
        codes = ("template_error", "invalid_output", GOOD)
        made.append(_files(f"types-{name}", {**hello, "[Content_Types].xml": text}, *codes))
    return made


def _circles() -> list[Case]:
    hello = members(body(paragraph("Hello")))
    itself = relations(relation("rId1", "header", "document.xml"), relation("rId2", "footer", "document.xml"))
    many = relations(*(relation(f"rId{n}", "image", f"media/{n}.png") for n in range(20_000)))
    same = relations(*(relation("rId1", "image", "media/a.png") for _ in range(100)))
    climbing = relations(relation("rId1", "image", "../../../../../../../../@CANARY@"))
    links = {"itself": itself, "20000-missing": many, "same-id-100-times": same, "climbing": climbing}
    codes = ("template_error", "invalid_output", GOOD)
    made = [_files(f"relations-{name}", {**hello, _RELATIONS: text}, *codes) for name, text in links.items()]
    used = body(paragraph("Hello") + '<w:sectPr><w:headerReference w:type="default" r:id="rId404"/></w:sectPr>')
    return [*made, _files("relations-used-but-not-there", members(used), *codes)]


def _calling() -> list[Case]:
    """Every kind of relationship to an address outside; what is completed must not carry it (the stage looks)."""
    made = []
    for kind in _KINDS:
        for number, target in enumerate(_SCHEMES):
            inner = paragraph("Hello") + '<w:p><w:hyperlink r:id="rId9"><w:r><w:t>x</w:t></w:r></w:hyperlink></w:p>'
            link = relations(relation("rId9", kind, target, _OUTSIDE))
            files = {**members(body(inner)), _RELATIONS: link}
            made.append(_files(f"outside-{kind}-{number}", files, GOOD, "template_error", "data_invalid"))
    for field in ("INCLUDETEXT", "INCLUDEPICTURE", "DDEAUTO", "DATABASE", "IMPORT"):
        code = f'<w:p><w:fldSimple w:instr=" {field} &quot;{CANARY}&quot; "><w:r/></w:fldSimple></w:p>'
        made.append(_files(f"field-{field.lower()}", members(body(code)), GOOD, "template_error"))
    return made


def _split() -> list[Case]:
    """Tags that Word has torn apart, or that stand where no tag can."""
    inners = {
        "every-letter-a-run": "<w:p>" + "".join(f"<w:r><w:t>{c}</w:t></w:r>" for c in "{{ x }}") + "</w:p>",
        "over-paragraphs": paragraph("{{ x") + paragraph("}}"),
        "over-cells": f"<w:tbl><w:tr><w:tc>{paragraph('{{ x')}</w:tc><w:tc>{paragraph('}}')}</w:tc></w:tr></w:tbl>",
        "loop-crosses-tables": f"<w:tbl><w:tr><w:tc>{paragraph('{% for i in [1,2] %}')}</w:tc></w:tr></w:tbl>"
        + paragraph("{% endfor %}"),
        "row-loop-outside-a-table": paragraph("{%tr for i in [1,2] %}") + paragraph("{%tr endfor %}"),
        "in-an-attribute": '<w:p w:rsidR="{{ x }}"><w:r><w:t>a</w:t></w:r></w:p>',
        "quote-breaks-an-attribute": '<w:p w:rsidR="{{ evil }}"><w:r><w:t>a</w:t></w:r></w:p>',
        "statement-in-an-attribute": '<w:p w:rsidR="{% if x %}"><w:r><w:t>a</w:t></w:r></w:p>',
        "in-an-element-name": "<w:{{ x }}/>",
        "in-a-comment": "<!-- {% for i in range(9) %} -->" + paragraph("a"),
        "in-an-instruction": "<?x {{ x }}?>" + paragraph("a"),
        "closing-only": paragraph("{% endfor %}{% endif %}"),
        "braces-only": paragraph("}}{{" * 500),
        "20000-tags": "".join(paragraph("{{ x }}") for _ in range(20_000)),
        "tag-of-a-megabyte": paragraph("{{ x" + " " * 1_000_000 + "}}"),
        "nulls-for-marks": paragraph("\ufdd0\ufdd1\ufdd2{{ x }}\ufdd3"),
        "entities-spell-a-tag": paragraph("&#123;&#123; 7*7 &#125;&#125;"),
    }
    data = {"x": "1", "evil": '"/><w:p w:x="'}
    allowed = ("template_error", "invalid_output", "data_invalid", GOOD)
    return [_files(f"tags-{name}", members(body(inner)), *allowed, data=data) for name, inner in inners.items()]


def _heavy() -> list[Case]:
    row = "<w:tr><w:tc><w:p><w:r><w:t>{0}</w:t></w:r></w:p></w:tc></w:tr>"
    looped = row.format("{%tr for i in range(1000000) %}") + row.format("{{ i }}") + row.format("{%tr endfor %}")
    table = f"<w:tbl><w:tblPr/><w:tblGrid><w:gridCol/></w:tblGrid>{looped}</w:tbl>"
    listed = table.replace("range(1000000)", "xs")
    rows = f"<w:tbl><w:tblGrid><w:gridCol/></w:tblGrid>{row.format('x') * 60_000}</w:tbl>"
    pictures = {f"word/media/{n}.png": b"\x89PNG\r\n\x1a\n" + bytes(100) for n in range(1_500)}
    return [
        _files("million-rows-by-a-loop", members(body(table)), *TOO_MUCH),
        _files("million-rows-by-data", members(body(listed)), *TOO_MUCH, GOOD, data={"xs": [0] * 1_000_000}),
        _files("60000-rows", members(body(rows)), *TOO_MUCH, GOOD),
        docx("1500-pictures", lambda canary: word("Hello", pictures), GOOD),
    ]


def _files(name: str, files: Mapping[str, str | bytes], *allowed: str, data: object = None) -> Case:
    return docx(f"parts-{name}", _told(files), *allowed, data=data)


def _told(files: Mapping[str, str | bytes]) -> Callable[[str], bytes]:
    def build(canary: str) -> bytes:
        return zipped(
            {name: text.replace(CANARY, canary) if isinstance(text, str) else text for name, text in files.items()}
        )

    return build
