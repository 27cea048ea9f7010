"""How a batch is sorted before it is shipped."""

import json

import pytest

from backends.event_line import document_event
from backends.event_log import Entries
from contracts.ids import new_id
from generator.event_cargo import Cargo, sort_cargo


def cargo(*entries: tuple[str, str]) -> Cargo:
    columns = Entries()
    for number, (kind, line) in enumerate(entries, start=1):
        columns.add(b"%d-0" % number, kind.encode(), line.encode())
    return sort_cargo(columns, Cargo())


def line(document_id: object, seq: object, event: str = "started", **more: object) -> tuple[str, str]:
    return "d", json.dumps({"document_id": document_id, "seq": seq, "event": event, **more})


def test_each_kind_goes_to_its_table_in_the_order_it_came() -> None:
    sorted_ = cargo(line("a", 1), ("u", "{}"), line("b", 1), ("k", "{}"), ("w", "{}"), ("t", "{}"))
    tables = {table: entries.ids for table, entries in sorted_.rows.items()}
    assert tables == {
        "document_events": [b"1-0", b"3-0"],
        "user_events": [b"2-0"],
        "key_events": [b"4-0"],
        "webhook_deliveries": [b"5-0"],
        "template_events": [b"6-0"],
    }


def test_documents_that_have_ended_are_noticed_with_their_highest_seq() -> None:
    sorted_ = cargo(
        line("a", 2, status="completed"),
        line("b", 9, status="failed"),
        line("c", 1, status="queued"),
        line("d", 4),
        line("a", 3, "delivered", status="completed"),
        line("a", 1, status="cancelled"),
    )
    assert sorted_.ended == {"a": 3, "b": 9}


def test_runs_that_begin_and_deletions_are_noticed() -> None:
    one, two, three = (str(new_id()) for _ in range(3))
    sorted_ = cargo(line(one, 1, "accepted"), line(two, 5, "retried"), line(one, 2, "deleted"), line(three, 2))
    assert (sorted_.begun, sorted_.deleted) == ({one, two}, {one})


@pytest.mark.parametrize("event", ["accepted", "started", "retried", "deleted"])
def test_a_line_as_the_queue_writes_it_is_understood_like_any_other_json(event: str) -> None:
    id_ = str(new_id())
    compact = (
        f'{{"document_id":"{id_}","subject":"a,\\"seq\\":7",'
        f'"seq":12,"event":"{event}","at":1,"status":"cancelled","detail":null}}'
    )
    spaced = json.dumps(json.loads(compact))
    assert compact != spaced
    for text in (compact, spaced):
        sorted_ = cargo(("d", text))
        assert sorted_.ended == {id_: 12}
        assert document_event(text.encode()) == (id_, 12, event.encode(), b"cancelled")
        assert sorted_.begun == ({id_} if event in ("accepted", "retried") else set())
        assert sorted_.deleted == ({id_} if event == "deleted" else set())


def test_words_inside_a_clients_own_values_mean_nothing() -> None:
    id_ = str(new_id())
    head = {
        "document_id": id_,
        "subject": '","seq":99,"event":"accepted"',
        "metadata": {"seq": "7", "event": "deleted", ',"seq":5,"event":"accepted"': ""},
    }
    detail = {"x": 1, "seq": 3, "event": "deleted", "at": 4, "status": "failed"}
    row = {**head, "seq": 2, "event": "started", "at": 4, "status": "rendering", "detail": detail}
    sorted_ = cargo(("d", json.dumps(row, separators=(",", ":"))))
    assert (sorted_.ended, sorted_.begun, sorted_.deleted) == ({}, set(), set())


@pytest.mark.parametrize(
    "bad",
    [
        ("d", "{"),
        ("d", "[]"),
        ("d", "null"),
        ("d", "{}"),
        line(None, 1),
        line("a", "1"),
        line("not a uuid", 1, "accepted"),
        line("not a uuid", 1, "deleted"),
        ("x", "{}"),
        ("", "{}"),
        ("u", "\x00"),
    ],
)
def test_what_cannot_be_read_is_set_apart_with_a_reason(bad: tuple[str, str]) -> None:
    sorted_ = cargo(line("good", 1, status="failed"), bad)
    assert [(entry.id, bool(reason)) for entry, reason in sorted_.unreadable] == [(b"2-0", True)]
    assert sorted_.ended == {"good": 1}
    assert [entries.ids for entries in sorted_.rows.values()] == [[b"1-0"]]
