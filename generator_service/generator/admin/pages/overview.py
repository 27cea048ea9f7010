"""The first page: what happens now, and how the last hour, day or month went."""

from fastapi import APIRouter, Response

from generator.admin.guard import CurrentVisit, PanelRoute
from generator.admin.live import live

router = APIRouter(route_class=PanelRoute)


@router.get("/")
async def overview(visit: CurrentVisit) -> Response:
    """Show the overview."""
    return visit.page("overview.html", status=await visit.panel.board.status())


@router.get("/live/overview")
async def live_overview(visit: CurrentVisit) -> Response:
    """Stream what happens now."""

    async def now() -> str:
        answer = visit.page("parts/now.html", status=await visit.panel.board.status())
        return bytes(answer.body).decode()

    return live(visit, now)
