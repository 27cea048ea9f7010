"""`python -m benchmarks [name ...]` runs benchmarks one after the other: those named, or all but the long ones."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
#: By name only: a million documents take ten minutes and 5 GB, 80,000 rendered ones take fifteen minutes.
LONG = {"queue_depth", "engines_memory"}


def names() -> list[str]:
    """Find the modules that run, and the packages."""
    modules = [path.stem for path in HERE.glob("[a-z]*.py") if '__name__ == "__main__"' in path.read_text()]
    return sorted([*modules, *(path.parent.name for path in HERE.glob("[a-z]*/__main__.py"))])


if __name__ == "__main__":
    for name in sys.argv[1:] or [name for name in names() if name not in LONG]:
        print(f"== {name}", flush=True)
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=True)
