"""A document's data as MiniJinja source: constants, so that a template only ever meets Rust's own values.

Passed as Python dicts they would show their methods: a missing `items` would be `dict.items`, not missing.
"""

import json
import re
from functools import cached_property
from typing import NoReturn

from generator.renderers.docx.inserts import LIKELY, Inserts
from generator.renderers.long_numbers import beyond
from generator.renderers.port import RenderRequest, failed, local_moment

#: The template that holds the data, and the names under which the prologue of each part imports it.
DATA_TEMPLATE, DATA, OWN = "pw_data", "pw_d", "pw_o"
#: What a template can name besides the data's own keys.
OWN_NAMES = ("locale", "timezone", "today")

_LONE_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
#: MiniJinja's whole numbers end before 2^127, which has this many digits.
_LONG, _BITS = re.compile(rb"[0-9]{39}"), 127
_STRING_OR_NULL = re.compile(r'"(?:[^"\\]|\\.)*"|\bnull\b')


class Values:
    """The data of one document, read as MiniJinja needs it when it is first asked for.

    What is more than text leaves its mark there and goes to `inserts`.
    """

    def __init__(self, request: RenderRequest, inserts: Inserts) -> None:
        self._request, self._inserts = request, inserts
        self.content = request.data

    @cached_property
    def _read(self) -> tuple[dict[str, object], str]:
        """Return the data and their JSON without lone surrogates.

        Raises DocumentFailed if it is no JSON object, or has too long a number.
        """
        content = self.content
        try:
            data = json.loads(content, parse_constant=_refuse_constant)
            text = content.decode()
        except ValueError as error:
            raise failed("template_error", f"The data is not JSON: {error}") from error
        if not isinstance(data, dict):
            raise failed("template_error", "The data must be a JSON object.")
        if _LONG.search(content):
            _refuse_long(data)
        if _LONE_SURROGATE.search(content):
            text = json.dumps(data, ensure_ascii=False).encode("utf-8", "replace").decode()
            data = json.loads(text)
        if b"$" in content and LIKELY.search(content):
            text = json.dumps(self._inserts.taken(data), ensure_ascii=False)
        return data, text

    @property
    def data(self) -> dict[str, object]:
        """The data as parsed, for hints. Raises DocumentFailed template_error if it is not a JSON object."""
        return self._read[0]

    @property
    def nulls(self) -> bool:
        """Whether the data has JSON nulls (or their word in a text). Raises as `data` does."""
        return "null" in self._read[1]

    @cached_property
    def source(self) -> str:
        """The source of a template that defines the data. Raises as `data` does."""
        text = self._read[1]
        if self.nulls:
            text = _STRING_OR_NULL.sub(lambda found: "none" if found.group() == "null" else found.group(), text)
        own = {
            "locale": self._request.locale or "en",
            "timezone": self._request.timezone or "UTC",
            "today": local_moment(self._request).date().isoformat(),
        }
        return f"{{% set {DATA} = {text} %}}{{% set {OWN} = {json.dumps(own)} %}}"


def _refuse_long(data: object) -> None:
    """Raise DocumentFailed data_invalid for a whole number that MiniJinja would not hold exactly."""
    for path, number in beyond(data, _BITS):
        message = f"`{path}` is {str(number)[:40]}: a whole number may have 127 bits."
        raise failed(
            "data_invalid", message, data_path=path, hint="Send it as a text: filters read numbers from texts."
        )


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def prologue(names: set[str]) -> str:
    """Write what a part begins with: every name that its tags use, taken from the data, undefined if not there."""
    sets = [f'{{% from "{DATA_TEMPLATE}" import {DATA}, {OWN} %}}']
    for name in sorted(names):
        if name == "data":
            value = f"{DATA}.data if {DATA}.data is defined else {DATA}"
        elif name in OWN_NAMES:
            value = f"{DATA}.{name} if {DATA}.{name} is defined else {OWN}.{name}"
        else:
            value = f"{DATA}.{name}"
        sets.append(f"{{% set {name} = {value} %}}")
    return "".join(sets)
