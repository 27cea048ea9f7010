"""The history of a chaos run: what was written is read again, also when the run ended in the middle of a line."""

import math
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.chaos.history import Act, History, Outage, read_story


@pytest.fixture
def history(tmp_path: Path) -> Iterator[History]:
    with closing(History(tmp_path / "history")) as history:
        yield history


def test_a_call_is_read_with_its_answer(history: History) -> None:
    op = history.invoke("client-1", "look", {"id": "d"})
    history.complete(op, "ok", 200, {"status": "queued"})
    [call] = read_story(history.path).calls
    assert (call.client, call.do, call.about, call.outcome) == ("client-1", "look", {"id": "d"}, "ok")
    assert (call.status, call.answer) == (200, {"status": "queued"})
    assert call.began <= call.ended


def test_a_call_that_the_end_of_the_run_cut_off_may_have_been_done(history: History) -> None:
    history.invoke("client-1", "request", {})
    [call] = read_story(history.path).calls
    assert (call.outcome, call.status, call.ended) == ("info", None, math.inf)


def test_acts_outages_and_notes_are_read(history: History) -> None:
    act, outage = Act("kill", "redis", 1, 2, 77), Outage("redis", 3, 4)
    history.act(act)
    history.outage(outage)
    history.note("started", who="api-2", fault="after_enqueue:0.2")
    story = read_story(history.path)
    assert (story.acts, story.outages) == ([act], [outage])
    assert story.notes[0]["fault"] == "after_enqueue:0.2"


def test_half_a_line_at_the_end_is_none(history: History) -> None:
    history.note("started")
    with history.path.open("a") as file:
        file.write('{"kind": "note", "na')
    assert len(read_story(history.path).notes) == 1
