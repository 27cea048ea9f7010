"""The four containers of docker-compose.yml: start, hardening, a PDF and a DOCX, the panel, the sandbox, the flood."""

import json
import os
import subprocess
import time
import urllib.parse
from pathlib import Path

from tests.containers.client import Api, request, require
from tests.containers.docker import ROOT, SERVICES, Project, inspect
from tests.containers.flood import Flood, disturb, require_nothing_lost

PANEL = "http://127.0.0.1:8001"

#: Prints how each render process is confined, as the kernel says.
RENDERERS = """
import json, pathlib
found = []
for process in pathlib.Path("/proc").glob("[0-9]*"):
    if b"sandbox_child" in (process / "cmdline").read_bytes():
        status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
        found.append([status["Seccomp"].strip(), status["NoNewPrivs"].strip(), status["CapEff"].strip()])
print(json.dumps(found))
"""

#: Becomes what a template runs in, and tries a socket and a program.
CONFINED = """
import json, os, socket, tempfile
from pathlib import Path
from generator.renderers.registry import FONTS
from generator.sandbox_child import landlock
from generator.sandbox_child.confine import confine
def tried(probe):
    try:
        probe()
    except OSError as error:
        return error.errno
    return 0
available = landlock.available()
confine(Path(tempfile.mkdtemp()), FONTS)
print(json.dumps([tried(socket.socket), tried(os.fork), tried(lambda: open("/etc/passwd")), available]))
"""


def try_compose(scratch: Path, *, build: bool, threads: int, pause_s: float) -> None:
    """Start the four containers, try everything, and take them down with their volumes."""
    project = _project(scratch)
    project.compose("down", "-v", "--remove-orphans")
    try:
        if build:
            project.compose("build", "fastapi_app", "generator_service")
        started_at = time.monotonic()
        project.compose("up", "-d", "--no-build")
        project.await_all_healthy()
        print(f"four containers are healthy after {time.monotonic() - started_at:.1f} s", flush=True)
        _try_all(project, _secrets(scratch), threads, pause_s)
    except BaseException:
        print(project.compose("logs", "--tail", "40"))
        raise
    finally:
        project.compose("down", "-v", "--remove-orphans")


def _try_all(project: Project, secrets: dict[str, str], threads: int, pause_s: float) -> None:
    api = Api(secrets["PRESSWORK_ADMIN_KEY"])
    receiver_url = f"http://127.0.0.1:{os.environ.get('RECEIVER_PORT', '9000')}"
    require(api.bytes_of("pdf").startswith(b"%PDF-"), "the PDF is none")
    require(api.bytes_of("docx").startswith(b"PK"), "the DOCX is none")
    _try_panel(api)
    _require_hardened(project)
    _require_confined(project)
    flood = Flood(api, threads, pause_s)
    with flood.pouring():
        disturb(project)
    print(f"  {len(flood.accepted)} documents were accepted", flush=True)
    require_nothing_lost(api, flood.accepted, receiver_url)
    _require_no_secret_logged(project, secrets)
    print("nothing was lost: each is completed, announced under one webhook-id, and in history once")


def _project(scratch: Path) -> Project:
    env_file = scratch / ".env"
    made = subprocess.run(["sh", "deploy/compose/make-env"], capture_output=True, text=True, check=True, cwd=ROOT)
    env_file.write_text(made.stdout, encoding="utf-8")
    return Project(env_file, {"PRESSWORK_WEBHOOK_ALLOW_HOSTS": "receiver:9000"})


def _secrets(scratch: Path) -> dict[str, str]:
    lines = (scratch / ".env").read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def _try_panel(api: Api) -> None:
    """Log in as a browser does, and find a document on its page."""
    document_id = api.accept()
    api.ended(document_id)
    form = urllib.parse.urlencode({"key": api.key}).encode()
    login = request("POST", f"{PANEL}/login", form, {"Content-Type": "application/x-www-form-urlencoded"})
    require(login.status == 303, f"the panel's login answers {login.status}")
    cookie = login.headers["Set-Cookie"].partition(";")[0]
    page = request("GET", f"{PANEL}/documents/{document_id}", headers={"Cookie": cookie})
    require(page.status == 200 and document_id.encode() in page.body, f"the panel's page answers {page.status}")
    listing = request("GET", f"{PANEL}/documents", headers={"Cookie": cookie})
    require(listing.status == 200, f"the panel's list answers {listing.status}")


def _require_hardened(project: Project) -> None:
    for service in SERVICES:
        found = inspect(project.container(service))
        host, user = found["HostConfig"], found["Config"]["User"]
        require(user not in ("", "0", "0:0", "root"), f"{service} runs as root")
        require(host["ReadonlyRootfs"] and host["CapDrop"] == ["ALL"], f"{service} can write, or has capabilities")
        require(host["Memory"] > 0 and host["NanoCpus"] > 0 and host["PidsLimit"] > 0, f"{service} has no limits")


def _require_confined(project: Project) -> None:
    found = json.loads(project.python("generator_service", RENDERERS))
    require(bool(found), "no render process was found")
    for seccomp, no_new_privileges, capabilities in found:
        require((seccomp, no_new_privileges) == ("2", "1"), f"a render process has Seccomp {seccomp}")
        require(int(capabilities, 16) == 0, f"a render process has capabilities {capabilities}")
    socket_errno, fork_errno, file_errno, landlock = json.loads(project.python("generator_service", CONFINED))
    require(
        (socket_errno, fork_errno) == (1, 1), f"a confined process got {socket_errno}, {fork_errno} instead of EPERM"
    )
    require(not landlock or file_errno == 13, "Landlock is available and lets a template read /etc/passwd")
    print(f"  {len(found)} render processes are filtered; Landlock is {'active' if landlock else 'unavailable'}")


def _require_no_secret_logged(project: Project, secrets: dict[str, str]) -> None:
    logs = project.compose("logs", "--no-color")
    for name, value in secrets.items():
        require(value not in logs, f"{name} is in the logs")
