"""Judges data by schemas without keeping others waiting: what takes some milliseconds here, the rest in processes.

Anyone may give a schema, and how long it takes can only be guessed. So one that takes long is judged in a process that
is killed when its time is over, one judgement of a user at a time.
"""

import asyncio
import contextlib
import os
import sys
from collections import Counter
from pathlib import Path
from uuid import UUID

import structlog
from pydantic_core import to_json

from app.services.data_schema import DataSchemas
from app.services.judge_child import MEMORY_BYTES, Judgement, Verdict, verdict
from app.services.records import Turns
from backends.embedded.tether import tethered
from contracts.documents import Warned
from contracts.errors import Invalid, RateLimited, SystemFull

log = structlog.get_logger(__name__)

#: How long a judgement may take, how many go on at once, and how many of one user may wait.
JUDGED_S, PROCESSES, WAITING = 5.0, 2, 8
START_S = 30.0
LONGEST_ANSWER = 1024 * 1024
SERVE = "from app.services.judge_child import main; main()"
ROOT = Path(__file__).resolve().parents[2]


class TooSlow(Exception):
    """The process took too long, or died of it."""


class Judges:
    """Use from one event loop."""

    def __init__(self, judged_s: float = JUDGED_S) -> None:
        self._schemas = DataSchemas()
        self._judged_s = judged_s
        self._turns = Turns()
        self._waiting: Counter[UUID] = Counter()
        self._places = asyncio.Semaphore(PROCESSES)
        self._idle: list[asyncio.subprocess.Process] = []

    async def judge(self, user_id: UUID, order: Judgement) -> tuple[Warned, ...]:
        """Return what to warn of. Raises Invalid, RateLimited, ValueError for what is no schema."""
        assert order.data is not None
        if order.validation == "off" or self._schemas.is_quick(order.schema_, order.data):
            return verdict(self._schemas, order).told()
        try:
            return (await self._elsewhere(user_id, order)).told()
        except TooSlow:
            limits = f"{self._judged_s:g} s and {MEMORY_BYTES >> 20} MiB"
            detail = f"The data cannot be judged by the template's schema within {limits}: make either smaller."
            if order.given or order.strict or order.validation == "strict":
                raise Invalid.at("/data", detail, "too_large") from None
            return (Warned(code="too_large", message=detail),)

    async def require(self, user_id: UUID, schema: dict[str, object]) -> None:
        """Raise ValueError for what is no JSON Schema, leads out of itself, or takes too long to judge by."""
        try:
            (await self._elsewhere(user_id, Judgement(schema_=schema))).told()
        except TooSlow:
            raise ValueError(f"it takes more than {self._judged_s:g} s to read") from None

    async def close(self) -> None:
        """End all processes."""
        for process in self._idle:
            await _ended(process)
        self._idle.clear()

    async def _elsewhere(self, user_id: UUID, order: Judgement) -> Verdict:
        if self._waiting[user_id] >= WAITING:
            raise RateLimited("You have too much data waiting to be judged: send less at once.")
        self._waiting[user_id] += 1
        try:
            async with self._turns.of(user_id), self._places:
                return await self._asked(order)
        finally:
            self._waiting[user_id] -= 1
            self._waiting += Counter()  # forgets those who wait no more

    async def _asked(self, order: Judgement) -> Verdict:
        """Have a process judge; one that does not answer in time is killed."""
        process = await self._process()
        answer = b""
        try:
            answer = await asyncio.wait_for(_answer(process, to_json(order) + b"\n"), self._judged_s)
        except (OSError, ValueError) as error:
            log.warning("judge.killed", pid=process.pid, error=type(error).__name__)
        finally:
            if answer.endswith(b"\n"):
                self._idle.append(process)
            else:
                await _ended(process)
        if not answer.endswith(b"\n"):
            raise TooSlow()
        return Verdict.model_validate_json(answer)

    async def _process(self) -> asyncio.subprocess.Process:
        """Return one that waits for work, or a new one. Raises SystemFull if none can be started."""
        self._idle = [process for process in self._idle if process.returncode is None]
        if self._idle:
            return self._idle.pop()
        process = await _started()
        ready = b""
        try:
            ready = await asyncio.wait_for(_line(process), START_S)
        except TimeoutError:
            log.error("judge.start_failed", pid=process.pid)
        finally:
            if not ready:
                await _ended(process)
        if not ready:
            raise SystemFull("No process could be started to judge the data: try again.")
        return process


async def _line(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None
    return await process.stdout.readline()


async def _answer(process: asyncio.subprocess.Process, line: bytes) -> bytes:
    assert process.stdin is not None
    process.stdin.write(line)
    await process.stdin.drain()
    return await _line(process)


async def _started() -> asyncio.subprocess.Process:
    pipe, path = asyncio.subprocess.PIPE, os.pathsep.join([str(ROOT), *filter(None, sys.path)])
    return await asyncio.create_subprocess_exec(
        *tethered([sys.executable, "-P", "-c", SERVE]),
        stdin=pipe,
        stdout=pipe,
        env={"PYTHONPATH": path, "LANG": "C.UTF-8"},
        start_new_session=True,
        limit=LONGEST_ANSWER,
    )


async def _ended(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.kill()
    await process.wait()
