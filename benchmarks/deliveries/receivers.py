"""Receivers that only answer, as fast as Python can: `python -m benchmarks.deliveries.receivers COUNT [HANGING]`.

Listens on COUNT ports and prints them; the first HANGING of them take calls and never answer. Ends with its input.
"""

import asyncio
import sys

ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"


class Answering(asyncio.Protocol):
    """Counts the bytes of each call, so that it answers once for each."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport, self.received = transport, b""

    def data_received(self, data: bytes) -> None:
        self.received += data
        while (end := self.received.find(b"\r\n\r\n")) >= 0:
            length = int(self.received[:end].lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            if len(self.received) < end + 4 + length:
                return
            self.received = self.received[end + 4 + length :]
            self.answer()

    def answer(self) -> None:
        self.transport.write(ANSWER)


class Hanging(Answering):
    """Takes every call and says nothing."""

    def answer(self) -> None:
        return


async def main(count: int, hanging: int) -> None:
    loop = asyncio.get_running_loop()
    kinds = [Hanging if number < hanging else Answering for number in range(count)]
    servers = [await loop.create_server(kind, "127.0.0.1", 0) for kind in kinds]
    print(*(server.sockets[0].getsockname()[1] for server in servers), flush=True)
    await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0))
