"""Webhook endpoints in Redis: which of them a run calls is decided in the script that ends it.

ClickHouse keeps the same rows, through the event stream; a Redis that has lost them gets them back from there.
"""

from collections.abc import Collection
from typing import cast
from uuid import UUID

from pydantic_core import to_json

from backends.redis import ask
from backends.scripts import Scripts
from contracts.endpoints import DISABLED, EndpointEvent, EndpointRow, Reason
from contracts.errors import Conflict, NotFound, VersionMismatch
from contracts.ids import new_id, now_ms, rfc3339
from contracts.targets import Target
from contracts.views import JsonObject

#: So many rows are kept at hand for deliveries.
KEPT = 10_000


class EndpointStore:
    """Raises QueueUnavailable from every method when Redis does not answer."""

    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts
        self._redis = scripts.redis
        self._prefix = scripts.prefix
        self._found: dict[UUID, EndpointRow] = {}

    async def get(self, endpoint_id: UUID) -> EndpointRow:
        """Read an endpoint. Raises NotFound, for deleted ones too."""
        row = await self.or_deleted(endpoint_id)
        if row is None or row.deleted:
            raise NotFound("endpoint")
        return row

    async def or_deleted(self, endpoint_id: UUID) -> EndpointRow | None:
        """Read an endpoint, one that was deleted within a week, too."""
        text = await ask(self._redis.hget(f"{self._prefix}endpoint:{endpoint_id}", "row"))
        return None if text is None else EndpointRow.model_validate_json(text)

    async def of_version(self, endpoint_id: UUID, version: int) -> EndpointRow | None:
        """Read an endpoint as `or_deleted` does, unless this version of it is at hand."""
        row = self._found.get(endpoint_id)
        if row is None or row.version != version:
            row = await self.or_deleted(endpoint_id)
            if len(self._found) >= KEPT:
                self._found.clear()
            if row is not None:
                self._found[endpoint_id] = row
        return row

    async def of_user(self, user_id: UUID) -> list[EndpointRow]:
        """List a user's endpoints, newest first."""
        ids = cast(set[str], await ask(self._redis.smembers(f"{self._prefix}endpoints-of:{user_id}")))
        rows = await self._rows(ids)
        return sorted(rows, key=lambda row: (row.created_at, row.endpoint_id), reverse=True)

    async def all(self) -> list[EndpointRow]:
        """List every endpoint of every user, newest first."""
        ids = cast(set[str], await ask(self._redis.smembers(f"{self._prefix}endpoints")))
        return sorted(await self._rows(ids), key=lambda row: (row.created_at, row.endpoint_id), reverse=True)

    async def _rows(self, ids: Collection[str]) -> list[EndpointRow]:
        async with self._redis.pipeline(transaction=False) as pipe:
            for id_ in ids:
                pipe.hget(f"{self._prefix}endpoint:{id_}", "row")
            found = cast(list[str | None], await ask(pipe.execute()))
        rows = (EndpointRow.model_validate_json(text) for text in found if text)
        return [row for row in rows if not row.deleted]

    async def put(
        self, row: EndpointRow, event: str, actor_id: UUID | None, *, most: int = 0, tell: JsonObject | None = None
    ) -> None:
        """Write an endpoint whose `version` is the stored one plus 1; `most`: endpoints that one user may have.

        `tell`: what the user's other endpoints that ask for `endpoint.disabled` hear. Raises VersionMismatch, Conflict
        `too_many_endpoints`, SystemFull.
        """
        line = EndpointEvent.of(row, event, now_ms(), actor_id).model_dump_json()
        told = [] if tell is None else [DISABLED, str(new_id()), to_json(tell).decode()]
        answer = await self._scripts.run(
            "endpoint_put",
            str(row.endpoint_id),
            row.version - 1,
            row.model_dump_json(),
            line,
            str(row.user_id),
            Target.parse(row.url).shown,
            types_text(row),
            row.deleted,
            new_id().hex,
            most,
            *told,
        )
        if answer == "conflict":
            raise VersionMismatch()
        if answer == "full":
            detail = f"{most} endpoints are allowed (PRESSWORK_MAX_ENDPOINTS_PER_USER): delete one first."
            raise Conflict("too_many_endpoints", detail)

    async def disable(self, endpoint_id: UUID, reason: Reason) -> bool:
        """Disable an endpoint that is enabled, and tell its user's others; tells whether there was something to do."""
        while True:
            row = await self.or_deleted(endpoint_id)
            if row is None or not row.enabled:
                return False
            now = now_ms()
            update = {"disabled_because": reason, "disabled_at": now, "updated_at": now, "version": row.version + 1}
            disabled = row.model_copy(update=update)
            tell: JsonObject = {
                "endpoint_id": str(endpoint_id),
                "url": Target.parse(row.url).shown,
                "disabled_because": reason,
                "disabled_at": rfc3339(now),
            }
            try:
                await self.put(disabled, DISABLED, None, tell=tell)
                return True
            except VersionMismatch:
                continue

    async def adopt(self, row: EndpointRow) -> None:
        """Take an endpoint over from history, unless Redis has it as new."""
        shown, types = Target.parse(row.url).shown, types_text(row)
        arguments = (
            str(row.endpoint_id),
            row.version,
            row.model_dump_json(),
            str(row.user_id),
            shown,
            types,
            row.deleted,
        )
        await self._scripts.run("adopt_endpoint", *arguments)


def types_text(row: EndpointRow) -> str:
    """Write what an endpoint asks for as the scripts look for it: `,a,b,`; nothing while it gets nothing."""
    return f",{','.join(row.types)}," if row.enabled and row.types else ""
