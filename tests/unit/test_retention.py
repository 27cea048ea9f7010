"""The pruner's rules: what goes, what stays, to the millisecond; when unsure, it stays."""

from typing import cast

import pytest

from backends.blobs import StoredBlob
from contracts.documents import FETCH_MS, Status
from contracts.ids import new_id
from contracts.jobs import input_key, result_key
from contracts.standing import Standing
from generator.maintenance.retention import (
    DAY_MS,
    HOUR_MS,
    MONTH_MS,
    Reason,
    Retention,
    why_input_goes,
    why_result_goes,
)

NOW = 1_790_000_000_000
OLD = NOW - 2 * HOUR_MS
ID = new_id(OLD)
RETENTION = Retention()


def blob(token: int = 5, written_at: int = OLD) -> StoredBlob:
    return StoredBlob(result_key(ID, token), 100, written_at)


def an_input(written_at: int = OLD) -> StoredBlob:
    return StoredBlob(input_key(ID), 100, written_at)


def standing(status: str = "completed", **changes: object) -> Standing:
    """A document that ended two hours ago; its recorded result is that of token 5 and is kept."""
    fields: dict[str, object] = {
        "status": Status(status),
        "deleted": False,
        "result_key": result_key(ID, 5) if status == "completed" else None,
        "ended_at": OLD,
        "expires_at": None,
        "delivery": "none",
        "changed_at": OLD,
    }
    return Standing(**{**fields, **changes})  # type: ignore[arg-type]


def judged(result: StoredBlob, how: Standing | None, retention: Retention = RETENTION) -> Reason | None:
    return why_result_goes(result, how, NOW, retention)


def judged_input(how: Standing | None, retention: Retention = RETENTION, written_at: int = OLD) -> Reason | None:
    return why_input_goes(an_input(written_at), how, NOW, retention)


def test_a_recorded_result_goes_an_hour_after_it_has_expired() -> None:
    assert judged(blob(), standing(expires_at=NOW - HOUR_MS - 1)) == Reason.EXPIRED
    assert judged(blob(), standing(expires_at=NOW - HOUR_MS)) is None, "a download that began in time may go on"
    assert judged(blob(), standing(expires_at=NOW + 1)) is None


def test_a_result_that_is_kept_for_ever_stays() -> None:
    assert judged(blob(), standing(expires_at=None, ended_at=NOW - 900 * DAY_MS)) is None


@pytest.mark.parametrize("settled", ["delivered", "dead"])
def test_an_expired_result_stays_until_a_day_after_its_webhook_has_settled(settled: str) -> None:
    expired = NOW - 30 * DAY_MS
    assert judged(blob(), standing(expires_at=expired, delivery="pending", changed_at=expired)) is None
    fresh, old = NOW - FETCH_MS, NOW - FETCH_MS - HOUR_MS - 1
    assert judged(blob(), standing(expires_at=expired, delivery=settled, changed_at=fresh)) is None
    assert judged(blob(), standing(expires_at=expired, delivery=settled, changed_at=old)) == Reason.EXPIRED


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
@pytest.mark.parametrize("token", [4, 6])
def test_bytes_that_the_ended_document_did_not_record_go_once_they_are_old(status: str, token: int) -> None:
    assert judged(blob(token, NOW - HOUR_MS - 1), standing(status)) == Reason.UNRECORDED
    assert judged(blob(token, NOW - HOUR_MS), standing(status)) is None


@pytest.mark.parametrize("status", ["scheduled", "queued", "rendering"])
@pytest.mark.parametrize("token", [1, 5, 99])
def test_nothing_of_a_document_that_is_under_way_goes_however_old(status: str, token: int) -> None:
    under_way = standing(status, ended_at=None)
    assert judged(blob(token, NOW - 400 * DAY_MS), under_way) is None
    assert judged_input(under_way, written_at=NOW - 400 * DAY_MS) is None


def test_all_of_a_deleted_document_goes_at_once() -> None:
    deleted = standing(deleted=True)
    assert judged(blob(written_at=NOW), deleted) == Reason.DELETED
    assert judged_input(deleted, written_at=NOW) == Reason.DELETED


@pytest.mark.parametrize("status", ["completed", "failed", "cancelled"])
def test_an_input_goes_a_week_after_its_document_has_ended(status: str) -> None:
    assert judged_input(standing(status, ended_at=NOW - 7 * DAY_MS - 1)) == Reason.EXPIRED
    assert judged_input(standing(status, ended_at=NOW - 7 * DAY_MS)) is None


def test_an_inputs_week_counts_from_the_end_and_not_from_its_writing() -> None:
    assert judged_input(standing(ended_at=NOW - DAY_MS), written_at=NOW - 300 * DAY_MS) is None


def test_an_input_stays_where_inputs_are_kept_and_where_a_webhook_is_owed() -> None:
    ended = NOW - 300 * DAY_MS
    assert judged_input(standing(ended_at=ended), Retention(inputs_ms=None)) is None
    assert judged_input(standing(ended_at=ended, delivery="pending")) is None
    assert judged_input(standing(ended_at=ended, delivery="dead")) == Reason.EXPIRED


def test_what_nobody_knows_stays_as_long_as_history_could_know_it() -> None:
    kept = cast(int, RETENTION.orphans_ms)
    for written_at, reason in ((NOW - kept, None), (NOW - kept - 1, Reason.ORPHANED)):
        assert judged(blob(written_at=written_at), None) == reason
        assert judged_input(None, written_at=written_at) == reason


@pytest.mark.parametrize(
    ("inputs_ttl_s", "history_months", "inputs_ms", "orphans_ms"),
    [
        (3600, 13, HOUR_MS, 14 * MONTH_MS),
        (3 * 366 * 86_400, 1, 3 * 366 * DAY_MS, 3 * 366 * DAY_MS),
        (None, 13, None, None),
        (3600, None, HOUR_MS, None),
    ],
)
def test_orphans_are_kept_as_long_as_the_longest_retention(
    inputs_ttl_s: int | None, history_months: int | None, inputs_ms: int | None, orphans_ms: int | None
) -> None:
    retention = Retention.of(inputs_ttl_s, history_months)
    assert (retention.inputs_ms, retention.orphans_ms) == (inputs_ms, orphans_ms)
    if orphans_ms is None:
        assert judged(blob(written_at=0), None, retention) is None
