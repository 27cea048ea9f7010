"""How the panel writes numbers, times and charts."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from contracts.ids import now_ms
from generator.admin.charts import NARROW, WIDE, Chart, Series, nice_ceiling
from generator.admin.pages.overview import SPANS, charts_of
from generator.admin.wording import choose_language, moment, wording
from generator.repository import Bucket

EN, RU = wording("en"), wording("ru")


@pytest.mark.parametrize(
    ("count", "english", "russian"),
    [
        (None, "–", "–"),
        (0, "0 bytes", "0 Б"),
        (999, "999 bytes", "999 Б"),
        (1000, "1 kB", "1 кБ"),
        (25_649, "25.6 kB", "25,6 кБ"),
        (123_456, "123 kB", "123 кБ"),
        (5_000_000, "5 MB", "5 МБ"),
        (3 * 10**15, "3,000 TB", "3 000 ТБ"),
    ],
)
def test_sizes(count: float | None, english: str, russian: str) -> None:
    assert [one.size(count).replace("\u00a0", " ") for one in (EN, RU)] == [english, russian]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0, "0 ms"),
        (29.4, "29 ms"),
        (999, "999 ms"),
        (1000, "1 s"),
        (2449, "2.4 s"),
        (90_000, "1.5 min"),
        (7_200_000, "2 h"),
    ],
)
def test_durations(value: float | None, text: str) -> None:
    assert EN.milliseconds(value).replace("\u00a0", " ") == text


def test_moments_are_told_from_now_in_the_readers_language() -> None:
    now = datetime(2026, 11, 23, 7, tzinfo=UTC)
    assert EN.ago("2026-11-23T06:57:00Z", now) == "3 minutes ago"
    assert RU.ago("2026-11-23T06:57:00Z", now) == "3 минуты назад"
    assert EN.ago((now + timedelta(hours=5)).isoformat(), now) == "in 5 hours"
    assert EN.ago(now_ms()) == "just now" and RU.ago(now_ms()) == "только что"
    assert EN.ago(None) == EN.moment(None) == EN.clock("") == "–"
    assert EN.moment("2026-11-23T06:57:00Z") == "23 Nov 2026, 06:57:00 UTC"
    assert EN.moment("2026-11-23T08:57:00+02:00") == "23 Nov 2026, 06:57:00 UTC"
    assert moment(1_790_000_000_000) == datetime.fromtimestamp(1_790_000_000, UTC)


def test_numbers_and_shares() -> None:
    assert (EN.number(1234567), RU.number(1234567).replace("\u00a0", " ")) == ("1,234,567", "1 234 567")
    assert (EN.short_number(12_345), EN.percent(0.123)) == ("12.3K", "12.3%")
    assert EN.count("%(num)s page", "%(num)s pages", 1) == "1 page"
    assert EN.count("%(num)s page", "%(num)s pages", 1200) == "1,200 pages"


@pytest.mark.parametrize(
    ("cookie", "accepted", "chosen"),
    [
        ("ru", "en", "ru"),
        ("xx", "ru-RU,ru;q=0.9,en;q=0.8", "ru"),
        (None, "de-DE,de;q=0.9,RU;q=0.5", "ru"),
        (None, "de", "en"),
        (None, "", "en"),
        ("../../ru", "", "en"),
    ],
)
def test_the_language_is_the_chosen_one_or_the_browsers_first_that_we_have(
    cookie: str | None, accepted: str, chosen: str
) -> None:
    assert choose_language(cookie, accepted) == chosen


@pytest.mark.parametrize(
    ("peak", "ceiling"), [(0, 4), (3.9, 4), (5, 6), (9, 10), (10, 10), (11, 20), (61, 80), (0.2, 4), (99_999, 100_000)]
)
def test_the_highest_line_falls_on_a_readable_number(peak: float, ceiling: float) -> None:
    assert nice_ceiling(peak) == ceiling


def drawn(kind: str, *values: list[float | None]) -> str:
    series = [Series(f"s{number}", one, number + 1) for number, one in enumerate(values)]
    return str(Chart(kind, series, [f"b{at}" for at in range(len(values[0]))], {0: "<b>"}, title="T&T").svg())


def test_a_chart_is_drawn_for_both_widths_and_escapes_its_words() -> None:
    svg = drawn("bars", [1, 2, 3])
    assert f'viewBox="0 0 {WIDE:.0f} 190"' in svg and f'viewBox="0 0 {NARROW:.0f} 190"' in svg
    assert svg.count("<svg") == 2 and "&lt;b&gt;" in svg and "T&amp;T" in svg and "<b>" not in svg


def test_a_line_has_a_gap_where_nothing_is_known_and_a_point_alone_is_a_dot() -> None:
    svg = drawn("lines", [1, 2, None, 5, None, 3, 4])
    assert svg.count("<polyline") == 2 * 2 and svg.count("<circle") == 2


def test_bars_stand_on_each_other_within_the_plot() -> None:
    svg = drawn("bars", [30, 0, None], [10, 5, 0])
    heights = [float(one) for one in re.findall(r'<rect class="f\d"[^>]* height="([\d.]+)"', svg)]
    assert len(heights) == 3 * 2 and all(0 < one <= 156 for one in heights)
    assert heights[0] == pytest.approx(3 * heights[1], rel=0.02)


@pytest.mark.parametrize("span", SPANS)
def test_no_chart_shows_what_is_no_number(span: str) -> None:
    start = 1_790_000_000_000 // SPANS[span].bucket_ms * SPANS[span].bucket_ms
    buckets = [Bucket(start + number * SPANS[span].bucket_ms) for number in range(SPANS[span].buckets)]
    empty = charts_of(buckets, SPANS[span], EN)
    assert all(chart.empty for chart in empty)
    buckets[7] = Bucket(buckets[7].at, completed=3, failed=1, total_p50=20.5, total_p95=4000)
    for chart in (*empty, *charts_of(buckets, SPANS[span], RU)):
        assert len(chart.ticks) == 6
        assert not re.findall(r"\b(NaN|nan|inf|None)\b", str(chart.svg()))
