"""Sorts a batch of events: whose line goes into which table, and what document events ask for beside that. Pure."""

import re
from dataclasses import dataclass, field
from uuid import UUID

from backends.event_line import document_event
from backends.event_log import Entries, Entry
from contracts.documents import TERMINAL

#: Which kind of event goes into which table.
TABLES = {
    b"d": "document_events",
    b"u": "user_events",
    b"k": "key_events",
    b"t": "template_events",
    b"h": "endpoint_events",
    b"w": "webhook_deliveries",
}
DOCUMENT = b"d"

#: Events at which a run begins: the job that Redis holds then is what a retry will need.
BEGINNINGS = frozenset({b"accepted", b"retried"})
DELETED = b"deleted"
ENDED = frozenset(status.encode() for status in TERMINAL)

IS_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass
class Cargo:
    """Lines by table in the order they came, and ids of documents.

    `begun`: a run began, so their jobs are to be copied. `deleted`: their bytes are to go. `ended`: they had ended at
    this seq, the highest if several, so they may be due to leave Redis.
    """

    rows: dict[str, Entries] = field(default_factory=dict)
    unreadable: list[tuple[Entry, str]] = field(default_factory=list)
    begun: set[str] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)
    ended: dict[str, int] = field(default_factory=dict)


def sort_cargo(entries: Entries, cargo: Cargo) -> Cargo:
    """Add events to a cargo, by table; what is no JSON object of a known kind is set apart with the reason."""
    for id_, kind, line in zip(entries.ids, entries.kinds, entries.lines, strict=True):
        try:
            _load(cargo, id_, kind, line)
        except (ValueError, KeyError, TypeError) as error:
            cargo.unreadable.append((Entry(id_, kind, line), f"{type(error).__name__}: {error}"))
    return cargo


def _load(cargo: Cargo, id_: bytes, kind: bytes, line: bytes) -> None:
    if kind not in TABLES:
        raise ValueError(f"unknown kind {kind.decode(errors='replace')!r}")
    if kind == DOCUMENT:
        _note_document(cargo, *document_event(line))
    elif line[:1] + line[-1:] != b"{}":
        raise ValueError("not a JSON object")
    table = TABLES[kind]
    if table not in cargo.rows:
        cargo.rows[table] = Entries()
    cargo.rows[table].add(id_, kind, line)


def _note_document(cargo: Cargo, document_id: str, seq: int, event: bytes, status: bytes) -> None:
    if event in BEGINNINGS:
        cargo.begun.add(_canonical(document_id))
    if event == DELETED:
        cargo.deleted.add(_canonical(document_id))
    if status in ENDED:
        cargo.ended[document_id] = max(seq, cargo.ended.get(document_id, 0))


def _canonical(document_id: str) -> str:
    return document_id if IS_ID.fullmatch(document_id) else str(UUID(document_id))
