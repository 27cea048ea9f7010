"""`make try-compose`: starts the real containers and tries what they promise. Needs Docker and free ports, and minutes.

Images are replaceable by the variables of docker-compose.yml (REDIS_IMAGE, CLICKHOUSE_IMAGE, ...) and STANDALONE_IMAGE.
"""

import argparse
import os
import sys
import tempfile
from pathlib import Path

from tests.containers.client import TrialFailed
from tests.containers.docker import docker
from tests.containers.four import try_compose
from tests.containers.single import try_standalone


def main() -> None:
    options = _options()
    try:
        if options.only != "standalone":
            with tempfile.TemporaryDirectory(prefix="presswork-try-") as scratch:
                try_compose(Path(scratch), build=not options.no_build, threads=options.threads, pause_s=options.pause_s)
        if options.only != "compose":
            _standalone(build=not options.no_build)
    except TrialFailed as failure:
        sys.exit(f"failed: {failure}")


def _standalone(*, build: bool) -> None:
    image = os.environ.get("STANDALONE_IMAGE", "presswork/standalone")
    if build:
        docker("build", "-q", "-t", image, "--target", "standalone", ".")
    try_standalone(image)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make try-compose", description="Try the containers for real.")
    parser.add_argument("--only", choices=("compose", "standalone"), help="one half of it")
    parser.add_argument("--no-build", action="store_true", help="take the images that are there")
    parser.add_argument("--threads", type=int, default=4, help="clients of the flood (default 4)")
    parser.add_argument(
        "--pause-s", type=float, default=0.3, help="pause of a client after a 202, in seconds (default 0.3)"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
