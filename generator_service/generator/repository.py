"""What the generator's panel reads from ClickHouse."""

from backends.clickhouse import ClickHouse
from backends.history import DOCUMENT_COLUMNS, document_row
from contracts.documents import DocumentRow

LAST = f"""
SELECT {DOCUMENT_COLUMNS} FROM documents FINAL
WHERE (created_at, document_id) IN (
  SELECT created_at, document_id FROM documents FINAL WHERE deleted = 0
  ORDER BY created_at DESC, document_id DESC LIMIT {{limit:UInt32}}
)
ORDER BY created_at DESC, document_id DESC
"""


class HistoryRepository:
    """Raises HistoryUnavailable from every method when ClickHouse does not answer."""

    def __init__(self, clickhouse: ClickHouse) -> None:
        self._clickhouse = clickhouse

    async def last_documents(self, limit: int) -> list[DocumentRow]:
        """Read the newest documents, newest first."""
        return [document_row(row) for row in await self._clickhouse.rows(LAST, {"limit": limit})]
