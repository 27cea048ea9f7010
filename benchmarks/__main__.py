"""`python -m benchmarks [name]` runs one benchmark, or all of them one after the other."""

import subprocess
import sys
from pathlib import Path

if __name__ == "__main__":
    names = sys.argv[1:] or sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))
    for name in names:
        print(f"== {name}", flush=True)
        subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=True)
