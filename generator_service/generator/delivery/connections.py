"""Connections to receivers: made to addresses that were judged for this very call, and kept a while for the next one.

A connection that is taken up again leads to an address that was judged anew: what a name means may have changed.
"""

import asyncio
import ipaddress
import ssl
import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

from aiohappyeyeballs import start_connection

from contracts.targets import Address, Target
from generator.delivery.exchange import AnswerLimits, Exchange
from generator.delivery.guard import Guard
from generator.delivery.timings import Timings

#: Seconds after which the next address is tried beside one that does not answer (RFC 8305).
NEXT_ADDRESS_S = 0.25

Place = tuple[str, str, int]


@dataclass(frozen=True)
class KeepAlive:
    """Seconds for which idle connections are kept (many servers end theirs after 5); how many of a receiver, in all."""

    idle_s: float = 4.0
    per_receiver: int = 8
    in_all: int = 256


@dataclass
class Connection:
    """A connection to an address of a receiver. `since`: when it began to wait (monotonic seconds), 0 if not yet."""

    place: Place
    address: Address
    exchange: Exchange
    since: float = 0.0

    @property
    def fresh(self) -> bool:
        return self.since == 0


class Connections:
    """Use from one event loop. `tls` says which certificate authorities are trusted."""

    def __init__(self, tls: ssl.SSLContext, limits: AnswerLimits, keep: KeepAlive | None = None) -> None:
        self._tls = tls
        self._limits = limits
        self._keep = keep or KeepAlive()
        self._waiting: dict[Place, list[Connection]] = {}
        self._tidied = 0.0

    def kept(self, target: Target, addresses: Sequence[Address]) -> Connection | None:
        """Take the newest connection that waits and leads to one of these addresses; None if there is none."""
        self._tidy(time.monotonic())
        waiting = self._waiting.get(_place(target), [])
        for number in reversed(range(len(waiting))):
            if waiting[number].address in addresses and waiting[number].exchange.reusable:
                return waiting.pop(number)
        return None

    async def made(self, guard: Guard, target: Target, addresses: Sequence[Address], timings: Timings) -> Connection:
        """Connect to the first of these addresses that answers, with TLS if asked for. Raises OSError, Blocked."""
        loop = asyncio.get_running_loop()
        with timings.step("connect"):
            sock = await start_connection(
                [guard.info(address) for address in addresses],
                happy_eyeballs_delay=NEXT_ADDRESS_S,
                interleave=1,
                loop=loop,
                socket_factory=guard.open_socket,
            )
        tls, name = (self._tls, target.host) if target.scheme == "https" else (None, None)
        try:
            address = ipaddress.ip_address(sock.getpeername()[0])
            with timings.step("tls") if tls else nullcontext():
                _, exchange = await loop.create_connection(
                    lambda: Exchange(self._limits), sock=sock, ssl=tls, server_hostname=name
                )
        except ConnectionError as error:
            sock.close()
            raise ssl.SSLError(ssl.SSL_ERROR_EOF, "The receiver hung up") from error
        except BaseException:
            sock.close()
            raise
        return Connection(_place(target), address, exchange)

    def keep(self, used: Connection) -> None:
        """Keep a connection for the next call if it is fit for one; else hang up."""
        waiting = self._waiting.setdefault(used.place, [])
        full = len(waiting) >= self._keep.per_receiver or sum(map(len, self._waiting.values())) >= self._keep.in_all
        if full or not used.exchange.reusable:
            used.exchange.close()
            return
        used.since = time.monotonic()
        waiting.append(used)

    def close(self) -> None:
        """Hang up everywhere."""
        self._tidy(float("inf"))

    def _tidy(self, now: float) -> None:
        """Once a second: hang up where a connection has waited too long, and forget receivers without any."""
        if now - self._tidied < 1:
            return
        self._tidied = now
        for place, waiting in list(self._waiting.items()):
            for one in waiting:
                if now - one.since > self._keep.idle_s or not one.exchange.reusable:
                    one.exchange.close()
            self._waiting[place] = [one for one in waiting if one.exchange.reusable]
            if not self._waiting[place]:
                del self._waiting[place]


def trusting(ca_file: str = "") -> ssl.SSLContext:
    """Trust the system's certificate authorities, and those in a PEM file. Raises OSError for one that has none."""
    tls = ssl.create_default_context()
    if ca_file:
        tls.load_verify_locations(cafile=ca_file)
    return tls


def _place(target: Target) -> Place:
    """Say what a connection may be used for again: TLS was agreed on with this name."""
    return target.scheme, target.host, target.port
