"""Hyperlinks: real relationships of the part, and only to addresses that open nothing but a page or a letter."""

import re

from generator.renderers.docx.additions import OFFICE
from generator.renderers.docx.inserts import Insert
from generator.renderers.docx.place import Place
from generator.renderers.docx.xml import Element, cleaned, make, r

SAFE_SCHEMES = ("http", "https", "mailto", "tel")
_SCHEME = re.compile(r"\s*([a-zA-Z][a-zA-Z0-9+.-]*):")
_LONGEST = 2_000


def is_safe(address: str) -> bool:
    """Tell whether an address has one of the schemes that documents may link to."""
    scheme = _SCHEME.match(address)
    return scheme is not None and scheme[1].lower() in SAFE_SCHEMES


def safe_address(place: Place, insert: Insert, address: object) -> str:
    """Return an address that may be linked to. Raises DocumentFailed data_invalid."""
    text = cleaned(str(address)).strip()
    if not is_safe(text) or len(text) > _LONGEST:
        hint = f"Links begin with {', '.join(f'{scheme}:' for scheme in SAFE_SCHEMES)} or # (a bookmark)."
        raise place.refused(insert, f"`{text[:60]}` cannot be linked to.", hint)
    return re.sub(r"\s", "%20", text)


def hyperlink(place: Place, insert: Insert, address: object, runs: list[Element]) -> Element:
    """Make runs a link to an address, or to a bookmark of the document if it begins with `#`."""
    made = make("hyperlink", history=1)
    if isinstance(address, str) and address.startswith("#") and len(address) > 1:
        made.set(f"{{{made.nsmap['w']}}}anchor", cleaned(address[1:]))
    else:
        target = safe_address(place, insert, address)
        made.set(r("id"), place.additions.relate(place.part, OFFICE + "hyperlink", target, external=True))
    made.extend(runs)
    return made
