"""How long ClickHouse keeps rows: settings, not schema, so they are compared and set at each start."""

from dataclasses import dataclass

import structlog

from backends.clickhouse import ClickHouse

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class HistoryRetention:
    """Rows go with their month's part, once the youngest row in it is this old. None keeps them for ever."""

    history_months: int | None = 13
    delivery_days: int | None = 90


async def apply_retention(clickhouse: ClickHouse, retention: HistoryRetention) -> list[str]:
    """Set the tables' TTL to these settings; returns the tables that were changed. Raises HistoryUnavailable."""
    history = None if retention.history_months is None else f"toIntervalMonth({retention.history_months})"
    deliveries = None if retention.delivery_days is None else f"toIntervalDay({retention.delivery_days})"
    wanted = {
        "document_events": ("created_at", history),
        "documents": ("created_at", history),
        "events_quarantine": ("at", history),
        "webhook_deliveries": ("created_at", deliveries),
        "deliveries": ("created_at", deliveries),
    }
    found = await _engines(clickhouse)
    changed = [table for table, (_, keep) in wanted.items() if table in found and not _is_set(found[table], keep)]
    for table in changed:
        await clickhouse.command(_statement(table, *wanted[table]))
        log.info("retention.changed", table=table, keep=wanted[table][1])
    return changed


async def _engines(clickhouse: ClickHouse) -> dict[str, str]:
    rows = await clickhouse.rows("SELECT name, engine_full FROM system.tables WHERE database = currentDatabase()")
    return {str(row["name"]): str(row["engine_full"]) for row in rows}


def _is_set(engine: str, keep: str | None) -> bool:
    return " TTL " not in engine if keep is None else keep in engine


def _statement(table: str, column: str, keep: str | None) -> str:
    if keep is None:
        return f"ALTER TABLE {table} REMOVE TTL"
    expression = f"toDateTime(intDiv({column}, 1000), 'UTC') + {keep}"
    # Parts are dropped whole, by the newest row in them: rewriting all parts to recompute it would gain little.
    return f"ALTER TABLE {table} MODIFY TTL {expression} SETTINGS materialize_ttl_after_modify = 0"
