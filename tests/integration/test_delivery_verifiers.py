"""Calls as they left the delivery loop, byte for byte, before verifiers that others have written."""

import asyncio
import base64
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from backends.deliveries import LeasedDelivery
from backends.endpoints import EndpointStore
from contracts.deliveries import COMPLETED
from contracts.endpoints import EndpointRow
from contracts.ids import new_id, now_ms
from contracts.secret_ring import SecretRing
from contracts.webhooks import new_secret
from generator.delivery import Attempter, Deliverer, Dialer, Receiver, Schedule
from tests.integration.delivery_stage import BOX, QUICK, LivePayloads, OneSecret
from tests.integration.delivery_zoo import LOOPBACK, SECRET, USER, Broker, Call, answers, receiving, wait_until
from tests.integration.test_webhooks_recipes import npm_folder

__all__ = ["npm_folder"]
pytestmark = pytest.mark.usefixtures("hung_up")

OLD, NEW = new_secret(), new_secret()
PROGRAM = """
import { readFileSync } from "node:fs";
import { Webhook } from "standardwebhooks";
const { secret, headers, body } = JSON.parse(readFileSync(0, "utf8"));
console.log(JSON.stringify(new Webhook(secret).verify(Buffer.from(body, "base64").toString("utf8"), headers)));
"""


class CallbackOrEndpoint:
    """Receivers: callbacks under the user's secret, and endpoints under those that their row holds."""

    def __init__(self, endpoints: EndpointStore) -> None:
        self._endpoints = endpoints

    async def receiver(self, leased: LeasedDelivery) -> Receiver:
        if leased.endpoint_id is None:
            return await OneSecret().receiver(leased)
        row = await self._endpoints.get(leased.endpoint_id)
        return Receiver(row.url, {}, SecretRing.parse(row.secret).signing(now_ms()), row.url)


async def captured(pw: Broker) -> tuple[Call, Call]:
    """A document's call to its callback, and to an endpoint whose secret has just been replaced."""
    endpoints = EndpointStore(pw.scripts)
    made = Attempter(
        Dialer(LOOPBACK, QUICK), LivePayloads(pw.queue), CallbackOrEndpoint(endpoints), BOX.open, Schedule.parse("0,1")
    )
    deliverer = Deliverer(pw.deliveries(), made)
    async with receiving(answers(200)) as callback, receiving(answers(200)) as endpoint:
        ring = SecretRing.parse(BOX.seal(OLD)).rotated(BOX.seal(NEW), now_ms(), 86_400_000)
        row = EndpointRow(
            endpoint_id=new_id(),
            user_id=USER,
            url=endpoint.url,
            types=(COMPLETED,),
            secret=str(ring),
            created_at=1,
            updated_at=1,
            version=1,
        )
        await endpoints.put(row, "endpoint.created", None)
        running = asyncio.create_task(deliverer.run())
        await pw.completed(callback.url)
        await wait_until(lambda: bool(callback.calls and endpoint.calls))
        deliverer.stop()
        await running
        return callback.calls[0], endpoint.calls[0]


def by_npm(folder: Path, secret: str, call: Call) -> object:
    """What the verifier for Node makes of a call; None if it refuses it."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    (folder / "verify.mjs").write_text(PROGRAM)
    given = {"secret": secret, "headers": call.headers, "body": base64.b64encode(call.body).decode()}
    done = subprocess.run(
        [node, "verify.mjs"], input=json.dumps(given), capture_output=True, text=True, cwd=folder, timeout=30
    )
    assert done.returncode == 0 or "WebhookVerificationError" in done.stderr, done.stderr
    return json.loads(done.stdout) if done.returncode == 0 else None


async def test_pypis_verifier_takes_what_left_the_loop(pw: Broker) -> None:
    callback, endpoint = await captured(pw)
    assert Webhook(SECRET).verify(callback.body, callback.headers) == json.loads(callback.body)
    for secret in (OLD, NEW):
        assert Webhook(secret).verify(endpoint.body, endpoint.headers) == json.loads(endpoint.body)
    assert endpoint.headers["webhook-signature"].count("v1,") == 2
    assert callback.headers["webhook-id"] != endpoint.headers["webhook-id"], "each receiver has a message of its own"
    with pytest.raises(Exception, match="signature"):
        Webhook(SECRET).verify(endpoint.body, endpoint.headers)


async def test_npms_verifier_takes_the_same_bytes(pw: Broker, npm_folder: Path) -> None:
    callback, endpoint = await captured(pw)
    assert by_npm(npm_folder, SECRET, callback) == json.loads(callback.body)
    for secret in (OLD, NEW):
        assert by_npm(npm_folder, secret, endpoint) == json.loads(endpoint.body)
    assert by_npm(npm_folder, SECRET, endpoint) is None
