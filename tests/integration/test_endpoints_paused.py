"""An endpoint that is left alone says until when, and why."""

from backends.receivers import Receivers
from contracts.endpoints import Pause
from contracts.ids import now_ms, rfc3339
from contracts.views import JsonObject
from tests.integration.conftest import Api
from tests.integration.delivery_zoo import answers, receiving, wait_until
from tests.integration.test_endpoints_api import ENDPOINTS, api, delivering, ended, made

__all__ = ["api"]


async def noted(api: Api, receiver: object, **moments: int) -> None:
    """Write down about a receiver what deliveries would."""
    await api.scripts.redis.hset(f"{api.scripts.prefix}receiver:{receiver}", mapping=dict(moments))


async def paused(api: Api, endpoint: JsonObject) -> Pause | None:
    return (await Receivers(api.scripts).pauses([str(endpoint["id"])])).get(str(endpoint["id"]))


def pause_of(endpoint: JsonObject) -> tuple[object, object]:
    return endpoint["paused_until"], endpoint["paused_because"]


async def test_one_that_fails_most_calls_is_left_alone_until_it_is_changed(api: Api) -> None:
    client, user_id = await api.user()
    async with receiving(answers(500)) as receiver, delivering(api, "0"):
        endpoint, well = await made(client, url=receiver.url), await made(client)
        assert pause_of(endpoint) == (None, None)
        await client.patch(f"{ENDPOINTS}/{well['id']}", json={"enabled": False})
        for _ in range(10):
            await ended(api, user_id)
        await wait_until(lambda: paused(api, endpoint))
    pause = await paused(api, endpoint)
    assert pause is not None and pause.because == "failing" and 0 < pause.until - now_ms() <= 30_000
    shown = rfc3339(pause.until), "failing"
    assert pause_of((await client.get(f"{ENDPOINTS}/{endpoint['id']}")).json()) == shown
    rows = {row["id"]: pause_of(row) for row in (await client.get(ENDPOINTS)).json()["items"]}
    assert rows == {endpoint["id"]: shown, well["id"]: (None, None)}
    changed = await client.patch(f"{ENDPOINTS}/{endpoint['id']}", json={"description": "mended"})
    assert pause_of(changed.json()) == (None, None), "a change gives it another chance"


async def test_one_that_asks_for_a_pause_is_left_alone_for_as_long(api: Api) -> None:
    client, user_id = await api.user()
    async with receiving(answers((429, {"Retry-After": "40"}))) as receiver, delivering(api):
        endpoint = await made(client, url=receiver.url)
        await ended(api, user_id)
        await wait_until(lambda: paused(api, endpoint))
    pause = await paused(api, endpoint)
    assert pause is not None and pause.because == "asked" and 20_000 < pause.until - now_ms() <= 40_000
    assert pause_of((await client.get(f"{ENDPOINTS}/{endpoint['id']}")).json()) == (rfc3339(pause.until), "asked")


async def test_the_longer_pause_counts_and_none_is_shown_once_it_is_over(api: Api) -> None:
    client, _ = await api.user()
    endpoint, now = await made(client), now_ms()
    path = f"{ENDPOINTS}/{endpoint['id']}"
    await noted(api, endpoint["id"], shut_until=now + 60_000, calm_until=now + 90_000)
    assert pause_of((await client.get(path)).json()) == (rfc3339(now + 90_000), "asked")
    await noted(api, endpoint["id"], shut_until=now + 120_000)
    assert pause_of((await client.get(path)).json()) == (rfc3339(now + 120_000), "failing")
    await noted(api, endpoint["id"], shut_until=now - 1, calm_until=now - 2)
    assert pause_of((await client.get(path)).json()) == (None, None), "half open: it may be called"


async def test_a_pause_is_not_hidden_by_the_version_that_it_does_not_change(api: Api) -> None:
    client, _ = await api.user()
    endpoint = await made(client)
    path, known = f"{ENDPOINTS}/{endpoint['id']}", {"If-None-Match": '"1"'}
    assert (await client.get(path, headers=known)).status_code == 304
    await noted(api, endpoint["id"], calm_until=now_ms() + 60_000)
    answer = await client.get(path, headers=known)
    assert answer.status_code == 200 and answer.json()["paused_because"] == "asked"
    assert answer.headers["ETag"] == '"1"'


async def test_callbacks_are_known_by_their_user_and_where_they_go(api: Api) -> None:
    until, there, elsewhere = now_ms() + 60_000, "user-1/hooks.example:8443", "user-2/hooks.example:8443"
    await noted(api, there, calm_until=until)
    assert await Receivers(api.scripts).pauses([there, elsewhere]) == {there: Pause(until, "asked")}
    assert await Receivers(api.scripts).pauses([]) == {}
