"""The User API's end of the workbench: asks a generator to render or check something now, and waits for the answer."""

import asyncio
import contextlib
import time
from uuid import UUID

import structlog

from backends.asks import Ask, Asks, answer_key
from backends.blobs import BlobStore
from backends.changes import Changes, Watch
from contracts.errors import BlobUnavailable, DocumentFailed, NoGenerator, TransientError
from contracts.ids import new_id
from contracts.jobs import GenerationJob
from contracts.workbench import Answer, CheckAsk, RenderAsk, Rendering, Verdict

log = structlog.get_logger(__name__)

#: A check compiles a template and renders its sample in each of its formats: seconds for all of it.
CHECK_S = 60.0
#: What an ask may take beyond the render itself: waiting for a render process, storing the bytes.
AROUND_S = 20.0


class Workbench:
    """Raises NoGenerator when no generator takes an ask, or loses it; QueueUnavailable, SystemFull, TooManyRenders."""

    def __init__(self, asks: Asks, blobs: BlobStore, changes: Changes) -> None:
        self._asks = asks
        self._blobs = blobs
        self._changes = changes

    async def check(
        self, name: str, sha256: str, sample: dict[str, object] | None, user_id: UUID | None = None
    ) -> Verdict:
        """Check a template whose bundle is in the blob store. Raises DocumentFailed for what is wrong with it."""
        ask = CheckAsk(ask_id=new_id(), name=name, sha256=sha256, sample=sample)
        answer = await self._answer(ask, str(user_id or ""), CHECK_S + AROUND_S)
        if answer.verdict is None:
            raise NoGenerator("The generator gave no verdict.")
        return answer.verdict

    async def render(self, job: GenerationJob) -> tuple[Rendering, bytes]:
        """Render a job and return the bytes; they are kept nowhere. Raises DocumentFailed, BlobUnavailable."""
        ask = RenderAsk(ask_id=new_id(), job=job)
        answer = await self._answer(ask, str(job.user_id), job.options.timeout_s + AROUND_S)
        key = answer_key(ask.ask_id)
        content = await self._blobs.get(key)
        if answer.rendering is None or content is None:
            raise NoGenerator("The generator's answer was lost: ask again.")
        await self._blobs.delete(key)
        return answer.rendering, content

    async def _answer(self, ask: Ask, user: str, timeout_s: float) -> Answer:
        """Ask and wait. Raises DocumentFailed if that is the answer."""
        try:
            async with self._changes.watching(ask.ask_id) as watch:
                await self._asks.put(ask, user)
                answer = await self._awaited(ask.ask_id, watch, timeout_s)
        finally:
            with contextlib.suppress(TransientError):  # it goes away by itself
                await asyncio.shield(self._asks.drop(ask.ask_id))
        if answer.error is not None and answer.error.code == "storage_unavailable":
            raise BlobUnavailable(answer.error.message)
        if answer.error is not None:
            raise DocumentFailed(answer.error)
        return answer

    async def _awaited(self, ask_id: UUID, watch: Watch, timeout_s: float) -> Answer:
        wait_s = self._asks.limits.wait_ms / 1000
        began = time.monotonic()
        while True:
            state, answer = await self._asks.look(ask_id)
            waited = time.monotonic() - began
            if answer is not None:
                return answer
            if state == "lost":
                raise NoGenerator("The generator was lost while it worked on this: ask again.")
            if state == "waiting" and waited > wait_s and await self._asks.drop(ask_id):
                raise NoGenerator(f"No generator was free for {wait_s:g} s, or none is running.")
            if waited > wait_s + timeout_s:
                raise NoGenerator("The generators are too busy: ask again.")
            await watch.changed(1)
