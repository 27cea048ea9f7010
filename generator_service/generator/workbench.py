"""The generator's end of the workbench: takes asks of the User API, renders or checks at once, and answers.

It works beside the worker in the same render processes: at most half of them are asked for, and one user gets at most
half of those while others might come. While a document must be alone no ask is taken. Nothing is lost if this process
dies: the asker hears of it and asks again.
"""

import asyncio
import contextlib
import time

import structlog
from prometheus_client import CollectorRegistry, Counter
from pydantic_core import to_json

from backends.asks import HELD_MS, Ask, Asks, Taken, answer_key
from backends.blobs import BlobStore
from backends.shutdown import first
from backends.workbench import CHECK_S
from contracts.assets import digests
from contracts.documents import CONTENT_TYPES, Warned
from contracts.errors import DocumentError, DocumentFailed, NoGenerator, TransientError
from contracts.ids import now_ms
from contracts.templates import TemplateBundle
from contracts.workbench import Answer, CheckAsk, RenderAsk, Rendering, Verdict
from generator.bundles import Bundles
from generator.failures import described
from generator.guests import GuestPool
from generator.renderers.port import RenderRequest

log = structlog.get_logger(__name__)

PAUSE_S = 0.5
#: An ask may take so long while other users wait: half of the time after which they are told that nobody was free.
PATIENCE_S = 5.0
#: Of a check, for compiling or for rendering the sample in one format.
STEP_S = 30.0
#: What a check warns of when there was no sample: with one, the sample has told better.
NOT_TRIED = "not_tried"


class AskMetrics:
    """Asks by kind and outcome."""

    def __init__(self, registry: CollectorRegistry) -> None:
        words = "Renders and checks on the spot"
        self._asks = Counter("presswork_asks_total", words, ["kind", "outcome"], registry=registry)

    def ended(self, kind: str, outcome: str) -> None:
        self._asks.labels(kind, outcome).inc()


