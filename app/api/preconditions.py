"""ETag, If-Match and If-None-Match (RFC 9110): our tags are strong, over version numbers or digests."""

import re

from fastapi import Request

from contracts.errors import Invalid

TAG = re.compile(r'(W/)?("[^"]*")')
VERSION = re.compile(r'"[0-9]{1,18}"')


def etag(version: int) -> str:
    return f'"{version}"'


def required_versions(request: Request) -> frozenset[int] | None:
    """Return the versions that If-Match allows; None without the header or with `*`: what is to change is there.

    A weak tag never matches (13.1.1). Raises Invalid.
    """
    value = _value(request, "if-match")
    if value in (None, "*"):
        return None
    tags = TAG.findall(value)
    if not tags or TAG.sub("", value).strip(", \t"):
        raise Invalid.at("/headers/If-Match", 'If-Match holds quoted versions, such as "3", or is `*`.')
    return frozenset(int(tag[1:-1]) for weak, tag in tags if not weak and VERSION.fullmatch(tag))


def unchanged(request: Request, tag: str) -> bool:
    """Tell whether If-None-Match names this tag, weak or not (13.1.2): the client has it already (304)."""
    value = _value(request, "if-none-match")
    return value is not None and (value == "*" or tag in {known for _, known in TAG.findall(value)})


def _value(request: Request, header: str) -> str | None:
    lines = request.headers.getlist(header)
    return ", ".join(lines).strip() if lines else None
