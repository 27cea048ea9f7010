"""The smallest Redis conversation that can tell whether a server answers. The client library takes 0.3 s to import;
this waits while a server starts, and is asked again every second.
"""

import asyncio


async def redis_ask(port: int, password: str, *commands: str, limit_s: float = 2.0) -> list[str]:
    """Log in to the server on 127.0.0.1, send commands without arguments that need quoting, and return the replies:
    status lines, error lines (they begin with `-`) and bulk strings.

    Raises OSError (TimeoutError is one) when nothing answers, ValueError when the answer is not Redis's or the password
    is not accepted.
    """
    async with asyncio.timeout(limit_s):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write("".join(f"{command}\r\n" for command in (f"AUTH {password}", *commands)).encode())
            login, *replies = [await _reply(reader) for _ in range(len(commands) + 1)]
        finally:
            writer.close()
    if login != "OK":
        raise ValueError(f"the password is not accepted: {login}")
    return replies


async def _reply(reader: asyncio.StreamReader) -> str:
    line = (await reader.readline()).decode(errors="replace").rstrip("\r\n")
    match line[:1]:
        case "+":
            return line[1:]
        case "-":
            return line
        case "$":
            return (await _exactly(reader, int(line[1:]) + 2)).decode(errors="replace")[:-2]
    raise ValueError(f"not an answer of Redis: {line[:80]!r}")


async def _exactly(reader: asyncio.StreamReader, size: int) -> bytes:
    try:
        return await reader.readexactly(size)
    except asyncio.IncompleteReadError as error:
        raise ValueError("the answer ended early") from error
