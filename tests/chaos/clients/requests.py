"""What clients ask for: small documents of shipped templates, some slow, some scheduled, some that cannot be made."""

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.chaos.clients.caller import Request

TEMPLATES = Path(__file__).parents[3] / "generator_service" / "templates"
SAMPLES = {
    name: json.loads((TEMPLATES / name / "sample.json").read_text(encoding="utf-8")) for name in ("invoice", "letter")
}
BROKEN = {"engine": "typst", "content": "#nothing-of-this-name"}
TINY = {"engine": "typst", "content": '#json("data.json").text'}
PRIORITIES = ("interactive", "normal", "normal", "batch")


def document(number: str, callback: str, chance: random.Random, slow: float) -> Request:
    """Make up a request. `number` is in its metadata, so that a document is known by who asked for it.

    `slow` is the share of documents that take seconds.
    """
    body: dict[str, Any] = {**_origin(chance, number), "metadata": {"number": number}}
    body |= {"priority": chance.choice(PRIORITIES), "options": _options(chance, slow)}
    if chance.random() < 0.75:
        body["callback_url"] = callback
    if chance.random() < 0.1:
        moment = datetime.now(UTC) + timedelta(seconds=chance.uniform(1, 8))
        body["run_at"] = moment.isoformat(timespec="milliseconds")
    headers = {"Idempotency-Key": f"key {number}"} if chance.random() < 0.6 else {}
    about = {"number": number, "callback": "callback_url" in body, "key": headers.get("Idempotency-Key", "")}
    return Request("request", "POST", "/v1/documents", about, body, headers)


def _origin(chance: random.Random, number: str) -> dict[str, Any]:
    """Choose what to make: mostly what ships, in both formats."""
    dice = chance.random()
    if dice < 0.08:
        return {"source": BROKEN, "data": {}}
    if dice < 0.5:
        return {"source": TINY, "data": {"text": f"Document {number}"}}
    name = "invoice" if dice < 0.8 else "letter"
    return {"template": name, "data": SAMPLES[name], "format": chance.choice(["pdf", "docx"])}


def _options(chance: random.Random, slow: float) -> dict[str, Any]:
    """Let some take a while, and let all be tried often: what is tried here is not their patience."""
    simulated = {"simulate": {"seconds": round(chance.uniform(0.3, 2.5), 2)}} if chance.random() < slow else {}
    return {"max_attempts": 10, **simulated}
