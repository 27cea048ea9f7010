"""The hash `{pw}:doc:<id>`: a live document's fields and its own events, and the ways from there to rows and back."""

from collections.abc import Mapping
from uuid import UUID

from contracts.documents import Delivery, DocumentHead, DocumentRow, head_fragment
from contracts.jobs import GenerationJob

DELIVERY_FIELDS = ("run", "delivery_status", "delivery_attempts", "delivery_next")


def rows_of(fields: dict[str, str]) -> list[DocumentRow]:
    """Put a document hash's rows together, oldest first; empty for an empty hash."""
    numbers = sorted(int(name[1:]) for name in fields if name[0] == "e" and name[1:].isdigit())
    return [_row(fields, fields[f"e{number}"]) for number in numbers]


def _row(fields: dict[str, str], tail: str) -> DocumentRow:
    """Put a row together; one of an earlier run has a head of its own if the retry changed it."""
    row = DocumentRow.model_validate_json(fields["head"] + tail)
    earlier = fields.get(f"head{row.run}")
    return row if earlier is None else DocumentRow.model_validate_json(earlier + tail)


def delivery_of(fields: Mapping[str, str | None]) -> Delivery:
    """Read how far a document's webhook is from its hash, which knows of every attempt."""
    next_at = fields.get("delivery_next")
    return Delivery.model_validate(
        {
            "status": fields["delivery_status"],
            "attempts": int(fields["delivery_attempts"] or 0),
            "next_attempt_at": None if next_at is None else int(next_at),
        }
    )


def delivery_updated(row: DocumentRow, fields: Mapping[str, str | None]) -> DocumentRow:
    """Put a run's live delivery into its row; a row of another run stays as it is."""
    if fields.get("run") != str(row.run):
        return row
    return row.model_copy(update={"delivery": delivery_of(fields)})


def restored_fields(row: DocumentRow, job: GenerationJob | None) -> list[str | int]:
    """Write an ended document's last row as the fields of its hash, name after value, so that it can be run again."""
    fields: list[str | int] = ["head", head_fragment(DocumentHead.model_validate(row.model_dump()))]
    fields += ["status", row.status, "run", row.run, "attempt", row.attempt, "crashes", 0]
    fields += ["token", row.seq * 1000, "seq", row.seq]
    fields += ["user", str(row.user_id), "lane", lane_of(row.user_id, row.lane), "priority", row.priority]
    fields += ["queued_at", row.queued_at]
    fields += ["delivery_status", row.delivery.status, "delivery_attempts", row.delivery.attempts]
    fields += ["deleted", row.deleted, f"e{row.seq}", tail_fragment(row)]
    fields += _outcome(row)
    if job and job.callback:
        fields += ["callback", job.callback.model_dump_json()]
    return fields


def lane_of(user_id: UUID, lane: str) -> str:
    """Name a lane in Redis: a user's own, or one that the user has named, which is nobody else's."""
    return lane if lane == str(user_id) else f"{user_id}/{lane}"


def tail_fragment(row: DocumentRow) -> str:
    """Write the changing part of a row as the scripts do: JSON without its opening brace."""
    return "," + row.model_dump_json(exclude=set(DocumentHead.model_fields))[1:]


def _outcome(row: DocumentRow) -> list[str | int]:
    """Return what a run came to as fields of the document's hash; what is not known has no field."""
    fields: list[str | int] = ["worker", row.worker]
    for name in ("started_at", "completed_at", "expires_at", "render_ms"):
        if (value := getattr(row, name)) is not None:
            fields += [name, value]
    if row.result:
        fields += ["result", row.result.model_dump_json()]
    if row.error:
        fields += ["error", row.error.model_dump_json(exclude_none=True)]
    return fields
