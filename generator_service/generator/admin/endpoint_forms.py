"""The forms of webhook endpoints: what was typed, how the User API gets it, and what stands in the fields."""

from dataclasses import dataclass

from starlette.datastructures import FormData

from contracts.endpoints import TYPES
from generator.admin.user_api import JsonObject
from generator.admin.user_forms import if_match


class BadHeaders(ValueError):
    """A line of the headers is no `Name: value`, or names a header again. `line` counts from 1."""

    def __init__(self, line: int) -> None:
        super().__init__(line)
        self.line = line


@dataclass(frozen=True)
class EndpointForm:
    """What stands in the fields. `headers`: one `Name: value` a line. `version`: the one that was shown."""

    url: str = ""
    types: tuple[str, ...] = TYPES
    headers: str = ""
    description: str = ""
    version: str = ""

    @classmethod
    def of(cls, endpoint: JsonObject) -> "EndpointForm":
        """Fill the fields with an endpoint as the API shows it."""
        types, headers = endpoint["types"], endpoint["headers"]
        assert isinstance(types, list) and isinstance(headers, dict)
        lines = "\n".join(f"{name}: {value}" for name, value in headers.items())
        plain = (str(endpoint[name]) for name in ("description", "version"))
        return cls(str(endpoint["url"]), tuple(types), lines, *plain)

    @classmethod
    def sent(cls, form: FormData) -> "EndpointForm":
        """Read the fields that came; a form without a ticked type has none."""
        given = {name: str(form.get(name, "")) for name in ("headers", "description", "version")}
        return cls(str(form.get("url", "")).strip(), tuple(str(one) for one in form.getlist("types")), **given)

    def body(self) -> JsonObject:
        """Return what the API takes. Raises BadHeaders."""
        description = self.description.replace("\r\n", "\n")
        return {"url": self.url, "types": list(self.types), "headers": self._headers(), "description": description}

    def changes(self, endpoint: JsonObject) -> JsonObject:
        """Return what differs from the endpoint as it is: what was valid once need not be valid again to stay."""
        before = {**endpoint, "types": set(EndpointForm.of(endpoint).types)}
        now = {**self.body(), "types": set(self.types)}
        return {name: value for name, value in self.body().items() if now[name] != before[name]}

    @property
    def if_match(self) -> dict[str, str]:
        """The header that lets a change only pass if nobody was in between."""
        return if_match(self.version)

    def _headers(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for number, line in enumerate(self.headers.replace("\r\n", "\n").split("\n"), 1):
            if not line.strip():
                continue
            name, colon, value = (part.strip() for part in line.partition(":"))
            if not colon or not name or name.lower() in {known.lower() for known in found}:
                raise BadHeaders(number)
            found[name] = value
        return found


def since_body(moment: str) -> JsonObject:
    """Return what `recover` takes, of a moment in UTC without a zone, as browsers send it."""
    return {"since": f"{moment}Z" if moment else ""}
