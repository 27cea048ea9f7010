"""Typst code that never ends, grows without bound, or reads what is not its own."""

from tests.hostile.cases import CANARY, GOOD, TOO_MUCH, Case, typst

#: A crash is told from memory or nesting; the limits decide which comes first.
_GREEDY_CODES = (*TOO_MUCH, "render_crashed", GOOD)
#: The beginning of a WebAssembly module, and the export of its memory.
_WASM, _MEMORY = "0,97,115,109,1,0,0,0", "6,109,101,109,111,114,121,2,0"
_GREEDY = {
    "while-true": "#while true {}",
    "while-true-with-content": "#while true [a]",
    "nested-loops": "#for i in range(100000) { for j in range(100000) {} }",
    "range-of-a-billion": "#range(1000000000).len()",
    "string-of-four-gigabytes": '#("a" * 4000000000)',
    "string-doubled": '#let s = "aaaaaaaa"\n#for i in range(40) { s = s + s }\n#s.len()',
    "array-doubled": "#let s = (1, 2)\n#for i in range(40) { s = s + s }\n#s.len()",
    "recursion": "#let f(x) = f(x + 1)\n#f(0)",
    "recursion-of-two": "#let g(x) = x\n#let f(x) = if x > 90 { 1 } else { f(x + 1) + f(x + 1) }\n#f(0)",
    "show-rule-of-itself": "#show heading: it => [= #it.body]\n= A",
    "show-text-of-itself": '#show "a": "aa"\na',
    "lorem-3000000": "#lorem(3000000)",
    "boxes-in-boxes": "#let x = [a]\n#for i in range(100000) { x = box(x) }\n#x",
    "blocks-in-blocks": "#let x = [a]\n#for i in range(20000) { x = block(x) }\n#x",
    "brackets": "#" + "[" * 20_000 + "]" * 20_000,
    "parentheses": "#" + "(" * 20_000 + "1" + ")" * 20_000,
    "braces": "#" + "{" * 20_000 + "}" * 20_000,
    "equation-nested": "$" + "sqrt(" * 5_000 + "1" + ")" * 5_000 + "$",
    "lists-nested": "\n".join("  " * level + "- a" for level in range(400)),
    "pages-100000": "#for i in range(100000) { pagebreak() }",
    "page-of-a-kilometre": "#set page(width: 1000000mm, height: 1000000mm)\nA",
    "page-without-end": "#set page(height: auto)\n#for i in range(30000) [A #parbreak()]",
    "page-of-no-size": "#set page(width: 0pt, height: 0pt)\nA",
    "page-of-negative-size": "#set page(width: -10cm)\nA",
    "page-of-infinite-size": "#set page(width: 1pt * float.inf)\nA",
    "page-of-nan-size": "#set page(width: 1pt * float.nan)\nA",
    "text-of-a-million-points": "#set text(size: 1000000pt)\nHello",
    "text-of-no-points": "#set text(size: 0pt)\nHello",
    "table-of-a-million-cells": "#table(columns: 10, ..range(1000000).map(str))",
    "table-of-100000-columns": "#table(columns: 100000, [a])",
    "grid-in-grids": "#let x = [a]\n#for i in range(60) { x = grid(columns: (auto, auto), x, x) }\n#x",
    "counter-that-never-settles": '#let s = state("s", 0)\n#context s.update(s.final() + 1)\n#context s.final()',
    "outline-of-itself": "#show outline: it => { outline(); it }\n#outline()\n= A",
    "gradient-of-a-million-stops": "#rect(fill: gradient.linear(..range(200000).map(i => luma(calc.rem(i, 256)))))",
    "curve-of-a-million-points": "#curve(..range(300000).map(i => curve.line((1pt * i, 0pt))))",
    "pattern-in-patterns": "#let p = red\n#for i in range(300) { p = tiling(size: (2pt, 2pt), rect(fill: p)) }\n"
    "#rect(fill: p)",
    "scale-of-a-billion": "#scale(x: 1000000000%, y: 1000000000%)[A]",
    "regular-expression": '#("a" * 5000 + "!").match(regex("(a+)+(a+)+(a+)+$"))',
    "regular-expression-large": '#"a".match(regex("(((a{100}){100}){100}){100}"))',
    "number-too-large": "#(9223372036854775807 + 1)",
    "division-by-zero": "#(1 / 0)",
    "factorial": "#calc.fact(1000000)",
    "power": "#calc.pow(10, 1000000)",
    "panic": '#panic("a" * 1000000)',
    "error-of-a-megabyte": "#" + "a" * 1_000_000,
    "nulls": "A\0B",
    "unclosed": "#let x = (" * 1_000,
    "json-deep": '#json(bytes("[" * 100000 + "]" * 100000))',
    "xml-laughs": "#xml(bytes(\"<!DOCTYPE l [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;'>]><l>&b;</l>\"))",
    "yaml-laughs": '#yaml(bytes("a: &a [x,x,x,x,x,x,x,x,x]\\n'
    + "".join(f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 9)}]\\n" for n in range(8))
    + '"))',
    "toml-deep": '#toml(bytes("a = " + "[" * 100000))',
    "cbor-lies": "#cbor(bytes((155, 255, 255, 255, 255, 255, 255, 255, 255)))",
    "csv-wide": '#csv(bytes("," * 3000000)).len()',
    "eval-of-eval": '#let s = "1"\n#for i in range(200) { s = "eval(" + repr(s) + ")" }\n#s.len()',
    "eval-of-itself": '#let f(s) = eval("f(s)", scope: (f: x => 1, s: s))\n#f(1)',
    "plugin-no-wasm": '#plugin(bytes("not wasm"))',
    "plugin-endless": f"#let p = plugin(bytes(({_WASM},1,5,1,96,0,1,127,3,2,1,0,5,3,1,0,1,7,14,2,1,102,0,0,{_MEMORY},"
    "10,11,1,9,0,3,64,12,0,11,65,0,11)))\n#p.f()",
    "plugin-of-4-gigabytes": f"#let p = plugin(bytes(({_WASM},5,5,1,0,128,128,4,7,10,1,{_MEMORY})))\n#p",
}
_READ_CODES = ("template_error",)
_SECRETS = (
    CANARY,
    "/etc/passwd",
    "/proc/self/environ",
    "/proc/self/cmdline",
    "/proc/self/root/etc/passwd",
    "../canary",
    "../../../../../../../../../../etc/passwd",
    "/../../../../../../etc/passwd",
    "..\\..\\etc\\passwd",
    "./../plain/main.typ",
    "//etc/passwd",
    "file:///etc/passwd",
    "http://127.0.0.1:9/x",
    "/dev/zero",
    "/dev/stdin",
    "/dev/fd/0",
    ".",
    "/",
    "",
    "a\\u{0}b",
)
_PACKAGES = (
    '#import "@preview/cetz:0.4.2"',
    '#import "@local/x:1.0.0": *',
    '#import "@preview/../../x:1.0.0"',
    '#import ("@pre" + "view/cetz:0.4.2")',
    '#include "@preview/cetz:0.4.2"',
    '#eval("import \\"@preview/cetz:0.4.2\\"")',
    '#let p = "@preview/cetz:0.4.2"; #import p',
)
_READERS = ("read", "json", "csv", "xml", "yaml", "toml", "cbor", "image", "plugin", "bibliography")


