"""Every code that the source can emit is in the table that docs/errors.md is made from."""

import ast
from collections.abc import Iterator
from pathlib import Path

from app.api.errors import FLAW_CODES, PROBLEMS
from contracts.errors import DOCUMENT_ERROR_CODES

ROOT = Path(__file__).parents[2]
PACKAGES = ("app", "kernel/contracts", "kernel/backends", "generator_service/generator")

#: Call -> (position of its code, the tables that may hold it).
CALLS = {
    "Flaw": (2, (FLAW_CODES,)),
    "Invalid.at": (2, (FLAW_CODES,)),
    "PydanticCustomError": (0, (FLAW_CODES,)),
    "Conflict": (0, (PROBLEMS,)),
    "problem": (1, (PROBLEMS,)),
    "problem_body": (0, (PROBLEMS,)),
    "DocumentError": (0, (DOCUMENT_ERROR_CODES,)),
    "failed": (0, (DOCUMENT_ERROR_CODES,)),
    "_error": (0, (DOCUMENT_ERROR_CODES,)),
}
#: Classes whose `code` says what is wrong with one field, not what the whole answer is.
FLAW_CLASSES = {"BadTarget"}
#: Codes of classes that no client meets: one is abstract, the other is the shipper's.
INSIDE = {"unavailable", "rows_refused"}


def emitted(tree: ast.AST) -> Iterator[tuple[str, str, int]]:
    """Yield (what emits it, code, line) of every literal code, also those of conditional expressions."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and (call := ast.unparse(node.func)) in CALLS:
            position, _ = CALLS[call]
            named = [keyword.value for keyword in node.keywords if keyword.arg == "code"]
            for given in named or node.args[position : position + 1]:
                yield from ((call, text, node.lineno) for text in literals(given))
        if isinstance(node, ast.ClassDef):
            for line in node.body:
                if isinstance(line, ast.Assign) and ast.unparse(line.targets[0]) == "code":
                    yield from ((node.name, text, line.lineno) for text in literals(line.value))


def literals(node: ast.expr) -> list[str]:
    if isinstance(node, ast.IfExp):
        return literals(node.body) + literals(node.orelse)
    return [node.value] if isinstance(node, ast.Constant) and isinstance(node.value, str) else []


def found() -> list[tuple[str, str, str]]:
    files = [file for package in PACKAGES for file in sorted((ROOT / package).rglob("*.py"))]
    return [
        (call, code, f"{file.relative_to(ROOT)}:{line}")
        for file in files
        for call, code, line in emitted(ast.parse(file.read_text()))
    ]


def known(call: str, code: str) -> bool:
    tables = CALLS[call][1] if call in CALLS else (FLAW_CODES,) if call in FLAW_CLASSES else (PROBLEMS, INSIDE)
    return any(code in table for table in tables)


def test_every_code_in_the_source_is_in_its_table() -> None:
    assert [(code, place) for call, code, place in found() if not known(call, code)] == []


def test_the_search_finds_the_codes_that_are_known_to_be_there() -> None:
    codes = {code for _, code, _ in found()}
    assert {
        "invalid_email",
        "null_not_allowed",
        "callback_url_missing",
        "control_character",
        "private_address",
    } <= codes
    assert {"last_admin", "not_ready", "malformed_json", "render_timeout", "queue_full", "unknown_template"} <= codes
    assert len(codes) > 50


def test_every_code_of_a_field_is_emitted_somewhere() -> None:
    assert set(FLAW_CODES) <= {code for _, code, _ in found()}
