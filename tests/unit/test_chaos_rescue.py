"""How long a document that lost its worker waited for another, and which of that time counts."""

from tests.chaos.checks.rescue import Rescue, merged, overlap, rescues
from tests.chaos.history import Act, Outage
from tests.unit.test_chaos_checks import DOCUMENT, Good, event, rescue_late


def test_the_time_in_which_nobody_could_rescue_does_not_count() -> None:
    good = Good()
    rescue_late(good)
    good.outages = [Outage("generator", 2_100, 5_000), Outage("generator-2", 3_000, 9_000)]
    assert rescues(good.evidence()) == [Rescue(DOCUMENT, 2_100, took_ms=22_000, counted_ms=20_000)]


def test_after_an_outage_of_redis_a_rescuer_waits_one_lease() -> None:
    good = Good()
    rescue_late(good)
    good.outages = [Outage("redis", 3_000, 8_000)]
    assert rescues(good.evidence()) == [Rescue(DOCUMENT, 2_100, took_ms=22_000, counted_ms=2_000)]


def test_a_generator_whose_render_process_is_frozen_rescues_nobody() -> None:
    good = Good()
    rescue_late(good)
    good.outages = [Outage("generator", 2_100, 12_100)]
    good.acts.append(Act("freeze", "render", 4_100, 9_100, note="generator-2"))
    assert [one.counted_ms for one in rescues(good.evidence())] == [17_000]


def test_while_the_blob_store_is_full_the_clock_stands_still() -> None:
    good = Good()
    rescue_late(good)
    good.acts.append(Act("fill", "blobs", 4_100, 9_100))
    assert [one.counted_ms for one in rescues(good.evidence())] == [17_000]


def test_a_loss_that_is_noticed_twice_counts_once() -> None:
    good = Good()
    rescue_late(good)
    good.acts.append(Act("restart", "generator", 2_200, 2_200, pid=70))
    assert [one.lost_at for one in rescues(good.evidence())] == [2_100]


def test_a_document_that_another_process_held_was_not_lost() -> None:
    good = Good()
    rescue_late(good)
    good.acts = [Act("kill", "generator", 2_100, 2_100, pid=71)]
    assert rescues(good.evidence()) == []


def test_a_document_that_was_put_back_and_lost_again_has_that_long_again() -> None:
    good = Good()
    rescue_late(good)
    good.events[2:4] = [event(3, "rescued", "queued", 16_000), event(4, "started", "rendering", 35_000)]
    good.acts.append(Act("freeze", "generator-2", 17_000, 40_000, pid=71))
    assert rescues(good.evidence()) == [Rescue(DOCUMENT, 2_100, took_ms=32_900, counted_ms=18_000)]


def test_a_loss_before_it_was_put_back_gives_no_more_time() -> None:
    good = Good()
    rescue_late(good)
    good.acts.append(Act("kill", "generator-2", 17_000, 17_000, pid=71))
    assert [one.counted_ms for one in rescues(good.evidence())] == [22_000]


def test_spans_are_joined_and_measured() -> None:
    assert merged([(5, 9), (1, 3), (2, 4)]) == [(1, 4), (5, 9)]
    assert overlap([(1, 4), (5, 9)], (3, 6)) == 2
