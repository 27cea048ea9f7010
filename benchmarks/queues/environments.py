"""The peers' virtual environments: one each under benchmarks/.peers, made again when a pin changes."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parents[1]
PINS = HERE / "peers.txt"


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
