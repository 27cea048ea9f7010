"""The forms of the users section: what was typed, how the User API gets it, and what is wrong with it, by field."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from generator.admin.user_api import ApiRefused, JsonObject

#: Where a refusal without pointers belongs.
PLACES = {"email_taken": "/email"}


class BadAttrs(ValueError):
    """The attributes are no JSON object. `line` and `column` count from 1; 0 if it is JSON of another kind."""

    def __init__(self, line: int = 0, column: int = 0) -> None:
        super().__init__(line, column)
        self.line = line
        self.column = column


def if_match(version: str) -> dict[str, str]:
    """Return the header that lets a change pass only from the version that a form was filled with."""
    return {"If-Match": f'"{version}"' if version.isascii() and version.isdigit() else '"0"'}


@dataclass(frozen=True)
class UserForm:
    """What stands in the fields. `version` is the one that was shown when they were filled."""

    email: str = ""
    name: str = ""
    role: str = "member"
    status: str = "active"
    attrs: str = ""
    version: str = ""

    @classmethod
    def of(cls, user: JsonObject) -> "UserForm":
        """Fill the fields with a user as the API shows it."""
        attrs = json.dumps(user["attrs"], indent=2, ensure_ascii=False) if user["attrs"] else ""
        plain = {name: str(user[name]) for name in ("email", "name", "role", "status", "version")}
        return cls(**plain, attrs=attrs)

    @classmethod
    def sent(cls, form: Mapping[str, object]) -> "UserForm":
        """Read the fields that came; one that is missing is as it is in an empty form."""
        given = {name: value for name in cls.__dataclass_fields__ if isinstance(value := form.get(name), str)}
        return cls(**given)

    def body(self) -> JsonObject:
        """Return what the API takes. Raises BadAttrs."""
        named = {"email": self.email, "name": self.name, "role": self.role, "status": self.status}
        return {**named, "attrs": self._attrs()}

    def changes(self, user: JsonObject) -> JsonObject:
        """Return what differs from the user as it is: a value that was valid once need not be valid again to stay."""
        return {name: value for name, value in self.body().items() if value != user[name]}

    @property
    def if_match(self) -> dict[str, str]:
        """The header that lets a change only pass if nobody was in between."""
        return if_match(self.version)

    def _attrs(self) -> JsonObject:
        if not self.attrs.strip():
            return {}
        try:
            parsed = json.loads(self.attrs)
        except json.JSONDecodeError as error:
            raise BadAttrs(error.lineno, error.colno) from None
        except (ValueError, RecursionError):
            raise BadAttrs() from None
        if not isinstance(parsed, dict):
            raise BadAttrs()
        return parsed


@dataclass(frozen=True)
class KeyForm:
    """What stands in the fields of a new key. `expires_at` is a moment in UTC without a zone, as browsers send it."""

    name: str = ""
    expires_at: str = ""
    everyone: bool = False

    @classmethod
    def sent(cls, form: Mapping[str, object]) -> "KeyForm":
        return cls(str(form.get("name", "")), str(form.get("expires_at", "")).strip(), "everyone" in form)

    def body(self) -> JsonObject:
        """Return what the API takes."""
        body: JsonObject = {"name": self.name, "scopes": ["all"] if self.everyone else []}
        if self.expires_at:
            body["expires_at"] = f"{self.expires_at}Z"
        return body


@dataclass(frozen=True)
class Trouble:
    """Why a form was refused: `flaws` by JSON pointer stand at their fields, `message` above all of them."""

    message: str = ""
    flaws: dict[str, str] = field(default_factory=dict)
    status: int = 200

    @property
    def outrun(self) -> bool:
        """Whether somebody changed the thing while the form was open."""
        return self.status == 412

    @classmethod
    def of(cls, refused: ApiRefused, fields: tuple[str, ...]) -> "Trouble":
        """Sort a refusal: what points into no field of this form is said above it.

        Of one that came because somebody was faster there is only the status: it is no fault of what was typed.
        """
        if refused.status == 412:
            return cls(status=412)
        flaws: dict[str, str] = {}
        for pointer, detail in refused.flaws().items():
            place = "/" + pointer.split("/")[1] if pointer.startswith("/") else ""
            flaws.setdefault(place if place in fields else "", detail)
        place = PLACES.get(refused.code, "")
        if place in fields:
            flaws[place] = refused.detail
        message = flaws.pop("", "" if flaws else refused.detail)
        return cls(message, flaws, refused.status)
