"""Users and keys over HTTP, on a real Redis and ClickHouse."""

import asyncio
from uuid import UUID, uuid4

import pytest
from redis.asyncio import Redis

from backends.accounts import Accounts
from backends.clickhouse import ClickHouse
from contracts.api_keys import well_formed
from generator.shipper import Shipper
from tests.conftest import WaitUntil
from tests.integration.conftest import Api
from tests.integration.delivery_stage import delivery_data
from tests.integration.history_servers import out_of_memory

ADA = {"email": "Ada@Example.com", "name": "Ada Lovelace", "attrs": {"team": "engines"}}


async def make(api: Api, **changes: object) -> dict[str, object]:
    response = await api.admin.post("/v1/users", json={**ADA, **changes})
    assert response.status_code == 201, response.text
    return dict(response.json())


async def test_a_user_is_created_with_location_etag_and_version(api: Api) -> None:
    response = await api.admin.post("/v1/users", json=ADA)
    user = response.json()
    assert response.status_code == 201
    assert response.headers["Location"] == f"/v1/users/{user['id']}"
    assert response.headers["ETag"] == '"1"'
    assert user["role"] == "member" and user["status"] == "active" and user["version"] == 1
    assert user["attrs"] == {"team": "engines"} and user["created_at"].endswith("Z")


async def test_one_email_address_belongs_to_one_user_whatever_its_case(api: Api) -> None:
    await make(api)
    for email in ("ada@example.com", "ADA@EXAMPLE.COM", "\uff21da@example.com"):
        response = await api.admin.post("/v1/users", json={**ADA, "email": email})
        assert (response.status_code, response.json()["code"]) == (409, "email_taken"), email


