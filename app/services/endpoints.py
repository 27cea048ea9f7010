"""Webhook endpoints: who may see and change them, their secrets, and calling them on request."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog
from pydantic_core import from_json, to_json

from app.repository.deliveries import DeliveryRepository
from app.services.auth import Principal
from backends.deliveries import Deliveries
from backends.endpoints import EndpointStore
from contracts.cursors import Position
from contracts.deliveries import Delivery
from contracts.endpoints import DISABLED, PING, EndpointRow
from contracts.errors import Conflict, NotFound, VersionMismatch
from contracts.ids import new_id, now_ms, rfc3339
from contracts.secret_ring import SecretRing
from contracts.secrets import SecretBox
from contracts.targets import AllowList, Target, judge_at_accept, judge_headers
from contracts.webhooks import new_secret

log = structlog.get_logger(__name__)

CONFLICT_TRIES = 50
#: A ping is answered with its outcome if it comes in this time: a call may take 20 s, and wait for others before.
PING_S, LOOK_S = 25.0, 0.05
#: How many deliveries one call of `recover` makes due at most.
RECOVERED = 10_000
STEP = 200
HIDDEN = "***"

EndpointPage = tuple[list[EndpointRow], Position | None]
Change = Callable[[EndpointRow], EndpointRow]


@dataclass(frozen=True)
class EndpointLimits:
    """`most`: endpoints of one user; `overlap_ms`: how long a secret signs on after it was replaced."""

    most: int = 20
    overlap_ms: int = 24 * 3600 * 1000


@dataclass(frozen=True)
class Recovered:
    """What `recover` made due: failed ones again, and missing ones. `more`: there is more than one call does."""

    resent: int
    missing: int
    more: bool


class EndpointService:
    """Raises QueueUnavailable from every method when Redis does not answer."""

    def __init__(
        self,
        store: EndpointStore,
        deliveries: Deliveries,
        history: DeliveryRepository,
        box: SecretBox,
        allow: AllowList,
        limits: EndpointLimits | None = None,
    ) -> None:
        self._store = store
        self._deliveries = deliveries
        self._history = history
        self._box = box
        self._allow = allow
        self._limits = limits or EndpointLimits()

    async def create(self, caller: Principal, given: Mapping[str, object]) -> EndpointRow:
        """Register an endpoint. Raises Invalid, Conflict `too_many_endpoints`, SystemFull."""
        now = now_ms()
        fields = self._checked(given)
        row = EndpointRow.model_validate(
            {
                "endpoint_id": new_id(now),
                "user_id": caller.user.user_id,
                "secret": self._box.seal(new_secret()),
                "created_at": now,
                "updated_at": now,
                "version": 1,
                **fields,
            }
        )
        await self._store.put(row, "endpoint.created", caller.user.user_id, most=self._limits.most)
        return row

    async def page(self, caller: Principal, position: Position | None, limit: int) -> EndpointPage:
        """List the caller's endpoints, everyone's for who may see them all; newest first."""
        found = await (self._store.all() if caller.sees_all() else self._store.of_user(caller.user.user_id))
        if position is not None:
            found = [row for row in found if (row.created_at, row.endpoint_id) < position]
        page = found[:limit]
        return page, (page[-1].created_at, page[-1].endpoint_id) if len(found) > limit else None

    async def get(self, caller: Principal, endpoint_id: UUID) -> EndpointRow:
        """Read an endpoint. Raises NotFound."""
        row = await self._store.get(endpoint_id)
        if not caller.sees(row.user_id):
            raise NotFound("endpoint")
        return row

    async def change(
        self, caller: Principal, endpoint_id: UUID, given: Mapping[str, object], versions: frozenset[int] | None
    ) -> EndpointRow:
        """Change some fields. `versions`: what If-Match allows. Raises NotFound, VersionMismatch, Invalid."""
        fields = self._checked(given)

        def changed(row: EndpointRow) -> EndpointRow:
            if fields.get("disabled_because") and row.disabled_because:
                return row.model_copy(update={**fields, "disabled_because": row.disabled_because})
            return row.model_copy(update=fields)

        return await self._changed(caller, endpoint_id, changed, "endpoint.updated", versions)

    async def delete(self, caller: Principal, endpoint_id: UUID, versions: frozenset[int] | None) -> None:
        """Delete an endpoint: what is still due for it is given up. Raises NotFound, VersionMismatch."""

        def deleted(row: EndpointRow) -> EndpointRow:
            return row.model_copy(update={"deleted": 1})

        await self._changed(caller, endpoint_id, deleted, "endpoint.deleted", versions)

    async def rotate(self, caller: Principal, endpoint_id: UUID) -> EndpointRow:
        """Replace the endpoint's secret; for a while both sign. Raises NotFound."""
        sealed = self._box.seal(new_secret())

        def rotated(row: EndpointRow) -> EndpointRow:
            ring = SecretRing.parse(row.secret).rotated(sealed, now_ms(), self._limits.overlap_ms)
            return row.model_copy(update={"secret": str(ring)})

        return await self._changed(caller, endpoint_id, rotated, "endpoint.secret_rotated", None)

    def secret(self, row: EndpointRow) -> tuple[str, int | None]:
        """Open the secret that signs an endpoint's calls; with it, until when one that it replaced signs too."""
        ring = SecretRing.parse(row.secret)
        return self._box.open(ring.current), ring.previous_until(now_ms())

    def target(self, caller: Principal, row: EndpointRow) -> tuple[str, dict[str, str]]:
        """Return an endpoint's URL and opened headers; viewers see no query and no values, which may be secrets."""
        headers: dict[str, str] = from_json(self._box.open(row.headers)) if row.headers else {}
        if caller.role == "viewer":
            return Target.parse(row.url).shown, dict.fromkeys(headers, HIDDEN)
        return row.url, headers

    # Calls on request

    async def ping(self, caller: Principal, endpoint_id: UUID) -> Delivery:
        """Send a signed `ping`, also to a disabled endpoint, and wait for its outcome a while. Raises NotFound."""
        row = await self._own(caller, endpoint_id)
        message = new_id()
        data = {"endpoint_id": str(endpoint_id), "sent_at": rfc3339(now_ms())}
        due = await self._deliveries.send(row, PING, message, to_json(data).decode())
        async with asyncio.timeout(PING_S + 1):
            for _ in range(round(PING_S / LOOK_S)):
                if line := await self._deliveries.outcome(due.member):
                    return Delivery.of([line])
                await asyncio.sleep(LOOK_S)
        return due

    async def recover(self, caller: Principal, endpoint_id: UUID, since: int) -> Recovered:
        """Make due again what failed for good since a moment (epoch ms), and what ended while it was disabled.

        Raises NotFound, Conflict `endpoint_disabled`, HistoryUnavailable.
        """
        row = await self._own(caller, endpoint_id)
        must_be_enabled(row)
        dead = await self._history.dead_since(endpoint_id, since, RECOVERED + 1)
        for delivery in dead[:RECOVERED]:
            await self._deliveries.resend(delivery, "", f"recover:{new_id().hex}")
        room = RECOVERED - len(dead)
        types = [type_ for type_ in row.types if type_ != DISABLED]
        missing = (
            await self._history.missing_since(row.user_id, endpoint_id, types, since, room + 1) if room > 0 else []
        )
        for begin in range(0, len(missing[:room]), STEP):
            await self._deliveries.make_due(row, missing[begin : min(begin + STEP, room)])
        more = len(dead) > RECOVERED or len(missing) > room
        log.info("endpoint.recovered", endpoint_id=str(endpoint_id), resent=len(dead), missing=len(missing), more=more)
        return Recovered(min(len(dead), RECOVERED), min(len(missing), max(room, 0)), more)

    # One change

    async def _own(self, caller: Principal, endpoint_id: UUID) -> EndpointRow:
        """Read an endpoint that the caller may change. Raises NotFound."""
        row = await self._store.get(endpoint_id)
        if caller.role != "admin" and row.user_id != caller.user.user_id:
            raise NotFound("endpoint")
        return row

    async def _changed(
        self, caller: Principal, endpoint_id: UUID, change: Change, event: str, versions: frozenset[int] | None
    ) -> EndpointRow:
        for _ in range(CONFLICT_TRIES):
            row = await self._own(caller, endpoint_id)
            if versions is not None and row.version not in versions:
                raise VersionMismatch()
            changed = change(row)
            if changed == row:
                return row
            update = {"version": row.version + 1, "updated_at": max(now_ms(), row.updated_at)}
            changed = changed.model_copy(update=update)
            try:
                await self._store.put(changed, event, caller.user.user_id)
                return changed
            except VersionMismatch:
                continue
        raise VersionMismatch("Too many are changing this endpoint at once.")

    def _checked(self, given: Mapping[str, object]) -> dict[str, object]:
        """Turn what a request says into fields of the row. Raises Invalid at `/url` or in `/headers`."""
        fields = dict(given)
        if isinstance(url := fields.get("url"), str):
            judge_at_accept(url, self._allow, pointer="/url")
        headers = fields.get("headers")
        if isinstance(headers, Mapping):
            judge_headers(headers, pointer="/headers")
            fields["headers"] = self._box.seal(to_json(headers).decode()) if headers else ""
        if isinstance(types := fields.get("types"), Sequence):
            fields["types"] = tuple(dict.fromkeys(types))
        if "enabled" in fields:
            enabled = fields.pop("enabled")
            fields |= {"disabled_because": "" if enabled else "owner", "disabled_at": None if enabled else now_ms()}
        return fields


def must_be_enabled(row: EndpointRow) -> None:
    """Raise Conflict `endpoint_disabled` for an endpoint that would not be called."""
    if not row.enabled:
        raise Conflict("endpoint_disabled", "The endpoint is disabled: enable it first.")
