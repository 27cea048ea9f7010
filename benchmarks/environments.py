"""The peers' environments under benchmarks/.peers, made again when a pin changes: a virtual environment for each Python
package of peers.txt, one folder of modules for all of package.json.
"""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PINS, NODE_PINS = HERE / "peers.txt", HERE / "package.json"
#: No lock file: it would name the registry that it was made with.
_NPM = ("npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error")


def python_of(package: str | None) -> Path:
    """Return the interpreter that has a peer installed (installing it if need be), or the project's own."""
    if package is None:
        return Path(sys.executable)
    pins, folder = pins_of(package), HERE / ".peers" / package
    stamp = folder / "pins.txt"
    if not stamp.exists() or stamp.read_text().split() != pins:
        _install(pins, folder / "venv")
        stamp.write_text("\n".join(pins) + "\n")
    return folder / "venv" / "bin" / "python"


def node_modules() -> Path:
    """Return the folder with the peers' modules for Node, installing them if need be.

    Raises OSError without npm, CalledProcessError if it fails.
    """
    folder = HERE / ".peers" / "npm"
    stamp, wanted = folder / "installed.json", NODE_PINS.read_text()
    if not stamp.exists() or stamp.read_text() != wanted:
        print("installing the peers for Node", flush=True)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / NODE_PINS.name).write_text(wanted)
        subprocess.run(_NPM, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        stamp.write_text(wanted)
    return folder / "node_modules"


def pins_of(package: str) -> list[str]:
    lines = [line.split() for line in PINS.read_text().splitlines() if line and not line.startswith("#")]
    return next(pins for pins in lines if pins[0].startswith(f"{package}=="))


def version_of(package: str | None) -> str:
    """Return the pinned version of a peer; nothing for what this repository holds."""
    return "" if package is None else pins_of(package)[0].partition("==")[2]


def _install(pins: list[str], venv: Path) -> None:
    print(f"installing {' '.join(pins)}", flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(venv)], check=True)
    pip = [str(venv / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, *pins], check=True)
