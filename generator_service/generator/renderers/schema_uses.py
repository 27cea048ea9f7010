"""What templates do with their data, as a tree of uses; the JSON Schema and the example that follow from it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

DIALECT = "https://json-schema.org/draft/2020-12/schema"
CERTAIN = "x-certain"
_DEEPEST = 12

Schema = dict[str, object]


@dataclass
class Use:
    """One value of the data. `required`: read outside of conditions, without a default.

    `certain`: without it every document fails; the same of `certain_object` and `certain_list` for other types than
    those. `listable`: the types that a certain loop takes. `unclear`: it is handed on whole, and anything may follow.
    `whole`: it is printed as it is, with all there is in it. `entries`: the values of an object that is walked through,
    whatever their names.
    """

    fields: dict[str, "Use"] = field(default_factory=dict)
    items: "Use | None" = None
    entries: "Use | None" = None
    kinds: set[str] = field(default_factory=set)
    required: bool = False
    certain: bool = False
    certain_object: bool = False
    listable: tuple[str, ...] = ()
    unclear: bool = False
    whole: bool = False

    @property
    def closed(self) -> bool:
        """Tell whether nothing but its fields is read: a field that is not among them is unknown."""
        return bool(self.fields) and not (self.unclear or self.whole or self.entries or self.kinds - {"flag"})

    def open(self) -> None:
        """Say that more may be read of it, and of all that is in it."""
        self.whole = True
        for inner in (*self.fields.values(), *(use for use in (self.items, self.entries) if use)):
            inner.open()

    def at(self, name: str) -> "Use":
        """Return a field's use."""
        return self.fields.setdefault(name, Use())

    def each(self) -> "Use":
        """Return the use of a list's items."""
        self.items = self.items or Use()
        return self.items

    def every(self) -> "Use":
        """Return the use of an object's values."""
        self.entries = self.entries or Use()
        return self.entries


def merged(uses: Iterable[Use]) -> Use:
    """Join what several sources do: needed or certain is only what all of them need."""
    all_uses = list(uses)
    if len(all_uses) == 1:
        return all_uses[0]
    whole = Use(
        kinds=set().union(*(use.kinds for use in all_uses)),
        required=all(use.required for use in all_uses),
        certain=all(use.certain for use in all_uses),
        certain_object=all(use.certain_object for use in all_uses),
        unclear=any(use.unclear for use in all_uses),
        whole=any(use.whole for use in all_uses),
    )
    if all(use.listable for use in all_uses):
        whole.listable = tuple(dict.fromkeys(kind for use in all_uses for kind in use.listable))
    for name in dict.fromkeys(name for use in all_uses for name in use.fields):
        whole.fields[name] = merged(use.fields.get(name, Use()) for use in all_uses)
    lists = [use.items for use in all_uses if use.items]
    whole.items = merged(lists) if lists else None
    walked = [use.entries for use in all_uses if use.entries]
    whole.entries = merged(walked) if walked else None
    return whole


def schema_of(use: Use) -> Schema:
    """Return the schema of the whole data: unknown fields violate it unless the data are handed on whole."""
    schema: Schema = {"$schema": DIALECT, "type": "object", "properties": _properties(use, 0), **_needed(use)}
    if not (use.unclear or use.whole):
        schema["additionalProperties"] = False
    return schema


def _schema(use: Use, depth: int) -> Schema:
    schema = _shape(use, depth)
    sure: list[Schema] = []
    if use.listable:
        sure.append({"type": list(use.listable), CERTAIN: True})
    if use.certain_object:
        sure.append({"type": "object", CERTAIN: True})
    if sure:
        also = schema.get("allOf")
        schema["allOf"] = [*sure, *(also if isinstance(also, list) else [])]
    return schema


def _shape(use: Use, depth: int) -> Schema:
    if depth > _DEEPEST or ((use.fields or use.entries) and use.items):
        return {}
    if use.items:
        return {"type": ["array", "null"], "items": _schema(use.items, depth + 1)} if not use.unclear else {}
    if use.fields or use.entries:
        types = {} if use.unclear else {"type": ["object", "null"]}
        shape: Schema = {**types, "properties": _properties(use, depth), **_needed(use)}
        if use.entries:
            shape["additionalProperties"] = _schema(use.entries, depth + 1)
        return {**shape, "additionalProperties": False} if use.closed else shape
    kinds = use.kinds - {"flag", "printed"} or use.kinds - {"flag"}
    return {} if use.unclear or len(kinds) != 1 else dict(_LEAVES[next(iter(kinds))])


