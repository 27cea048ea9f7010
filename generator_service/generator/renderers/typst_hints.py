"""What to do about a Typst error that the compiler has no hint for."""

import re

#: Message of the compiler -> hint; the first that is found in the message counts.
_HINTS = (
    (re.compile(r"condition is always true|loop seems to be infinite"), "End the loop with `break`, or use `for`."),
    (re.compile(r"unclosed (?:delimiter|label|string|raw text)"), "Close what is opened here."),
    (re.compile(r"unexpected closing"), "Remove it, or open it before."),
    (re.compile(r"unknown variable"), 'Define it with `#let`; data is read with `#let d = json("data.json")`.'),
    (
        re.compile(r"file not found|cannot read file outside"),
        "Only the template's own files and data.json can be read.",
    ),
    (re.compile(r"panicked with"), "The template refuses this data itself."),
    (re.compile(r"maximum .* depth exceeded"), "Let the recursion end earlier."),
    (re.compile(r"does not contain|out of bounds"), "Give a default: `.at(key, default: none)`."),
    (
        re.compile(r"cannot (?:add|subtract|multiply|divide|compare|join|apply)"),
        "Convert the value first: `str`, `int`, `float`.",
    ),
    (re.compile(r"expected .* found"), "Convert the value first, or check its type with `type(value)`."),
)
_GENERAL = "Mend the template at this place, or the data that it meets there."


def hint_of(message: str) -> str:
    """Return a hint for a compiler's message."""
    return next((hint for pattern, hint in _HINTS if pattern.search(message)), _GENERAL)
