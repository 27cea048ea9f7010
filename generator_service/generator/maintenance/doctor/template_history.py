"""Has ClickHouse every template that users made? What it lacks goes through the stream again, its schemas with it."""

from collections.abc import AsyncIterator, Collection, Sequence

from contracts.ids import now_ms
from contracts.templates import TemplateEvent, TemplateHead
from generator.maintenance.doctor.port import MENDED, Finding, Flaw
from generator.maintenance.doctor.stores import Stores
from generator.maintenance.doctor.waiting import Waiting


class TemplateHistory:
    name = "template-history"
    title = "templates of users in the history"
    flaws = {
        "template": Flaw(
            "templates that history lacks or has an older version of", "sent through the event stream again"
        ),
    }

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self._held: dict[str, tuple[TemplateHead, str]] = {}

    async def look(self, only: Collection[str] | None = None) -> AsyncIterator[Finding]:
        held = {str(head.template_id): head for head in await self._stores.templates.owned()}
        again = dict(zip(held, await self._again(list(held.values())), strict=True))
        stored = await self._stored()
        newer = [id_ for id_, head in held.items() if head.revision > stored.get(id_, 0)]
        newer = [id_ for id_ in newer if only is None or id_ in only]
        if not newer:
            return
        # First the stream, then history once more: what has left the one meanwhile is in the other.
        waiting, stored = (await Waiting.read(self._stores)).versions, await self._stored()
        for id_ in newer:
            if held[id_].revision > max(stored.get(id_, 0), waiting.get(id_, 0)):
                self._held[id_] = held[id_], again[id_]
                yield Finding("template", id_, str(held[id_].revision))

    async def mend(self, findings: Sequence[Finding]) -> list[str]:
        for finding in findings:
            head, again = self._held[finding.subject]
            schemas = await self._stores.templates.schemas(head)
            line = TemplateEvent.of(head, "template.recovered", now_ms(), schemas=schemas).model_dump_json()
            await self._stores.scripts.run("reship_row", _name(head), again, "t", line)
        return [MENDED for _ in findings]

    async def _again(self, heads: list[TemplateHead]) -> list[str]:
        found = await self._stores.redis.fields([_name(head) for head in heads], "again") if heads else []
        return [again or "" for (again,) in found]

    async def _stored(self) -> dict[str, int]:
        heads = await self._stores.history_templates.heads()
        return {str(head.template_id): head.revision for head in heads}


def _name(head: TemplateHead) -> str:
    return f"template:{head.owner_id}/{head.name}"
