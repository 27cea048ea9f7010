"""Judges the addresses of one call: every answer of the resolver, and once more each address a socket is made for."""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor

from aiohttp.abc import AbstractResolver, ResolveResult

from contracts.targets import Address, AllowList, Target

Lookup = Callable[[str, int], Awaitable[list[str]]]
AddressInfo = tuple[int, int, int, str, tuple[object, ...]]

#: A name with more answers than this is not a receiver: each of them could cost a connect timeout.
MAX_ANSWERS = 16


class Blocked(Exception):
    """The target leads to an address that webhooks may not reach. `address` is for logs: it tells of our networks."""

    def __init__(self, target: Target, address: Address, reason: str) -> None:
        super().__init__(target, address, reason)
        self.target = target
        self.address = address
        self.reason = reason


class Guard(AbstractResolver):
    """Resolves and opens sockets for one call of one target; raises Blocked instead of dialling what is refused."""

    def __init__(self, target: Target, allow: AllowList, lookup: Lookup) -> None:
        self._target = target
        self._allow = allow
        self._lookup = lookup

    async def resolve(self, host: str, port: int = 0, family: int = socket.AF_UNSPEC) -> list[ResolveResult]:
        """Resolve the target once. One refused answer refuses the name: who chose it chose all its answers."""
        if self._target.fixed:
            addresses = self._fixed()
        else:
            addresses = [ipaddress.ip_address(answer) for answer in await self._lookup(host, port)]
            for address in addresses:
                self._judge(address)
        return [_result(host, address, port) for address in addresses[:MAX_ANSWERS]]

    def open_socket(self, info: AddressInfo) -> socket.socket:
        """Make the socket for an address that may be dialled. A literal address comes by here only, not by resolve."""
        family, kind, protocol, _, address = info
        self._judge(ipaddress.ip_address(str(address[0])))
        return socket.socket(family, kind, protocol)

    async def close(self) -> None:
        """Nothing is held."""

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

    def __init__(self, threads: int = 64) -> None:
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


def _result(host: str, address: Address, port: int) -> ResolveResult:
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    return ResolveResult(
        hostname=host, host=str(address), port=port, family=family, proto=0, flags=socket.AI_NUMERICHOST
    )
