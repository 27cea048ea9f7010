"""The checker of the chaos suite bites: a good run passes, and for each promise a run that breaks it is caught."""

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid5

import pytest

from tests.chaos.checks import CHECKS, violations
from tests.chaos.checks.leftovers import OLDEST_ORPHAN_S, orphans
from tests.chaos.evidence import Evidence, RedisKey, Row, View
from tests.chaos.history import Act, Call, Outage, Story

DOCUMENT = "0199f0a0-0000-7000-8000-000000000001"
USER = "0199f0a0-0000-7000-8000-0000000000aa"
ENDPOINT = "0199f0a0-0000-7000-8000-0000000000ee"
SHA = "ab" * 32
RESULT = {"key": f"results/{DOCUMENT}/1", "sha256": SHA}
WEBHOOK = str(uuid5(UUID(DOCUMENT), "1:document.completed"))
Damage = Callable[["Good"], None]


class Good:
    """A small run in which every promise was kept. Tests damage it, then ask for the evidence."""

    def __init__(self) -> None:
        delivered = {"status": "delivered", "attempts": 1, "next_attempt_at": None}
        self.events = [
            event(1, "accepted", "queued", 1_000),
            event(2, "started", "rendering", 2_000, worker="host-70-ab12cd"),
            event(3, "completed", "completed", 3_000, result=RESULT),
            event(4, "delivered", "completed", 3_500, result=RESULT, delivery=delivered),
        ]
        self.documents = {DOCUMENT: copy.deepcopy(self.events[-1])}
        self.calls = [
            call(1, "request", {"number": "c-1", "callback": True, "key": "k"}, 202, {"id": DOCUMENT}),
            call(2, "request", {"number": "c-1", "callback": True, "key": "k"}, 202, {"id": DOCUMENT}),
            call(3, "look", {"id": DOCUMENT}, 200, {"id": DOCUMENT, "run": 1, "status": "completed", "sha256": SHA}),
            call(4, "download", {"id": DOCUMENT}, 200, {"digest": SHA, "etag": SHA}),
            call(5, "read_user", {"user": USER}, 200, {"version": 1, "attrs": {}}),
            call(
                6,
                "write_user",
                {"user": USER, "expected": 1, "value": "a"},
                200,
                {"version": 2, "attrs": {"value": "a"}},
            ),
            call(7, "write_user", {"user": USER, "expected": 1, "value": "b"}, 412, {}),
            call(8, "sign_up", {"email": "race@example.com"}, 201, {"id": USER}),
            call(9, "sign_up", {"email": "race@example.com"}, 409, {}),
        ]
        body = {"type": "document.completed", "data": {"id": DOCUMENT, "run": 1, "status": "completed"}}
        told = (WEBHOOK, WEBHOOK, str(uuid5(UUID(DOCUMENT), f"1:document.completed:{ENDPOINT}")))
        self.received = [{"id": id_, "flaw": "", "body": json.dumps(body)} for id_ in told]
        self.endpoints = [{"endpoint_id": ENDPOINT, "user_id": USER}]
        self.attempts = [attempt(0, "pending"), attempt(1, "delivered")]
        self.deliveries = {WEBHOOK: {"status": "delivered"}}
        self.users = [{"user_id": USER, "email_norm": "race@example.com", "deleted": 0}]
        self.views = {DOCUMENT: View(200, self.shown(), 200, SHA)}
        self.keys = [RedisKey(f"doc:{DOCUMENT}", 3600), RedisKey("populated", None), RedisKey("wake:render", None)]
        self.counters = {"all": "0", "bytes": "0"}
        self.blobs = {f"inputs/{DOCUMENT}": 5.0, f"results/{DOCUMENT}/1": 5.0}
        self.quarantined: list[Row] = []
        self.unsettled: dict[str, object] = {}
        self.unreadable: list[str] = []
        self.acts: list[Act] = []
        self.outages: list[Outage] = []

    def shown(self) -> Row:
        return {"status": "completed", "run": 1, "result": {"sha256": SHA}, "delivery": {"status": "delivered"}}

    def evidence(self) -> Evidence:
        facts = {name: value for name, value in vars(self).items() if name not in ("calls", "acts", "outages")}
        return Evidence(story=Story(self.calls, self.acts, self.outages, []), **facts)


def event(seq: int, name: str, status: str, at: int, **more: Any) -> Row:
    row: Row = {
        "document_id": DOCUMENT,
        "user_id": USER,
        "seq": seq,
        "event": name,
        "status": status,
        "at": at,
        "run": 1,
        "attempt": 1,
    }
    row |= {
        "completed_at": None,
        "result": None,
        "error": None,
        "deleted": 0,
        "worker": "",
        "metadata": {"number": "c-1"},
    }
    return row | {"delivery": {"status": "none", "attempts": 0, "next_attempt_at": None}} | more


def call(op: int, do: str, about: Row, status: int, answer: Row) -> Call:
    return Call(op, "client-1", do, about, op, op + 0.5, "ok" if status < 400 else "fail", status, answer)


