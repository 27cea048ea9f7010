"""Receivers that break HTTP in every way there is: each call ends in time, in little memory, and as is known."""

import asyncio
import socket
import time
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.utils import formatdate

import pytest

from generator.delivery.dial import Answer, Dialer, DialLimits
from generator.delivery.schedule import Schedule, parse_retry_after
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
    wait_until,
)

pytestmark = pytest.mark.usefixtures("hung_up")

QUICK = DialLimits(connect_s=0.5, total_s=0.6, body_s=0.2)
#: Above its deadline a call may take what a busy machine needs.
SLACK_S = 1.0
EMPTY = b"Content-Length: 0\r\n\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


async def timed(dialer: Dialer, url: str, body: bytes = b"{}") -> Answer:
    """Make a call that must end in time, whatever comes of it."""
    started = time.monotonic()
    answer = await dialer.post(url, {}, body)
    assert time.monotonic() - started < QUICK.total_s + SLACK_S
    assert len(answer.excerpt) <= 1000 and answer.excerpt.replace("\n", "").isprintable()
    assert bool(answer.error_detail) == bool(answer.error)
    return answer


async def call(behaviour: Behaviour, body: bytes = b"{}") -> Answer:
    async with receiving(behaviour) as receiver:
        return await timed(Dialer(LOOPBACK, QUICK), receiver.url, body)


def then_resets(raw: bytes) -> Behaviour:
    """Write these bytes, and reset the connection once they have arrived."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, call: Call) -> None:
        writer.write(raw)
        await writer.drain()
        await asyncio.sleep(0.05)
        await reset(reader, writer, call)

    return behave


def half_closes(raw: bytes) -> Behaviour:
    """Write these bytes, and say that no more will come: the other direction stays open."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, call: Call) -> None:
        writer.write(raw)
        writer.write_eof()
        await reader.read()

    return behave


