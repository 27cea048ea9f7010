"""The first page: what happens now, and how the last hour, day or month went."""

from dataclasses import dataclass

from babel.dates import format_date, format_time
from fastapi import APIRouter, Response

from contracts.errors import HistoryUnavailable
from contracts.ids import now_ms
from generator.admin.charts import Chart, Series
from generator.admin.guard import CurrentVisit, PanelRoute
from generator.admin.live import live
from generator.admin.wording import Wording, moment
from generator.repository import Bucket, HistoryRepository

router = APIRouter(route_class=PanelRoute)

MINUTE_MS = 60_000


@dataclass(frozen=True)
class Span:
    """How far the charts look back, in buckets."""

    bucket_ms: int
    buckets: int
    days: bool = False


SPANS = {
    "1h": Span(MINUTE_MS, 60),
    "24h": Span(30 * MINUTE_MS, 48),
    "30d": Span(24 * 60 * MINUTE_MS, 30, days=True),
}


@router.get("/")
async def overview(visit: CurrentVisit) -> Response:
    """Show the overview; `span` is one of SPANS."""
    chosen = visit.request.query_params.get("span", "1h")
    span = chosen if chosen in SPANS else "1h"
    charts = await past(visit.panel.generator.history, SPANS[span], visit.words)
    status = await visit.panel.board.status()
    name = "parts/past.html" if visit.partial else "overview.html"
    return visit.page(name, status=status, charts=charts, span=span, spans=SPANS)


@router.get("/live/overview")
async def live_overview(visit: CurrentVisit) -> Response:
    """Stream what happens now."""

    async def now() -> str:
        answer = visit.page("parts/now.html", status=await visit.panel.board.status())
        return bytes(answer.body).decode()

    return live(visit, now)


async def past(history: HistoryRepository, span: Span, words: Wording) -> list[Chart] | None:
    """Chart what ended and how long it took; None while ClickHouse does not answer."""
    last = now_ms() // span.bucket_ms * span.bucket_ms
    starts = [last - span.bucket_ms * back for back in range(span.buckets - 1, -1, -1)]
    try:
        known = {bucket.at: bucket for bucket in await history.ended(starts[0], span.bucket_ms)}
    except HistoryUnavailable:
        return None
    buckets = [known.get(at, Bucket(at)) for at in starts]
    return charts_of(buckets, span, words)


def charts_of(buckets: list[Bucket], span: Span, words: Wording) -> list[Chart]:
    """Draw throughput, failures included, and latency."""
    labels = [_label(bucket.at, span, words) for bucket in buckets]
    ticks = {at: _label(bucket.at, span, words) for at, bucket in enumerate(buckets) if _on_tick(bucket, span)}
    ended = [
        Series(words("Completed"), [bucket.completed for bucket in buckets], 1),
        Series(words("Failed"), [bucket.failed for bucket in buckets], 4),
    ]
    took = [
        Series(words("Half within"), [bucket.total_p50 for bucket in buckets], 1),
        Series(words("95% within"), [bucket.total_p95 for bucket in buckets], 2),
    ]
    return [
        Chart("bars", ended, labels, ticks, words.short_number, words("Documents ended")),
        Chart("lines", took, labels, ticks, words.milliseconds, words("Time from request to document")),
    ]


def _on_tick(bucket: Bucket, span: Span) -> bool:
    """Label six buckets, at round times: every tenth minute, fourth hour, fifth day."""
    return bucket.at % (span.bucket_ms * span.buckets // 6) == 0


def _label(at_ms: int, span: Span, words: Wording) -> str:
    at = moment(at_ms)
    if span.days:
        return str(format_date(at, "d MMM", locale=words.locale))
    return str(format_time(at, "HH:mm", locale=words.locale))
