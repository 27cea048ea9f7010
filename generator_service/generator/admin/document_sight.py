"""One document as its page shows it: what the API says, and what only the panel shows - its data - after the API said
that the document is there.
"""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote
from uuid import UUID

from contracts.errors import BlobUnavailable, QueueUnavailable
from contracts.ids import parse_id
from contracts.jobs import GenerationJob, InlineSource, input_key
from generator.admin.guard import Visit
from generator.admin.user_api import ApiAnswer, ApiAway, ApiRefused, JsonObject

ENDED = frozenset({"completed", "failed", "cancelled"})
SETTLED = frozenset({"none", "delivered", "dead"})
#: More of the data than this is not put on a page; all of it can be downloaded.
DATA_SHOWN = 100_000
#: The page does not wait longer than this for the list of webhook attempts.
LISTED_WITHIN_S = 3.0
#: Pages shown besides the first.
SMALL_PAGES = 8


@dataclass(frozen=True)
class Data:
    """A document's data as indented JSON. `text` None: no longer kept. `away`: its store does not answer."""

    text: str | None = None
    away: bool = False
    job: GenerationJob | None = None

    @property
    def shown(self) -> str:
        return (self.text or "")[:DATA_SHOWN]

    @property
    def cut(self) -> bool:
        return len(self.text or "") > DATA_SHOWN

    @property
    def source(self) -> InlineSource | None:
        return self.job.source if self.job else None


@dataclass(frozen=True)
class Sight:
    """A document, its events and webhook attempts. `content`: its bytes are there. `versions`: of its template."""

    document: dict[str, Any]
    events: list[JsonObject]
    user: str = ""
    deliveries: list[dict[str, Any]] = field(default_factory=list)
    content: bool = False
    versions: list[str] = field(default_factory=list)

    @property
    def ended(self) -> bool:
        return self.document["status"] in ENDED

    @property
    def settled(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self.ended and self.document["delivery"]["status"] in SETTLED

    @staticmethod
    def tried(delivery: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the attempts of a delivery."""
        attempts = delivery.get("attempts")
        return [one for one in attempts if isinstance(one, dict)] if isinstance(attempts, list) else []

    @property
    def attempts(self) -> int:
        """How often a webhook of this document was tried: the document itself learns of it when that has ended."""
        return max(int(self.document["delivery"]["attempts"]), sum(len(self.tried(one)) for one in self.deliveries))

    @property
    def next_attempt_at(self) -> str | None:
        """When the next webhook is due (RFC 3339); None if none is."""
        due = [str(one["next_attempt_at"]) for one in self.deliveries if one.get("next_attempt_at")]
        own = self.document["delivery"]["next_attempt_at"]
        return min(due, default=own)

    @property
    def pictures(self) -> int:
        """How many pages can be shown; engines that make pictures make one of the first page."""
        result = self.document["result"]
        if not self.content or not result:
            return 0
        if self.document["format"] == "pdf":
            return int(result["pages"] or 0)
        return 1 if self.document["format"] in ("png", "svg") else 0


async def sight_of(visit: Visit, document_id: str) -> Sight:
    """Look at a document. Raises NotFound and what the API refuses with."""
    path = f"/v1/documents/{parse_id(document_id, 'document')}"
    document: dict[str, Any] = (await visit.api.get(path)).json
    events, user, deliveries, content, versions = await asyncio.gather(
        visit.api.get(f"{path}/events"),
        visit.panel.generator.accounts.user_or_deleted(UUID(str(document["user_id"]))),
        _deliveries(visit, document),
        _has_content(visit, path, document),
        _versions(visit, document),
    )
    name = (user.name or user.email) if user else ""
    return Sight(document, events.items, name, deliveries, content, versions)


async def _deliveries(visit: Visit, document: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the document's webhook deliveries; none while ClickHouse, which lists them, is away."""
    if document["delivery"]["status"] == "none":
        return []
    params = {"document_id": str(document["id"])}
    try:
        answer = await visit.api.call("GET", "/v1/webhooks/deliveries", params=params, timeout_s=LISTED_WITHIN_S)
    except (ApiRefused, ApiAway):
        return []
    return [dict(item) for item in answer.items]


async def _has_content(visit: Visit, path: str, document: JsonObject) -> bool:
    if document["status"] != "completed":
        return False
    try:
        await visit.api.call("HEAD", f"{path}/content")
    except ApiRefused as refused:
        if refused.status != 410:
            raise
        return False
    return True


async def _versions(visit: Visit, document: JsonObject) -> list[str]:
    """Return references to the versions of an ended document's template, newest first; none if it is gone."""
    template = document["template"]
    name = template.get("name") if isinstance(template, dict) else None
    if name is None or document["status"] not in ENDED:
        return []
    try:
        answer: ApiAnswer = await visit.api.get(f"/v1/templates/{quote(str(name), safe='')}")
    except ApiRefused:
        return []
    count = answer.json.get("versions")
    numbers = [one.get("version") for one in count] if isinstance(count, list) else range(1, int(str(count or 0)) + 1)
    return [f"{name}@{number}" for number in sorted(map(int, numbers), reverse=True)]


async def data_of(visit: Visit, document_id: str) -> Data:
    """Read the job of a document that the API has shown: from Redis, or from the kept inputs."""
    identity = parse_id(document_id, "document")
    generator = visit.panel.generator
    try:
        job = await generator.queue.job(identity)
        if job is None:
            kept = await generator.blobs.get(input_key(identity))
            job = None if kept is None else GenerationJob.model_validate_json(kept)
    except (QueueUnavailable, BlobUnavailable):
        return Data(away=True)
    return Data() if job is None else Data(json.dumps(job.data, ensure_ascii=False, indent=2), job=job)
