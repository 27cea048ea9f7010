"""Replacing the secret that signs a user's webhooks."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

from backends.accounts import Accounts
from contracts.ids import now_ms
from contracts.secret_ring import SecretRing
from contracts.secrets import SecretBox
from tests.integration.conftest import SECRET_KEY, Api
from tests.integration.delivery_stage import delivery_data


async def test_a_rotated_webhook_secret_and_the_one_before_sign_until_the_overlap_ends(api: Api) -> None:
    client, user_id = await api.user()
    first = (await client.get("/v1/webhooks/secret")).json()
    answer = await client.post("/v1/webhooks/secret/rotate")
    rotated, shown = answer.json(), (await client.get("/v1/webhooks/secret")).json()
    assert (answer.status_code, first["previous_valid_until"], rotated) == (200, None, shown)
    left = datetime.fromisoformat(rotated["previous_valid_until"]) - datetime.now(UTC)
    assert rotated["secret"] != first["secret"] and timedelta(hours=23, minutes=59) < left <= timedelta(hours=24)
    data = delivery_data(api)
    opened = [SecretBox(SECRET_KEY).open(sealed) for sealed in await data.webhook_secrets(UUID(user_id), 0)]
    assert opened == [rotated["secret"], first["secret"]]


async def test_rotating_at_once_loses_no_secret(api: Api) -> None:
    client, user_id = await api.user()
    first = (await client.get("/v1/webhooks/secret")).json()["secret"]
    answers = await asyncio.gather(*(client.post("/v1/webhooks/secret/rotate") for _ in range(3)))
    made = {answer.json()["secret"] for answer in answers}
    row = await Accounts(api.scripts).user(UUID(user_id))
    signing = SecretRing.parse(row.webhook_secret).signing(now_ms())
    assert {SecretBox(SECRET_KEY).open(sealed) for sealed in signing} == {first, *made} and len(made) == 3


async def test_a_viewer_does_not_rotate(api: Api) -> None:
    client, _ = await api.user(role="viewer")
    assert (await client.post("/v1/webhooks/secret/rotate")).status_code == 403
