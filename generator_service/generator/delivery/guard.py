"""Judges the addresses of one call: every answer of the resolver, and once more each address a socket is made for."""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

from contracts.targets import Address, AllowList, Target

Lookup = Callable[[str, int], Awaitable[list[str]]]
AddressInfo = tuple[int, int, int, str, tuple[str, int] | tuple[str, int, int, int]]

#: A name with more answers than this is not a receiver: each of them could cost a connect timeout.
MAX_ANSWERS = 16


class Blocked(Exception):
    """The target leads to an address that webhooks may not reach. `address` is for logs: it tells of our networks."""

    def __init__(self, target: Target, address: Address, reason: str) -> None:
        super().__init__(target, address, reason)
        self.target = target
        self.address = address
        self.reason = reason


class NoAddress(OSError):
    """The target's name has no address."""


class Guard:
    """Resolves and opens sockets for one call of one target; raises Blocked instead of dialling what is refused."""

    def __init__(self, target: Target, allow: AllowList, lookup: Lookup) -> None:
        self._target = target
        self._allow = allow
        self._lookup = lookup

    async def addresses(self) -> list[Address]:
        """Resolve the target once. One refused answer refuses the name: who chose it chose all its answers.

        Raises NoAddress, Blocked.
        """
        if self._target.fixed:
            return self._fixed()
        try:
            answers = await self._lookup(self._target.host, self._target.port)
        except OSError as error:
            raise NoAddress(*error.args) from error
        found = [ipaddress.ip_address(answer) for answer in answers]
        for address in found:
            self._judge(address)
        if not found:
            raise NoAddress(socket.EAI_NONAME, "The name has no address")
        return found[:MAX_ANSWERS]

    def info(self, address: Address) -> AddressInfo:
        """Describe an address as the socket module does."""
        port = self._target.port
        if address.version == 4:
            return socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (str(address), port)
        return socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (str(address), port, 0, 0)

    def open_socket(self, info: AddressInfo) -> socket.socket:
        """Make the socket for an address that may be dialled."""
        family, kind, protocol, _, place = info
        self._judge(ipaddress.ip_address(place[0]))
        return socket.socket(family, kind, protocol)

    def _fixed(self) -> list[Address]:
        # `localhost` is both 127.0.0.1 and ::1: opening one of them is enough to reach it there.
        allowed = [one for one in self._target.fixed if self._allow.verdict(self._target, one).allowed]
        if not allowed:
            self._judge(self._target.fixed[0])
        return allowed

    def _judge(self, address: Address) -> None:
        verdict = self._allow.verdict(self._target, address)
        if not verdict.allowed:
            raise Blocked(self._target, address, verdict.reason)


class SystemLookup:
    """Asks the system's resolver, in threads of its own: a name server that never answers holds a thread for long."""

    def __init__(self, threads: int = 256) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="webhook-dns")

    async def __call__(self, host: str, port: int) -> list[str]:
        """Return every address of a name. Raises OSError when it has none."""
        found = await asyncio.get_running_loop().run_in_executor(self._threads, _getaddrinfo, host, port)
        return list(dict.fromkeys(found))

    def close(self) -> None:
        """Let go of the threads without waiting for those that hang."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _getaddrinfo(host: str, port: int) -> list[str]:
    return [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
