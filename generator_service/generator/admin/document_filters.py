"""What the list of documents is narrowed to: read from the address, given to the API, undone one by one. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from urllib.parse import urlencode

PATH = "/documents"
TIMES = ("created_after", "created_before")
#: In the order of the chips. `metadata[k]=v` comes on top, any number of times.
NAMES = ("status", "template", "format", "subject", "user_id", "lane", "batch_id", *TIMES)
#: Fields of the form that become one `metadata[k]=v`: a form cannot name a field after another.
METADATA_KEY, METADATA_VALUE = "metadata_key", "metadata_value"

Pair = tuple[str, str]


@dataclass(frozen=True)
class Filters:
    """The filters of a list in the API's own names. `cursor`: where the page begins; empty for the newest."""

    values: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    cursor: str = ""

    @classmethod
    def read(cls, query: Iterable[Pair]) -> "Filters":
        """Read a page's query; what is empty or unknown is left out."""
        given = {name: value.strip() for name, value in query if value.strip()}
        metadata = {name[9:-1]: value for name, value in given.items() if _of_metadata(name)}
        if METADATA_KEY in given:
            metadata[given[METADATA_KEY]] = given.get(METADATA_VALUE, "")
        values = {name: given[name] for name in NAMES if name in given}
        return cls(values, {key: value for key, value in metadata.items() if value}, given.get("cursor", ""))

    def __getitem__(self, name: str) -> str:
        return self.values.get(name, "")

    def __bool__(self) -> bool:
        return bool(self.values or self.metadata)

    @property
    def rare(self) -> bool:
        """Whether a filter is set that the page keeps under "More filters"."""
        return bool(self.metadata) or any(self[name] for name in NAMES[4:])

    @property
    def pairs(self) -> list[Pair]:
        """Return the filters, without the cursor."""
        return [*self.values.items(), *((f"metadata[{key}]", value) for key, value in self.metadata.items())]

    @property
    def stated(self) -> list[Pair]:
        """Return what stands in the page's address."""
        return [*self.pairs, ("cursor", self.cursor)] if self.cursor else self.pairs

    @property
    def asked(self) -> list[Pair]:
        """Return the API's parameters: times without a zone are in UTC."""
        return [(name, in_utc(value) if name in TIMES else value) for name, value in self.stated]

    @property
    def query(self) -> str:
        return urlencode(self.stated)

    @property
    def address(self) -> str:
        return f"{PATH}?{self.query}" if self.query else PATH

    def at(self, cursor: str) -> "Filters":
        """Return the same list from another place on."""
        return replace(self, cursor=cursor)

    def without(self, name: str) -> "Filters":
        """Return the list, from its beginning, with one filter less; `name` as in `pairs`."""
        values = {known: value for known, value in self.values.items() if known != name}
        metadata = {key: value for key, value in self.metadata.items() if f"metadata[{key}]" != name}
        return Filters(values, metadata)


def _of_metadata(name: str) -> bool:
    return name.startswith("metadata[") and name.endswith("]") and len(name) > len("metadata[]")


def in_utc(value: str) -> str:
    """Give a moment without a zone the zone UTC; what is no moment stays, for the API to refuse."""
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return value
    return value if moment.tzinfo else f"{value}Z"


def for_input(value: str) -> str:
    """Write a moment as `<input type="datetime-local">` takes it, in UTC; empty if it is no moment."""
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return ""
    return (moment.astimezone(UTC) if moment.tzinfo else moment).strftime("%Y-%m-%dT%H:%M")
