"""Templates in ClickHouse: the write-through of changes. Lists come from Redis."""

from app.repository.users import WRITE_THROUGH_S
from backends.clickhouse import ClickHouse
from contracts.errors import HistoryUnavailable, PressworkError
from contracts.ids import now_ms
from contracts.templates import TemplateEvent, TemplateHead

#: What an event has and the table of newest states has not.
EVENT_ONLY = {"schemas", "event", "at", "actor_id"}


class TemplateRepository:
    def __init__(self, clickhouse: ClickHouse) -> None:
        self._clickhouse = clickhouse

    async def written(self, head: TemplateHead) -> None:
        """Write a template at once; its event will bring the same row again. Raises HistoryUnavailable."""
        line = TemplateEvent.of(head, "", now_ms()).model_dump_json(exclude=EVENT_ONLY)
        try:
            await self._clickhouse.insert_row("templates", line.encode(), timeout_s=WRITE_THROUGH_S)
        except HistoryUnavailable:
            raise
        except PressworkError as error:
            # The change is made already: whatever ClickHouse has against the row must not fail the request.
            raise HistoryUnavailable(error.message) from error
