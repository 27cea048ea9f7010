"""How long the steps of a call took: those that were taken, also when they failed."""

import asyncio

import pytest

from contracts.targets import AllowList
from generator.delivery.dial import Dialer, DialLimits
from generator.delivery.timings import Timings
from tests.integration.delivery_zoo import LOOPBACK, OK, Call, answers, drips, receiving, silence

pytestmark = pytest.mark.usefixtures("hung_up")

QUICK = DialLimits(connect_s=0.3, total_s=0.5, body_s=0.2)


async def slowly(host: str, port: int) -> list[str]:
    await asyncio.sleep(0.1)
    return ["127.0.0.1"]


async def never(host: str, port: int) -> list[str]:
    await asyncio.sleep(10)
    return []


async def thinks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, call: Call) -> None:
    await asyncio.sleep(0.1)
    await answers(200)(reader, writer, call)


async def test_each_step_has_its_time() -> None:
    async with receiving(thinks) as receiver:
        dialer = Dialer(LOOPBACK, QUICK, lookup=slowly)
        first, second = [await dialer.post(f"http://hooks.example:{receiver.port}/", {}, b"{}") for _ in range(2)]
    assert first.timings.dns is not None and first.timings.dns >= 99 and first.timings.connect is not None
    assert first.timings.first_byte is not None and first.timings.first_byte >= 99 and first.timings.tls is None
    assert first.duration_ms >= first.timings.dns + first.timings.connect + first.timings.first_byte - 3
    assert second.timings.dns is not None and second.timings.first_byte is not None


async def test_an_address_needs_no_name_server_and_a_kept_connection_is_not_made() -> None:
    stays = OK + b"Content-Length: 0\r\n\r\n"

    async def twice(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, call: Call) -> None:
        writer.write(stays)
        await reader.readuntil(b"{}")
        writer.write(stays)
        await reader.read()

    async with receiving(twice) as receiver:
        dialer = Dialer(LOOPBACK, QUICK)
        first, second = [await dialer.post(receiver.url, {}, b"{}") for _ in range(2)]
    assert first.timings.dns is None and first.timings.connect is not None
    assert (second.timings.dns, second.timings.connect, second.timings.tls) == (None, None, None)
    assert second.http_status == 200 and second.timings.first_byte is not None


async def test_what_was_cut_off_has_its_time_until_then() -> None:
    lost = await Dialer(LOOPBACK, QUICK, lookup=never).post("http://hooks.example/", {}, b"{}")
    assert lost.error == "timeout" and lost.timings.dns is not None and lost.timings.dns >= 499
    assert (lost.timings.connect, lost.timings.first_byte) == (None, None)
    async with receiving(silence) as mute:
        unheard = await Dialer(LOOPBACK, QUICK).post(mute.url, {}, b"{}")
    assert unheard.error == "timeout" and unheard.timings.connect is not None and unheard.timings.first_byte is None
    async with receiving(drips(b"H", b"T")) as dripping:
        dripped = await Dialer(LOOPBACK, QUICK).post(dripping.url, {}, b"{}")
    assert dripped.error in ("timeout", "protocol") and dripped.timings.first_byte is not None


async def test_a_call_that_is_not_made_has_no_times() -> None:
    assert (await Dialer(AllowList.parse(), QUICK).post("http://127.0.0.1:1/", {}, b"{}")).timings == Timings()
