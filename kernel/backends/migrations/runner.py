"""Applies `sql/*.sql` in order, each once, and refuses to run when an applied one was changed afterwards.

Statements say IF NOT EXISTS: ClickHouse has no transactions, so a migration that was cut off is simply run again.
See docs/adr/0004-migrations.md for why this is our own.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

import structlog

from backends.clickhouse import ClickHouse
from contracts.errors import PermanentError

log = structlog.get_logger(__name__)

APPLIED_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migrations (
  version UInt32, name String, checksum String, applied_at DateTime64(3, 'UTC') DEFAULT now64(3)
) ENGINE = ReplacingMergeTree(applied_at) ORDER BY version
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1
"""

CREATED = re.compile(r"CREATE (?:TABLE|MATERIALIZED VIEW) IF NOT EXISTS (\w+)")
DROPPED = re.compile(r"DROP (?:TABLE|VIEW) IF EXISTS (\w+)")


class MigrationChanged(PermanentError):
    """A migration was changed after it was applied."""


@dataclass(frozen=True)
class Migration:
    """One file: `0001_history.sql` has version 1 and the name `history`."""

    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @property
    def statements(self) -> list[str]:
        """Split at semicolons that end a line; comment lines go, for they may hold any character."""
        lines = [line for line in self.sql.splitlines() if not line.lstrip().startswith("--")]
        parts = ("\n".join(lines) + "\n").split(";\n")
        return [part.strip() for part in parts if part.strip()]


def load_migrations() -> list[Migration]:
    """Read the migrations that ship with this version, in order."""
    files = [item for item in (resources.files("backends.migrations") / "sql").iterdir() if item.name.endswith(".sql")]
    return [
        Migration(int(file.name.partition("_")[0]), file.name.partition("_")[2].removesuffix(".sql"), file.read_text())
        for file in sorted(files, key=lambda item: item.name)
    ]


def tables_of(migrations: Sequence[Migration] | None = None) -> set[str]:
    """Name the tables and views that are there once these migrations (all that ship) are applied."""
    tables = {"schema_migrations"}
    for statement in (part for migration in migrations or load_migrations() for part in migration.statements):
        if found := CREATED.match(statement):
            tables.add(found[1])
        elif found := DROPPED.match(statement):
            tables.discard(found[1])
    return tables


async def migrate(
    clickhouse: ClickHouse, migrations: Sequence[Migration] | None = None, *, again: bool = False
) -> list[str]:
    """Bring the schema up to date; returns the names of what was applied now, of all that there are with `again`.

    Several processes may do this at once: what one has made, the other finds. Migrations of a newer release are left
    alone, so that releases can be rolled. Raises MigrationChanged, HistoryUnavailable.
    """
    await clickhouse.command(f"CREATE DATABASE IF NOT EXISTS `{clickhouse.address.database}`", database="system")
    await clickhouse.command(APPLIED_TABLE)
    applied = await _applied(clickhouse)
    wanted = migrations or load_migrations()
    pending = [migration for migration in wanted if not _is_applied(migration, applied) or again]
    for migration in pending:
        await _apply(clickhouse, migration)
    return [migration.name for migration in pending]


async def _applied(clickhouse: ClickHouse) -> dict[int, str]:
    rows = await clickhouse.rows("SELECT version, checksum FROM schema_migrations FINAL")
    return {int(str(row["version"])): str(row["checksum"]) for row in rows}


def _is_applied(migration: Migration, applied: dict[int, str]) -> bool:
    known = applied.get(migration.version)
    if known is not None and known != migration.checksum:
        raise MigrationChanged(
            f"Migration {migration.version:04} ({migration.name}) differs from the one that was applied.",
            hint="Migrations are never edited: restore the file and add a new one.",
        )
    return known is not None


async def _apply(clickhouse: ClickHouse, migration: Migration) -> None:
    for statement in migration.statements:
        await clickhouse.command(statement)
    await clickhouse.command(
        "INSERT INTO schema_migrations (version, name, checksum) SETTINGS async_insert = 0"
        f" VALUES ({migration.version}, '{migration.name}', '{migration.checksum}')"
    )
    log.info("migration.applied", version=migration.version, name=migration.name)
