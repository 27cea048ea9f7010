"""The form that makes a document from a template: what it starts with, what was sent, and the API's request. Pure."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal
from uuid import uuid4

from contracts.documents import CONTENT_TYPES
from generator.admin.user_api import JsonObject
from generator.admin.wording import Wording

#: The choice that opens a field for any other language.
OTHER = "other"


@dataclass(frozen=True)
class BadData(Exception):
    """The text in the data field is not a JSON object. `line` and `column` of a syntax error count from 1."""

    kind: Literal["syntax", "size", "object"]
    reason: str = ""
    line: int = 0
    column: int = 0

    def worded(self, words: Wording) -> str:
        """Say what is wrong to the person who filled the field."""
        if self.kind == "size":
            return words("A number is too large, or the data is nested too deeply.")
        if self.kind == "object":
            return words("The data is one JSON object: it begins with { and ends with }.")
        place = {"line": self.line, "column": self.column, "reason": self.reason}
        return words("Line %(line)s, column %(column)s: this is not JSON (%(reason)s).", **place)


@dataclass(frozen=True)
class DocumentForm:
    """Values as they stand in the fields. `token` is made with the form: sending a form twice makes one document."""

    data: str
    format: str
    language: str = ""
    other_language: str = ""
    filename: str = ""
    callback_url: str = ""
    priority: str = "interactive"
    subject: str = ""
    lane: str = ""
    strict: bool = False
    token: str = field(default_factory=lambda: uuid4().hex)

    @classmethod
    def fresh(cls, sample: object, formats: Sequence[str], language: str) -> "DocumentForm":
        """Return the form as it is shown first: the sample data, the first format, the reader's language."""
        return cls(data=pretty(sample or {}), format=formats[0] if formats else "", language=language)

    @classmethod
    def sent(cls, fields: Mapping[str, object]) -> "DocumentForm":
        """Read what a browser sent; a text area's line ends are CR LF there."""

        def text(name: str) -> str:
            value = fields.get(name, "")
            return value.strip() if isinstance(value, str) else ""

        return cls(
            data=text("data").replace("\r\n", "\n"),
            format=text("format"),
            language=text("language"),
            other_language=text("other_language"),
            filename=text("filename"),
            callback_url=text("callback_url"),
            priority=text("priority"),
            subject=text("subject"),
            lane=text("lane"),
            strict="strict" in fields,
            token=text("token") or uuid4().hex,
        )

    @property
    def locale(self) -> str:
        return self.other_language if self.language == OTHER else self.language

    @property
    def extended(self) -> bool:
        """Whether one of the options that are folded away is set."""
        return bool(self.subject or self.lane or self.strict)

    def body(self, template: str) -> JsonObject:
        """Build the request. Raises BadData. Empty fields are left out: the API has defaults."""
        given = {
            "format": self.format,
            "locale": self.locale,
            "filename": self.filename,
            "callback_url": self.callback_url,
            "priority": self.priority,
            "subject": self.subject,
            "lane": self.lane,
        }
        body: JsonObject = {"template": template, "data": parsed(self.data)}
        body |= {name: value for name, value in given.items() if value}
        return body | ({"options": {"strict": True}} if self.strict else {})

    def idempotency_key(self, body: JsonObject) -> str:
        """Return the key of this form with these values: going back and changing one makes another document."""
        return hashlib.sha256(f"{self.token} {json.dumps(body, sort_keys=True)}".encode()).hexdigest()


def parsed(text: str) -> JsonObject:
    """Read the data field. Raises BadData."""
    try:
        value = json.loads(text, parse_constant=_refuse)
        json.dumps(value, allow_nan=False)
    except json.JSONDecodeError as error:
        raise BadData("syntax", error.msg, error.lineno, error.colno) from None
    except (ValueError, RecursionError):
        raise BadData("size") from None
    if not isinstance(value, dict):
        raise BadData("object")
    return value


def _refuse(constant: str) -> object:
    raise ValueError(constant)


def pretty(value: object) -> str:
    """Write JSON for people."""
    return json.dumps(value, ensure_ascii=False, indent=2)


def flaws_by_field(flaws: Mapping[str, str]) -> dict[str, str]:
    """Sort what is wrong (by JSON pointer) under the form's fields; of several in the data the first stands there."""
    found: dict[str, str] = {}
    for pointer, detail in flaws.items():
        first, _, rest = pointer.removeprefix("/").partition("/")
        name = {"locale": "other_language", "options": rest}.get(first, first)
        found.setdefault(name, f"{pointer}: {detail}" if first == "data" and rest else detail)
    return found


def curl(url: str, template: str, form: DocumentForm) -> str:
    """Write the command that makes this document. A quoted here-document takes the JSON as it is."""
    media_type = CONTENT_TYPES.get(form.format, "*/*").partition(";")[0]
    return "\n".join(
        [
            f"curl -sSf {url.rstrip('/')}/v1/documents -o {template}.{form.format} \\",
            '  -H "Authorization: Bearer $PRESSWORK_KEY" \\',
            '  -H "Content-Type: application/json" \\',
            f'  -H "Accept: {media_type}" \\',
            "  --data-binary @- <<'JSON'",
            pretty(form.body(template)),
            "JSON",
        ]
    )
