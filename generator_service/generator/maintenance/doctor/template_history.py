"""Has ClickHouse every template that users made? One goes through the stream with its schemas."""

from collections.abc import AsyncIterator

from contracts.ids import now_ms
from contracts.templates import TemplateEvent, TemplateHead
from generator.maintenance.doctor.port import Flaw
from generator.maintenance.doctor.row_history import Held, RowHistory


class TemplateHistory(RowHistory[TemplateHead]):
    name = "template-history"
    title = "templates of users in the history"
    flaws = {
        "template": Flaw(
            "templates that history lacks or has an older version of", "sent through the event stream again"
        ),
    }

    async def held(self) -> AsyncIterator[Held[TemplateHead]]:
        for head in await self.stores.templates.owned():
            name = f"template:{head.owner_id}/{head.name}"
            yield Held("template", str(head.template_id), head.revision, name, head)

    async def stored(self) -> dict[str, int]:
        heads = await self.stores.history_templates.heads()
        return {str(head.template_id): head.revision for head in heads}

    async def event(self, row: TemplateHead) -> tuple[str, str]:
        schemas = await self.stores.templates.schemas(row)
        return "t", TemplateEvent.of(row, "template.recovered", now_ms(), schemas=schemas).model_dump_json()
