"""How a batch is sorted before it is shipped."""

import json

import pytest

from backends.event_log import Batch, Entry
from contracts.ids import new_id
from generator.shipper import Cargo, sort_cargo


def cargo(*entries: tuple[str, str]) -> Cargo:
    numbered = tuple(Entry(f"{number}-0", kind, line.encode()) for number, (kind, line) in enumerate(entries, start=1))
    return sort_cargo(Batch("token", numbered))


def line(document_id: object, seq: object, event: str = "started", **more: object) -> tuple[str, str]:
    return "d", json.dumps({"document_id": document_id, "seq": seq, "event": event, **more})


def test_each_kind_goes_to_its_table_in_the_order_it_came() -> None:
    sorted_ = cargo(line("a", 1), ("u", "{}"), line("b", 1), ("k", "{}"), ("w", "{}"))
    tables = {table: [entry.id for entry in entries] for table, entries in sorted_.rows.items()}
    assert tables == {
        "document_events": ["1-0", "3-0"],
        "user_events": ["2-0"],
        "key_events": ["4-0"],
        "webhook_deliveries": ["5-0"],
    }


def test_the_highest_seq_of_a_document_is_what_was_shipped() -> None:
    assert cargo(line("a", 2), line("b", 9), line("a", 3), line("a", 1)).shipped == {"a": 3, "b": 9}


def test_runs_that_begin_and_deletions_are_noticed() -> None:
    one, two, three = (str(new_id()) for _ in range(3))
    sorted_ = cargo(line(one, 1, "accepted"), line(two, 5, "retried"), line(one, 2, "deleted"), line(three, 2))
    assert (sorted_.begun, sorted_.deleted) == ({one, two}, {one})


@pytest.mark.parametrize("event", ["accepted", "started", "retried", "deleted"])
def test_a_line_as_the_queue_writes_it_is_understood_like_any_other_json(event: str) -> None:
    id_ = str(new_id())
    compact = f'{{"document_id":"{id_}","subject":"a,\\"seq\\":7","seq":12,"event":"{event}","at":1}}'
    spaced = json.dumps(json.loads(compact))
    assert compact != spaced
    for text in (compact, spaced):
        sorted_ = cargo(("d", text))
        assert sorted_.shipped == {id_: 12}
        assert sorted_.begun == ({id_} if event in ("accepted", "retried") else set())
        assert sorted_.deleted == ({id_} if event == "deleted" else set())


def test_words_inside_a_clients_own_values_mean_nothing() -> None:
    id_ = str(new_id())
    head = {
        "document_id": id_,
        "subject": '","seq":99,"event":"accepted"',
        "metadata": {"seq": "7", "event": "deleted", ',"seq":5,"event":"accepted"': ""},
    }
    row = {**head, "seq": 2, "event": "started", "detail": {"x": 1, "seq": 3, "event": "deleted"}}
    sorted_ = cargo(("d", json.dumps(row, separators=(",", ":"))))
    assert (sorted_.shipped, sorted_.begun, sorted_.deleted) == ({id_: 2}, set(), set())


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
    sorted_ = cargo(line("good", 1), bad)
    assert [(entry.id, bool(reason)) for entry, reason in sorted_.unreadable] == [("2-0", True)]
    assert sorted_.shipped == {"good": 1}
    assert [entry.id for entries in sorted_.rows.values() for entry in entries] == ["1-0"]
