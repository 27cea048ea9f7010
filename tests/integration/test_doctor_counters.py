"""The doctor's corrections of counters: made once, and told as what they were."""

from itertools import batched
from uuid import uuid4

import pytest

from backends.open_count import OpenCount
from backends.scripts import Answer, Scripts
from contracts.errors import QueueUnavailable
from generator.maintenance.doctor import doctor
from generator.maintenance.doctor.counters import REFUSED, Counters
from generator.maintenance.doctor.port import MENDED
from tests.integration.doctor_stage import Clinic


async def outcomes(clinic: Clinic, *, overtaken: bool) -> set[str]:
    """Mend more wrong counters than one batch takes; `overtaken`: another doctor has counted meanwhile."""
    wrong = {str(uuid4()): "4" for _ in range(doctor.STEP + 1)}
    await clinic.scripts.redis.hset(clinic.name("open"), mapping=wrong)
    counters = Counters(clinic.stores)
    found = [finding async for finding in counters.look()]
    assert {finding.subject for finding in found} == wrong.keys()
    if overtaken:
        await OpenCount(clinic.scripts).compare()
    return {why for step in batched(found, doctor.STEP) for why in await counters.mend(step)}


async def test_more_counters_than_one_batch_takes_are_corrected(clinic: Clinic) -> None:
    assert await outcomes(clinic, overtaken=False) == {MENDED}
    assert (await OpenCount(clinic.scripts).compare()).errors == {}


async def test_a_correction_that_was_refused_is_told_of_every_counter(clinic: Clinic) -> None:
    assert await outcomes(clinic, overtaken=True) == {REFUSED}
    assert len((await OpenCount(clinic.scripts).compare()).errors) == doctor.STEP + 1


async def test_a_count_that_is_repeated_because_its_answer_was_lost_is_no_count(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Scripts.run

    async def loses_an_answer(self: Scripts, name: str, *args: str | int | bytes) -> Answer:
        if name == "check_open":
            await run(self, name, *args)
            await clinic.accept()
        return await run(self, name, *args)

    monkeypatch.setattr(Scripts, "run", loses_an_answer)
    with pytest.raises(QueueUnavailable):
        await OpenCount(clinic.scripts).compare()


async def test_a_correction_that_is_repeated_because_its_answer_was_lost_is_made_once(clinic: Clinic) -> None:
    await clinic.scripts.redis.hincrby(clinic.name("open"), "all", 3)
    comparison = await OpenCount(clinic.scripts).compare()
    correction = ("check_open", "mend", comparison.nonce, "all", -3)
    assert [await clinic.scripts.run(*correction) for _ in range(2)] == [1, 1]
    assert (await OpenCount(clinic.scripts).compare()).errors == {}
    assert await clinic.scripts.run(*correction) == 1
    assert (await OpenCount(clinic.scripts).compare()).errors == {}