def attempt(number: int, status: str) -> Row:
    return {"delivery_id": WEBHOOK, "document_id": DOCUMENT, "attempt": number, "status": status}


def test_a_run_in_which_every_promise_was_kept_passes() -> None:
    assert violations(Good().evidence()) == []


def forget_the_document(good: Good) -> None:
    good.events, good.documents = [], {}


def never_end(good: Good) -> None:
    del good.events[2:]


def end_twice(good: Good) -> None:
    good.events.append(event(5, "completed", "completed", 3_600))


def begin_after_the_end(good: Good) -> None:
    good.events.append(event(5, "started", "rendering", 3_600))


def answer_a_request_with_two_documents(good: Good) -> None:
    other = good.documents[DOCUMENT] | {"document_id": USER}
    good.documents[USER] = other


def make_what_nobody_requested(good: Good) -> None:
    good.documents[USER] = good.documents[DOCUMENT] | {"document_id": USER, "metadata": {}}


def replay_another_document(good: Good) -> None:
    good.calls[1] = replace(good.calls[1], answer={"id": USER})


def serve_other_bytes(good: Good) -> None:
    good.calls[3] = replace(good.calls[3], answer={"digest": "cd" * 32, "etag": SHA})


def serve_the_bytes_of_a_zombie(good: Good) -> None:
    good.calls[3] = replace(good.calls[3], answer={"digest": "cd" * 32, "etag": "cd" * 32})


def lose_the_bytes(good: Good) -> None:
    good.views[DOCUMENT] = replace(good.views[DOCUMENT], content_status=410)


def tell_nobody(good: Good) -> None:
    good.received.clear()


def tell_with_a_wrong_signature(good: Good) -> None:
    good.received[0] |= {"flaw": "WebhookVerificationError: No matching signature found"}


def tell_again_under_another_id(good: Good) -> None:
    good.received[1] |= {"id": USER}


def tell_the_callback_but_not_the_endpoint(good: Good) -> None:
    good.received = [call for call in good.received if call["id"] == WEBHOOK]


def tell_what_did_not_happen(good: Good) -> None:
    body = {"type": "document.failed", "data": {"id": DOCUMENT, "run": 1, "status": "failed"}}
    good.received.append({"id": str(uuid5(UUID(DOCUMENT), "1:document.failed")), "flaw": "", "body": json.dumps(body)})


def lose_an_attempt(good: Good) -> None:
    del good.attempts[0]


def log_an_attempt_twice(good: Good) -> None:
    good.attempts.append(attempt(1, "delivered"))


def give_the_delivery_up(good: Good) -> None:
    good.deliveries[WEBHOOK] = {"status": "dead"}


def lose_an_event(good: Good) -> None:
    del good.events[1]


def store_an_event_twice(good: Good) -> None:
    good.events.append(good.events[1])


def leave_an_old_row(good: Good) -> None:
    good.documents[DOCUMENT] = good.events[2]


def lose_the_row(good: Good) -> None:
    good.documents = {}


def refuse_an_event(good: Good) -> None:
    good.quarantined.append({"entry_id": "1-1", "reason": "cannot parse"})


def lose_a_part(good: Good) -> None:
    good.unreadable.append("SELECT * FROM users: Code: 246. DB::Exception: Empty marks file")


def show_an_end_that_is_not_logged(good: Good) -> None:
    good.calls[2] = replace(good.calls[2], answer={"run": 1, "status": "cancelled"})


def take_an_end_back(good: Good) -> None:
    again = {"run": 1, "status": "rendering"}
    good.calls.append(call(10, "look", {"id": DOCUMENT}, 200, again))


def go_back_to_an_earlier_run(good: Good) -> None:
    good.calls[2] = replace(good.calls[2], answer={"run": 2, "status": "queued"})
    good.calls.append(call(10, "look", {"id": DOCUMENT}, 200, {"run": 1, "status": "queued"}))


def show_something_else_at_the_end(good: Good) -> None:
    good.views[DOCUMENT] = View(200, good.shown() | {"status": "rendering"})


def answer_404_at_the_end(good: Good) -> None:
    good.views[DOCUMENT] = View(404)


def lose_an_update(good: Good) -> None:
    good.calls[6] = replace(good.calls[6], outcome="ok", status=200, answer={"version": 2, "attrs": {"value": "b"}})


def give_an_address_to_two(good: Good) -> None:
    good.users.append(good.users[0] | {"user_id": DOCUMENT})


def forget_a_user(good: Good) -> None:
    good.users.clear()


def answer_500(good: Good) -> None:
    good.calls.append(call(10, "look", {"id": DOCUMENT}, 500, {}))


def answer_404_for_what_was_accepted(good: Good) -> None:
    good.calls.append(call(10, "look", {"id": DOCUMENT}, 404, {"code": "not_found"}))


def answer_503_without_a_time(good: Good) -> None:
    good.calls.append(call(10, "look", {"id": DOCUMENT}, 503, {"code": "queue_unavailable"}))


