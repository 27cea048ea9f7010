"""What waits in the event stream at this moment: it is on its way to history, and no loss.

Checks read Redis, then the stream, then history: what has left one of them meanwhile is in the next.
"""

from dataclasses import dataclass, field
from uuid import UUID

import orjson

from backends.event_line import document_event
from generator.event_cargo import BEGINNINGS
from generator.maintenance.doctor.stores import Stores

#: What names the rows that have versions, by kind of event.
NAMED_BY = {"u": "user_id", "k": "key_id", "t": "template_id", "h": "endpoint_id"}


@dataclass
class Waiting:
    """Transitions by document, documents whose run begins, versions by user, key, template or endpoint, deliveries."""

    documents: dict[str, set[int]] = field(default_factory=dict)
    begun: set[str] = field(default_factory=set)
    versions: dict[str, int] = field(default_factory=dict)
    deliveries: set[UUID] = field(default_factory=set)

    @classmethod
    async def read(cls, stores: Stores) -> "Waiting":
        """Read the whole stream in steps. Raises QueueUnavailable."""
        waiting = cls()
        async for events in stores.redis.events():
            for kind, line in (pair for _, fields in events for pair in fields.items()):
                waiting.note(kind, line)
        return waiting

    def note(self, kind: str, line: str) -> None:
        """Note an event. A line that cannot be read says nothing: the shipper will set it aside."""
        try:
            if kind == "d":
                self._note_document(line)
            elif kind in NAMED_BY:
                self._note_account(orjson.loads(line), NAMED_BY[kind])
            elif kind == "w":
                self.deliveries.add(UUID(orjson.loads(line)["delivery_id"]))
        except (ValueError, KeyError, TypeError):
            return

    def _note_document(self, line: str) -> None:
        id_, seq, event, _ = document_event(line.encode())
        self.documents.setdefault(id_, set()).add(seq)
        if event in BEGINNINGS:
            self.begun.add(id_)

    def _note_account(self, row: dict[str, object], key: str) -> None:
        id_, version = str(row[key]), int(str(row["version"]))
        self.versions[id_] = max(version, self.versions.get(id_, 0))
