"""What the checks work on: the three stores, through the classes that all use and two that look at much at once."""

from dataclasses import dataclass

from backends.accounts import Accounts
from backends.blobs import BlobStore
from backends.clickhouse import ClickHouse
from backends.endpoints import EndpointStore
from backends.history_accounts import HistoryAccounts
from backends.history_endpoints import HistoryEndpoints
from backends.history_inspection import HistoryInspection
from backends.history_templates import HistoryTemplates
from backends.inspection import Inspection
from backends.queue import DocumentQueue
from backends.scripts import Scripts
from backends.template_store import TemplateStore
from contracts.ids import parse_id
from contracts.jobs import GenerationJob, input_key


@dataclass(frozen=True)
class Stores:
    """`live_ttl_s`: how long Redis keeps what has settled. `rerender`: make documents whose bytes are lost anew."""

    scripts: Scripts
    clickhouse: ClickHouse
    blobs: BlobStore
    live_ttl_s: int = 3600
    lease_ms: int = 15_000
    rerender: bool = False

    @property
    def redis(self) -> Inspection:
        return Inspection(self.scripts)

    @property
    def history(self) -> HistoryInspection:
        return HistoryInspection(self.clickhouse)

    @property
    def accounts(self) -> Accounts:
        return Accounts(self.scripts)

    @property
    def history_accounts(self) -> HistoryAccounts:
        return HistoryAccounts(self.clickhouse)

    @property
    def history_templates(self) -> HistoryTemplates:
        return HistoryTemplates(self.clickhouse)

    @property
    def history_endpoints(self) -> HistoryEndpoints:
        return HistoryEndpoints(self.clickhouse)

    @property
    def endpoints(self) -> EndpointStore:
        return EndpointStore(self.scripts)

    @property
    def templates(self) -> TemplateStore:
        return TemplateStore(self.scripts)

    @property
    def queue(self) -> DocumentQueue:
        return DocumentQueue(self.scripts, lease_ms=self.lease_ms)

    async def kept_job(self, document_id: str) -> GenerationJob | None:
        """Read a document's input from the blob store; None if it is gone or cannot be read."""
        kept = await self.blobs.get(input_key(parse_id(document_id, "document")))
        if kept is None:
            return None
        try:
            return GenerationJob.model_validate_json(kept)
        except ValueError:
            return None