async def test_thirty_that_want_one_address_at_once_make_one_user(api: Api) -> None:
    answers = await asyncio.gather(*(api.admin.post("/v1/users", json=ADA) for _ in range(30)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 29


async def test_a_changed_address_frees_the_old_one(api: Api) -> None:
    user = await make(api)
    changed = await api.admin.patch(f"/v1/users/{user['id']}", json={"email": "king@example.com"})
    assert changed.json()["email"] == "king@example.com"
    assert (await api.admin.post("/v1/users", json=ADA)).status_code == 201


async def test_if_match_refuses_a_change_of_another_version(api: Api) -> None:
    path = f"/v1/users/{(await make(api))['id']}"
    assert (await api.admin.patch(path, json={"name": "B"}, headers={"If-Match": '"1"'})).headers["ETag"] == '"2"'
    stale = await api.admin.patch(path, json={"name": "C"}, headers={"If-Match": '"1"'})
    assert (stale.status_code, stale.json()["code"]) == (412, "version_mismatch")
    assert (await api.admin.get(path)).json()["name"] == "B"


async def test_changes_of_different_fields_at_once_are_all_kept(api: Api) -> None:
    path = f"/v1/users/{(await make(api))['id']}"
    bodies = [{"name": "N"}, {"role": "viewer"}, {"attrs": {"a": 1}}, {"email": "n@example.com"}] * 4
    answers = await asyncio.gather(*(api.admin.patch(path, json=body) for body in bodies))
    assert {answer.status_code for answer in answers} == {200}
    user = (await api.admin.get(path)).json()
    assert (user["name"], user["role"], user["attrs"], user["email"]) == ("N", "viewer", {"a": 1}, "n@example.com")
    assert user["version"] == 17


async def test_if_none_match_answers_304_until_the_user_changes(api: Api) -> None:
    path = f"/v1/users/{(await make(api))['id']}"
    assert (await api.admin.get(path, headers={"If-None-Match": '"1"'})).status_code == 304
    await api.admin.patch(path, json={"name": "B"})
    assert (await api.admin.get(path, headers={"If-None-Match": '"1"'})).status_code == 200


async def test_lists_show_what_was_just_written(api: Api) -> None:
    for number in range(20):
        user = await make(api, email=f"user{number}@example.com")
        listed = (await api.admin.get("/v1/users", params={"limit": 1})).json()["items"]
        assert listed[0]["id"] == user["id"]
        await api.admin.patch(f"/v1/users/{user['id']}", json={"name": f"Changed {number}"})
        found = (await api.admin.get("/v1/users", params={"email": f"USER{number}@example.com"})).json()["items"]
        assert [item["name"] for item in found] == [f"Changed {number}"]


async def test_pages_hold_every_user_once_although_new_ones_arrive(api: Api) -> None:
    made = [(await make(api, email=f"user{number}@example.com"))["id"] for number in range(7)]
    seen, params = [], {"limit": "3", "role": "member"}
    response = await api.admin.get("/v1/users", params=params)
    while True:
        seen += [item["id"] for item in response.json()["items"]]
        await make(api, email=f"late{len(seen)}@example.com")
        if response.json()["next_cursor"] is None:
            break
        assert 'rel="next"' in response.headers["Link"]
        response = await api.admin.get(response.headers["Link"].split(">")[0][1:])
    assert seen == made[::-1]


async def test_a_cursor_of_another_list_is_refused(api: Api) -> None:
    for number in range(3):
        await make(api, email=f"user{number}@example.com")
    cursor = (await api.admin.get("/v1/users", params={"limit": 1})).json()["next_cursor"]
    for params in ({"cursor": cursor, "role": "admin"}, {"cursor": cursor[:-4] + "AAAA"}, {"cursor": "x"}):
        response = await api.admin.get("/v1/users", params=params)
        assert response.status_code == 422 and response.json()["errors"][0]["pointer"] == "/cursor"


async def test_search_finds_parts_of_names_and_addresses(api: Api) -> None:
    await make(api)
    await make(api, email="bob@example.com", name="Bob 100% _O'Hara")
    for words in ("lovel", "LOVEL", "ada@ex"):
        assert len((await api.admin.get("/v1/users", params={"q": words})).json()["items"]) == 1, words
    for words in ("100%", "_O'", "bob@"):
        found = (await api.admin.get("/v1/users", params={"q": words})).json()["items"]
        assert [user["name"] for user in found] == ["Bob 100% _O'Hara"], words


async def test_a_deleted_user_is_gone_with_its_keys_and_its_address_is_free(api: Api) -> None:
    client, user_id = await api.user(email="gone@example.com")
    assert (await client.get("/v1/me")).status_code == 200
    assert (await api.admin.delete(f"/v1/users/{user_id}")).status_code == 204
    assert (await client.get("/v1/me")).status_code == 401
    assert (await api.admin.get(f"/v1/users/{user_id}")).status_code == 404
    assert (await api.admin.delete(f"/v1/users/{user_id}")).status_code == 404
    assert user_id not in [user["id"] for user in (await api.admin.get("/v1/users")).json()["items"]]
    await make(api, email="gone@example.com")


async def test_the_last_admin_cannot_be_removed_suspended_or_demoted(api: Api) -> None:
    me = (await api.admin.get("/v1/me")).json()["user"]["id"]
    for answer in (
        await api.admin.delete(f"/v1/users/{me}"),
        await api.admin.patch(f"/v1/users/{me}", json={"status": "suspended"}),
        await api.admin.patch(f"/v1/users/{me}", json={"role": "member"}),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "last_admin")
    await make(api, role="admin")
    assert (await api.admin.patch(f"/v1/users/{me}", json={"role": "member"})).status_code == 200


async def test_a_key_is_shown_once_and_listed_without_it(api: Api) -> None:
    user = await make(api)
    response = await api.admin.post(f"/v1/users/{user['id']}/keys", json={"name": "billing"})
    made = response.json()
    assert response.status_code == 201 and well_formed(made["key"])
    await api.client(made["key"]).get("/v1/me")
    listed = (await api.admin.get(f"/v1/users/{user['id']}/keys")).json()["items"]
    assert [item["id"] for item in listed] == [made["id"]]
    assert "key" not in listed[0] and made["key"].startswith(listed[0]["prefix"])
    assert listed[0]["last_used_at"] is not None


async def test_keys_are_listed_in_pages(api: Api) -> None:
    user = await make(api)
    made = []
    for number in range(5):
        made.append((await api.admin.post(f"/v1/users/{user['id']}/keys", json={"name": f"k{number}"})).json()["id"])
    first = (await api.admin.get(f"/v1/users/{user['id']}/keys", params={"limit": 3})).json()
    params = {"limit": 3, "cursor": first["next_cursor"]}
    second = (await api.admin.get(f"/v1/users/{user['id']}/keys", params=params)).json()
    assert [item["id"] for item in first["items"] + second["items"]] == made[::-1]
    assert second["next_cursor"] is None


async def test_a_revoked_key_is_refused(api: Api) -> None:
    client, user_id = await api.user()
    key = (await api.admin.get(f"/v1/users/{user_id}/keys")).json()["items"][0]
    assert (await client.get("/v1/me")).status_code == 200
    assert (await api.admin.delete(f"/v1/users/{user_id}/keys/{key['id']}")).status_code == 204
    assert (await client.get("/v1/me")).status_code == 401
    assert (await api.admin.delete(f"/v1/users/{user_id}/keys/{key['id']}")).status_code == 404


async def test_a_suspended_users_keys_are_refused_until_it_is_active_again(api: Api) -> None:
    client, user_id = await api.user()
    await api.admin.patch(f"/v1/users/{user_id}", json={"status": "suspended"})
    assert (await client.get("/v1/me")).status_code == 401
    await api.admin.patch(f"/v1/users/{user_id}", json={"status": "active"})
    assert (await client.get("/v1/me")).status_code == 200


async def test_an_expired_key_is_refused(api: Api) -> None:
    past = await api.admin.post(f"/v1/users/{uuid4()}/keys", json={"name": "k", "expires_at": "2020-01-01T00:00:00Z"})
    assert past.json()["errors"][0]["pointer"] == "/expires_at"
    client, user_id = await api.user(expires_at="2099-01-01T00:00:00Z")
    assert (await client.get("/v1/me")).status_code == 200


@pytest.mark.parametrize("key", ["", "pw_wrong", "Basic abc", "pw_" + "a" * 49, "\u00e9\u00e9"])
async def test_a_wrong_key_is_a_401_problem(api: Api, key: str) -> None:
    response = await api.client(None).get("/v1/me", headers={"Authorization": f"Bearer {key}".encode()})
    assert response.status_code == 401 and response.headers["WWW-Authenticate"].startswith("Bearer")
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json()["request_id"] == response.headers["X-Request-Id"]


async def test_members_see_and_rename_only_themselves(api: Api) -> None:
    client, user_id = await api.user("member")
    other = await make(api)
    assert (await client.get(f"/v1/users/{user_id}")).status_code == 200
    assert (await client.get(f"/v1/users/{other['id']}")).status_code == 404
    assert (await client.patch(f"/v1/users/{other['id']}", json={"name": "x"})).status_code == 404
    assert (await client.patch(f"/v1/users/{user_id}", json={"name": "New"})).json()["name"] == "New"
    assert (await client.patch(f"/v1/users/{user_id}", json={"role": "admin"})).status_code == 403
    assert (await client.get("/v1/users")).status_code == 403
    assert (await client.post("/v1/users", json=ADA)).status_code == 403
    assert (await client.delete(f"/v1/users/{user_id}")).status_code == 403


async def test_a_missing_user_and_a_foreign_one_get_the_same_answer(api: Api) -> None:
    client, _ = await api.user("member")
    foreign = (await client.get(f"/v1/users/{(await make(api))['id']}")).json()
    missing = (await client.get(f"/v1/users/{uuid4()}")).json()
    assert {**foreign, "request_id": ""} == {**missing, "request_id": ""}


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({**ADA, "email": "nobody"}, "/email"),
        ({**ADA, "role": "root"}, "/role"),
        ({**ADA, "admin": True}, "/admin"),
        ({**ADA, "name": ""}, "/name"),
        ({**ADA, "name": "a\u0000b"}, "/name"),
        ({**ADA, "attrs": []}, "/attrs"),
        ({**ADA, "attrs": {"a": [{"b": 10**400}]}}, "/attrs"),
        ({**ADA, "attrs": {"a": 2**63}}, "/attrs"),
        ({**ADA, "attrs": {"x": "y" * 5000}}, "/attrs"),
        ({"name": "Ada"}, "/email"),
    ],
)
async def test_a_bad_field_is_named_by_a_pointer(api: Api, body: dict[str, object], pointer: str) -> None:
    response = await api.admin.post("/v1/users", json=body)
    assert response.status_code == 422, response.text
    assert [flaw["pointer"] for flaw in response.json()["errors"]] == [pointer]


