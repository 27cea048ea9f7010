"""Users in Redis: a change takes effect once, whatever the client repeats."""

from uuid import uuid4

from backends.accounts import Accounts
from backends.scripts import Answer, Scripts
from contracts.ids import new_id
from tests.integration.doctor_stage import a_user


class Repeating(Scripts):
    """Keeps the first call of each script, to send it again as a client does whose answer was lost."""

    def __init__(self, scripts: Scripts) -> None:
        super().__init__(scripts.redis, scripts.prefix)
        self.first: dict[str, tuple[str | int | bytes, ...]] = {}

    async def run(self, name: str, *args: str | int | bytes) -> Answer:
        self.first.setdefault(name, args)
        return await super().run(name, *args)


async def test_a_change_repeated_after_anothers_is_told_that_it_took_effect(scripts: Scripts) -> None:
    repeating, user_id = Repeating(scripts), new_id()
    accounts = Accounts(repeating)
    for version in (1, 2, 3):
        await accounts.put_user(a_user(user_id, version=version), "user.updated", None)
    assert await scripts.run("user_put", *repeating.first["user_put"]) == "ok"
    assert (await accounts.user(user_id)).version == 3


async def test_a_user_remembers_a_bounded_number_of_changes(scripts: Scripts) -> None:
    accounts, user_id = Accounts(scripts), new_id()
    for version in range(1, 21):
        await accounts.put_user(a_user(user_id, version=version), "user.updated", None)
    kept = await scripts.redis.hget(f"{scripts.prefix}user:{user_id}", "change")
    assert kept is not None and len(kept) == 8 * (len(uuid4().hex) + 1)