def stays(raw: bytes) -> Behaviour:
    """Write these bytes and keep the connection open."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, call: Call) -> None:
        writer.write(raw)
        await reader.read()

    return behave


async def late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, call: Call) -> None:
    await asyncio.sleep(QUICK.total_s + 0.1)
    writer.write(OK + EMPTY)
    await writer.drain()


def interim(*statuses: bytes) -> bytes:
    return b"".join(b"HTTP/1.1 " + status + b"\r\nLink: </x>; rel=preload\r\n\r\n" for status in statuses)


@pytest.mark.parametrize(
    ("behaviour", "status", "error", "excerpt"),
    [
        pytest.param(late, None, "timeout", "", id="200 after the deadline"),
        pytest.param(then_resets(OK + b"Content-Le"), None, "connect", "", id="reset in the headers"),
        pytest.param(
            then_resets(OK + b"Content-Length: 9\r\n\r\nab"), 200, "", "ab [broken off]", id="reset in the body"
        ),
        pytest.param(then_resets(b"HTTP/1.1 500 X\r\n\r\nab"), 500, "status", "ab", id="reset after a failure"),
        pytest.param(half_closes(b""), None, "connect", "", id="half-close without a word"),
        pytest.param(half_closes(OK + EMPTY), 200, "", "", id="half-close after the answer"),
        pytest.param(half_closes(OK + b"\r\nab"), 200, "", "ab", id="half-close ends the body"),
        pytest.param(
            half_closes(OK + b"Content-Length: 9\r\n\r\nab"), 200, "", "ab [broken off]", id="half-close in it"
        ),
        pytest.param(says(interim(b"103 Early Hints") + OK + EMPTY), 200, "", "", id="103, then 200"),
        pytest.param(says(interim(b"100 Continue", b"102 X") + OK + EMPTY), 200, "", "", id="100 and 102, then 200"),
        pytest.param(says(interim(*[b"103 X"] * 9) + OK + EMPTY), None, "protocol", "", id="103 too often"),
        pytest.param(stays(interim(b"103 X")), None, "timeout", "", id="103, then silent"),
        pytest.param(
            says(b"HTTP/1.1 101 X\r\nUpgrade: y\r\nConnection: upgrade\r\n\r\nz"), 101, "status", "", id="101"
        ),
        pytest.param(says(CHUNKED + b"2;a=b\r\nok\r\n0\r\nX: y\r\n\r\n"), 200, "", "ok", id="chunk extension, trailer"),
        pytest.param(says(CHUNKED + b"-1\r\nok\r\n"), 200, "", " [broken off]", id="negative chunk"),
        pytest.param(says(CHUNKED + b"f" * 17 + b"\r\nok\r\n"), 200, "", " [broken off]", id="chunk beyond 64 bits"),
        pytest.param(says(CHUNKED + b"fffffff\r\nok"), 200, "", "ok [broken off]", id="chunk that never comes"),
        pytest.param(says(CHUNKED + b"1\r\nok\r\n0\r\n\r\n"), 200, "", "o [broken off]", id="chunk longer than said"),
        pytest.param(says(OK + b"Content-Length: -1\r\n\r\n"), None, "protocol", "", id="negative length"),
        pytest.param(
            says(OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nok"), None, "protocol", "", id="two lengths"
        ),
        pytest.param(
            says(OK + b"Connection: close\r\n\r\nok"), 200, "", "ok", id="the end of the connection ends the body"
        ),
        pytest.param(says(b"HTTP/1.0 200 OK\r\n\r\nok"), 200, "", "ok", id="HTTP/1.0"),
        pytest.param(says(b"<h1>It works</h1>"), None, "protocol", "", id="HTTP/0.9"),
        pytest.param(says(b"HTTP/2 200\r\n\r\n"), None, "protocol", "", id="HTTP/2 in words"),
        pytest.param(says(b"RTSP/1.0 200 OK\r\n\r\n"), None, "protocol", "", id="RTSP"),
        pytest.param(drips(b"\r\nHT", b"TP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), 200, "", "", id="in pieces"),
        pytest.param(says(b"HTTP/1.1 abc OK\r\n\r\n"), None, "protocol", "", id="status in letters"),
        pytest.param(says(b"HTTP/1.1 20"), None, "connect", "", id="half a status line"),
        pytest.param(says(b"HTTP/1.1 -200 OK\r\n\r\n"), None, "protocol", "", id="negative status"),
        pytest.param(says(b"HTTP/1.1 999 X\r\nContent-Length: 0\r\n\r\n"), 999, "status", "", id="status 999"),
        pytest.param(
            says(b"HTTP/1.1 200 \xff\xfe\r\nX: \xff\r\nContent-Length: 1\r\n\r\n\xff"), 200, "", "\ufffd", id="no UTF-8"
        ),
        pytest.param(says(OK + b"Content-Length: 3\r\n\r\na\0b"), 200, "", "a\ufffdb", id="NUL in the body"),
        pytest.param(says(OK + b"X: a\0b\r\nContent-Length: 0\r\n\r\n"), None, "protocol", "", id="NUL in a header"),
        pytest.param(says(OK + b"X: a\r\n b\r\nContent-Length: 0\r\n\r\n"), None, "protocol", "", id="folded header"),
        pytest.param(says(OK + b"X : a\r\n\r\n"), None, "protocol", "", id="space before the colon"),
        pytest.param(says(OK + b"X: y\r\n" * 100_000 + b"\r\n"), None, "protocol", "", id="100,000 headers"),
        pytest.param(drips(interim(b"103 X"), OK + b"X: y\r\n\r\n"), 200, "", None, id="answers without end"),
        *[
            pytest.param(
                says(f"HTTP/1.1 {code} X\r\nLocation: {to}\r\n\r\n".encode()), code, "status", "", id=f"{code} {to}"
            )
            for code in (301, 302, 303, 307, 308)
            for to in ("http://127.0.0.1:1/", "/hook?token=hush", "file:///etc/passwd", "//[::1]/")
        ],
    ],
)
async def test_every_answer_has_its_outcome(
    behaviour: Behaviour, status: int | None, error: str, excerpt: str | None, dialled: set[tuple[str, int]]
) -> None:
    answer = await call(behaviour)
    assert (answer.http_status, answer.error) == (status, error)
    assert excerpt is None or answer.excerpt == excerpt
    assert len(dialled) == 1, "whatever it says, it is the only one that is called"


@pytest.mark.parametrize(
    ("raw", "detail"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n", "What came back is no HTTP: it does not begin with HTTP/1.1."),
        (b"HTTP/2 200\r\n\r\n", "What came back is no HTTP: it does not begin with HTTP/1.1."),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "What came back is no HTTP: invalid response status."),
        (OK + b"X y: 1\r\n\r\n", "What came back is no HTTP: a header's name has a character that it may not have."),
        (OK + b"Content-Length: hush\r\n\r\n", "What came back is no HTTP: invalid character in Content-Length."),
        (OK + b"X: y\r\n" * 200 + b"\r\n", "The answer's headers are too many or too long."),
        (b"HTTP/1.1 20", "The receiver hung up before it answered."),
    ],
)
async def test_what_is_no_answer_is_said_in_a_sentence(raw: bytes, detail: str) -> None:
    assert (await call(says(raw))).error_detail == detail


class Pouring:
    """Writes the head and then the drop as fast as it is taken; counts the bytes that it could get rid of."""

    def __init__(self, head: bytes, drop: bytes) -> None:
        self.head, self.drop, self.poured = head, drop, 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, call: Call) -> None:
        writer.write(self.head)
        while not writer.is_closing():
            writer.write(self.drop)
            await writer.drain()
            self.poured += len(self.drop)


@pytest.mark.parametrize(
    ("head", "drop", "status", "error"),
    [
        pytest.param(OK + b"Content-Length: 10000000000\r\n\r\n", b"x" * 65536, 200, "", id="10 GB"),
        pytest.param(OK + b"\r\n", b"x" * 65536, 200, "", id="no length"),
        pytest.param(CHUNKED, b"10000\r\n" + b"x" * 65536 + b"\r\n", 200, "", id="chunks"),
        pytest.param(CHUNKED, b"1\r\nx\r\n" * 10000, 200, "", id="chunks of a byte"),
        pytest.param(CHUNKED + b"1;", b"x" * 65536, 200, "", id="a chunk extension"),
        pytest.param(CHUNKED + b"0\r\nX: ", b"y" * 65536, 200, "", id="a trailer"),
        pytest.param(CHUNKED + b"0\r\n", b"X: y\r\n" * 10000, 200, "", id="trailers"),
        pytest.param(OK, b"X: y\r\n" * 10000, None, "protocol", id="headers"),
        pytest.param(OK + b"X: ", b"y" * 65536, None, "protocol", id="a header"),
        pytest.param(OK, b"y" * 65536, None, "protocol", id="a header's name"),
        pytest.param(b"HTTP/1.1 200 ", b"y" * 65536, None, "protocol", id="a reason"),
        pytest.param(b"", interim(b"100 X") * 1000, None, "protocol", id="interim answers"),
        pytest.param(b"", b"\r\n" * 32768, None, "protocol", id="empty lines"),
    ],
)
async def test_what_pours_without_end_is_neither_read_nor_kept(
    head: bytes, drop: bytes, status: int | None, error: str
) -> None:
    pouring = Pouring(head, drop)
    tracemalloc.start()
    try:
        answer = await call(pouring)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (answer.http_status, answer.error) == (status, error)
    assert peak < 4 << 20 and pouring.poured < 32 << 20, "the sockets' buffers hold what it got rid of"


async def test_a_trailer_is_no_header() -> None:
    trailers = b"2\r\nok\r\n0\r\nWebhook-Delivery: disable\r\nRetry-After: 7\r\n\r\n"
    answer = await call(says(CHUNKED.replace(b"200 OK", b"503 X") + trailers))
    assert (answer.http_status, answer.error, answer.retry_after) == (503, "status", "")


@pytest.mark.parametrize("extra", [b"HTTP/1.1 500 Smuggled\r\n" + EMPTY, b"\0\0", b"\r\n\r\nGET / HTTP/1.1\r\n\r\n"])
async def test_what_follows_an_answer_belongs_to_no_other_call(extra: bytes) -> None:
    async with receiving(stays(OK + b"Content-Length: 2\r\n\r\nok" + extra)) as receiver:
        dialer = Dialer(LOOPBACK, QUICK)
        assert [(await timed(dialer, receiver.url)).http_status for _ in range(3)] == [200, 200, 200]
        assert len(receiver.calls) == 3, "each over a connection of its own"


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 101 X\r\nUpgrade: y\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        OK + b"Connection: close\r\n" + EMPTY,
        OK + b"\r\nok",
        CHUNKED + b"zz\r\n",
        OK + b"Content-Length: 10000000000\r\n\r\n" + b"x" * 20000,
    ],
    ids=["upgraded", "HTTP/1.0", "it wants to close", "no length", "broken", "not read to its end"],
)
async def test_a_connection_that_is_not_fit_for_another_call_is_closed(raw: bytes) -> None:
    closed = asyncio.Event()

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, call: Call) -> None:
        writer.write(raw)
        try:
            await reader.read()
        finally:
            closed.set()

    async with receiving(behave) as receiver:
        await timed(Dialer(LOOPBACK, QUICK), receiver.url)
        await asyncio.wait({asyncio.create_task(closed.wait())}, timeout=SLACK_S)
        assert closed.is_set()


@asynccontextmanager
async def serving(behave: Behaviour) -> AsyncIterator[str]:
    """A receiver that reads nothing of the request on its own."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await behave(reader, writer, Call("", {}, b""))
        except ConnectionError:
            return  # the client hung up
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=1024)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


