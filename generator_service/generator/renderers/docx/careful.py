"""Tags as MiniJinja source that runs to its end whatever the data lacks: what is missing is blank, and reported.

`__missing(number, path)` reports a value that prints nothing (and answers with its mark), `__absent(number, path)`
one that a condition asks for. `tags` has the other way of writing, which stops.
"""

import re
from collections.abc import Iterator
from dataclasses import replace

from generator.renderers.docx.tags import Tag, filtered_path, is_data, strict_code

_STRING = r"(?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")"
_PATH = r"[A-Za-z_]\w*(?:\.\w+|\[\s*(?:'[^']*'|\"[^\"]*\"|\d+)\s*\])*"
_ARGUMENTS = rf"\((?:{_STRING}|[^()'\"])*\)"
_FILTERS = rf"(?:\s*\|\s*\w+(?:{_ARGUMENTS})?)*"
_TERM = rf"(?:{_STRING}|\d[\d.]*|{_PATH}(?!\s*\(|[\w.\[])){_FILTERS}"
_OPERATOR = r"(?:\*\*|//|[-+*/%~])"
_COMPUTED = rf"{_TERM}(?:\s*{_OPERATOR}\s*{_TERM})*"
#: Strings are found first, so that nothing in them is taken for code.
_CONDITION = re.compile(
    rf"(?P<before>^\s*|[(\[,]\s*|\b(?:if|elif|and|or|not|else)\s+|(?<![=!<>])=(?!=)\s*)(?P<left>{_COMPUTED})"
    rf"(?:\s*(?P<sign>==|!=|<=|>=|<|>|\bnot\s+in\b|\bin\b)\s*(?P<right>{_COMPUTED}))?"
    rf"(?=\s*(?:$|[)\],]|\b(?:and|or|if|else)\b))|{_STRING}"
)
_VALUE = re.compile(rf"(?:{_STRING}|(?<![\w.])\d[\d.]*|(?P<path>{_PATH}))(?P<filters>{_FILTERS})")
_WHOLE = re.compile(rf"\s*(?:\(\s*(?P<inner>{_COMPUTED})\s*\){_FILTERS}|(?P<plain>{_COMPUTED}))\s*")
_CALLED = re.compile(rf"\s*(?P<path>{_PATH})\.\w+{_ARGUMENTS}{_FILTERS}\s*")
_SET = re.compile(r"set\s+(?P<name>\w+)\s*=(?!=)(?P<value>.*)", re.DOTALL)
_LOOP = re.compile(
    rf"for\s+(?P<names>[\w\s,]+?)\s+in\s+(?P<source>(?P<path>{_PATH}?)(?:\.\w+\(\s*\))?{_FILTERS})"
    r"\s*(?P<rest>(?:\bif\s.*|\brecursive)?)$",
    re.DOTALL,
)
_DEFAULTED = re.compile(r"\|\s*(?:default|d)\b")
_OPERATORS = re.compile(rf"{_STRING}|{_ARGUMENTS}|(?P<sign>{_OPERATOR})")


def careful_code(tag: Tag, number: int) -> str:
    """Write the tag so that a missing value is blank and reported; null is blank too."""
    if tag.kind == "{":
        return _print(tag.code, number, tag.quiet)
    if tag.kind != "%":
        return strict_code(tag)
    loop = _LOOP.fullmatch(tag.code)
    if loop:
        told, code = _for(loop, number, quiet=bool(tag.scope))
        return told + strict_code(replace(tag, code=code))
    if tag.keyword in ("if", "elif"):
        return strict_code(replace(tag, code=_condition(tag.code, number, alone=True)))
    assigned = _SET.fullmatch(tag.code)
    return _set(assigned["name"], assigned["value"], number) if assigned else strict_code(tag)


def _told(number: int, path: str, *, quiet: bool) -> str:
    """Report a value if it is missing, and print its mark unless markup stands here."""
    call = f"__missing({number}, {_quoted(path)})"
    return f"{{% if {path} is not defined %}}{f'{{% do {call} %}}' if quiet else f'{{{{ {call} }}}}'}{{% endif %}}"


