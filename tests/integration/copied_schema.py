"""Databases with the schema, made faster than by migrating each: its statements take 0.2 s, one after the other."""

import asyncio
from dataclasses import dataclass, field

from backends.clickhouse import ClickHouse
from backends.migrations.runner import migrate


@dataclass(frozen=True)
class Schema:
    """What the migrations made of `database`: its tables, its views (which read them), and the rows that say so."""

    database: str
    tables: list[str]
    views: list[str]
    applied: list[str]

    @classmethod
    async def of(cls, clickhouse: ClickHouse) -> "Schema":
        made = await clickhouse.rows(
            "SELECT create_table_query AS statement, engine FROM system.tables WHERE database = currentDatabase()"
            " ORDER BY name"
        )
        tables = [str(row["statement"]) for row in made if row["engine"] != "MaterializedView"]
        views = [str(row["statement"]) for row in made if row["engine"] == "MaterializedView"]
        rows = await clickhouse.rows("SELECT version, name, checksum FROM schema_migrations FINAL ORDER BY version")
        applied = [f"({row['version']}, '{row['name']}', '{row['checksum']}')" for row in rows]
        return cls(clickhouse.address.database, tables, views, applied)

    async def copy_to(self, clickhouse: ClickHouse) -> None:
        """Make the same in a database that is not there yet."""
        name = clickhouse.address.database
        await clickhouse.command(f"CREATE DATABASE `{name}`", database="system")
        for statements in (self.tables, self.views):
            await asyncio.gather(*(clickhouse.command(one.replace(self.database, name)) for one in statements))
        await clickhouse.command(
            "INSERT INTO schema_migrations (version, name, checksum) SETTINGS async_insert = 0"
            f" VALUES {', '.join(self.applied)}"
        )


@dataclass
class CopiedSchemas:
    """Migrates the first database of each server, and makes the next ones like it."""

    known: dict[str, Schema] = field(default_factory=dict)

    async def prepare(self, clickhouse: ClickHouse) -> None:
        if schema := self.known.get(clickhouse.address.url):
            await schema.copy_to(clickhouse)
            return
        await migrate(clickhouse)
        self.known[clickhouse.address.url] = await Schema.of(clickhouse)