def cases() -> list[Case]:
    """Return the family."""
    greedy = [typst(f"greedy-{name}", source, *_GREEDY_CODES) for name, source in _GREEDY.items()]
    reads = [typst(f"reads-{n}", f'#read("{path}")', *_READ_CODES) for n, path in enumerate(_SECRETS)]
    readers = [typst(f"reads-by-{call}", f'#{call}("{CANARY}")', *_READ_CODES) for call in _READERS]
    packages = [typst(f"package-{n}", source, *_READ_CODES) for n, source in enumerate(_PACKAGES)]
    return [*greedy, *reads, *readers, *packages, *_other()]


def _other() -> list[Case]:
    return [
        typst("includes-the-canary", f'#include "{CANARY}"', *_READ_CODES),
        typst("imports-the-canary", f'#import "{CANARY}": *', *_READ_CODES),
        typst("evaluates-a-read", '#eval("read(\\"/etc/passwd\\")")', *_READ_CODES),
        typst("inputs", "#repr(sys.inputs)", GOOD),
        typst("system", "#repr(sys)", GOOD),
        typst("links-to-a-file", f'#link("file://{CANARY}")[x]', GOOD),
        typst("attaches-the-canary", f'#pdf.attach("{CANARY}")', *_READ_CODES),
        typst("its-own-source", '#read("main.typ")', GOOD, "template_error"),
        typst(
            "data-as-code",
            '#eval(json("data.json").x, mode: "markup")',
            *_READ_CODES,
            data={"x": '#read("/etc/passwd")'},
        ),
    ]
