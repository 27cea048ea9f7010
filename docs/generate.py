"""Makes docs/errors.md, docs/configuration.md and docs/templates.md: `make docs`. A test fails when they differ."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic_settings import BaseSettings

from app.api.errors import FLAW_CODES, PROBLEMS, Problem
from app.settings import ApiSettings
from backends.settings import SharedSettings
from contracts.errors import DOCUMENT_ERROR_CODES
from generator.settings import GeneratorSettings
from generator.shipped import ShippedTemplate, load_shipped

HERE = Path(__file__).parent
NOTE = "<!-- Made from the code by `make docs`: change the code, not this file. -->\n"


def errors_page() -> str:
    """Write every code that a client may meet."""
    lines = [
        "# Errors",
        NOTE,
        "Every error of the API is `application/problem+json` (RFC 9457) with the members `type`, `title`, `status`,",
        "`detail`, `code`, `request_id`, `retryable`, and `errors[]` with JSON pointers where fields are wrong.",
        "`type` is a path of the API that explains the code. 429 and 503 carry `Retry-After`.",
        "",
        "## Problems",
        "",
        "| status | `code` | meaning |",
        "|---|---|---|",
        *(f"| {known.status} | `{code}` | {known.meaning} |" for code, known in sorted_problems()),
        "",
        "## Inside `errors[]`",
        "",
        "Beside these, a field's `code` may be the name of a type check, such as `missing` or `string_type`.",
        "",
        "| `code` | meaning |",
        "|---|---|",
        *(f"| `{code}` | {meaning} |" for code, meaning in sorted(FLAW_CODES.items())),
        "",
        "## A document's `error`",
        "",
        "A document that fails keeps its error: `code`, `message`, where (`template`, `version`, `line`, `column`,",
        "`part`, `tag`, `data_path`, `excerpt`), a `hint`, and whether trying again may help (`retryable`).",
        "",
        "| `code` | meaning |",
        "|---|---|",
        *(f"| `{code}` | {meaning} |" for code, meaning in DOCUMENT_ERROR_CODES.items()),
        "",
    ]
    return "\n".join(lines)


def sorted_problems() -> list[tuple[str, Problem]]:
    shown = [
        (code, known) for code, known in PROBLEMS.items() if known.title != "Document failed" or known.status == 409
    ]
    return sorted(shown, key=lambda pair: (pair[1].status, pair[0]))


def configuration_page() -> str:
    """Write every setting of the two services."""
    lines = [
        "# Configuration",
        NOTE,
        "Settings are environment variables. A bad value stops the start and names the variable, the value and the",
        "remedy. `presswork up` sets the ones marked * by itself; its own options are in `presswork up --help`.",
        "",
        "## Both services",
        *table(SharedSettings, set()),
        "## The User API",
        *table(ApiSettings, set(SharedSettings.model_fields)),
        "## The generator",
        *table(GeneratorSettings, set(SharedSettings.model_fields)),
    ]
    return "\n".join(lines)


SET_BY_UP = {
    "redis_url",
    "clickhouse_url",
    "secret_key",
    "blob_dir",
    "instance",
    "admin_key",
    "public_url",
    "host",
}


def table(settings: type[BaseSettings], known: set[str]) -> Iterator[str]:
    yield "\n| variable | default | meaning |\n|---|---|---|"
    for name, field in settings.model_fields.items():
        if name not in known:
            default = "required" if field.is_required() else shown(name, field.default)
            star = " *" if name in SET_BY_UP else ""
            yield f"| `PRESSWORK_{name.upper()}`{star} | {default} | {field.description} |"
    yield ""


def shown(name: str, default: object) -> str:
    if name == "workers":
        return "one per core"
    return "" if default in ("", None) else f"`{default}`"


Schema = dict[str, Any]


def templates_page() -> str:
    """Write what data the shipped templates take."""
    lines = [
        "# Shipped templates",
        NOTE,
        "Data is judged before a document is accepted, for every format alike: what a template cannot print",
        "truthfully is a `422` that points to it. `GET /v1/templates/{name}/schema` says the same as JSON Schema.",
        "Further fields are allowed and not printed; `null` is as good as leaving a field out; * marks what is needed.",
        "",
        "- A **text** may also be a number. Line breaks are kept.",
        "- An **amount** is a number, or a text: `1234.5`, `12,5`, `1 234.50`, `1 234,50`, `1,234.50`, `1.234,50`,",
        "  `1'234.50`. What could mean two things (`1,234`) is refused; `1.234` has three decimals. A number from",
        "  10^13 on is written as text; 15 digits before the point and 10 behind it are the most.",
        "- A **rate** is an amount of percent, with or without `%`.",
        "- A **date** such as `2026-03-31` is written in words; other text (`March 2026`) is printed as it is.",
        "",
        *(line for template in load_shipped() for line in template_section(template)),
    ]
    return "\n".join(lines)


def template_section(template: ShippedTemplate) -> Iterator[str]:
    yield f"## {template.name}\n\n{template.description}\n\n| field | takes | |\n|---|---|---|"
    yield from data_fields(template.data_schema, template.data_schema, "", {})
    yield ""


def data_fields(schema: Schema, holder: Schema, prefix: str, seen: dict[str, str]) -> Iterator[str]:
    """Write a row for each property, those of nested objects and of list items below it; each shape once."""
    for name, given in holder.get("properties", {}).items():
        node, inner, place = resolved(schema, given), nested(schema, given), f"{prefix}{name}"
        shape = str(inner.get("properties", ""))
        known = seen.get(shape) if shape else None
        note = "; ".join(filter(None, (node.get("description", ""), f"as `{known}`" if known else "")))
        star = " *" if name in holder.get("required", ()) else ""
        yield f"| `{place}`{star} | {taken(schema, node)} | {note} |"
        if shape and not known:
            seen[shape] = place
            yield from data_fields(schema, inner, f"{place}." if "properties" in node else f"{place}[].", seen)


def resolved(schema: Schema, node: Schema) -> Schema:
    """Return the definition that a node refers to, with the node's own description."""
    name = str(node.get("$ref", "")).rpartition("/")[2]
    return {**schema["$defs"][name], **node} if name else node


def nested(schema: Schema, node: Schema) -> Schema:
    """Return what has the properties: the node itself, or the items of a list."""
    own = resolved(schema, node)
    return own if "properties" in own else resolved(schema, own.get("items", {}))


def taken(schema: Schema, node: Schema) -> str:
    if "title" in node:
        return str(node["title"])
    kinds = node["type"] if isinstance(node["type"], list) else [node["type"]]
    if "array" in kinds:
        return f"list of {taken(schema, resolved(schema, node['items']))}s"
    return "text" if "string" in kinds else str(kinds[0])


PAGES = {"errors.md": errors_page, "configuration.md": configuration_page, "templates.md": templates_page}

if __name__ == "__main__":
    for file, make in PAGES.items():
        (HERE / file).write_text(make())
