"""A document's rows as ClickHouse keeps them: the columns to ask for, the way back to DocumentRow, its transitions.

What both services read; their own questions are in their repositories.
"""

from collections.abc import Collection
from uuid import UUID

import orjson

from backends.clickhouse import ClickHouse, Parameter, Row, array
from contracts.documents import DocumentRow
from contracts.ids import id_ms

DOCUMENT_COLUMNS = (
    "document_id, user_id, batch_id, created_at, output_format, template_name, template_version, template_sha256,"
    " priority, lane, subject, metadata, run_at, seq, event, at, status, run, attempt, worker, queued_at, started_at,"
    " completed_at, expires_at, render_ms, result, error, delivery, detail, deleted"
)

#: Columns that hold JSON as text; empty means null.
JSON_COLUMNS = ("result", "error", "delivery", "detail")

#: An id is made in the moment of accepting; clocks may step in between, but not by this much.
ID_CLOCK_SLACK_MS = 3_600_000

# A batch is stored once by its token; LIMIT 1 BY also holds where the server has forgotten a token.
EVENTS = f"""
SELECT {DOCUMENT_COLUMNS} FROM document_events
WHERE created_at BETWEEN {{earliest:Int64}} AND {{latest:Int64}} AND document_id = {{id:UUID}}
ORDER BY seq LIMIT 1 BY seq
"""


def document_row(row: Row) -> DocumentRow:
    """Build a document's row from what ClickHouse returned for DOCUMENT_COLUMNS."""
    parsed = {name: orjson.loads(text) for name in JSON_COLUMNS if (text := str(row[name]))}
    return DocumentRow.model_validate({**row, **dict.fromkeys(("result", "error", "detail")), "delivery": {}, **parsed})


async def document_history(clickhouse: ClickHouse, document_id: UUID) -> list[DocumentRow]:
    """Read a document's rows after each transition, oldest first; empty for one that is deleted or not there."""
    rows = [document_row(row) for row in await clickhouse.rows(EVENTS, around(document_id))]
    return [] if rows and rows[-1].deleted else rows


def around(document_id: UUID) -> dict[str, Parameter]:
    """Return `id`, `earliest` and `latest`: the id says when it was made, which is what the tables are sorted by."""
    return {"id": str(document_id), **_span([document_id])}


def window(ids: Collection[UUID]) -> dict[str, Parameter]:
    """Return `ids`, `earliest` and `latest` of several, at least one."""
    return {"ids": array(ids), **_span(ids)}


def _span(ids: Collection[UUID]) -> dict[str, Parameter]:
    made = [id_ms(id_) for id_ in ids]
    return {"earliest": min(made) - ID_CLOCK_SLACK_MS, "latest": max(made) + ID_CLOCK_SLACK_MS}
