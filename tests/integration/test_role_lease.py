"""Roles between processes: who stands by takes over as soon as the holder ends."""

import asyncio

import pytest

from backends import role_lease
from backends.role_lease import RoleLease
from backends.scripts import Scripts
from tests.conftest import WaitUntil


def lease(scripts: Scripts, holder: str) -> RoleLease:
    return RoleLease(scripts.redis, scripts.prefix, role="ship", holder=holder, ttl_ms=600_000)


async def test_a_role_passes_on_when_its_holder_ends_and_not_only_when_the_lease_does(
    scripts: Scripts, wait_until: WaitUntil, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(role_lease, "STANDBY_S", 0.01)
    first, second = lease(scripts, "first"), lease(scripts, "second")
    holding = asyncio.create_task(first.keep())
    await wait_until(lambda: held(first), "the first holds the role")
    async with second.kept():
        holding.cancel()
        await wait_until(lambda: held(second), "the second holds the role")
        assert not first.held
    assert await lease(scripts, "third").acquire()


async def held(one: RoleLease) -> bool:
    return one.held