async def test_a_patch_to_null_is_refused(api: Api) -> None:
    path = f"/v1/users/{(await make(api))['id']}"
    response = await api.admin.patch(path, json={"name": None})
    assert response.status_code == 422 and response.json()["errors"][0]["pointer"] == "/name"


async def test_every_change_is_an_event_in_clickhouse(api: Api, shipping: Shipper, wait_until: WaitUntil) -> None:
    _, user_id = await api.user(email="audited@example.com")
    await api.admin.patch(f"/v1/users/{user_id}", json={"name": "Changed"})
    key = (await api.admin.get(f"/v1/users/{user_id}/keys")).json()["items"][0]
    await api.admin.delete(f"/v1/users/{user_id}/keys/{key['id']}")
    await api.admin.delete(f"/v1/users/{user_id}")
    expected = {"user.created", "user.updated", "user.deleted", "key.created", "key.revoked"}

    async def events() -> set[str]:
        sql = " UNION ALL ".join(
            f"SELECT event FROM {table} WHERE user_id = {{u:UUID}}" for table in ("user_events", "key_events")
        )
        return {str(row["event"]) for row in await api.clickhouse.rows(sql, {"u": user_id})}

    async def complete() -> bool:
        return await events() == expected

    await wait_until(complete, "all events in ClickHouse")


