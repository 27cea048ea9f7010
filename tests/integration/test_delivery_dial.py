"""The webhook client against receivers that misbehave, and against every way to lead it into a private network."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from ipaddress import ip_address

import pytest

from contracts.targets import AllowList
from generator.delivery.dial import Answer, Dialer, DialLimits
from tests.integration.delivery_zoo import (
    LOOPBACK,
    OK,
    Behaviour,
    Call,
    answers,
    drips,
    receiving,
    reset,
    says,
    silence,
)

pytestmark = pytest.mark.usefixtures("hung_up")

QUICK = DialLimits(connect_s=1, total_s=0.6, body_s=0.2)


def looks_up(*addresses: str) -> "Lookup":
    return Lookup(list(addresses))


class Lookup:
    """A resolver that gives these answers and counts how often it is asked."""

    def __init__(self, addresses: list[str]) -> None:
        self.addresses = addresses
        self.asked = 0

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked += 1
        return self.addresses


async def call(behaviour: Behaviour, limits: DialLimits = QUICK) -> Answer:
    async with receiving(behaviour) as receiver:
        return await Dialer(LOOPBACK, limits).post(receiver.url, {}, b"{}")


@pytest.mark.parametrize(
    ("behaviour", "status", "error"),
    [
        pytest.param(answers(200), 200, "", id="200"),
        pytest.param(answers(204, body=b""), 204, "", id="204"),
        pytest.param(answers((302, {"Location": "http://127.0.0.1:1/"})), 302, "status", id="redirect"),
        pytest.param(answers((307, {"Location": "/again"})), 307, "status", id="redirect to itself"),
        pytest.param(answers(304, body=b""), 304, "status", id="304"),
        pytest.param(answers(410), 410, "status", id="410"),
        pytest.param(answers(500), 500, "status", id="500"),
        pytest.param(silence, None, "timeout", id="accepts, then silent"),
        pytest.param(drips(OK, b"X: y\r\n"), None, "timeout", id="headers one by one"),
        pytest.param(drips(b"", b"HTTP/1.1 100 Continue\r\n\r\n"), None, "protocol", id="100-continue without end"),
        pytest.param(drips(OK + b"\r\n", b"x"), 200, "", id="body byte by byte"),
        pytest.param(drips(OK + b"\r\n", b"x" * 65536, every_s=0), 200, "", id="body without end"),
        pytest.param(says(OK + b"Content-Length: 10000000000\r\n\r\nx"), 200, "", id="body cut off"),
        pytest.param(says(OK + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"), 200, "", id="bad chunk size"),
        pytest.param(reset, None, "connect", id="reset"),
        pytest.param(says(b""), None, "connect", id="hangs up without a word"),
        pytest.param(says(b"SSH-2.0-OpenSSH_9.6\r\n"), None, "protocol", id="not HTTP"),
        pytest.param(says(b"HTTP/1.1 2000 OK\r\n\r\n"), None, "protocol", id="bad status line"),
        pytest.param(says(OK + b"X: y\r\n" * 200 + b"\r\n"), None, "protocol", id="too many headers"),
        pytest.param(says(OK + b"X: " + b"y" * 100_000 + b"\r\n\r\n"), None, "protocol", id="huge header"),
    ],
)
async def test_a_receiver_may_do_what_it_likes(behaviour: Behaviour, status: int | None, error: str) -> None:
    answer = await call(behaviour)
    assert (answer.http_status, answer.error) == (status, error)
    assert len(answer.excerpt) <= 1000 and bool(answer.error_detail) == bool(error)


async def test_a_compressed_bomb_is_not_unpacked() -> None:
    bomb = gzip.compress(b"boom" * 10_000_000)
    head = f"Content-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n".encode()
    answer = await call(says(OK + head + bomb))
    assert answer.http_status == 200 and answer.excerpt and "boom" not in answer.excerpt


async def test_the_excerpt_holds_no_control_characters() -> None:
    answer = await call(answers(500, body=b"no\0pe\x1b[31m \xff caf\xc3\xa9\nline"))
    assert answer.excerpt == "no\ufffdpe\ufffd[31m \ufffd caf\u00e9\nline"


async def test_our_headers_win_over_the_callers() -> None:
    async with receiving(answers(200)) as receiver:
        headers = {"user-agent": "evil", "X-Team": "a", "content-type": "text/plain", "webhook-id": "1"}
        await Dialer(LOOPBACK, QUICK).post(receiver.url, headers, b"{}")
    (seen,) = receiver.calls
    assert seen.target == "/hook?token=hush"
    assert seen.headers["user-agent"] == "Presswork/0.1 (+webhooks)"
    assert seen.headers["content-type"] == "application/json"
    assert seen.headers["accept-encoding"] == "identity"
    assert seen.headers["x-team"] == "a" and "cookie" not in seen.headers


async def test_a_redirect_is_never_followed(dialled: set[tuple[str, int]]) -> None:
    async with receiving(answers(200)) as other:
        async with receiving(answers((308, {"Location": other.url}))) as receiver:
            answer = await Dialer(LOOPBACK, QUICK).post(receiver.url, {}, b"{}")
            assert answer.http_status == 308 and "redirects are not followed" in answer.error_detail
            assert dialled == {("127.0.0.1", receiver.port)} and other.calls == []


async def test_a_closed_port_is_a_connect_error() -> None:
    async with receiving(answers(200)) as receiver:
        url = receiver.url
    answer = await Dialer(LOOPBACK, QUICK).post(url, {}, b"{}")
    assert (answer.error, answer.error_detail) == ("connect", "Connection refused.")


@pytest.mark.parametrize("host", ["127.0.0.1", "0x7f.1", "2130706433", "[::ffff:127.0.0.1]", "localhost", "[::1]", "0"])
async def test_no_spelling_of_a_private_address_is_dialled(host: str, dialled: set[tuple[str, int]]) -> None:
    answer = await Dialer(AllowList(), QUICK).post(f"http://{host}:9000/", {}, b"{}")
    assert answer.error == "blocked" and "PRESSWORK_WEBHOOK_ALLOW_HOSTS=" in answer.error_detail
    assert dialled == set()


@pytest.mark.parametrize(
    "addresses",
    [
        ("127.0.0.2",),
        ("10.0.0.1",),
        ("169.254.169.254",),
        ("::1",),
        ("::ffff:10.0.0.1",),
        ("64:ff9b::a00:1",),
        ("127.0.0.1", "10.0.0.1"),
        ("10.0.0.1", "127.0.0.1"),
        *[("127.0.0.1",) * 20 + ("10.0.0.1",)],
    ],
)
async def test_one_private_answer_refuses_the_whole_name(
    addresses: tuple[str, ...], dialled: set[tuple[str, int]]
) -> None:
    dialer = Dialer(LOOPBACK, QUICK, lookup=looks_up(*addresses))
    answer = await dialer.post("http://hooks.example:9000/", {}, b"{}")
    assert answer.error == "blocked" and dialled == set()
    assert "PRESSWORK_WEBHOOK_ALLOW_HOSTS=hooks.example:9000" in answer.error_detail
    assert not any(address in answer.error_detail for address in addresses)
    assert answer.blocked_address == str(ip_address(next(a for a in addresses if a != "127.0.0.1")))


async def test_a_name_is_resolved_once_per_call_and_that_answer_is_dialled(dialled: set[tuple[str, int]]) -> None:
    lookup = looks_up("127.0.0.1")
    dialer = Dialer(LOOPBACK, QUICK, lookup=lookup)
    async with receiving(answers(200)) as receiver:
        url = f"http://hooks.example:{receiver.port}/"
        assert (await dialer.post(url, {}, b"{}")).http_status == 200
        assert lookup.asked == 1 and dialled == {("127.0.0.1", receiver.port)}
        assert receiver.calls[0].headers["host"] == f"hooks.example:{receiver.port}"
        lookup.addresses = ["127.0.0.2"]
        assert (await dialer.post(url, {}, b"{}")).error == "blocked"
        assert lookup.asked == 2 and len(receiver.calls) == 1 and len(dialled) == 1


async def test_an_opened_host_is_reached_wherever_it_is(dialled: set[tuple[str, int]]) -> None:
    async with receiving(answers(200)) as receiver:
        allow = AllowList.parse(hosts=f"backend:{receiver.port}")
        dialer = Dialer(allow, QUICK, lookup=looks_up("127.0.0.1"))
        assert (await dialer.post(f"http://backend:{receiver.port}/", {}, b"{}")).http_status == 200
        assert (await dialer.post(f"http://other:{receiver.port}/", {}, b"{}")).error == "blocked"
        assert dialled == {("127.0.0.1", receiver.port)}


async def test_localhost_is_reached_at_the_address_that_is_open(dialled: set[tuple[str, int]]) -> None:
    async with receiving(answers(200)) as receiver:
        answer = await Dialer(LOOPBACK, QUICK).post(f"http://localhost:{receiver.port}/", {}, b"{}")
        assert answer.http_status == 200 and dialled == {("127.0.0.1", receiver.port)}


async def test_a_name_that_does_not_exist_is_a_dns_error() -> None:
    async def nowhere(host: str, port: int) -> list[str]:
        await asyncio.sleep(0)
        raise OSError(-2, "Name or service not known")

    answer = await Dialer(AllowList(), QUICK, lookup=nowhere).post("http://nowhere.example/", {}, b"{}")
    assert (answer.error, answer.error_detail) == ("dns", "The name has no address: no name server knows one.")


async def test_a_resolver_that_hangs_ends_at_the_deadline() -> None:
    async def hangs(host: str, port: int) -> list[str]:
        await asyncio.Event().wait()
        return []

    answer = await Dialer(AllowList(), QUICK, lookup=hangs).post("http://slow.example/", {}, b"{}")
    assert answer.error == "timeout"


async def test_proxies_from_the_environment_are_ignored(
    monkeypatch: pytest.MonkeyPatch, dialled: set[tuple[str, int]]
) -> None:
    async with receiving(answers(200)) as proxy, receiving(answers(200)) as receiver:
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{proxy.port}")
        assert (await Dialer(LOOPBACK, QUICK).post(receiver.url, {}, b"{}")).http_status == 200
        assert dialled == {("127.0.0.1", receiver.port)}


class Staying:
    """A receiver that answers call after call over each connection; `gone_after` calls it hangs up without a word."""

    def __init__(self, gone_after: int = 1000) -> None:
        self.connections = 0
        self.calls = 0
        self.gone_after = gone_after
        self.open: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open.add(writer)
        here = 0
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while here < self.gone_after:
                await reader.readuntil(b"{}")
                here += 1
                self.calls += 1
                writer.write(OK + b"Content-Length: 2\r\n\r\nok")
                await writer.drain()
            await reader.readuntil(b"{}")
        writer.close()


@asynccontextmanager
async def staying(**how: int) -> AsyncIterator[tuple[Staying, str]]:
    receiver = Staying(**how)
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    try:
        yield receiver, f"http://hooks.example:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()
        for writer in receiver.open:
            writer.transport.abort()
        await asyncio.sleep(0.01)


async def test_a_connection_is_used_again_but_each_call_is_judged(dialled: set[tuple[str, int]]) -> None:
    lookup = looks_up("127.0.0.1")
    dialer = Dialer(LOOPBACK, QUICK, lookup=lookup)
    async with staying() as (receiver, url):
        for _ in range(3):
            assert (await dialer.post(url, {}, b"{}")).http_status == 200
        assert (receiver.connections, receiver.calls, lookup.asked) == (1, 3, 3)
        lookup.addresses = ["10.0.0.1"]
        assert (await dialer.post(url, {}, b"{}")).error == "blocked"
        assert receiver.calls == 3 and len(dialled) == 1
        dialer.close()


async def test_a_connection_to_an_address_that_the_name_has_left_is_not_used() -> None:
    allow, lookup = AllowList.parse(cidrs="127.0.0.1/32,::1/128"), looks_up("127.0.0.1")
    dialer = Dialer(allow, QUICK, lookup=lookup)
    async with staying() as (receiver, url):
        assert (await dialer.post(url, {}, b"{}")).http_status == 200
        lookup.addresses = ["::1"]
        assert (await dialer.post(url, {}, b"{}")).error == "connect"
        assert (receiver.connections, receiver.calls) == (1, 1)


async def test_a_receiver_that_hung_up_meanwhile_is_called_over_a_new_connection() -> None:
    dialer = Dialer(LOOPBACK, QUICK, lookup=looks_up("127.0.0.1"))
    async with staying(gone_after=1) as (receiver, url):
        answers_ = [await dialer.post(url, {}, b"{}") for _ in range(3)]
        assert [answer.http_status for answer in answers_] == [200, 200, 200]
        assert (receiver.connections, receiver.calls) == (3, 3)


async def test_what_a_receiver_says_unasked_ends_its_connection() -> None:
    async def talkative(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, call: Call) -> None:
        writer.write(OK + b"Content-Length: 2\r\n\r\nokHTTP/1.1 500 Smuggled\r\nContent-Length: 0\r\n\r\n")
        await reader.read()

    async with receiving(talkative) as receiver:
        dialer = Dialer(LOOPBACK, QUICK)
        seen = [(await dialer.post(receiver.url, {}, b"{}")).http_status for _ in range(2)]
        assert seen == [200, 200] and len(receiver.calls) == 2


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\x00", "caf\xe9"])
async def test_a_header_that_would_forge_another_is_not_sent(value: str) -> None:
    async with receiving(answers(200)) as receiver:
        answer = await Dialer(LOOPBACK, QUICK).post(receiver.url, {"X-Team": value}, b"{}")
        assert answer.error == "blocked" and receiver.calls == []
