"""A document's data as MiniJinja source: constants, so that a template only ever meets Rust's own values.

Passed as Python dicts they would show their methods: a missing `items` would be `dict.items`, not missing.
"""

import json
import re
from dataclasses import dataclass
from typing import NoReturn

from generator.renderers.docx.inserts import LIKELY, Inserts
from generator.renderers.port import RenderRequest, failed, local_moment

#: The template that holds the data, and the names under which the prologue of each part imports it.
DATA_TEMPLATE, DATA, OWN = "pw_data", "pw_d", "pw_o"
#: What a template can name besides the data's own keys.
OWN_NAMES = ("locale", "timezone", "today")

_LONE_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_STRING_OR_NULL = re.compile(r'"(?:[^"\\]|\\.)*"|\bnull\b')


@dataclass(frozen=True)
class Values:
    """The data: parsed (for hints) and as the source of a template that defines it. `nulls`: it has JSON nulls."""

    data: dict[str, object]
    source: str
    nulls: bool


def values_of(request: RenderRequest, inserts: Inserts) -> Values:
    """Read a request's data; what is more than text leaves its mark there and goes to `inserts`.

    Raises DocumentFailed template_error if it is not a JSON object.
    """
    try:
        data = json.loads(request.data, parse_constant=_refuse_constant)
        text = request.data.decode()
    except ValueError as error:
        raise failed("template_error", f"The data is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise failed("template_error", "The data must be a JSON object.")
    if _LONE_SURROGATE.search(request.data):
        text = json.dumps(data, ensure_ascii=False).encode("utf-8", "replace").decode()
        data = json.loads(text)
    if b"$" in request.data and LIKELY.search(request.data):
        text = json.dumps(inserts.taken(data), ensure_ascii=False)
    nulls = "null" in text
    if nulls:
        text = _STRING_OR_NULL.sub(lambda found: "none" if found.group() == "null" else found.group(), text)
    own = {
        "locale": request.locale or "en",
        "timezone": request.timezone or "UTC",
        "today": local_moment(request).date().isoformat(),
    }
    source = f"{{% set {DATA} = {text} %}}{{% set {OWN} = {json.dumps(own)} %}}"
    return Values(data, source, nulls)


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
