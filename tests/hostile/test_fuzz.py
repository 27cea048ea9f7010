"""The fuzzer runs, tells its outcomes, and keeps what breaks a promise."""

from pathlib import Path

import pytest

from contracts.templates import TemplateBundle
from generator.core import RenderRequest
from tests.hostile.fuzz import fuzz
from tests.hostile.stage import Stage


async def test_two_seconds_of_mutations_break_nothing(tmp_path: Path) -> None:
    report = await fuzz(1, 2, tmp_path / "kept")
    assert report.kept == [] and report.outcomes.total() > 0


async def test_an_input_that_breaks_a_promise_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(stage: Stage, request: RenderRequest, timeout_s: float) -> None:
        raise AssertionError("the canary was read")

    monkeypatch.setattr(Stage, "rendered", broken)
    report = await fuzz(1, 1, tmp_path)
    assert report.kept[0] == tmp_path / "1"
    assert TemplateBundle.unpack((tmp_path / "1/bundle.zip").read_bytes()).files
    assert (tmp_path / "1/data.json").exists() and "the canary was read" in (tmp_path / "1/error.txt").read_text()