LONG = b"x" * (16 << 20)
TOO_LARGE = b"HTTP/1.1 413 Too Large\r\n" + EMPTY


async def test_an_answer_before_the_request_was_read_counts_and_its_connection_does_not_stay() -> None:
    connections = 0

    async def early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, call: Call) -> None:
        nonlocal connections
        connections += 1
        writer.write(TOO_LARGE)
        await asyncio.sleep(5)

    async with serving(early) as url:
        dialer = Dialer(LOOPBACK, QUICK)
        assert [(await timed(dialer, url, LONG)).http_status for _ in range(2)] == [413, 413]
        assert connections == 2, "half a request is on the way over the first"


async def test_a_connection_that_is_reset_while_the_request_is_written_is_a_connect_error() -> None:
    async def resets(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, call: Call) -> None:
        await reader.readexactly(1000)
        await reset(reader, writer, call)

    async with serving(resets) as url:
        answer = await timed(Dialer(LOOPBACK, QUICK), url, LONG)
    assert (answer.http_status, answer.error) == (None, "connect")


async def test_a_receiver_that_never_reads_ends_at_the_deadline() -> None:
    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, call: Call) -> None:
        await asyncio.sleep(5)

    async with serving(deaf) as url:
        answer = await timed(Dialer(LOOPBACK, QUICK), url, LONG)
    assert (answer.http_status, answer.error) == (None, "timeout")


