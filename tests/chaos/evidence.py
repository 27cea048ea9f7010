"""What is known after a run: the history, and what each store says. Plain data, so that checks are pure functions."""

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from tests.chaos.history import Call, Story

Row = dict[str, Any]
Run = tuple[str, int]

#: The events with which a run ends, which are also its terminal states.
ENDINGS = frozenset({"completed", "failed", "cancelled"})


@dataclass(frozen=True)
class View:
    """How the API showed a document at the very end: `status` is HTTP's, `digest` the SHA-256 of the bytes it gave."""

    status: int | None
    body: Row = field(default_factory=dict)
    content_status: int | None = None
    digest: str = ""


@dataclass(frozen=True)
class RedisKey:
    """A key by its name without the prefix. `ttl_s` is None if it stays."""

    name: str
    ttl_s: int | None


@dataclass(frozen=True)
class Evidence:
    """Rows as ClickHouse has them, JSON columns decoded; documents, deliveries and users are newest rows (FINAL)."""

    story: Story
    events: list[Row] = field(default_factory=list)
    documents: dict[str, Row] = field(default_factory=dict)
    attempts: list[Row] = field(default_factory=list)
    deliveries: dict[str, Row] = field(default_factory=dict)
    users: list[Row] = field(default_factory=list)
    endpoints: list[Row] = field(default_factory=list)
    quarantined: list[Row] = field(default_factory=list)
    received: list[Row] = field(default_factory=list)
    views: dict[str, View] = field(default_factory=dict)
    keys: list[RedisKey] = field(default_factory=list)
    counters: dict[str, str] = field(default_factory=dict)
    blobs: dict[str, float] = field(default_factory=dict)
    unsettled: dict[str, object] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)

    @cached_property
    def accepted(self) -> dict[str, list[Call]]:
        """The requests that were answered 202, by the document's id."""
        found = defaultdict(list)
        for call in self.calls("request"):
            if call.status == 202:
                found[call.answer["id"]].append(call)
        return dict(found)

    @cached_property
    def by_document(self) -> dict[str, list[Row]]:
        """The events of each document, in the order of `seq`."""
        found = defaultdict(list)
        for event in self.events:
            found[event["document_id"]].append(event)
        return {id_: sorted(rows, key=lambda row: row["seq"]) for id_, rows in found.items()}

    @cached_property
    def endings(self) -> dict[Run, list[Row]]:
        """The events with which each run ended: one each, if all is well. An event that is stored twice counts once."""
        found: dict[Run, dict[int, Row]] = defaultdict(dict)
        for event in self.events:
            if event["event"] in ENDINGS:
                found[event["document_id"], event["run"]][event["seq"]] = event
        return {run: [*rows.values()] for run, rows in found.items()}

    @cached_property
    def numbers(self) -> dict[str, Call]:
        """The requests by their numbers; of repeated ones the first."""
        found: dict[str, Call] = {}
        for call in self.calls("request"):
            found.setdefault(call.about["number"], call)
        return found

    @cached_property
    def deletions(self) -> dict[str, float]:
        """When (seconds) the deletion of a document may have begun to show."""
        found: dict[str, float] = {}
        for call in self.calls("delete"):
            if call.outcome != "fail":
                found.setdefault(call.about["id"], call.began)
        return found

    @cached_property
    def endpoints_of(self) -> dict[str, list[str]]:
        """The endpoints of each user. In a run they are made before the first document, and hear of every end."""
        found = defaultdict(list)
        for row in self.endpoints:
            found[row["user_id"]].append(row["endpoint_id"])
        return dict(found)

    def calls(self, *names: str) -> list[Call]:
        return [call for call in self.story.calls if call.do in names]

    def wants_callback(self, document: Row) -> bool:
        """Tell whether the request of a document asked for a webhook."""
        request = self.numbers.get(document["metadata"].get("number", ""))
        return bool(request and request.about["callback"])
