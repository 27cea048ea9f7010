"""What becomes of a failed attempt: tried again or not, when, and whether it counts against the document."""

from dataclasses import replace

import pytest

from contracts.errors import BlobUnavailable, DocumentError, DocumentFailed, ProcessKilled
from generator.failures import failure_of
from tests.unit.test_worker import a_claim

PASSING = DocumentFailed(DocumentError(code="internal_error", message="m", retryable=True))
KILLED = ProcessKilled(DocumentError(code="render_crashed", message="m", retryable=True))


def test_a_killed_render_process_is_a_crash_even_of_the_last_attempt() -> None:
    failure = failure_of(a_claim(attempt=0, max_attempts=1), KILLED, 5, retry_delay_s=1)
    assert (failure.excuse, failure.delay_ms, failure.error.code) == ("crashes", 0, "render_crashed")


@pytest.mark.parametrize(("postponed", "seconds"), [(0, 2), (1, 4), (4, 32), (5, 60), (1000, 60)])
def test_storage_that_is_away_is_asked_again_later_each_time(postponed: int, seconds: int) -> None:
    claim = replace(a_claim(attempt=postponed, max_attempts=1), postponed=postponed)
    failure = failure_of(claim, BlobUnavailable(), 5, retry_delay_s=1)
    assert failure.excuse == "postponed" and failure.error.code == "storage_unavailable"
    assert failure.delay_ms is not None and seconds * 1000 <= failure.delay_ms <= seconds * 1200


def test_excused_attempts_leave_the_document_its_own() -> None:
    claim = replace(a_claim(attempt=5, max_attempts=2), crashes=2, postponed=3)
    first = failure_of(claim, PASSING, 5, retry_delay_s=1)
    assert first.delay_ms is not None and 1000 <= first.delay_ms <= 1200 and first.excuse == ""
    assert failure_of(replace(claim, attempt=6), PASSING, 5, retry_delay_s=1).delay_ms is None
