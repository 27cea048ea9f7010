"""Finding and removing blobs that nobody needs any more. The pruner does it all the time, `presswork doctor` once.

The order makes it safe beside everything that runs: first a listing, then Redis, then history. A result that a running
attempt has just stored is in the listing only if its document was under way before it was asked for.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass
from itertools import batched
from uuid import UUID

from backends.blobs import BlobStore, StoredBlob
from backends.clickhouse import ClickHouse
from backends.event_log import EventLog
from backends.history_templates import HistoryTemplates
from backends.scripts import Scripts
from backends.standings import LiveStandings
from backends.template_store import TemplateStore
from contracts.ids import now_ms
from contracts.standing import Standing
from generator.input_keeper import InputKeeper
from generator.maintenance.asset_references import AssetReferences, asset_in
from generator.maintenance.font_references import FontReferences
from generator.maintenance.retention import HOUR_MS, Reason, Retention, why_input_goes, why_result_goes
from generator.maintenance.standings import Standings
from generator.maintenance.template_references import TemplateReferences, digest_of
from generator.repository import HistoryRepository

#: Blobs that are judged in one step: one call of Redis and at most one of ClickHouse.
STEP = 250
#: Sources, assets and fonts removed at once: their bytes are in memory until it is certain that nobody needs them.
SOURCES = 8
#: No write takes this long: what is still temporary then has lost its writer.
UNFINISHED_MS = HOUR_MS

Needed = Callable[[], Awaitable[set[str]]]
Rule = Callable[[StoredBlob, Standing | None, int, Retention], Reason | None]
#: Assets and fonts are held for a document as long as its input is kept, and never less: so judged before the input.
USES = ("asset-uses", "font-uses")
DOCUMENT_KINDS: dict[str, Rule] = {
    "results": why_result_goes,
    **dict.fromkeys(USES, why_input_goes),
    "inputs": why_input_goes,
}


@dataclass(frozen=True)
class Finding:
    """A blob that may go, and why."""

    blob: StoredBlob
    reason: Reason

    @property
    def kind(self) -> str:
        return self.blob.key.partition("/")[0]


class Pruning:
    """Raises BlobUnavailable, QueueUnavailable, HistoryUnavailable: without any of them nothing is judged."""

    def __init__(
        self,
        blobs: BlobStore,
        standings: Standings,
        templates: TemplateReferences,
        assets: AssetReferences,
        fonts: FontReferences,
        inputs: InputKeeper,
        retention: Retention,
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        self._blobs = blobs
        self._standings = standings
        self._templates = templates
        self._assets = assets
        self._needed: dict[str, Needed] = {"templates": templates.known, "assets": assets.needed, "fonts": fonts.needed}
        self._inputs = inputs
        self._retention = retention
        self._clock_ms = clock_ms

    async def find(self, only: Collection[str] | None = None) -> AsyncGenerator[list[Finding]]:
        """Look at every blob and yield what may go: a list per step, empty ones too, so that the caller may rest.

        `only`: look at the blobs of these keys.
        """
        for kind, rule in DOCUMENT_KINDS.items():
            async for blobs in self._listing(kind, only):
                yield await self._of_documents(blobs, rule)
        async for blobs in self._listing("asks", only):
            yield [Finding(blob, Reason.EXPIRED) for blob in self._old(blobs)]
        known = await self._templates.known()
        if not known:  # Redis has been emptied, and not even the shipped templates are back
            return
        async for blobs in self._listing("templates", only):
            yield [Finding(blob, Reason.UNREFERENCED) for blob in await self._templates.unreferenced(blobs, known)]
        async for blobs in self._listing("previews", only):
            yield self._pictures(blobs, known)
        async for findings in self._forgotten(only):
            yield findings
        for kind in ("assets", "fonts"):
            async for findings in self._unreferenced(kind, only):
                yield findings

    async def _forgotten(self, only: Collection[str] | None) -> AsyncGenerator[list[Finding]]:
        """Find the owners of assets who have not used them for long."""
        samples: set[str] | None = None
        async for blobs in self._listing("asset-owners", only):
            samples = await self._assets.in_samples() if samples is None else samples
            forgotten = [blob for blob in blobs if self._assets.forgotten(blob) and asset_in(blob) not in samples]
            yield [Finding(blob, Reason.EXPIRED) for blob in forgotten]

    async def _unreferenced(self, kind: str, only: Collection[str] | None) -> AsyncGenerator[list[Finding]]:
        """Find the assets or fonts that nothing needs."""
        needed: set[str] | None = None
        async for blobs in self._listing(kind, only):
            old = self._old(blobs)
            needed = await self._needed[kind]() if needed is None and old else needed
            yield [Finding(blob, Reason.UNREFERENCED) for blob in old if asset_in(blob) not in (needed or ())]

    def _old(self, blobs: list[StoredBlob]) -> list[StoredBlob]:
        """Pick what was not written a moment ago."""
        now, grace_ms = self._clock_ms(), self._retention.grace_ms
        return [blob for blob in blobs if now - blob.written_at > grace_ms]

    async def remove(self, findings: Collection[Finding]) -> None:
        """Remove what was found. What has come to be needed again since then is put back."""
        keys: dict[str, list[str]] = {}
        for finding in findings:
            keys.setdefault(finding.kind, []).append(finding.blob.key)
        for kind, found in keys.items():
            if kind in self._needed:
                await self._remove_unless(found, self._needed[kind])
            else:
                await self._blobs.delete_many(found)
        await self._put_inputs_back([_document_id(key) for key in keys.get("inputs", ())])
        await self._put_uses_back([key for kind in USES for key in keys.get(kind, ())])

    def remove_unfinished(self) -> AsyncIterator[int]:
        """Remove what dead writers left half written; yields how many pieces, step by step."""
        return self._blobs.delete_unfinished(self._clock_ms() - UNFINISHED_MS)

    async def _listing(self, kind: str, only: Collection[str] | None) -> AsyncIterator[list[StoredBlob]]:
        if only is not None and not any(key.startswith(f"{kind}/") for key in only):
            return
        async for blobs in self._blobs.listing(kind, STEP):
            yield blobs if only is None else [blob for blob in blobs if blob.key in only]

    async def _of_documents(self, blobs: list[StoredBlob], rule: Rule) -> list[Finding]:
        ids = {blob: document_id for blob in blobs if (document_id := _document_id(blob.key))}
        standings = await self._standings.of(sorted(set(ids.values())))
        now = self._clock_ms()
        judged = ((blob, rule(blob, standings.get(id_), now, self._retention)) for blob, id_ in ids.items())
        return [Finding(blob, reason) for blob, reason in judged if reason is not None]

    def _pictures(self, blobs: list[StoredBlob], known: set[str]) -> list[Finding]:
        """Pick pictures of versions that no template has; one that is needed after all is drawn again."""
        now, grace_ms = self._clock_ms(), self._retention.grace_ms
        old = (blob for blob in blobs if digest_of(blob) not in known and now - blob.written_at > grace_ms)
        return [Finding(blob, Reason.UNREFERENCED) for blob in old]

    async def _remove_unless(self, keys: list[str], needed: Needed) -> None:
        """Remove sources, assets or fonts. One that is needed again by now is put back: who needs it saw it there."""
        for step in batched(keys, SOURCES):
            contents = {key: await self._blobs.get(key) for key in step}
            await self._blobs.delete_many(step)
            known = await needed()
            back = {key: content for key, content in contents.items() if key.partition("/")[2] in known and content}
            await self._blobs.put_many(back)

    async def _put_inputs_back(self, document_ids: list[UUID | None]) -> None:
        """Copy the inputs of documents that were retried meanwhile once more: the shipper may have been faster."""
        under_way = [str(id_) for id_ in await self._under_way(document_ids)]
        if under_way:
            await self._inputs.keep(under_way)

    async def _put_uses_back(self, keys: Collection[str]) -> None:
        """Hold the assets of documents that were retried meanwhile once more."""
        ids = {key: _document_id(key) for key in keys}
        under_way = await self._under_way(ids.values())
        await self._blobs.put_many({key: b"" for key, id_ in ids.items() if id_ in under_way})

    async def _under_way(self, document_ids: Iterable[UUID | None]) -> set[UUID]:
        wanted = sorted({id_ for id_ in document_ids if id_})
        standings = await self._standings.live.of(wanted) if wanted else {}
        return {id_ for id_, standing in standings.items() if not standing.ended}


def pruning_over(
    scripts: Scripts,
    clickhouse: ClickHouse,
    blobs: BlobStore,
    retention: Retention,
    clock_ms: Callable[[], int] = now_ms,
) -> Pruning:
    """Wire pruning over servers, for the generator and for `presswork doctor`."""
    history = HistoryRepository(clickhouse)
    store, events = TemplateStore(scripts), EventLog(scripts)
    templates = TemplateReferences(store, history, HistoryTemplates(clickhouse), events, retention, clock_ms)
    standings = Standings(LiveStandings(scripts), history)
    assets = AssetReferences(blobs, store, retention, clock_ms)
    fonts, inputs = FontReferences(blobs), InputKeeper(scripts, blobs)
    return Pruning(blobs, standings, templates, assets, fonts, inputs, retention, clock_ms)


def _document_id(key: str) -> UUID | None:
    """Return the document that a key belongs to; None for a name that is no id of ours."""
    try:
        document_id = UUID(key.split("/")[1])
    except ValueError:
        return None
    return document_id if document_id.version == 7 else None
