"""Names of receivers, asked of a name server that lies, changes its mind, fails or is silent: what is dialled."""

import asyncio
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator

import dns.asyncresolver
import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.resolver
import dns.rrset
import pytest

from contracts.targets import AllowList
from generator.delivery.dial import Answer, Dialer, DialLimits
from tests.integration.delivery_zoo import Receiver, answers, receiving

pytestmark = pytest.mark.usefixtures("hung_up")

QUICK = DialLimits(connect_s=1, total_s=1.2, body_s=0.2)
PUBLIC, OTHER, PUBLIC_6 = "93.184.215.14", "93.184.215.15", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"
NAME = "hooks.example"
MANY = [f"A 93.184.{number // 100 + 1}.{number % 100 + 1}" for number in range(300)]
UDP_BYTES = 512


class NameServer(asyncio.DatagramProtocol):
    """Authoritative for everything, with a TTL of 0. `zone`: what a name has, by question; the last one stays."""

    def __init__(self) -> None:
        self.zone: dict[str, list[list[str]]] = {}
        self.rcodes: dict[str, dns.rcode.Rcode] = {}
        self.silent: set[str] = set()
        self.asked: Counter[tuple[str, str]] = Counter()
        self.port = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        assert isinstance(self._transport, asyncio.DatagramTransport)
        if answer := self.answer(data, tcp=False):
            self._transport.sendto(answer, addr)

    async def serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length = int.from_bytes(await reader.readexactly(2), "big")
        answer = self.answer(await reader.readexactly(length), tcp=True)
        writer.write(len(answer).to_bytes(2, "big") + answer)
        await writer.drain()
        writer.close()

    def answer(self, wire: bytes, *, tcp: bool) -> bytes:
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name, kind = question.name.to_text(omit_final_dot=True), dns.rdatatype.to_text(question.rdtype)
        self.asked[name, kind] += 1
        if name in self.silent:
            return b""
        response = dns.message.make_response(query)
        response.set_rcode(self.rcodes.get(name, dns.rcode.NOERROR if name in self.zone else dns.rcode.NXDOMAIN))
        while name in self.zone:
            name = self._append(response, name, kind)
        whole = response.to_wire(max_size=65535)
        if tcp or len(whole) <= UDP_BYTES:
            return whole
        response.answer.clear()
        response.flags |= dns.flags.TC
        return response.to_wire()

    def _append(self, response: dns.message.Message, name: str, kind: str) -> str:
        """Append what a name has of this kind; returns the name that it is another one for, if it is one."""
        number = self.asked[name, kind] - 1
        records = [record.split() for record in self.zone[name][min(max(number, 0), len(self.zone[name]) - 1)]]
        for wanted in ("CNAME", kind):
            values = [value for type_, value in records if type_ == wanted]
            if values:
                response.answer.append(dns.rrset.from_text_list(f"{name}.", 0, "IN", wanted, values))
        aliases = [value for type_, value in records if type_ == "CNAME"]
        return aliases[0].rstrip(".") if aliases and len(response.answer) < 20 else ""

    async def __call__(self, host: str, port: int) -> list[str]:
        """Look a name up here, as the system's resolver does: both kinds, aliases, TCP for what is long."""
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers, resolver.port, resolver.lifetime = ["127.0.0.1"], self.port, 5.0
        try:
            both = await asyncio.gather(
                *(resolver.resolve(host, kind, raise_on_no_answer=False) for kind in ("A", "AAAA"))
            )
        except dns.resolver.NXDOMAIN as error:
            raise OSError(socket.EAI_NONAME, "Name or service not known") from error
        except dns.exception.DNSException as error:
            raise OSError(socket.EAI_AGAIN, "Temporary failure in name resolution") from error
        return [record.to_text() for found in both for record in found.rrset or ()]


