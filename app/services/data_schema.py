"""Judges a document's data by its template's JSON Schema (2020-12), before the document is accepted.

`errorMessage` in a schema (as in ajv-errors) says what is allowed where the validator's own words would not help: one
text for the keywords beside it, or an object of texts by keyword. Formats of ours are in contracts.notation.
"""

from functools import lru_cache

import jsonschema_rs
from jsonschema_rs import ValidationError
from jsonschema_rs import ValidationErrorKind as Kind
from pydantic_core import from_json, to_json

from app.services.data_flaws import flaw_of, is_certain
from app.services.schema_cost import known_cost, require_cheap
from contracts.errors import Flaw, Invalid
from contracts.notation import is_amount, is_date_or_text, is_rate

FORMATS = {"amount": is_amount, "rate": is_rate, "date-or-text": is_date_or_text}

#: So many flaws are listed; the others are counted.
LISTED = 20
#: The validator collects all errors before it gives one (13 µs each, more where many ways of a schema lead to a value):
#: in larger data only the first is named.
SEARCHED = 10_000
#: Checks of all values together, 11 ns each; states of patterns for all characters, 10 ns; bytes that all errors copy.
MOST_CHECKS, MOST_STATES, MOST_COPIED = 50_000_000, 100_000_000, 100_000_000
#: Compiled schemas that are kept.
KEPT = 256
#: What takes ten milliseconds at the very most: a text that is compiled, checks of all values together, states of
#: patterns for all characters; and checks whose failures are put into words, up to 24 µs each where a schema branches.
QUICK_SCHEMA, QUICK_CHECKS, QUICK_STATES, QUICK_WORDS = 16 * 1024, 1_000_000, 1_000_000, 2_000


class TooLarge(Exception):
    """The data are too large for all of their flaws to be found. `code`: what a refusal says."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class DataSchemas:
    """Checks data against schemas, each compiled once (about 2 ms); the ones used last are kept."""

    def __init__(self) -> None:
        self._compiled = lru_cache(maxsize=KEPT)(DataSchema)
        self._texts: dict[int, tuple[dict[str, object], bytes]] = {}

    def check(self, schema: dict[str, object], data: dict[str, object]) -> None:
        """Check data against a schema. Raises Invalid, TooLarge, or ValueError if the schema is none."""
        self._compiled(self._text(schema)).check(data)

    def flaws(self, schema: dict[str, object], data: dict[str, object]) -> list[tuple[Flaw, bool]]:
        """Return the first violations, each with whether the schema calls it certain to fail. Raises TooLarge."""
        return self._compiled(self._text(schema)).flaws(data)

    def is_quick(self, schema: dict[str, object], data: dict[str, object]) -> bool:
        """Tell whether judging takes some milliseconds at most. Raises ValueError if the schema is none."""
        text = self._text(schema)
        return len(text) <= QUICK_SCHEMA and self._compiled(text).is_quick(data)

    def compile(self, schema: dict[str, object]) -> None:
        """Raise ValueError if this is no JSON Schema, leads out of itself, or takes too long to judge by."""
        require_cheap(schema)
        self._compiled(to_json(schema))

    def _text(self, schema: dict[str, object]) -> bytes:
        """Write a schema as JSON; those used last are remembered: they are never changed in place."""
        known = self._texts.get(id(schema))
        if known is None or known[0] is not schema:
            if len(self._texts) >= KEPT:
                self._texts.clear()
            known = self._texts[id(schema)] = (schema, to_json(schema))
        return known[1]


class DataSchema:
    """One compiled schema. Raises ValueError if it is no JSON Schema, or leads out of itself."""

    def __init__(self, text: bytes) -> None:
        self._schema: object = from_json(text)
        self._cost = known_cost(self._schema)
        self._branches = b'"anyOf"' in text or b'"oneOf"' in text
        self._validator = jsonschema_rs.Draft202012Validator(
            text.decode(),
            formats=FORMATS,
            validate_formats=True,
            ignore_unknown_formats=False,
            mask="it",
            pattern_options=jsonschema_rs.RegexOptions(),
            offline=True,
        )

    def check(self, data: dict[str, object]) -> None:
        """Raise Invalid with a flaw for each violation, at its place below `/data`."""
        found = self._found(data)
        if found:
            flaws = [flaw_of(error, self._schema, data) for error in found[:LISTED]]
            raise Invalid(*flaws, unlisted=len(found) - len(flaws))

    def flaws(self, data: dict[str, object]) -> list[tuple[Flaw, bool]]:
        """Return the first violations, each with whether `x-certain` stands beside the keyword that failed."""
        found = sorted(_once(self._found(data)), key=lambda error: not is_certain(error, self._schema))
        return [(flaw_of(error, self._schema, data), is_certain(error, self._schema)) for error in found[:LISTED]]

    def is_quick(self, data: dict[str, object]) -> bool:
        """Tell whether data are judged in no time: if they are many, only where there is nothing wrong with them."""
        checks = max(1, self._cost.checks)
        if _left(data, QUICK_CHECKS // checks) < 0:
            return False
        if self._cost.states and self._cost.states * len(to_json(data)) > QUICK_STATES:
            return False
        few = _left(data, QUICK_WORDS // (checks if self._branches else 1)) >= 0
        return few or self._validator.is_valid(data)

    def _found(self, data: dict[str, object]) -> list[ValidationError]:
        """Return the first violations, all of them if they are few. Raises TooLarge."""
        self._require_judgeable(data)
        if self._validator.is_valid(data):
            return []
        if self._cost.checks * len(to_json(data)) <= MOST_COPIED:
            searched = SEARCHED // self._cost.ways
            return self._first(data) if _left(data, searched) < 0 else list(self._validator.iter_errors(data))
        if self._branches:  # each branch keeps a copy of what it refused
            raise TooLarge("data_invalid", "The data do not fit the template's schema, and are too large to say where.")
        return self._first(data)

    def _require_judgeable(self, data: dict[str, object]) -> None:
        """Raise TooLarge for what would keep everybody waiting. Schemas of usual size judge 1 MiB of anything."""
        cost = self._cost
        if cost.checks > 100 and _left(data, MOST_CHECKS // cost.checks) < 0:
            raise TooLarge("too_large", "The data have too many values to be judged by the template's schema.")
        if cost.states > 100 and len(to_json(data)) * cost.states > MOST_STATES:
            raise TooLarge("too_large", "The data have too much text for the patterns of the template's schema.")

    def _first(self, data: dict[str, object]) -> list[ValidationError]:
        try:
            self._validator.validate(data)
        except ValidationError as error:
            return [error]
        return []


def _once(errors: list[ValidationError]) -> list[ValidationError]:
    """Leave out unknown fields that a row before has, too: a list of a thousand rows would say it a thousand times."""
    found: dict[object, ValidationError] = {}
    for number, error in enumerate(errors):
        unknown = error.kind.unexpected if isinstance(error.kind, Kind.AdditionalProperties) else None
        found.setdefault(number if unknown is None else (*error.schema_path, *unknown), error)
    return list(found.values())


def _left(value: object, left: int) -> int:
    """Return what is left of so many values once those in `value` are counted; negative if it has more."""
    left -= 1
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for one in inner:
        if left < 0:
            break
        left = _left(one, left)
    return left