def forget_the_input(good: Good) -> None:
    good.calls.append(call(10, "retry", {"id": DOCUMENT}, 409, {"code": "input_expired"}))


def keep_a_key_for_ever(good: Good) -> None:
    good.keys[0] = RedisKey(f"doc:{DOCUMENT}", None)


def invent_a_key(good: Good) -> None:
    good.keys.append(RedisKey("surprise", 10))


def leave_a_lease(good: Good) -> None:
    good.keys.append(RedisKey("leases", None))


def count_wrong(good: Good) -> None:
    good.counters["all"] = "1"


def lose_the_input(good: Good) -> None:
    del good.blobs[f"inputs/{DOCUMENT}"]


def leave_bytes_for_ever(good: Good) -> None:
    good.blobs[f"results/{DOCUMENT}/7"] = OLDEST_ORPHAN_S + 1


def go_on_for_ever(good: Good) -> None:
    good.unsettled["due"] = 3


def rescue_late(good: Good) -> None:
    """Kill the worker at 2.1 s; the document is rescued at 24 s, though the other generator lived all the time."""
    good.acts.append(Act("kill", "generator", 2_100, 2_100, pid=70))
    good.events[2:] = [
        event(3, "rescued", "queued", 24_000),
        event(4, "started", "rendering", 24_100),
        event(5, "completed", "completed", 25_000),
    ]


@pytest.mark.parametrize(
    ("check", "damage"),
    [
        ("lost", forget_the_document),
        ("ends", never_end),
        ("ends", end_twice),
        ("order", begin_after_the_end),
        ("doubled", answer_a_request_with_two_documents),
        ("doubled", make_what_nobody_requested),
        ("idempotency", replay_another_document),
        ("content", serve_other_bytes),
        ("content", serve_the_bytes_of_a_zombie),
        ("content", lose_the_bytes),
        ("silent", tell_nobody),
        ("silent", tell_the_callback_but_not_the_endpoint),
        ("webhooks", tell_with_a_wrong_signature),
        ("webhooks", tell_again_under_another_id),
        ("webhooks", tell_what_did_not_happen),
        ("deliveries", lose_an_attempt),
        ("deliveries", log_an_attempt_twice),
        ("deliveries", give_the_delivery_up),
        ("events", lose_an_event),
        ("events", store_an_event_twice),
        ("documents", leave_an_old_row),
        ("documents", lose_the_row),
        ("quarantine", refuse_an_event),
        ("readable", lose_a_part),
        ("views", show_an_end_that_is_not_logged),
        ("views", take_an_end_back),
        ("views", go_back_to_an_earlier_run),
        ("views", show_something_else_at_the_end),
        ("views", answer_404_at_the_end),
        ("registers", lose_an_update),
        ("emails", give_an_address_to_two),
        ("emails", forget_a_user),
        ("answers", answer_500),
        ("answers", answer_404_for_what_was_accepted),
        ("answers", answer_503_without_a_time),
        ("answers", forget_the_input),
        ("leftovers", keep_a_key_for_ever),
        ("leftovers", invent_a_key),
        ("leftovers", leave_a_lease),
        ("leftovers", count_wrong),
        ("leftovers", lose_the_input),
        ("leftovers", leave_bytes_for_ever),
        ("settled", go_on_for_ever),
        ("rescue", rescue_late),
    ],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_a_run_that_breaks_a_promise_is_caught(check: str, damage: Damage) -> None:
    good = Good()
    damage(good)
    assert check in {violation.check for violation in violations(good.evidence())}


def test_every_check_has_a_run_that_it_catches() -> None:
    [marks] = test_a_run_that_breaks_a_promise_is_caught.pytestmark  # type: ignore[attr-defined]
    assert {check for check, _ in marks.args[1]} == {*CHECKS}


def test_a_deleted_document_may_be_gone() -> None:
    good = Good()
    good.events.append(
        event(5, "deleted", "completed", 4_000, result=RESULT, deleted=1, delivery=good.events[3]["delivery"])
    )
    good.documents[DOCUMENT] = good.events[-1]
    good.views, good.blobs = {DOCUMENT: View(404)}, {}
    good.calls.append(call(10, "delete", {"id": DOCUMENT}, 204, {}))
    good.calls.append(call(11, "look", {"id": DOCUMENT}, 404, {"code": "not_found"}))
    assert violations(good.evidence()) == []


def test_a_second_run_has_an_end_and_a_webhook_of_its_own() -> None:
    good = Good()
    for seq, name, status in ((5, "retried", "queued"), (6, "started", "rendering"), (7, "failed", "failed")):
        good.events.append(event(seq, name, status, seq * 1_000, run=2))
    good.documents[DOCUMENT] = good.events[-1]
    assert {violation.check for violation in violations(good.evidence())} == {"silent", "views"}


def test_results_that_no_document_records_are_orphans() -> None:
    good = Good()
    good.blobs |= {f"results/{DOCUMENT}/7": 5.0}
    assert orphans(good.evidence()) == [f"results/{DOCUMENT}/7"]
