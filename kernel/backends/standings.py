"""How live documents stand: one script for many, in steps that do not hold Redis up."""

from collections.abc import Collection
from itertools import batched
from typing import cast
from uuid import UUID

import orjson

from backends.scripts import Scripts
from contracts.documents import DeliveryStatus, Status
from contracts.standing import Standing

#: 250 documents take Redis half a millisecond.
STEP = 250


class LiveStandings:
    def __init__(self, scripts: Scripts) -> None:
        self._scripts = scripts

    async def of(self, document_ids: Collection[UUID]) -> dict[UUID, Standing]:
        """Return how these documents stand; those that Redis does not have are left out. Raises QueueUnavailable."""
        found: dict[UUID, Standing] = {}
        for step in batched(document_ids, STEP):
            rows = cast(list[list[str | None]], await self._scripts.run("standing", *map(str, step)))
            found |= {id_: _standing(row) for id_, row in zip(step, rows, strict=True) if row[0] is not None}
        return found


def _standing(row: list[str | None]) -> Standing:
    status, deleted, result, completed_at, expires_at, delivery, changed_at = row
    return Standing(
        status=Status(cast(str, status)),
        deleted=deleted == "1",
        result_key=orjson.loads(result)["key"] if result else None,
        ended_at=_number(completed_at),
        expires_at=_number(expires_at),
        delivery=cast(DeliveryStatus, delivery),
        changed_at=_number(changed_at) or 0,
    )


def _number(text: str | None) -> int | None:
    return None if text is None else int(text)
