"""Rows of documents as the event stream carries them, for the history's tests and the shipper's benchmark."""

from uuid import UUID

from contracts.documents import DocumentRow, Status
from contracts.ids import new_id

START = 1_790_000_000_000


def row(at: int = START, **changes: object) -> DocumentRow:
    """Make the row of a document that was accepted at `at` (epoch milliseconds)."""
    plain = DocumentRow(
        document_id=new_id(at),
        user_id=UUID(int=1),
        created_at=at,
        output_format="pdf",
        template_name="invoice",
        template_version=3,
        template_sha256="ab" * 32,
        priority="normal",
        lane="lane",
        seq=1,
        event="accepted",
        at=at,
        status=Status.QUEUED,
        run=1,
        attempt=0,
        queued_at=at,
    )
    return DocumentRow.model_validate({**plain.model_dump(), **changes})


def later(before: DocumentRow, **changes: object) -> DocumentRow:
    """Make the row that follows, 10 ms later."""
    return DocumentRow.model_validate({**before.model_dump(), "seq": before.seq + 1, "at": before.at + 10, **changes})
