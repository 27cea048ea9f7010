"""Filters that make a value more than text: pictures, QR codes, links, formatted text, Markdown."""

from collections.abc import Callable
from functools import partial

from generator.renderers.docx.inserts import Insert, Inserts
from generator.renderers.docx.qr import qr

_LOOKS = frozenset({"width", "height", "alt", "href"})


def rich_filters(inserts: Inserts) -> dict[str, Callable[..., object]]:
    """Return the filters by name; each answers with a mark, or "" for null and ""."""
    made: dict[str, Callable[..., str]] = {"image": image, "link": link, "markdown": markdown, "rich": rich, "qr": qr}
    return {name: partial(call, inserts) for name, call in made.items()}


def image(inserts: Inserts, value: object, **look: object) -> str:
    """Show a picture of the data as the template says: `width`, `height`, `alt`, `href`."""
    if value is None or value == "":
        return ""
    known = inserts.of(value)
    given = known.value if known and known.kind == "image" else {"$image": value}
    unknown = look.keys() - _LOOKS
    if unknown:
        raise TypeError(f"image has no {', '.join(sorted(unknown))}; it has {', '.join(sorted(_LOOKS))}")
    named = {key: wanted for key, wanted in look.items() if wanted is not None}
    sides = {} if not named.keys() & {"width", "height"} else {"width": None, "height": None}
    return inserts.put(Insert("image", {**given, **sides, **named}, known.path if known else ""))


def link(inserts: Inserts, value: object, href: object) -> str:
    """Make text, or a picture, a link to an address."""
    if value is None or value == "":
        return ""
    known = inserts.of(value)
    if known and known.kind == "image":
        return inserts.put(Insert("image", {**known.value, "href": href}, known.path))
    return inserts.put(Insert("rich", {"$rich": [{"text": value, "href": href}]}))


def rich(inserts: Inserts, value: object, **formatting: object) -> str:
    """Format text as the template says, with the properties of `$rich`: `{{ x | rich(bold=true) }}`."""
    if value is None or value == "":
        return ""
    return inserts.put(Insert("rich", {"$rich": [{"text": value, **formatting}]}))


def markdown(inserts: Inserts, value: object) -> str:
    """Write a text in Markdown as paragraphs, lists and tables."""
    if value is None or value == "":
        return ""
    return str(value) if inserts.of(value) else inserts.put(Insert("markdown", {"$markdown": value}))
