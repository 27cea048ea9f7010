"""When a webhook is tried again: pure rules, no clock."""

import pytest

from generator.delivery.schedule import DEFAULT_SCHEDULE, Schedule, calm_s, parse_retry_after

NOON = 784_111_777  # Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110
PLAN = Schedule.parse("0,5,300")


def test_the_default_is_ten_attempts_over_three_days() -> None:
    plan = Schedule.parse(DEFAULT_SCHEDULE)
    assert len(plan.delays_s) == 10 and 75 * 3600 < sum(plan.delays_s) < 76 * 3600


@pytest.mark.parametrize(
    ("attempts", "retry_after", "random", "delay"),
    [
        (1, None, 0.0, 5),
        (1, None, 1.0, 6),
        (2, None, 0.5, 330),
        (1, 60.0, 0.0, 60),
        (1, 60.0, 1.0, 72),
        (2, 60.0, 0.0, 300),
        (1, 1e9, 0.0, 86_400),
        (1, 0.0, 0.0, 5),
        (3, None, 0.0, None),
        (3, 60.0, 0.0, None),
    ],
)
def test_the_next_attempt_is_never_early(
    attempts: int, retry_after: float | None, random: float, delay: float | None
) -> None:
    assert PLAN.next_delay(attempts, retry_after, lambda: random) == (delay and pytest.approx(delay))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        (" 1 ", 1),
        ("1000000000", 1e9),
        ("Sun, 06 Nov 1994 08:50:37 GMT", 60),
        ("Sun, 06 Nov 1994 08:49:36 GMT", 0),
        ("Sun, 06 Nov 1994 08:50:37", 60),
        ("-5", None),
        ("1.5", None),
        ("NaN", None),
        ("\u0661", None),
        ("soon", None),
        ("", None),
        ("9" * 400, None),
        ("Sun, 99 Nov 99999999 08:49:37 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, seconds: float | None) -> None:
    assert parse_retry_after(value, NOON) == seconds


@pytest.mark.parametrize("text", ["", "5", "0,", "0,-1", "0,inf", "0,nan", "0,a", "1,5"])
def test_a_bad_schedule_names_the_variable_and_the_value(text: str) -> None:
    with pytest.raises(ValueError, match="PRESSWORK_WEBHOOK_SCHEDULE") as caught:
        Schedule.parse(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize(
    ("status", "asked", "seconds"),
    [(429, 7.0, 7.0), (503, 7.0, 7.0), (429, 86_400.0, 60.0), (429, None, 0.0), (500, 7.0, 0.0), (None, 7.0, 0.0)],
)
def test_a_pause_for_the_whole_receiver_is_what_it_asks_for_up_to_a_minute(
    status: int | None, asked: float | None, seconds: float
) -> None:
    assert calm_s(status, asked) == seconds
