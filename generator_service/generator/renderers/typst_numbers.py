"""Whole numbers of more than 64 bits: Typst reads them as floats, and would print 18446744073709551616 as ...552000."""

import json
import re
import sys

from contracts.documents import Warned
from generator.renderers.long_numbers import beyond
from generator.renderers.port import RenderRequest, failed

_LONG = re.compile(rb"[0-9]{19}")
_HINT = "Send it as a text: Typst keeps 16 digits of a number beyond 64 bits."


def inexact(request: RenderRequest) -> tuple[Warned, ...]:
    """Warn of the largest number that Typst cannot hold.

    Raises DocumentFailed data_invalid if strict, or beyond floats.
    """
    if not _LONG.search(request.data):
        return ()
    try:
        found = [one for one in beyond(json.loads(request.data), 63) if one[1] != -(2**63)]
    except ValueError as error:  # of Python, for thousands of digits
        raise failed("data_invalid", f"The data cannot be read: {error}.", hint=_HINT) from error
    if not found:
        return ()
    path, number = max(found, key=lambda one: abs(one[1]))
    message = f"`{path}` is {str(number)[:40]}: its last digits are lost."
    if request.strict or abs(number) > sys.float_info.max:
        raise failed("data_invalid", message, data_path=path, hint=_HINT)
    return (Warned(code="data_invalid", message=f"{message} {_HINT}"),)
