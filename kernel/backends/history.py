"""A document's row as ClickHouse keeps it: the columns to ask for, and the way back to DocumentRow."""

import orjson

from backends.clickhouse import Row
from contracts.documents import DocumentRow

DOCUMENT_COLUMNS = (
    "document_id, user_id, batch_id, created_at, output_format, template_name, template_version, template_sha256,"
    " priority, lane, subject, metadata, run_at, seq, event, at, status, run, attempt, worker, queued_at, started_at,"
    " completed_at, expires_at, render_ms, result, error, delivery, detail, deleted"
)

#: Columns that hold JSON as text; empty means null.
JSON_COLUMNS = ("result", "error", "delivery", "detail")


def document_row(row: Row) -> DocumentRow:
    """Build a document's row from what ClickHouse returned for DOCUMENT_COLUMNS."""
    parsed = {name: orjson.loads(text) for name in JSON_COLUMNS if (text := str(row[name]))}
    return DocumentRow.model_validate({**row, **dict.fromkeys(("result", "error", "detail")), "delivery": {}, **parsed})
