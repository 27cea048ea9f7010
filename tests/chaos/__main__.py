"""`make chaos`: a real stack, clients, and everything that can happen to them; then the question what was kept.

docs/chaos.md says how to read it. Ends with 1 if a promise was broken.
"""

import argparse
import asyncio
import json
import shutil
import sys
import tempfile
from pathlib import Path

from tests.chaos.plan import plan
from tests.chaos.report import Report
from tests.chaos.run import Chaos, Trial
from tests.chaos.self_test import self_test
from tests.chaos.small_disks import NoMounts, keep_copy, mount_small, private_mounts, unmount
from tests.chaos.stack import Ground


def main() -> None:
    options = _options()
    home = Path(tempfile.mkdtemp(prefix="presswork-chaos-", dir=options.dir))
    ground = Ground.take(home)
    disks = _small_disks(ground, options.seconds)
    if options.self_test:
        sys.exit(_removed_if_good(ground, self_test(ground, options.seed)))
    steps = plan(options.seed, options.seconds, disks=disks)
    trial = Trial(options.seed, options.seconds, steps, options.clients, endpoints=options.endpoints)
    print(f"Chaos: {trial.seconds:g} s, seed {trial.seed}, {len(trial.steps)} acts; logs in {home}", flush=True)
    try:
        report = asyncio.run(Chaos(ground, trial).run())
    except BaseException:
        _keep_disks(ground, disks=disks)
        raise
    print(report.text(), flush=True)
    sys.exit(_concluded(ground, report, disks=disks, keep=options.keep))


def _concluded(ground: Ground, report: Report, *, disks: bool, keep: bool) -> int:
    """Keep what explains a violation, remove the rest; return the exit code."""
    (ground.home / "report.json").write_text(json.dumps(report.numbers, indent=2))
    if not report.violations and not keep:
        return _removed_if_good(ground, 0)
    _keep_disks(ground, disks=disks)
    print(f"All of it is kept in {ground.home}: history.jsonl, received.jsonl, logs, the servers' files.")
    print(f"The same acts again: make chaos ARGS='--seconds {report.seconds:g} --seed {report.seed}'")
    return 1 if report.violations else 0


def _removed_if_good(ground: Ground, code: int) -> int:
    if code == 0:
        unmount(ground.disks.values())
        shutil.rmtree(ground.home)
    return code


def _keep_disks(ground: Ground, *, disks: bool) -> None:
    """Copy the servers' files from their small disks, which vanish with us."""
    if disks:
        keep_copy(ground.disks, ground.home / "disks")


def _small_disks(ground: Ground, seconds: float) -> bool:
    """Give Redis, blobs and ClickHouse small disks of their own; tell whether that was possible."""
    sizes = {"redis": 128 + round(seconds / 4), "blobs": 128 + round(seconds), "clickhouse": 512 + round(seconds / 2)}
    try:
        private_mounts()
        mount_small({ground.disks[name]: size for name, size in sizes.items()})
    except NoMounts as why:
        print(f"No disk will be filled: this machine does not let us mount small ones ({why}).", flush=True)
        return False
    return True


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make chaos", description="Try to break every promise at once.")
    parser.add_argument("--seconds", type=float, default=60, help="how long faults happen (default 60)")
    parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same acts (default 1)")
    parser.add_argument("--clients", type=int, default=6, help="clients that request documents (default 6)")
    parser.add_argument("--endpoints", type=int, default=1, help="webhook endpoints of each client (default 1)")
    parser.add_argument("--dir", default=None, help="where the run's folder is made (default: the temporary folder)")
    parser.add_argument("--keep", action="store_true", help="keep the run's folder also when all went well")
    parser.add_argument("--self-test", action="store_true", help="run a build broken on purpose: it must be caught")
    return parser.parse_args()


if __name__ == "__main__":
    main()
