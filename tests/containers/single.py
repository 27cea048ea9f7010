"""The standalone image: `presswork up` as the first process of one container, read-only, without root."""

import json
import time

from tests.containers.client import Api, require, until
from tests.containers.docker import await_healthy, docker, inspect

NAME = VOLUME = "presswork-try-standalone"

#: Kills the generator as a crash would.
KILL_GENERATOR = """
import os, pathlib, signal
for process in pathlib.Path("/proc").glob("[0-9]*"):
    if (process / "cmdline").read_bytes().split(b"\\0")[-3:-1] == [b"-m", b"generator"]:
        os.kill(int(process.name), signal.SIGKILL)
        print(process.name)
"""

#: Prints the names of ended processes that nobody has buried.
ZOMBIES = """
import json, pathlib
found = []
for process in pathlib.Path("/proc").glob("[0-9]*"):
    try:
        name, state = (process / "stat").read_text().rpartition(")")[::2]
    except OSError:
        continue
    if state.split()[0] == "Z":
        found.append(name)
print(json.dumps(found))
"""


def try_standalone(image: str) -> None:
    """Start it, make a document, kill a child, stop it, start it again: the document is there."""
    _remove()
    try:
        docker("volume", "create", VOLUME)
        hardened = ["--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
        ports = ["-p", "127.0.0.1:8000:8000", "-p", "127.0.0.1:8001:8001"]
        started_at = time.monotonic()
        docker("run", "-d", "--name", NAME, *hardened, *ports, "-v", f"{VOLUME}:/data", image)
        await_healthy(NAME)
        print(f"the standalone container is healthy after {time.monotonic() - started_at:.1f} s", flush=True)
        _try_all()
    except BaseException:
        print(docker("logs", "--tail", "40", NAME))
        raise
    finally:
        _remove()


def _try_all() -> None:
    api = Api(docker("exec", NAME, "cat", "/data/admin.key").strip())
    require(api.key not in docker("logs", NAME), "the admin's key is in the container's log")
    require(api.bytes_of("docx").startswith(b"PK"), "the DOCX is none")
    document_id = api.accept()
    api.ended(document_id)
    _survive_a_kill(api)
    _stop()
    docker("start", NAME)
    api.ended(document_id)
    require(api.patiently("GET", f"/v1/documents/{document_id}/content").body.startswith(b"%PDF-"), "the PDF is gone")
    _stop()
    print("the standalone container restarts what dies, stops in time, and keeps its data")


def _survive_a_kill(api: Api) -> None:
    require(docker("exec", NAME, "python", "-c", KILL_GENERATOR).strip().isdigit(), "there is no generator to kill")
    api.ended(api.accept())
    until(lambda: _zombies() == [], "ended processes to be buried", 20)


def _zombies() -> list[str]:
    names: list[str] = json.loads(docker("exec", NAME, "python", "-c", ZOMBIES))
    return names


def _stop() -> None:
    started_at = time.monotonic()
    docker("stop", "-t", "30", NAME)
    took_s = time.monotonic() - started_at
    code = inspect(NAME)["State"]["ExitCode"]
    require(took_s < 10 and code == 0, f"it stopped after {took_s:.1f} s with exit code {code}")
    print(f"  stopped after {took_s:.1f} s", flush=True)


def _remove() -> None:
    for command in (["rm", "-f", "-v", NAME], ["volume", "rm", "-f", VOLUME]):
        docker(*command)