@pytest.fixture
async def names() -> AsyncIterator[NameServer]:
    server = NameServer()
    tcp = await asyncio.start_server(server.serve_tcp, "127.0.0.1", 0)
    server.port = tcp.sockets[0].getsockname()[1]
    loop = asyncio.get_running_loop()
    udp, _ = await loop.create_datagram_endpoint(lambda: server, local_addr=("127.0.0.1", server.port))
    yield server
    udp.close()
    tcp.close()


@pytest.fixture
def dialled(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Record the addresses that are dialled; public IPv4 ones lead to this machine, public IPv6 ones nowhere."""
    seen: set[str] = set()
    real = asyncio.selector_events.BaseSelectorEventLoop.sock_connect

    async def spy(
        loop: asyncio.selector_events.BaseSelectorEventLoop, sock: socket.socket, address: tuple[str, int]
    ) -> None:
        if sock.type != socket.SOCK_STREAM or address[0] == "127.0.0.1":
            return await real(loop, sock, address)  # the name server's; a webhook that comes here is counted there
        seen.add(address[0])
        if sock.family == socket.AF_INET6:
            raise OSError(101, "Network is unreachable")
        await real(loop, sock, ("127.0.0.1", address[1]))

    monkeypatch.setattr(asyncio.selector_events.BaseSelectorEventLoop, "sock_connect", spy)
    return seen


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving(answers(200)) as made:
        yield made


async def call(names: NameServer, receiver: Receiver, host: str = NAME) -> Answer:
    dialer = Dialer(AllowList(), QUICK, lookup=names)
    started = time.monotonic()
    answer = await dialer.post(f"http://{host}:{receiver.port}/", {}, b"{}")
    assert time.monotonic() - started < QUICK.total_s + 1
    assert len(receiver.calls) == (1 if answer.ok else 0)
    return answer


@pytest.mark.parametrize(
    ("zone", "error", "reached"),
    [
        pytest.param({NAME: [f"A {PUBLIC}"]}, "", {PUBLIC}, id="public"),
        pytest.param({NAME: [f"A {PUBLIC}", f"AAAA {PUBLIC_6}"]}, "", {PUBLIC, PUBLIC_6}, id="both kinds"),
        pytest.param({NAME: ["A 127.0.0.1"]}, "blocked", set(), id="loopback"),
        pytest.param({NAME: [f"A {PUBLIC}", "A 10.0.0.1"]}, "blocked", set(), id="public and private"),
        pytest.param({NAME: ["A 10.0.0.1", f"A {PUBLIC}"]}, "blocked", set(), id="private and public"),
        pytest.param({NAME: [f"A {PUBLIC}", "AAAA fd00::1"]}, "blocked", set(), id="A, and private AAAA"),
        pytest.param({NAME: [f"A {PUBLIC}", "AAAA ::ffff:169.254.169.254"]}, "blocked", set(), id="A, and mapped AAAA"),
        pytest.param({NAME: [f"A {PUBLIC}", "AAAA 64:ff9b::7f00:1"]}, "blocked", set(), id="A, and NAT64 of loopback"),
        pytest.param({NAME: ["CNAME a.x."], "a.x": ["CNAME b.x."], "b.x": [f"A {PUBLIC}"]}, "", {PUBLIC}, id="aliases"),
        pytest.param({NAME: ["CNAME a.x."], "a.x": ["CNAME b.x."], "b.x": ["A 192.168.0.1"]}, "blocked", set(),
                     id="aliases of a private one"),
        pytest.param({NAME: ["CNAME localhost."], "localhost": ["A 127.0.0.1"]}, "blocked", set(), id="as localhost"),
        pytest.param({NAME: ["CNAME a.x."], "a.x": [f"CNAME {NAME}."]}, "dns", set(), id="aliases in a circle"),
        pytest.param({NAME: ["CNAME gone.x."]}, "dns", set(), id="alias of nothing"),
        pytest.param({NAME: ["TXT nothing"]}, "dns", set(), id="no address"),
        pytest.param({}, "dns", set(), id="NXDOMAIN"),
        pytest.param({NAME: [*MANY, "A 127.0.0.1"]}, "blocked", set(), id="private at the end of 300"),
    ],
)  # fmt: skip
async def test_one_lookup_decides_what_is_dialled(
    names: NameServer, receiver: Receiver, dialled: set[str], zone: dict[str, list[str]], error: str, reached: set[str]
) -> None:
    names.zone = {name: [records] for name, records in zone.items()}
    answer = await call(names, receiver)
    assert answer.error == error and dialled <= reached and (PUBLIC in dialled) == (PUBLIC in reached)
    assert "10.0.0.1" not in answer.error_detail and "192.168" not in answer.error_detail


async def test_a_long_answer_comes_by_tcp_and_few_of_it_are_dialled(
    names: NameServer, receiver: Receiver, dialled: set[str]
) -> None:
    names.zone = {NAME: [MANY]}
    answer = await call(names, receiver)
    assert answer.ok and names.asked[NAME, "A"] == 2, "by UDP it was truncated"
    assert len(dialled) == 1 and f"A {dialled.pop()}" in MANY


async def test_of_300_addresses_that_nobody_answers_at_16_are_dialled(names: NameServer, dialled: set[str]) -> None:
    names.zone = {NAME: [[f"AAAA 2606:2800::{number:x}" for number in range(1, 300)]]}
    answer = await Dialer(AllowList(), QUICK, lookup=names).post(f"http://{NAME}/", {}, b"{}")
    assert answer.error == "connect" and len(dialled) == 16


async def test_a_name_that_turns_private_between_two_calls_is_refused(
    names: NameServer, receiver: Receiver, dialled: set[str]
) -> None:
    names.zone = {NAME: [[f"A {PUBLIC}"], ["A 127.0.0.1"]]}
    dialer = Dialer(AllowList(), QUICK, lookup=names)
    seen = [(await dialer.post(f"http://{NAME}:{receiver.port}/", {}, b"{}")).error for _ in range(3)]
    assert seen == ["", "blocked", "blocked"] and len(receiver.calls) == 1
    assert dialled == {PUBLIC}


async def test_a_name_that_turns_private_within_a_call_is_not_asked_again(
    names: NameServer, receiver: Receiver, dialled: set[str]
) -> None:
    names.zone = {NAME: [[f"A {PUBLIC}", f"AAAA {PUBLIC_6}"], ["A 127.0.0.1", "AAAA ::1"]]}
    assert (await call(names, receiver)).ok
    assert names.asked == {(NAME, "A"): 1, (NAME, "AAAA"): 1}
    assert dialled <= {PUBLIC, PUBLIC_6}


async def test_a_name_that_moves_is_called_at_its_new_place(
    names: NameServer, receiver: Receiver, dialled: set[str]
) -> None:
    names.zone = {NAME: [[f"A {PUBLIC}"], [f"A {OTHER}"]]}
    dialer = Dialer(AllowList(), QUICK, lookup=names)
    seen = [(await dialer.post(f"http://{NAME}:{receiver.port}/", {}, b"{}")).ok for _ in range(2)]
    assert seen == [True, True]
    assert dialled == {PUBLIC, OTHER}


@pytest.mark.parametrize("code", [dns.rcode.SERVFAIL, dns.rcode.REFUSED, dns.rcode.FORMERR])
async def test_a_name_server_that_fails_is_a_dns_error(
    names: NameServer, receiver: Receiver, dialled: set[str], code: dns.rcode.Rcode
) -> None:
    names.zone, names.rcodes = {NAME: [[]]}, {NAME: code}
    answer = await call(names, receiver)
    assert answer.error == "dns" and "the name server does not answer" in answer.error_detail and dialled == set()


async def test_a_name_server_that_is_silent_ends_at_the_deadline(
    names: NameServer, receiver: Receiver, dialled: set[str]
) -> None:
    names.silent = {NAME}
    assert (await call(names, receiver)).error == "timeout"
    assert dialled == set()
