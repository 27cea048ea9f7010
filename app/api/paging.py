"""Lists: an opaque, signed cursor that fits its filters, and the Link header (RFC 8288)."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from fastapi import Request, Response
from pydantic_core import to_json

from contracts.cursors import Position, decode_cursor, encode_cursor, filters_digest


@dataclass(frozen=True)
class Pager:
    """Turns positions into cursors and back for one list with one set of filters."""

    key: bytes
    digest: str

    @classmethod
    def of(cls, key: bytes, list_name: str, filters: Mapping[str, object]) -> "Pager":
        return cls(key, filters_digest(list_name, filters))

    def position(self, cursor: str | None) -> Position | None:
        """Read a cursor. Raises Invalid at `/cursor`."""
        return None if cursor is None else decode_cursor(cursor, self.digest, self.key)

    def cursor(self, position: Position | None) -> str | None:
        return None if position is None else encode_cursor(position, self.digest, self.key)


@dataclass(frozen=True)
class Shelf[T]:
    """A list that is known as a whole. `order`: what it is sorted by, the greatest first; `view`: of one item."""

    items: Collection[T]
    order: Callable[[T], Position]
    view: Callable[[T], object]

    def page(self, request: Request, pager: Pager, cursor: str | None, limit: int) -> Response:
        """Answer with the page behind a cursor. Raises Invalid at `/cursor`."""
        position = pager.position(cursor)
        left = sorted(self.items, key=self.order, reverse=True)
        if position is not None:
            left = [item for item in left if self.order(item) < position]
        following = self.order(left[limit - 1]) if len(left) > limit else None
        return list_response(request, [self.view(item) for item in left[:limit]], pager.cursor(following))


def list_response(request: Request, items: list[object], next_cursor: str | None) -> Response:
    """Answer with a page, and with a Link to the next one."""
    headers = {}
    if next_cursor is not None:
        url = request.url.include_query_params(cursor=next_cursor)
        headers["Link"] = f'<{url.path}?{url.query}>; rel="next"'
    return Response(
        to_json({"items": items, "next_cursor": next_cursor}), headers=headers, media_type="application/json"
    )
