"""Control characters in data: no font draws them and XML cannot hold them, so they are taken out, and it is said."""

import re
from dataclasses import replace

from contracts.documents import Warned
from generator.renderers.port import RenderRequest, failed

CODE = "control_characters"
SHOWN = 10
#: JSON's escapes of U+0000 to U+001F but for tab, line feed and carriage return; a pair of backslashes is read as one.
_ESCAPE = re.compile(rb"\\(?:(?P<kept>[\\\"/ntr])|(?P<short>[bf])|u00(?P<code>0[0-8bBcCeEfF]|1[0-9a-fA-F]))")
#: What every escape to take out holds: most data have none of it.
_SUSPECT = re.compile(rb"\\(?:[bf]|u00[01])")
_SHORT = {b"b": 0x08, b"f": 0x0C}


#: Word templates print a bell as a new paragraph and a form feed as a new page, as docxtpl does.
WORD_CONTROLS = frozenset({0x07, 0x0C})


def without_controls(
    request: RenderRequest, kept: frozenset[int] = frozenset()
) -> tuple[RenderRequest, tuple[Warned, ...]]:
    """Return the request with clean data, and a warning if it was not. Raises DocumentFailed if it is strict.

    `kept` are the codes of those that the engine prints.
    """
    if _SUSPECT.search(request.data) is None:
        return request, ()
    found: set[int] = set()
    clean = _ESCAPE.sub(lambda escape: _kept(escape, found, kept), request.data)
    if not found:
        return request, ()
    points = sorted(found)
    named = ", ".join(f"U+{point:04X}" for point in points[:SHOWN])
    more = f" and {len(points) - SHOWN} more" if len(points) > SHOWN else ""
    if request.strict:
        message = f"The data has control characters, which cannot be printed: {named}{more}."
        raise failed(CODE, message, hint="Take them out of the data, or leave `options.strict` out.")
    message = f"Control characters cannot be printed and were left out: {named}{more}."
    return replace(request, data=clean), (Warned(code=CODE, message=message),)


def _kept(escape: re.Match[bytes], found: set[int], kept: frozenset[int]) -> bytes:
    if escape["kept"]:
        return escape[0]
    code = _SHORT[escape["short"]] if escape["short"] else int(escape["code"], 16)
    if code in kept:
        return escape[0]
    found.add(code)
    return b""
