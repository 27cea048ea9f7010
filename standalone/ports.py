"""Ports, looked at before anything is started: a taken one is refused with the name of its holder and the way out."""

import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from standalone.errors import StartRefused
from standalone.settings import option, variable

LISTEN = "0A"


def require_free(host: str, port: int, setting: str) -> None:
    """Raise StartRefused unless `host:port` can be listened on. `setting` is the one that chose the port."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)
    except OSError as error:
        raise StartRefused(_refusal(error, host, port, setting)) from error


def _refusal(error: OSError, host: str, port: int, setting: str) -> str:
    way_out = f"Choose another port with {option(setting)} or {variable(setting)}"
    match error.errno:
        case errno.EADDRINUSE:
            outside = {"redis_port": "--redis-url", "clickhouse_port": "--clickhouse-url"}.get(setting)
            use_it = f", or use that server with {outside}" if outside else ""
            return f"Port {port} is taken{_by_whom(port)}. {way_out}{use_it}."
        case errno.EACCES:
            return f"Port {port} is for the system's administrator. {way_out} (1024 or higher)."
        case _:
            return f"{host} is not an address of this machine ({error.strerror}): see --host or PRESSWORK_HOST."


def _by_whom(port: int) -> str:
    holder = port_holder(port)
    return f" by {holder[1]} (pid {holder[0]})" if holder else ""


def port_holder(port: int) -> tuple[int, str] | None:
    """Return pid and program name of who listens on the port, if /proc shows it: other users' processes are hidden."""
    sockets = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    if not sockets:
        return None
    for process in Path("/proc").glob("[0-9]*"):
        if sockets & set(_open_files(process)):
            return int(process.name), _program(process)
    return None


def _listening_inodes(port: int) -> Iterator[str]:
    for table in (Path("/proc/net/tcp"), Path("/proc/net/tcp6")):
        if not table.exists():
            continue
        for line in table.read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                yield fields[9]


def _open_files(process: Path) -> Iterator[str]:
    try:
        for descriptor in (process / "fd").iterdir():
            yield os.readlink(descriptor)
    except OSError:
        return  # gone meanwhile, or somebody else's


def _program(process: Path) -> str:
    try:
        return (process / "comm").read_text().strip()
    except OSError:
        return "a program"
