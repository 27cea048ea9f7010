"""The pure parts of the panel's documents: filters, arrivals, steps, and pictures that are kept."""

import asyncio

import pytest

from generator.admin.document_filters import Filters, for_input, in_utc
from generator.admin.document_steps import steps_of
from generator.admin.pages.documents import FRESH_S, Arrivals, search
from generator.admin.previews import Kept, Previews
from generator.admin.user_api import JsonObject
from generator.admin.wording import wording
from generator.renderers.port import Rendered, RenderRequest

WORDS = wording("en")
DOCUMENT_ID = "01a20707-f5af-7147-bd55-640616a0e2d4"


def test_filters_read_what_they_wrote() -> None:
    filters = Filters({"status": "failed", "subject": "a&b=c"}, {"order id": "A 1", "x": "<&>"}, "next")
    assert Filters.read(filters.stated) == filters
    assert filters.address == (
        "/documents?status=failed&subject=a%26b%3Dc&metadata%5Border+id%5D=A+1&metadata%5Bx%5D=%3C%26%3E&cursor=next"
    )


def test_empty_and_unknown_fields_are_left_out() -> None:
    assert not Filters.read([("status", ""), ("lane", "  "), ("colour", "red"), ("metadata[]", "x")])
    assert Filters.read([]).address == "/documents"


def test_the_two_metadata_fields_become_one_filter() -> None:
    read = Filters.read([("metadata[a]", "1"), ("metadata_key", "b"), ("metadata_value", "2")])
    assert read.metadata == {"a": "1", "b": "2"}
    assert not Filters.read([("metadata_key", "b"), ("metadata_value", "")])


def test_a_filter_is_removed_alone_and_the_list_begins_anew() -> None:
    filters = Filters({"status": "failed", "lane": "l"}, {"a": "1", "b": "2"}, "cursor")
    assert filters.without("lane").stated == [("status", "failed"), ("metadata[a]", "1"), ("metadata[b]", "2")]
    assert filters.without("metadata[a]").stated == [("status", "failed"), ("lane", "l"), ("metadata[b]", "2")]


@pytest.mark.parametrize(
    ("given", "asked", "shown"),
    [
        ("2026-03-01T10:00", "2026-03-01T10:00Z", "2026-03-01T10:00"),
        ("2026-03-01T10:00:00Z", "2026-03-01T10:00:00Z", "2026-03-01T10:00"),
        ("2026-03-01T10:00:00+02:00", "2026-03-01T10:00:00+02:00", "2026-03-01T08:00"),
        ("yesterday", "yesterday", ""),
    ],
)
def test_times_without_a_zone_are_in_utc(given: str, asked: str, shown: str) -> None:
    assert (in_utc(given), for_input(given)) == (asked, shown)
    assert Filters({"created_after": given}).asked == [("created_after", asked)]


def test_a_search_leads_to_the_document_or_to_its_subject() -> None:
    assert search(f" {DOCUMENT_ID.upper()} ", Filters()) == f"/documents/{DOCUMENT_ID}"
    assert search("customer 17", Filters({"status": "failed"}, cursor="x")) == (
        "/documents?status=failed&subject=customer+17"
    )
    assert search("  ", Filters()) == ""


def test_rows_are_fresh_only_if_they_came_while_somebody_looked() -> None:
    arrivals = Arrivals()
    assert arrivals.fresh(["a"], 100) == frozenset()
    assert arrivals.fresh(["b", "a"], 101) == {"b"}
    assert arrivals.fresh(["c", "b", "a"], 102) == {"c", "b"}
    assert arrivals.fresh(["c", "b", "a"], 101 + FRESH_S) == {"c"}


def event(name: str, at: str, **more: object) -> JsonObject:
    return {"event": name, "at": at, "run": 1, "attempt": 1, "worker": "w", "detail": None, **more}


def test_steps_tell_the_time_between_them_and_what_went_wrong() -> None:
    detail = {"retry_in_ms": 1500, "code": "render_timeout", "message": "Too long."}
    events = [
        event("accepted", "2026-03-01T10:00:00.000Z", attempt=0, worker=""),
        event("started", "2026-03-01T10:00:00.031Z"),
        event("attempt_failed", "2026-03-01T10:00:30.031Z", detail=detail),
        event("some_new_event", "2026-03-01T10:00:30.032Z"),
    ]
    steps = steps_of(events, WORDS)
    assert [step.after_ms for step in steps] == [None, 31, 30_000, 1]
    assert [step.title for step in steps] == ["Accepted", "Rendering began", "The attempt failed", "some_new_event"]
    assert steps[2].detail == "render_timeout · Too long. · again in 1.5\u00a0s"
    assert [step.mark for step in steps] == ["", "busy", "bad", ""]


class Drawing:
    """Stands for the pool; counts, and notices if two draw at once."""

    def __init__(self) -> None:
        self.drawn = self.at_once = self.most = 0

    async def render(self, request: RenderRequest, timeout_s: float) -> Rendered:
        self.drawn, self.at_once = self.drawn + 1, self.at_once + 1
        self.most = max(self.most, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        return Rendered(request.data)


async def read_pdf() -> bytes:
    return b"%PDF"


async def test_pages_are_drawn_one_at_a_time_and_once() -> None:
    pool = Drawing()
    previews = Previews(pool)
    asked = [previews.page("aa", page, 100, read_pdf) for page in (1, 2, 1, 2, 1)]
    pictures = await asyncio.gather(*asked)
    assert (pool.drawn, pool.most) == (2, 1)
    assert pictures[0] == pictures[2] == b'{"page": 1, "width": 100}' != pictures[1]


async def test_a_document_is_read_once_for_all_its_pages() -> None:
    reads = 0

    async def counted() -> bytes:
        nonlocal reads
        reads += 1
        return b"%PDF"

    previews = Previews(Drawing())
    for page in (1, 2, 3):
        await previews.page("aa", page, 100, counted)
    assert reads == 1
    await previews.page("bb", 1, 100, counted)
    assert reads == 2


def test_pictures_that_were_not_used_for_longest_go_first() -> None:
    kept = Kept(10)
    for page in (1, 2, 3):
        kept.put(("aa", page, 1), b"1234")
        kept.get(("aa", 1, 1))
    assert [kept.get(("aa", page, 1)) is not None for page in (1, 2, 3)] == [True, False, True]
    assert kept.bytes == 8
    kept.put(("aa", 1, 1), b"12")
    assert kept.bytes == 6
