"""Group commit: everybody gets their own answer, in as few calls as the traffic allows."""

import asyncio

import pytest

from contracts.errors import QueueUnavailable
from generator.group_commit import MAX_GROUP, GroupCommit


class Server:
    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.failures: list[Exception] = []
        self.open = asyncio.Event()
        self.open.set()

    async def commit(self, items: list[int]) -> list[str]:
        self.groups.append(items)
        await self.open.wait()
        if self.failures:
            raise self.failures.pop(0)
        return [f"answer {item}" for item in items]


async def test_callers_that_come_while_a_call_is_under_way_travel_together() -> None:
    server = Server()
    server.open.clear()
    group = GroupCommit(server.commit)
    tasks = [asyncio.create_task(group.submit(number)) for number in range(10)]
    await asyncio.sleep(0)
    server.open.set()
    assert await asyncio.gather(*tasks) == [f"answer {number}" for number in range(10)]
    assert sum(len(items) for items in server.groups) == 10 and len(server.groups) <= 2


async def test_a_group_has_a_limit() -> None:
    server = Server()
    group = GroupCommit(server.commit)
    await asyncio.gather(*(group.submit(number) for number in range(MAX_GROUP * 2 + 1)))
    assert max(len(items) for items in server.groups) <= MAX_GROUP


async def test_a_server_that_is_away_is_asked_again_with_the_same_items() -> None:
    server = Server()
    server.failures = [QueueUnavailable(), QueueUnavailable()]
    assert await GroupCommit(server.commit).submit(7) == "answer 7"
    assert server.groups == [[7], [7], [7]]


async def test_an_item_that_cannot_be_committed_fails_alone() -> None:
    class Picky(Server):
        async def commit(self, items: list[int]) -> list[str]:
            answers = await super().commit(items)
            if 3 in items:
                raise ValueError("3 cannot be written as JSON")
            return answers

    group = GroupCommit(Picky().commit)
    answers = await asyncio.gather(*(group.submit(number) for number in range(6)), return_exceptions=True)
    assert isinstance(answers.pop(3), ValueError)
    assert answers == [f"answer {number}" for number in (0, 1, 2, 4, 5)]


async def test_a_defect_reaches_its_caller_and_the_next_group_works() -> None:
    server = Server()
    server.failures = [RuntimeError("a defect")]
    group = GroupCommit(server.commit)
    with pytest.raises(RuntimeError, match="a defect"):
        await group.submit(1)
    assert await group.submit(2) == "answer 2"


async def test_a_caller_that_gives_up_does_not_disturb_the_others() -> None:
    server = Server()
    server.open.clear()
    group = GroupCommit(server.commit)
    first, second = asyncio.create_task(group.submit(1)), asyncio.create_task(group.submit(2))
    await asyncio.sleep(0)
    first.cancel()
    server.open.set()
    assert await second == "answer 2"
