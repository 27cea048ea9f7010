"""Users in Redis: a change takes effect once, whatever the client repeats; what is lost comes back from history."""

from uuid import uuid4

from backends.accounts import DELETED_TTL_S, Accounts
from backends.scripts import Answer, Scripts
from contracts.ids import new_id, now_ms
from tests.integration.doctor_stage import a_key, a_user


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


async def test_a_user_deleted_lately_comes_back_as_such_without_its_keys(scripts: Scripts) -> None:
    accounts, deleted = Accounts(scripts), a_user(new_id(), version=2).model_copy(update={"deleted": 1})
    key = a_key(deleted.user_id)
    await accounts.populate([deleted], [key])
    assert await accounts.user_or_deleted(deleted.user_id) == deleted
    assert 0 < await scripts.redis.ttl(f"{scripts.prefix}user:{deleted.user_id}") <= DELETED_TTL_S
    assert await accounts.user_by_email(deleted.email_norm) is None
    assert await accounts.authenticate(key.digest) is None


async def test_a_user_deleted_long_ago_does_not_come_back(scripts: Scripts) -> None:
    accounts, long_ago = Accounts(scripts), now_ms() - DELETED_TTL_S * 1000
    deleted = a_user(new_id(), version=2).model_copy(update={"deleted": 1, "updated_at": long_ago})
    await accounts.populate([deleted], [])
    assert await accounts.populated() and await accounts.user_or_deleted(deleted.user_id) is None


async def test_what_redis_has_is_newer_than_history_and_stays(scripts: Scripts) -> None:
    accounts, user, key = Accounts(scripts), a_user(new_id(), "admin"), a_key(new_id())
    key, newer = key.model_copy(update={"user_id": user.user_id}), user.model_copy(
        update={"version": 2, "role": "member"}
    )
    await accounts.populate([newer], [key.model_copy(update={"version": 2, "revoked_at": now_ms()})])
    await accounts.populate([user], [key])
    assert await accounts.user(user.user_id) == newer and await accounts.admins() == 0
    found = await accounts.authenticate(key.digest)
    assert found is not None and found[0].revoked_at is not None
