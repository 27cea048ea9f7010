"""Strings and data that have broken programs before; the idea is the Big List of Naughty Strings."""

from tests.hostile.cases import GOOD, Case, docx, typst, word
from tests.hostile.tags import INJECTIONS

STRINGS = (
    *("", " ", "\t", "\n", "\r\n", "\u2028\u2029", "\x85", "\u00a0", "\u200b\u200c\u200d\ufeff", "\u180e", "\u00ad"),
    *(
        "\x00",
        "\x01\x02\x03",
        "\x07\x0c\x0b",
        "\x1b[31mred",
        "\x7f",
        "\x80\x9f",
        "a\x00b",
        "\ufffe",
        "\uffff",
        "\ufdd0",
    ),
    *("\ufdd1\ufdd2", "\U0001fffe", "\U0010ffff", "\ue000\uf8ff", "\ud800", "\udfff", "a\udc00b\ud800", "\ufffd"),
    *("\u202eabc\u202c", "\u2066\u2067\u2068x\u2069", "مُنَاقَشَةُ", "עברית abc عربى", "؁؂؃", "\u061c\u200e\u200f"),
    *("Z̮̞̠͙͔ͅa̶l̷g̸o" * 20, "a" + "\u0301" * 500, "ﷺ" * 20, "각" * 50, "\u1112\u1161\u11ab", "क्षि", "ทำ", "﷽"),
    *(
        "👩‍👩‍👧‍👦",
        "🏴\U000e0067\U000e0062\U000e007f",
        "🇺🇸🇷🇺🇸",
        "👾" * 50,
        "❤️",
        "☺︎",
        "田中さん",
        "사회과학원",
        "Ⱥ" * 50,
        "ŐŰİıſß",
    ),
    *("ЁЂЃ", "₴€£¥", "½⅓", "Ω≈ç√∫", "⅛⅜", "Ⅷ", "ﬀﬁﬂ", "𝕿𝖍𝖊", "¿¡", "“‘’”", "…—–‐", "\u0f0b\u0f0c", "\u3164"),
    *("undefined", "null", "NULL", "None", "nil", "true", "False", "NaN", "Infinity", "-0", "0x0", "1e400", "1E-400"),
    *("9" * 400, "-9223372036854775809", "1,000.00", "1.000,00", "01", "0e0", ".", "-", "--", "+1", "1/0"),
    *("'", '"', "''", '"\'"', "`", "\\", "\\\\", "\\n", "\\u0000", "%00", "%s%s%n", "%d", "{0}", "{}", "${x}", "$(id)"),
    *("`id`", "; rm -rf /", "| cat /etc/passwd", "&& true", "../../etc/passwd", "C:\\con", "CON", "file:///etc/passwd"),
    *("' OR 1=1 --", "'; DROP TABLE users; --", "1 UNION SELECT 1", "\\'; --", "admin'/*", "\x1a"),
    *("<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "javascript:alert(1)", "&lt;b&gt;", "&amp;", "&#0;"),
    *("]]>", "<![CDATA[", "<!--", "-->", "<?xml?>", "<!DOCTYPE a>", "<w:p/>", "</w:t>", "&e;", "&l9;"),
    *("<svg/onload=alert(1)>", "{{ 7*7 }}", "{% for i in x %}", "{#", "#}", "{{", "}}", "{%", "%}", "{%r", "{{r x }}"),
    *(
        '#eval("1")',
        '#read("/etc/passwd")',
        "#panic()",
        "= Heading",
        "*bold",
        "_x",
        "$x$",
        "$",
        "`raw",
        "@ref",
        "<label>",
    ),
    *("//comment", "/*", "*/", "- item", "+ item", "/ a: b", "#let x = 1", "[", "]", "#[", "~", "---", "\\u{7f}", "#"),
    *(
        "=cmd|' /C calc'!A0",
        "@SUM(1)",
        "+1-1",
        "INCLUDETEXT",
        " DDEAUTO c:\\\\x ",
        "HYPERLINK",
        "PAGEREF",
        "\\* MERGEFORMAT",
    ),
    *(
        "a" * 20_000,
        "a " * 10_000,
        "a\n" * 2_000,
        "\t" * 1_000,
        "W" * 500,
        "-" * 3_000,
        "\u00a0" * 2_000,
        "a\u00ad" * 2_000,
    ),
)

_TYPST = (
    '#let d = json("data.json")\n#set document(title: d.x)\n= #d.x\n#d.x #raw(d.x) #table(columns: 2, d.x, repr(d.x))'
)
_WORD = "{{ x }} {{ x|upper }} {{ x ~ x }} {{ x|length }} {{ x|safe }} {% if x %}{{ [x, x]|join(x) }}{% endif %}"
_RAW = {
    "nulls-escaped": rb'{"x": "a\u0000b"}',
    "half-a-pair": rb'{"x": "a\ud800b"}',
    "pairs-reversed": rb'{"x": "\udc00\ud800"}',
    "same-key-twice": b'{"x": "1", "x": "2"}',
    "number-1e400": b'{"x": 1e400}',
    "number-of-5000-digits": b'{"x": ' + b"9" * 5_000 + b"}",
    "number-of-5000-decimals": b'{"x": 0.' + b"3" * 5_000 + b"}",
    "number-minus-zero": b'{"x": -0.0}',
    "number-beyond-64-bits": b'{"x": 18446744073709551616}',
    "not-a-number": b'{"x": NaN}',
    "infinity": b'{"x": Infinity}',
    "no-object": b"[1]",
    "no-json": b"{",
    "nothing": b"",
    "no-utf-8": b'{"x": "\xff"}',
    "utf-16": '{"x": "1"}'.encode("utf-16"),
    "byte-order-mark": b'\xef\xbb\xbf{"x": "1"}',
    "white-space": b" " * 1_000_000 + b'{"x": "1"}',
    "comment": b'{"x": "1" /* */}',
    "trailing-comma": b'{"x": "1",}',
    "depth-100000": b'{"x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
}


def _nested(depth: int) -> object:
    value: object = "deep"
    for _ in range(depth):
        value = {"x": [value]}
    return value


_DATA: dict[str, object] = {
    "depth-500": {"x": _nested(250)},
    "keys-of-python": {"x": {"__class__": 1, "__proto__": {"x": 1}, "constructor": 2, "__init__": [1], "": 0, " ": 1}},
    "keys-of-the-engine": {"x": "1", "loop": 1, "self": 2, "range": 3, "namespace": 4, "missing": 5, "$asset": 6},
    "keys-10000": {"x": "1", **{f"k{number}": number for number in range(10_000)}},
    "key-of-a-megabyte": {"x": "1", "k" * 1_000_000: 1},
    "keys-naughty": {"x": {text.replace("\ud800", "").replace("\udfff", ""): 1 for text in STRINGS if len(text) < 100}},
    "array-of-100000": {"x": ["a"] * 100_000},
    "text-of-2-megabytes": {"x": "a b " * 500_000},
    "text-of-a-megabyte-without-spaces": {"x": "a" * 1_000_000},
    "null": {"x": None},
    "true": {"x": True},
    "empty": {},
}


def cases() -> list[Case]:
    """Return the family: every string alone, in both engines, and data of strange shapes."""
    made = []
    for number, text in enumerate((*STRINGS, *INJECTIONS)):
        whole = text.encode("utf-8", "replace").decode() == text
        made += _both(f"naughty-{number}", {"x": text}, GOOD, *(() if whole else ("template_error",)))
    shapes = (
        GOOD,
        "data_invalid",
        "data_missing",
        "template_error",
        "render_timeout",
        "memory_limit",
        "output_too_large",
    )
    for name, data in {**_RAW, **_DATA}.items():
        made += _both(f"data-{name}", data, *shapes)
    return made


def _both(name: str, data: object, *allowed: str) -> list[Case]:
    return [
        typst(name, _TYPST, *allowed, data=data),
        docx(name, lambda canary: word(_WORD), *allowed, data=data),
    ]
