"""Users in Redis: a change takes effect once, whatever the client repeats; what is lost comes back from history."""

import asyncio
from uuid import uuid4

import pytest

from backends.accounts import DELETED_TTL_S, Accounts
from backends.scripts import Answer, Scripts
from contracts.errors import Conflict
from contracts.ids import new_id, now_ms
from contracts.users import KeyRow
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


async def keys_of_the_only_admin(accounts: Accounts, count: int) -> list[KeyRow]:
    admin = a_user(new_id(), "admin")
    await accounts.put_user(admin, "user.created", None)
    keys = [a_key(admin.user_id) for _ in range(count)]
    for key in keys:
        await accounts.put_key(key, "key.created", None)
    return keys


async def revoke(accounts: Accounts, key: KeyRow) -> bool:
    revoked = key.model_copy(update={"version": key.version + 1, "revoked_at": now_ms()})
    return await accounts.put_key(revoked, "key.revoked", None)


async def test_the_last_admin_keeps_one_key_though_all_are_revoked_at_once(scripts: Scripts) -> None:
    accounts = Accounts(scripts)
    keys = await keys_of_the_only_admin(accounts, 5)
    answers = await asyncio.gather(*(revoke(accounts, key) for key in keys), return_exceptions=True)
    assert answers.count(True) == 4
    assert [answer.code for answer in answers if isinstance(answer, Conflict)] == ["last_admin"]
    assert len(await accounts.keys(keys[0].user_id)) == 1


async def test_an_expired_key_is_no_other_key_of_the_last_admin_and_can_be_revoked(scripts: Scripts) -> None:
    accounts = Accounts(scripts)
    (valid,) = await keys_of_the_only_admin(accounts, 1)
    expired = a_key(valid.user_id).model_copy(update={"expires_at": now_ms() - 1})
    await accounts.put_key(expired, "key.created", None)
    with pytest.raises(Conflict, match="last valid key"):
        await revoke(accounts, valid)
    assert await revoke(accounts, expired)
    later = a_key(valid.user_id).model_copy(update={"expires_at": now_ms() + 60_000, "name": '"revoked_at":1'})
    await accounts.put_key(later, "key.created", None)
    assert await revoke(accounts, valid)


async def test_of_two_admins_one_may_lose_all_its_keys(scripts: Scripts) -> None:
    accounts = Accounts(scripts)
    (key,) = await keys_of_the_only_admin(accounts, 1)
    await keys_of_the_only_admin(accounts, 1)
    assert await revoke(accounts, key)