class WorkbenchServer:
    """Serves asks until it is stopped. Use from one event loop."""

    def __init__(
        self,
        asks: Asks,
        pool: GuestPool,
        blobs: BlobStore,
        metrics: AskMetrics,
        *,
        drain_s: float = 25,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._asks = asks
        self._pool = pool
        self._blobs = blobs
        self._bundles = Bundles(blobs)
        self._metrics = metrics
        self._drain_s = drain_s
        self._patience_s = patience_s
        self._at_once = max(1, pool.size // 2)
        self._of_one_user = max(1, self._at_once // 2)
        self._running: dict[asyncio.Task[None], str] = {}
        self._finished = asyncio.Event()

    async def run(self, stop: asyncio.Event, hurry: asyncio.Event) -> None:
        """Serve until `stop` is set; then finish what has begun, for the drain time or until `hurry`."""
        waiting: asyncio.Task[None] | None = None
        try:
            while not stop.is_set():
                if len(self._running) < self._at_once and not self._pool.shut and await self._took():
                    continue
                if waiting is None or waiting.done():
                    waiting = asyncio.create_task(self._wait())
                self._finished.clear()
                await first(waiting, self._finished.wait(), stop.wait())
            if self._running:
                await first(asyncio.wait(self._running), hurry.wait(), timeout_s=self._drain_s)
        finally:
            ending = [*self._running, *([waiting] if waiting else [])]
            for task in ending:
                task.cancel()
            await asyncio.gather(*ending, return_exceptions=True)

    async def _took(self) -> bool:
        """Take an ask if there is one, and begin with it."""
        users = list(self._running.values())
        busy = {user for user in users if users.count(user) >= self._of_one_user}
        try:
            taken = await self._asks.take(busy)
        except TransientError as error:
            log.warning("workbench.queue_away", error=error.message)
            await asyncio.sleep(PAUSE_S)
            return False
        if taken is None:
            return False
        task = asyncio.create_task(self._serve(taken))
        self._running[task] = taken.user
        task.add_done_callback(self._end)
        return True

    async def _wait(self) -> None:
        try:
            await self._asks.wait()
        except TransientError:
            await asyncio.sleep(PAUSE_S)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task, None)
        self._finished.set()

    # One ask

    async def _serve(self, taken: Taken) -> None:
        ask, began, outcome = taken.ask, time.monotonic(), "dropped"
        request_id = ask.job.request_id if isinstance(ask, RenderAsk) else ""
        structlog.contextvars.bind_contextvars(ask_id=str(ask.ask_id), request_id=request_id)
        working = asyncio.create_task(self._answer(ask))
        holding = asyncio.create_task(self._hold(taken, working, asyncio.current_task()))
        try:
            await asyncio.wait({working})
            if not working.cancelled():
                outcome = await self._told(ask, working.result())
        except TransientError as error:
            log.warning("ask.unanswered", error=error.message)
        finally:
            working.cancel()
            holding.cancel()
            await asyncio.gather(working, holding, return_exceptions=True)
            if outcome == "dropped":
                await self._let_go(ask)
        self._metrics.ended(ask.kind, outcome)
        log.info("ask.ended", kind=ask.kind, outcome=outcome, ms=round((time.monotonic() - began) * 1000))

    async def _told(self, ask: Ask, answer: Answer) -> str:
        """Answer; returns what became of the ask."""
        if await self._asks.answer(ask.ask_id, answer):
            return "failed" if answer.error else "done"
        await self._blobs.delete(answer_key(ask.ask_id))
        return "dropped"

    async def _hold(self, taken: Taken, working: asyncio.Task[Answer], serving: asyncio.Task[None] | None) -> None:
        """Renew the hold; end the work when the asker has gone, or when it has taken its time and others wait."""
        began = time.monotonic()
        while True:
            await asyncio.sleep(HELD_MS / 3000)
            with contextlib.suppress(TransientError):
                held = await self._asks.hold(taken.ask.ask_id)
                if not held or (time.monotonic() - began > self._patience_s and await self._in_the_way(taken, serving)):
                    working.cancel()
                    return

    async def _in_the_way(self, taken: Taken, serving: asyncio.Task[None] | None) -> bool:
        """Tell whether this is the oldest ask, there is room for no other, and another user waits."""
        full = len(self._running) >= self._at_once and next(iter(self._running)) is serving
        return full and await self._asks.others_wait(taken.user)

    async def _let_go(self, ask: Ask) -> None:
        """Let the asker know at once that there will be no answer."""
        with contextlib.suppress(TransientError):
            await self._asks.drop(ask.ask_id)

    async def _answer(self, ask: Ask) -> Answer:
        try:
            if isinstance(ask, CheckAsk):
                return Answer(verdict=await self._checked(ask))
            return Answer(rendering=await self._rendered(ask))
        except NoGenerator:
            raise
        except Exception as error:
            return Answer(error=described(error))

    async def _rendered(self, ask: RenderAsk) -> Rendering:
        job = ask.job
        rendered = await self._pool.render(await self._bundles.request(job), job.options.timeout_s)
        await self._blobs.put(answer_key(ask.ask_id), rendered.content)
        warnings = job.warnings + rendered.warnings
        return Rendering(content_type=CONTENT_TYPES[job.format], pages=rendered.pages, warnings=warnings)

    async def _checked(self, ask: CheckAsk) -> Verdict:
        bundle = await self._bundles.pinned(ask.sha256)
        try:
            async with asyncio.timeout(CHECK_S):
                verdict = await self._pool.describe(bundle, STEP_S)
                if ask.sample is None:
                    return verdict
                return verdict.model_copy(update={"warnings": await self._tried(ask, bundle, verdict)})
        except TimeoutError:
            error = DocumentError(code="render_timeout", message=f"The check took longer than {CHECK_S:g} s.")
        except DocumentFailed as failure:
            error = failure.error
        raise DocumentFailed(error.model_copy(update={"template": ask.name}))

    async def _tried(self, ask: CheckAsk, bundle: TemplateBundle, verdict: Verdict) -> tuple[Warned, ...]:
        """Render the sample in every format, and return all warnings, each once."""
        data, assets, at = to_json(ask.sample), await self._bundles.assets(digests(ask.sample)), now_ms()
        warnings = [warned for warned in verdict.warnings if warned.code != NOT_TRIED]
        for made in bundle.manifest.formats:
            request = RenderRequest(bundle, data, made, created_at_ms=at, template=ask.name, assets=assets)
            warnings += (await self._pool.render(request, STEP_S)).warnings
        return tuple(dict.fromkeys(warnings))
