"""The names of users, for lists of what is theirs."""

import asyncio
from collections.abc import Iterable
from uuid import UUID

from generator.admin.guard import Visit
from generator.admin.user_api import JsonObject


async def user_names(visit: Visit, items: Iterable[JsonObject]) -> dict[str, str]:
    """Return the names of the users whose items these are, by `user_id`; one that never was is left out."""
    accounts, ids = visit.panel.generator.accounts, sorted({str(item["user_id"]) for item in items})
    rows = await asyncio.gather(*(accounts.user_or_deleted(UUID(id_)) for id_ in ids))
    return {id_: row.name or row.email for id_, row in zip(ids, rows, strict=True) if row}
