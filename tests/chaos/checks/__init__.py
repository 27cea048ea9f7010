"""The checker: pure functions from evidence to violations. Each file is one promise; each has tests that it bites."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.chaos.checks import answers, content, histories, idempotency, leftovers, rescue, runs, users, views, webhooks
from tests.chaos.evidence import Evidence

Check = Callable[[Evidence], Iterator[str]]

CHECKS: dict[str, Check] = {
    "lost": runs.lost,
    "ends": runs.ends,
    "doubled": runs.doubled,
    "order": runs.order,
    "idempotency": idempotency.idempotency,
    "content": content.content,
    "silent": webhooks.silent,
    "webhooks": webhooks.webhooks,
    "deliveries": webhooks.deliveries,
    "events": histories.events,
    "documents": histories.documents,
    "quarantine": histories.quarantine,
    "readable": histories.readable,
    "views": views.views,
    "registers": users.registers,
    "emails": users.emails,
    "answers": answers.answers,
    "leftovers": leftovers.leftovers,
    "settled": leftovers.settled,
    "rescue": rescue.rescue,
}


@dataclass(frozen=True)
class Violation:
    """A broken promise: which check found it, and the evidence in words."""

    check: str
    text: str


def violations(evidence: Evidence) -> list[Violation]:
    """Check everything."""
    return [Violation(name, text) for name, check in CHECKS.items() for text in check(evidence)]
