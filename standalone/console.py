"""Shows on the terminal what the children write to their log files, and keeps those files small.

Children write to files, not to pipes through this process: a paused terminal then pauses nobody, and what was logged
survives the supervisor.
"""

import contextlib
import errno
import json
import os
import shutil
import threading
from collections import deque
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

POLL_S = 0.1
CHUNK = 1 << 16
NAME_WIDTH = 10
DIM, RED, YELLOW, PLAIN = "\x1b[2m", "\x1b[31m", "\x1b[33m", "\x1b[0m"
COLOURS = {"warning": YELLOW, "error": RED, "critical": RED}


#: What a terminal that is closed answers (write(2)); a file that the output goes to may only be full for a while.
CLOSED = (errno.EPIPE, errno.EIO, errno.EBADF)


@dataclass
class Tail:
    """How far a log file has been shown."""

    path: Path
    offset: int = 0
    rest: bytes = b""

    def new_lines(self) -> list[str]:
        """Return the lines that were completed since the last call."""
        with open(self.path, "rb") as file:
            file.seek(self.offset)
            chunk = file.read(CHUNK)
        self.offset += len(chunk)
        *lines, self.rest = (self.rest + chunk).split(b"\n")
        return [line.decode(errors="replace") for line in lines]

    def rotate(self, limit_bytes: int) -> None:
        """Copy a file that has grown too large aside and empty it. Its writers append, so they go on at its start.

        Where there is no room for the copy it is emptied all the same: logs must not fill a disk.
        """
        if self.offset > limit_bytes:
            self._copy_aside()
            with open(self.path, "r+b") as file:
                file.truncate()
            self.offset = 0

    def _copy_aside(self) -> None:
        aside = previous(self.path)
        try:
            aside.touch(mode=0o600)
            shutil.copyfile(self.path, aside)
        except OSError:
            aside.unlink(missing_ok=True)


class Console(threading.Thread):
    """Follows the files (name shown -> path) until `close`. Only this thread waits for the terminal.

    The lines of `hidden` files are not shown; their size is watched all the same.
    """

    def __init__(
        self,
        files: Mapping[str, Path],
        out: TextIO,
        *,
        pretty: bool,
        hidden: Collection[str] = (),
        limit_bytes: int = 32 << 20,
    ) -> None:
        super().__init__(name="console", daemon=True)
        self._tails = {name: Tail(path) for name, path in files.items()}
        self._out = out
        self._pretty = pretty
        self._hidden = hidden
        self._limit_bytes = limit_bytes
        self._said: deque[str] = deque()
        self._closed = threading.Event()

    def run(self) -> None:
        last_round = False
        while not last_round:
            last_round = self._closed.wait(POLL_S)
            for name, tail in self._tails.items():
                # Somebody removed it, or there is no room to move it aside: the others go on.
                with contextlib.suppress(OSError):
                    self._show(name, tail)
                    tail.rotate(self._limit_bytes)
            while self._said:
                self._write(self._said.popleft())

    def say(self, text: str) -> None:
        """Show a text of the supervisor's own after what was logged before it. Returns at once."""
        self._said.append(text + "\n")

    def close(self, limit_s: float = 2.0) -> None:
        """Show what is left and end; give up after `limit_s` if the terminal does not take it."""
        self._closed.set()
        self.join(limit_s)

    def _show(self, name: str, tail: Tail) -> None:
        lines = tail.new_lines()
        if lines and name not in self._hidden:
            self._write("".join(self._line(name, line) + "\n" for line in lines))

    def _write(self, text: str) -> None:
        try:
            self._out.write(text)
            self._out.flush()
        except (OSError, ValueError) as error:
            # The files still have it all.
            if isinstance(error, ValueError) or error.errno in CLOSED:
                self._closed.set()

    def _line(self, name: str, line: str) -> str:
        return pretty_line(name, line) if self._pretty else line


def pretty_line(name: str, line: str) -> str:
    """Write one log line for people. Lines that are not JSON events stay as they are, behind the name."""
    prefix = f"{DIM}{name:<{NAME_WIDTH}}{PLAIN} "
    try:
        event = json.loads(line)
    except ValueError:
        return prefix + line
    if not isinstance(event, dict) or "event" not in event:
        return prefix + line
    if event.get("service") == name:
        del event["service"]
    time = str(event.pop("timestamp", ""))[11:19]
    colour = COLOURS.get(str(event.pop("level", "info")), "")
    what = event.pop("event")
    trace = event.pop("exception", "")
    fields = " ".join(f"{DIM}{key}={PLAIN}{value}" for key, value in event.items())
    return f"{prefix}{DIM}{time}{PLAIN} {colour}{what}{PLAIN} {fields}" + (f"\n{trace}" if trace else "")


class LogFile:
    """A log of this process's own, of which nothing is kept where there is no room: a full disk stops no supervisor."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            os.write(self._descriptor, text.encode())

    def flush(self) -> None:
        """Do nothing: `write` keeps nothing back."""

    def close(self) -> None:
        os.close(self._descriptor)


def fresh_log(path: Path) -> Path:
    """Begin an empty log file, mode 0600; the one of the start before becomes `*.log.1`."""
    if path.exists():
        path.replace(previous(path))
    path.touch(mode=0o600)
    return path


def previous(path: Path) -> Path:
    return path.with_name(f"{path.name}.1")
