"""The smallest HTTP request that can tell whether a server answers: no client library, no kept connection."""

import asyncio
from collections.abc import Mapping


async def http_get(
    host: str, port: int, target: str, headers: Mapping[str, str] | None = None, limit_s: float = 2.0
) -> tuple[int, bytes]:
    """Return status and body. HTTP/1.0, so the body ends with the connection.

    Raises OSError (TimeoutError is one) when nothing answers, ValueError when the answer is not HTTP.
    """
    async with asyncio.timeout(limit_s):
        reader, writer = await asyncio.open_connection(host, port)
        try:
            writer.write(_request(host, port, target, headers or {}))
            answer = await reader.read()
        finally:
            writer.close()
    return _parse(answer)


def _request(host: str, port: int, target: str, headers: Mapping[str, str]) -> bytes:
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"GET {target} HTTP/1.0", f"Host: {authority}", *(f"{name}: {value}" for name, value in headers.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _parse(answer: bytes) -> tuple[int, bytes]:
    head, separator, body = answer.partition(b"\r\n\r\n")
    words = head.split(maxsplit=2)
    if not separator or len(words) < 2 or not words[0].startswith(b"HTTP/"):
        raise ValueError(f"not an HTTP answer: {answer[:80]!r}")
    return int(words[1]), body
