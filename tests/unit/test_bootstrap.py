"""The first start goes on trying, whatever happens to a step."""

import asyncio

import pytest

from app.services import bootstrap as bootstrap_module
from app.services.bootstrap import Bootstrap
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


class Repository:
    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)

    async def all_users(self) -> list[UserRow]:
        if self.failures:
            raise self.failures.pop(0)
        return []

    async def all_keys(self) -> list[KeyRow]:
        return []


async def migrated() -> None:
    return None


@pytest.mark.parametrize("failure", [HistoryUnavailable(), RuntimeError("a row that cannot be read")])
async def test_a_rebuild_that_fails_is_tried_again_until_it_succeeds(failure: Exception) -> None:
    accounts, repository = Accounts(), Repository(failure, failure)
    bootstrap = Bootstrap(accounts, None, repository, migrated, admin_key="")  # type: ignore[arg-type]
    async with asyncio.timeout(10):
        await bootstrap.prepare()
    assert bootstrap.prepared.is_set() and accounts.is_populated and repository.failures == []


async def test_a_set_that_redis_has_lost_is_rebuilt_while_the_service_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap_module, "LOOK_S", 0.01)
    accounts = Accounts()
    bootstrap = Bootstrap(accounts, None, Repository(), migrated, admin_key="")  # type: ignore[arg-type]
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
    bootstrap = Bootstrap(accounts, None, Repository(), away, admin_key="")  # type: ignore[arg-type]
    task = asyncio.create_task(bootstrap.run())
    async with asyncio.timeout(10):
        await bootstrap.prepared.wait()
    assert not bootstrap.migrated.is_set()
    task.cancel()
