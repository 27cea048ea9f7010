"""Calls as they left the delivery loop, byte for byte, before verifiers that others have written."""

import asyncio
import base64
import contextlib
import functools
import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from backends.deliveries import LeasedDelivery
from backends.endpoints import EndpointStore
from contracts.deliveries import COMPLETED
from contracts.endpoints import PING, EndpointRow
from contracts.ids import new_id, now_ms
from contracts.secret_ring import SecretRing
from contracts.webhooks import new_secret
from generator.delivery import Attempter, Deliverer, Dialer, Receiver, Schedule
from tests.integration.delivery_stage import BOX, QUICK, LivePayloads, OneSecret
from tests.integration.delivery_zoo import LOOPBACK, SECRET, USER, Broker, Call, answers, broker, receiving, wait_until
from tests.integration.history_servers import Server
from tests.integration.test_webhooks_recipes import npm_folder

__all__ = ["npm_folder"]

Verify = Callable[[str, Call], object]
OLD, NEW, OWN, PINGED, OTHER = (new_secret() for _ in range(5))
#: The captured calls, and what each can be verified with.
SECRETS = {"callback": (SECRET,), "endpoint": (OWN,), "rotated": (NEW, OLD), "ping": (PINGED,)}
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


@dataclass(frozen=True)
class Captured:
    """A call as it came over the wire, and the secrets with which it can be verified."""

    call: Call
    secrets: tuple[str, ...]

    def tampered(self) -> dict[str, Call]:
        """Return what nobody signed: the call with another body, time, id or signature."""
        call = self.call
        later = str(int(call.headers["webhook-timestamp"]) + 1)
        return {
            "body": replace(call, body=call.body.replace(b"e", b"E", 1)),
            "newline": replace(call, body=call.body + b"\n"),
            "timestamp": replace(call, headers=call.headers | {"webhook-timestamp": later}),
            "id": replace(call, headers=call.headers | {"webhook-id": str(new_id())}),
            "signature": replace(call, headers=call.headers | {"webhook-signature": "v1,AAAA"}),
        }


@pytest.fixture(scope="module")
def captured(redis_node: Server) -> dict[str, Captured]:
    """Calls that really left the loop, by name, made once for all verifiers."""

    async def made() -> dict[str, Captured]:
        async with broker(redis_node) as pw:
            return await capture(pw)

    return asyncio.run(made())


async def capture(pw: Broker) -> dict[str, Captured]:
    """A document's calls to its callback and to two endpoints, one with a secret that was just replaced, and a ping."""
    endpoints, deliveries, dialer = EndpointStore(pw.scripts), pw.deliveries(), Dialer(LOOPBACK, QUICK)
    made = Attempter(dialer, LivePayloads(pw.queue), CallbackOrEndpoint(endpoints), BOX.open, Schedule.parse("0,1"))
    deliverer = Deliverer(deliveries, made)
    rotated = str(SecretRing.parse(BOX.seal(OLD)).rotated(BOX.seal(NEW), now_ms(), 86_400_000))
    async with contextlib.AsyncExitStack() as stack:
        at = {name: await stack.enter_async_context(receiving(answers(200))) for name in SECRETS}
        pinged = endpoint(at["ping"].url, BOX.seal(PINGED))
        for row in (
            endpoint(at["endpoint"].url, BOX.seal(OWN), COMPLETED),
            endpoint(at["rotated"].url, rotated, COMPLETED),
            pinged,
        ):
            await endpoints.put(row, "endpoint.created", None)
        running = asyncio.create_task(deliverer.run())
        await pw.completed(at["callback"].url)
        await deliveries.send(pinged, PING, new_id(), '{"said": "Счёт №7"}')
        await wait_until(lambda: all(receiver.calls for receiver in at.values()))
        deliverer.stop()
        await running
    dialer.close()
    await asyncio.sleep(0)
    return {name: Captured(receiver.calls[0], SECRETS[name]) for name, receiver in at.items()}


def endpoint(url: str, secret: str, *types: str) -> EndpointRow:
    return EndpointRow(
        endpoint_id=new_id(),
        user_id=USER,
        url=url,
        types=types,
        secret=secret,
        created_at=1,
        updated_at=1,
        version=1,
    )


def by_pypi(secret: str, call: Call) -> object:
    """What the verifier for Python makes of a call; None if it refuses it."""
    try:
        return Webhook(secret).verify(call.body, call.headers)
    except (WebhookVerificationError, ValueError):
        return None


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


@pytest.fixture(params=["pypi", "npm"])
def verify(request: pytest.FixtureRequest) -> Verify:
    """A verifier that others have written."""
    if request.param == "pypi":
        return by_pypi
    return functools.partial(by_npm, request.getfixturevalue("npm_folder"))


@pytest.mark.parametrize("name", SECRETS)
def test_what_left_the_loop_is_genuine(captured: dict[str, Captured], verify: Verify, name: str) -> None:
    one = captured[name]
    said = json.loads(one.call.body)
    assert said["type"] == (PING if name == "ping" else COMPLETED)
    assert [verify(secret, one.call) for secret in one.secrets] == [said] * len(one.secrets)
    assert verify(OTHER, one.call) is None
    assert one.call.headers["webhook-signature"].count("v1,") == len(one.secrets)


@pytest.mark.parametrize("name", SECRETS)
def test_what_was_changed_on_its_way_is_refused(captured: dict[str, Captured], verify: Verify, name: str) -> None:
    one = captured[name]
    for what, call in one.tampered().items():
        assert call != one.call, what
        assert [verify(secret, call) for secret in one.secrets] == [None] * len(one.secrets), what


def test_each_receiver_has_a_message_of_its_own(captured: dict[str, Captured]) -> None:
    assert len({one.call.headers["webhook-id"] for one in captured.values()}) == len(SECRETS)