def _properties(use: Use, depth: int) -> dict[str, Schema]:
    return {name: _schema(inner, depth + 1) for name, inner in use.fields.items()}


def _needed(use: Use) -> Schema:
    """Name the required fields; those whose absence is certain to fail apart, with the mark."""
    certain = [name for name, inner in use.fields.items() if inner.certain]
    others = [name for name, inner in use.fields.items() if inner.required and not inner.certain]
    schema: Schema = {"required": others} if others else {}
    return schema | ({"allOf": [{"required": certain, CERTAIN: True}]} if certain else {})


_PRINTED: Schema = {"type": ["string", "number", "boolean", "object", "null"]}
_LEAVES: Mapping[str, Schema] = {
    "printed": _PRINTED,
    "number": {"type": ["number", "string", "null"], "format": "amount"},
    "date": {"type": ["string", "null"]},
    "text": {"type": ["string", "number", "boolean", "object", "null"]},
    "picture": {"type": ["string", "object", "null"], "properties": {"$asset": {"type": "string"}}},
}

_PIXEL = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNoAAAAggCBd81ytgAAAABJRU5ErkJggg=="
)
#: What the values of an example are called in an object whose names the template does not know.
_KEYS = ("first", "second")
#: Part of a name -> what such a value usually is; the first that is found counts.
_GUESSES: tuple[tuple[tuple[str, ...], object], ...] = (
    (("email", "mail"), "jane.doe@example.com"),
    (("phone", "tel", "fax"), "+44 20 7946 0000"),
    (("url", "website", "link", "href", "web"), "https://example.com"),
    (("lang", "language", "locale"), "en"),
    (("iban",), "IE29AIBK93115212345678"),
    (("currency",), "EUR"),
    (("country",), "Ireland"),
    (("city", "town", "place"), "Dublin"),
    (("zip", "postcode", "postal"), "D01 X2Y3"),
    (("address", "street"), "12 Quay Street"),
    (("date", "due", "until", "since", "deadline", "birthday"), "2026-03-01"),
    (("total", "sum", "amount", "price", "net", "cost", "fee", "subtotal", "balance"), 120.5),
    (("vat", "tax", "rate", "percent", "discount"), 20),
    (("qty", "quantity", "count", "hours", "pages", "age", "year"), 2),
    (("number", "no", "id", "code", "ref", "reference", "sku"), "A-1001"),
    (("company", "seller", "buyer", "client", "customer", "organisation", "organization"), "Acme GmbH"),
    (("name", "author", "contact", "person", "signatory"), "Jane Doe"),
    (("title", "subject", "heading"), "A title"),
    (("note", "text", "description", "comment", "body", "message"), "A few words of text."),
)


#: What is called so is a picture, most likely.
_PICTURES = frozenset({"logo", "picture", "photo", "image", "stamp", "avatar"})
#: What is called so is a list, most likely, and an item of it has such fields.
_LISTS = frozenset({"items", "rows", "lines", "entries", "products", "positions", "item", "row"})
_ROW: Schema = {"name": "Consulting", "description": "On site", "qty": 2, "unit": "h", "price": 120.5, "total": 241}


def example_of(use: Use, name: str = "") -> object:
    """Make a value that the template can use, guessed from its name where nothing else is known."""
    if use.items and not (use.fields or use.entries):
        return [example_of(use.items, name.removesuffix("s")) for _ in range(2)]
    if use.fields or use.entries:
        entries = {key: example_of(use.entries, name.removesuffix("s")) for key in _KEYS} if use.entries else {}
        return {key: example_of(inner, key) for key, inner in use.fields.items()} | entries
    if "picture" in use.kinds or (name.lower() in _PICTURES and not use.kinds - {"printed"}):
        return {"$image": _PIXEL}
    if name.lower() in _LISTS and not use.kinds:
        return [dict(_ROW), dict(_ROW)] if name.lower().endswith("s") else dict(_ROW)
    guessed = _guessed(name)
    if "number" in use.kinds:
        return guessed if isinstance(guessed, int | float) else 120.5
    if "date" in use.kinds:
        return "2026-03-01"
    if use.kinds == {"flag"}:
        return True
    return guessed


def _guessed(name: str) -> object:
    words = name.lower().replace("-", "_").split("_")
    exact = next((value for parts, value in _GUESSES if any(word in parts for word in words)), None)
    if exact is not None:
        return exact
    within = (value for parts, value in _GUESSES if any(len(part) > 3 and part in name.lower() for part in parts))
    return next(within, name.replace("_", " ").capitalize() or "Text")
