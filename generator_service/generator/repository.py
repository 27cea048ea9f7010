"""What the generator reads from ClickHouse: the panel's list, and documents whose webhook outlived them in Redis."""

from uuid import UUID

from backends.clickhouse import ClickHouse
from backends.history import DOCUMENT_COLUMNS, document_history, document_row
from contracts.documents import DocumentRow

LAST = f"""
SELECT {DOCUMENT_COLUMNS} FROM documents FINAL
PREWHERE (created_at, document_id) IN (
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

    async def events(self, document_id: UUID) -> list[DocumentRow]:
        """Read a document's rows after each transition, oldest first; empty for one that is deleted or not there."""
        return await document_history(self._clickhouse, document_id)
