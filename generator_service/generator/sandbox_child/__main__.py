"""`python -m generator.sandbox_child <settings as JSON>`: started by the pool, talks over stdin and stdout."""

import json
import os
import sys
from pathlib import Path

from generator.core import Engines
from generator.sandbox_child.confine import confine, die_with, keep_niceness, limit, widen
from generator.sandbox_child.seccomp import ConfinementUnavailable
from generator.sandbox_child.serve import Server

EXIT_UNCONFINED = 78  # EX_CONFIG


def main() -> int:
    """Warm up, confine, report ready, then serve until the pipe closes. Returns the exit code."""
    settings = json.loads(sys.argv[1])
    die_with(settings["parent"])
    keep_niceness()
    scratch, fonts = Path(settings["scratch"]), Path(settings["fonts"])
    answers = os.dup(1)
    os.dup2(2, 1)  # whatever a library prints must not reach the pipe
    for pipe in (0, answers):
        widen(pipe)
    packages = Path(settings["packages"]) if settings["packages"] else None
    engines = Engines(fonts=fonts, scratch=scratch, packages=packages)
    server = Server(requests=0, answers=answers, engines=engines, output_bytes=settings["output_bytes"])
    server.warm_up()
    limit(settings["memory_bytes"], settings["file_bytes"])
    if settings["confine"]:
        try:
            confine(scratch, fonts, *([packages] if packages else []))
        except ConfinementUnavailable as error:
            print(error, file=sys.stderr)
            return EXIT_UNCONFINED
    server.serve(confined=bool(settings["confine"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
