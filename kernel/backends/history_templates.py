"""Templates as ClickHouse keeps them: what Redis is rebuilt from, and compared with."""

from uuid import UUID

from backends.clickhouse import ClickHouse
from backends.history_accounts import TIMEOUT_S
from backends.template_store import TemplateStore
from contracts.templates import TemplateHead

HEADS = "SELECT head FROM templates FINAL"

# A schema comes with the event of its version, and is not repeated by later ones.
SCHEMAS = """
SELECT toString(template_id) AS id, number, any(schema) AS schema FROM template_events
ARRAY JOIN mapKeys(schemas) AS number, mapValues(schemas) AS schema
GROUP BY id, number
"""


class HistoryTemplates:
    """Raises HistoryUnavailable from every method when ClickHouse does not answer."""

    def __init__(self, clickhouse: ClickHouse) -> None:
        self._clickhouse = clickhouse

    async def heads(self) -> list[TemplateHead]:
        """Read every template that a user made, deleted ones too: their version numbers never recur."""
        rows = await self._clickhouse.rows(HEADS, timeout_s=TIMEOUT_S)
        return [TemplateHead.model_validate_json(str(row["head"])) for row in rows]

    async def schemas(self) -> dict[UUID, dict[str, str]]:
        """Read the schemas that were inferred, as JSON texts by version, of each template."""
        found: dict[UUID, dict[str, str]] = {}
        for row in await self._clickhouse.rows(SCHEMAS, timeout_s=TIMEOUT_S):
            found.setdefault(UUID(str(row["id"])), {})[str(row["number"])] = str(row["schema"])
        return found


async def bring_templates_back(history: HistoryTemplates, store: TemplateStore) -> int:
    """Fill a Redis that has lost its templates; what it has is newer, and stays. Returns how many are not deleted."""
    heads, schemas = await history.heads(), await history.schemas()
    for head in heads:
        await store.adopt(head, live_schemas(head, schemas))
    return sum(head.deleted_at is None for head in heads)


def live_schemas(head: TemplateHead, schemas: dict[UUID, dict[str, str]]) -> dict[str, str]:
    """Pick the schemas of the versions that a template has."""
    known = {str(version.version) for version in head.versions} if head.deleted_at is None else set[str]()
    return {number: text for number, text in schemas.get(head.template_id, {}).items() if number in known}