async def test_users_and_keys_work_while_clickhouse_is_away(api: Api, clickhouse: ClickHouse) -> None:
    api.app.state.services.users._repository._clickhouse.address = type(clickhouse.address)(
        url="http://127.0.0.1:9/", user="x", password="x", database="x"
    )
    client, user_id = await api.user()
    assert (await client.get("/v1/me")).json()["user"]["id"] == user_id
    listed = await api.admin.get("/v1/users")
    assert (listed.status_code, listed.json()["code"]) == (503, "history_unavailable")
    assert listed.headers["Retry-After"]


async def test_the_last_key_of_the_last_admin_cannot_be_revoked(api: Api) -> None:
    me = (await api.admin.get("/v1/me")).json()
    path = f"/v1/users/{me['user']['id']}/keys"
    refused = await api.admin.delete(f"{path}/{me['key']['id']}")
    assert (refused.status_code, refused.json()["code"]) == (409, "last_admin")
    await api.admin.post(path, json={"name": "another"})
    assert (await api.admin.delete(f"{path}/{me['key']['id']}")).status_code == 204


async def test_a_key_is_let_in_while_redis_has_no_room_for_more(api: Api) -> None:
    """Noting when it was used is a write."""
    client, _ = await api.user()
    async with out_of_memory(api.scripts.redis):
        assert (await client.get("/v1/me")).status_code == 200


async def test_no_key_is_called_unknown_while_redis_has_lost_the_users(api: Api, redis: Redis) -> None:
    await redis.flushdb()
    answer = await api.admin.get("/v1/me")
    assert answer.status_code == 503 and "Retry-After" in answer.headers


async def test_a_deleted_users_last_webhooks_are_signed_though_redis_was_lost(api: Api, redis: Redis) -> None:
    _, user_id = await api.user()
    accounts = Accounts(api.scripts)
    secret = (await accounts.user(UUID(user_id))).webhook_secret
    assert (await api.admin.delete(f"/v1/users/{user_id}")).status_code == 204
    await redis.flushdb()
    api.app.state.bootstrap.prepared.clear()
    await api.app.state.bootstrap.prepare()
    data = delivery_data(api)
    assert await data.webhook_secrets(UUID(user_id), 0) == [secret]
    assert (await api.admin.get(f"/v1/users/{user_id}")).status_code == 404
