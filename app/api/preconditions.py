"""ETag, If-Match and If-None-Match (RFC 9110) over version numbers."""

import re

from fastapi import Request

from contracts.errors import Flaw, Invalid

VERSION = re.compile(r"[0-9]{1,18}")


def etag(version: int) -> str:
    return f'"{version}"'


def required_versions(request: Request) -> frozenset[int] | None:
    """Return the versions that If-Match allows; None without the header or with `*`."""
    value = request.headers.get("if-match")
    if value is None or value.strip() == "*":
        return None
    tags = [part.strip() for part in value.split(",")]
    if not all(len(tag) > 2 and tag[0] == tag[-1] == '"' for tag in tags):
        raise Invalid(Flaw("/headers/If-Match", 'If-Match holds quoted versions, such as "3".', "invalid_value"))
    return frozenset(int(tag[1:-1]) for tag in tags if VERSION.fullmatch(tag[1:-1]))


def unchanged(request: Request, tag: str) -> bool:
    """Tell whether If-None-Match names this tag: the client has it already (304)."""
    value = request.headers.get("if-none-match")
    if value is None:
        return False
    return value.strip() == "*" or tag in [part.strip().removeprefix("W/") for part in value.split(",")]