async def test_a_receiver_that_accepts_nobody_ends_at_the_connect_timeout() -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        place = listening.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(place)
        answer = await timed(Dialer(LOOPBACK, QUICK), f"http://127.0.0.1:{place[1]}/")
        for one in waiting:
            one.close()
    assert answer.error == "timeout" and answer.error_detail == "No connection within 0.5 s."


DAY_S = 86_400


@pytest.mark.parametrize(
    ("value", "wait_s"),
    [
        ("1", 5),
        ("120", 120),
        ("1e9", 5),
        ("1000000000", DAY_S),
        ("9" * 400, 5),
        ("-5", 5),
        ("NaN", 5),
        ("inf", 5),
        ("\u0661\u0662", 5),
        ("", 5),
        pytest.param(formatdate(time.time() - 3600, usegmt=True), 5, id="an hour ago"),
        pytest.param(formatdate(time.time() + 99 * DAY_S, usegmt=True), DAY_S, id="in 99 days"),
        ("Fri, 31 Feb 2031 25:61:61 GMT", 5),
        ("Sun, 06 Nov 99999999999999 08:49:37 GMT", 5),
    ],
)
async def test_retry_after_is_heeded_within_a_day_and_never_shortens_the_schedule(value: str, wait_s: float) -> None:
    raw = b"HTTP/1.1 429 X\r\nRetry-After: " + value.encode() + b"\r\n" + EMPTY
    answer = await call(says(raw))
    assert answer.http_status == 429
    asked = parse_retry_after(answer.retry_after, time.time())
    assert Schedule.parse("0,5").next_delay(1, asked, lambda: 0.0) == wait_s


async def test_a_receiver_that_fails_for_a_while_is_reached_in_the_end() -> None:
    async with receiving(answers(*[500] * 5, 200)) as receiver:
        dialer = Dialer(LOOPBACK, QUICK)
        seen = [(await timed(dialer, receiver.url)).http_status for _ in range(7)]
    assert seen == [500] * 5 + [200, 200]


async def test_receivers_that_misbehave_leave_nothing_behind() -> None:
    """No task, and no connection that is still open at the other end."""
    before = len(asyncio.all_tasks())
    async with receiving(silence) as mute, receiving(drips(OK + b"\r\n", b"x")) as dripping:
        dialer = Dialer(LOOPBACK, QUICK)
        await asyncio.gather(*(timed(dialer, one.url) for one in (mute, dripping) for _ in range(20)))
        await wait_until(lambda: mute.now == dripping.now == 0)
    await wait_until(lambda: len(asyncio.all_tasks()) <= before)
