"""Makes docs/errors.md and docs/configuration.md from the code: `make docs`. A test fails when they differ."""

from collections.abc import Iterator
from pathlib import Path

from pydantic_settings import BaseSettings

from app.api.errors import FLAW_CODES, PROBLEMS, Problem
from app.settings import ApiSettings
from backends.settings import SharedSettings
from contracts.errors import DOCUMENT_ERROR_CODES
from generator.settings import GeneratorSettings

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
    "drain_s",
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


PAGES = {"errors.md": errors_page, "configuration.md": configuration_page}

if __name__ == "__main__":
    for file, make in PAGES.items():
        (HERE / file).write_text(make())
