"""Every end of a run is told by a webhook that verifies, at least once, always under the same `webhook-id`."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from uuid import UUID, uuid5

from tests.chaos.evidence import Evidence, Row


def silent(evidence: Evidence) -> Iterator[str]:
    """Find ends of runs that a callback or an endpoint was not told of."""
    told = {call["id"] for call in evidence.received if not call["flaw"]}
    for (id_, run), endings in evidence.endings.items():
        document = evidence.documents.get(id_)
        if document is None:
            continue
        receivers: list[str | None] = [*evidence.endpoints_of.get(document.get("user_id", ""), [])]
        if evidence.wants_callback(document):
            receivers.append(None)
        for row in endings:
            for endpoint in receivers:
                if _webhook_id(id_, run, row["event"], endpoint) not in told:
                    whom = f"endpoint {endpoint}" if endpoint else "its callback"
                    yield f"no webhook told {whom} that run {run} of {id_} was {row['event']}"


def webhooks(evidence: Evidence) -> Iterator[str]:
    """Find webhooks that do not verify, tell what did not happen, or come under another id."""
    for call in evidence.received:
        if call["flaw"]:
            yield f"{call['id']} does not verify: {call['flaw']}"
            continue
        body = json.loads(call["body"])
        document, event = body["data"], body["type"].removeprefix("document.")
        id_, run = document["id"], document["run"]
        owner = evidence.documents.get(id_, {}).get("user_id", "")
        ids = {_webhook_id(id_, run, event, receiver) for receiver in (None, *evidence.endpoints_of.get(owner, []))}
        if call["id"] not in ids or document["status"] != event:
            yield f"{call['id']} tells of run {run} of {id_}: {body['type']}, {document['status']}"
        elif event not in [row["event"] for row in evidence.endings.get((id_, run), [])]:
            yield f"{call['id']} tells that run {run} of {id_} was {event}, which it was not"


def deliveries(evidence: Evidence) -> Iterator[str]:
    """Find deliveries whose attempts have gaps, that are logged twice or did not end as delivered."""
    logged: dict[str, list[Row]] = defaultdict(list)
    for row in evidence.attempts:
        logged[row["delivery_id"]].append(row)
    for id_, rows in logged.items():
        numbers = Counter(row["attempt"] for row in rows)
        if sorted(numbers) != list(range(len(numbers))) or max(numbers.values()) > 1:
            yield f"delivery {id_} of {rows[0]['document_id']} has the attempts {sorted(numbers.elements())}"
        status = evidence.deliveries.get(id_, {}).get("status")
        if status != "delivered" or max(rows, key=lambda row: row["attempt"])["status"] != status:
            yield f"delivery {id_} of {rows[0]['document_id']} is {status} after {max(numbers)} attempts"


def _webhook_id(document_id: str, run: int, event: str, endpoint: str | None = None) -> str:
    """Make the id anew, from the documentation: UUIDv5(document, run, type, endpoint)."""
    return str(uuid5(UUID(document_id), f"{run}:document.{event}" + (f":{endpoint}" if endpoint else "")))
