"""`make fuzz`: fuzz the render pool for some minutes. Exit code 1 if an input broke a promise."""

import argparse
import asyncio
import logging
import secrets
import sys
from pathlib import Path

import structlog

from tests.hostile.fuzz import Report, fuzz


def main() -> int:
    """Read the options, fuzz, tell."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--minutes", type=float, default=3, help="how long (3)")
    parser.add_argument("--seed", type=int, default=None, help="repeat a run: the number it printed")
    parser.add_argument("--keep", type=Path, default=Path("var/fuzz"), help="where failing inputs go (var/fuzz)")
    chosen = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    number = secrets.randbelow(1 << 30) if chosen.seed is None else chosen.seed
    print(f"seed {number}", flush=True)
    return _told(asyncio.run(fuzz(number, chosen.minutes * 60, chosen.keep)))


def _told(report: Report) -> int:
    print(f"{report.outcomes.total()} documents")
    for outcome, count in report.outcomes.most_common():
        print(f"  {outcome:<18} {count}")
    for folder in report.kept:
        print(f"FAILED {folder}: {(folder / 'error.txt').read_text().strip()}")
    return 1 if report.kept else 0


if __name__ == "__main__":
    sys.exit(main())