def _quoted(path: str) -> str:
    return '"' + path.replace('"', '\\"') + '"'


def _print(code: str, number: int, quiet: bool) -> str:
    paths = list(_needed(code))
    told = "".join(_told(number, path, quiet=quiet) for path in paths)
    call = f"__missing({number})"
    missing = f"{{% do {call} %}}" if quiet else f"{{{{ {call} }}}}"
    shown = (
        f"{{% set __v = ({_condition(code, number)}) %}}{{% if __v is defined %}}"
        f"{{% if __v is not none %}}{{{{ __v }}}}{{% endif %}}{{% else %}}{missing}{{% endif %}}"
    )
    if not paths:
        return shown
    if _joins(code):
        return told + shown
    return f"{{% if {_all_there(paths)} %}}{shown}{{% else %}}{told}{{% endif %}}"


def _set(name: str, value: str, number: int) -> str:
    paths = list(_needed(value))
    told = "".join(_told(number, path, quiet=True) for path in paths)
    written = _condition(value, number)
    if paths and not _joins(value):
        written = f"(({written}) if {_all_there(paths)})"
    return f"{told}{{% set {name} = {written} %}}"


def _for(loop: re.Match[str], number: int, *, quiet: bool) -> tuple[str, str]:
    path, source, rest = loop["path"], loop["source"], loop["rest"]
    told = _told(number, path, quiet=quiet) if is_data(path.split(".")[0]) and not _DEFAULTED.search(source) else ""
    rows = f"({source} if {path} is defined and {path} is not none else [])" if told else source
    return told, f"for {loop['names']} in {rows} {_condition(rest, number, alone=True)}".rstrip()


def _all_there(paths: list[str]) -> str:
    return " and ".join(f"{path} is defined" for path in paths)


def _needed(code: str) -> Iterator[str]:
    """Yield the paths without which an expression has no value: of filters, of what is called, of arithmetic."""
    called = _CALLED.fullmatch(code)
    path = called["path"] if called and not _DEFAULTED.search(code) else filtered_path(code)
    whole = _WHOLE.fullmatch(code)
    if path:
        yield from [path] if is_data(re.split(r"[.\[]", path)[0]) else []
    elif whole and _signs(code):
        yield from _paths(whole["inner"] or whole["plain"])


def _paths(computed: str) -> Iterator[str]:
    """Yield the data that a computation reads, once each, but for what has a default."""
    seen = set()
    for found in _VALUE.finditer(computed):
        path = found["path"]
        named = path and path not in seen and is_data(re.split(r"[.\[]", path)[0])
        if named and not _DEFAULTED.search(found["filters"]):
            seen.add(path)
            yield path


def _signs(code: str) -> list[str]:
    return [found["sign"] for found in _OPERATORS.finditer(code.strip().lstrip("(")) if found["sign"]]


def _joins(code: str) -> bool:
    """Tell whether an expression only joins texts, of which the others can be printed."""
    signs = _signs(code)
    return bool(signs) and all(sign == "~" for sign in signs)


def _condition(code: str, number: int, *, alone: bool = False) -> str:
    """Write comparisons so that a missing value equals nothing, lies nowhere, and is neither less nor more.

    `alone`: so that what filters and arithmetic make of it is false, too.
    """

    def compared(found: re.Match[str]) -> str:
        left, sign, right = found["left"], found["sign"], found["right"]
        if left is None or (not sign and not (alone and (_signs(left) or filtered_path(left)))):
            return found[0]
        paths = [*_paths(left), *(_paths(right) if right else ())]
        otherwise = " or true" if sign == "!=" or (sign or "").startswith("not") else ""
        guards = [f"({path} is defined or __absent({number}, {_quoted(path)}){otherwise})" for path in paths]
        whole = f"{left} {sign} {right}" if sign else left
        return f"{found['before']}({' and '.join([*guards, whole])})" if guards else found[0]

    return _CONDITION.sub(compared, code)
