"""The first start goes on trying, whatever happens to a step."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
import structlog

from app.services import bootstrap as bootstrap_module
from app.services.bootstrap import Bootstrap
from backends.redis_safety import RedisRefused, UnsafeRedis
from contracts.errors import HistoryUnavailable
from contracts.users import KeyRow, UserRow


class Accounts:
    is_populated = False

    async def populated(self) -> bool:
        return self.is_populated

    async def populate(self, users: list[UserRow], keys: list[KeyRow]) -> None:
        self.is_populated = True

    async def user_by_email(self, email_norm: str) -> None:
        return None

    async def admins(self) -> int:
        return True


class History:
    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)

    async def users(self) -> list[UserRow]:
        if self.failures:
            raise self.failures.pop(0)
        return []

    async def keys(self) -> list[KeyRow]:
        return []


async def safe() -> None:
    return None


async def migrated() -> None:
    return None


async def nothing_to_bring() -> dict[str, int]:
    return {}


def a_bootstrap(
    accounts: Accounts,
    history: History,
    migrate: Callable[[], Awaitable[None]] = migrated,
    require_safe_redis: Callable[[], Awaitable[None]] = safe,
) -> Bootstrap:
    bring_back = nothing_to_bring
    return Bootstrap(accounts, None, history, migrate, "", require_safe_redis, bring_back)  # type: ignore[arg-type]


@pytest.mark.parametrize("failure", [HistoryUnavailable(), RuntimeError("a row that cannot be read")])
async def test_a_rebuild_that_fails_is_tried_again_until_it_succeeds(failure: Exception) -> None:
    accounts, history = Accounts(), History(failure, failure)
    bootstrap = a_bootstrap(accounts, history)
    async with asyncio.timeout(10):
        await bootstrap.prepare()
    assert bootstrap.prepared.is_set() and accounts.is_populated and history.failures == []


async def test_nothing_is_prepared_on_a_redis_that_may_lose_what_it_confirms_until_it_is_mended() -> None:
    flaws = [UnsafeRedis("appendfsync is everysec"), RedisRefused("it starts again"), UnsafeRedis("appendonly is no")]
    seen = []

    async def judge() -> None:
        seen.append((bootstrap.unsafe_redis, accounts.is_populated))
        if flaws:
            raise flaws.pop(0)

    accounts = Accounts()
    bootstrap = a_bootstrap(accounts, History(), require_safe_redis=judge)
    with structlog.testing.capture_logs() as lines:
        async with asyncio.timeout(10):
            await bootstrap.prepare()
    assert seen == [(False, False), (True, False), (True, False), (True, False)]
    assert not bootstrap.unsafe_redis and accounts.is_populated
    told = [line["error"] for line in lines if line["event"] == "redis.unsafe" and line["log_level"] == "error"]
    assert told == ["appendfsync is everysec", "appendonly is no"]


async def test_a_set_that_redis_has_lost_is_rebuilt_while_the_service_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap_module, "LOOK_S", 0.01)
    accounts = Accounts()
    bootstrap = a_bootstrap(accounts, History())
    task = asyncio.create_task(bootstrap.run())
    async with asyncio.timeout(10):
        await bootstrap.prepared.wait()
        accounts.is_populated = False
        while not accounts.is_populated:
            await asyncio.sleep(0.01)
        await bootstrap.prepared.wait()
    assert accounts.is_populated
    task.cancel()


async def test_a_complete_set_does_not_wait_for_history() -> None:
    async def away() -> None:
        raise HistoryUnavailable()

    accounts = Accounts()
    accounts.is_populated = True
    bootstrap = a_bootstrap(accounts, History(), migrate=away)
    task = asyncio.create_task(bootstrap.run())
    async with asyncio.timeout(10):
        await bootstrap.prepared.wait()
    assert not bootstrap.migrated.is_set()
    task.cancel()


async def test_a_complete_set_is_served_while_history_hangs() -> None:
    async def hangs() -> None:
        await asyncio.sleep(600)

    accounts = Accounts()
    accounts.is_populated = True
    bootstrap = a_bootstrap(accounts, History(), migrate=hangs)
    preparing = asyncio.create_task(bootstrap.prepare())
    async with asyncio.timeout(10):
        await bootstrap.prepared.wait()
    assert not bootstrap.migrated.is_set()
    preparing.cancel()


@pytest.mark.parametrize("failure", [None, RedisRefused("it is away")])
async def test_it_is_known_after_the_first_try_whether_requests_can_be_served(failure: Exception | None) -> None:
    async def judge() -> None:
        assert not bootstrap.tried.is_set()
        if failure:
            raise failure

    bootstrap = a_bootstrap(Accounts(), History(), require_safe_redis=judge)
    preparing = asyncio.create_task(bootstrap.prepare())
    async with asyncio.timeout(10):
        await bootstrap.tried.wait()
    assert bootstrap.prepared.is_set() is (failure is None)
    preparing.cancel()
