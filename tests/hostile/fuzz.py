"""Fuzzing: mutated templates and data go through the pool until the time is up; what breaks a promise is kept."""

import asyncio
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings

from contracts.errors import DOCUMENT_ERROR_CODES
from generator.core import RenderRequest
from tests.hostile.cases import GOOD
from tests.hostile.mutations import mutated, seeds
from tests.hostile.stage import Stage, opened

TIMEOUT_S = 1.0
_A_ROUND = 50
_KNOWN = frozenset({GOOD, *DOCUMENT_ERROR_CODES})


@dataclass
class Report:
    """What a run saw: how many documents ended how, and the folders of inputs that broke a promise."""

    outcomes: Counter[str] = field(default_factory=Counter)
    kept: list[Path] = field(default_factory=list)


@dataclass
class _Round:
    """One run of Hypothesis, and the last input that failed in it: the smallest, once it returns."""

    stage: Stage
    loop: asyncio.AbstractEventLoop
    ends_at: float
    report: Report
    failing: tuple[RenderRequest, Exception] | None = None

    def tried(self, request: RenderRequest) -> None:
        if self.failing is None and self.report.outcomes and time.monotonic() > self.ends_at:
            return  # Hypothesis has no end by the clock; while it makes a failure smaller, nothing is left out
        run = asyncio.run_coroutine_threadsafe(self.stage.rendered(request, TIMEOUT_S), self.loop)
        try:
            outcome, _ = run.result(120)
            assert outcome in _KNOWN, outcome
        except Exception as broken:
            self.failing = (request, broken)
            raise
        self.report.outcomes[outcome] += 1


async def fuzz(number: int, seconds: float, folder: Path) -> Report:
    """Fuzz for a time from a seed; inputs that fail are written to folders below `folder`."""
    report, known = Report(), seeds()
    with tempfile.TemporaryDirectory() as outside:
        async with opened(Path(outside)) as stage:
            ends_at = time.monotonic() + seconds
            while time.monotonic() < ends_at:
                turn = _Round(stage, asyncio.get_running_loop(), ends_at, report)
                await asyncio.to_thread(_run, turn, number, known)
                if turn.failing is not None:
                    report.kept.append(_keep(folder / str(number), *turn.failing))
                number += 1
    return report


def _run(turn: _Round, number: int, known: list[RenderRequest]) -> None:
    limits = settings(
        max_examples=_A_ROUND,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    try:
        seed(number)(limits(given(mutated(known))(turn.tried)))()
    except Exception:
        if turn.failing is None:
            raise


def _keep(folder: Path, request: RenderRequest, broken: Exception) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "bundle.zip").write_bytes(request.bundle.pack())
    (folder / "data.json").write_bytes(request.data)
    (folder / "error.txt").write_text(f"format {request.format}\n{broken!r}\n")
    return folder
