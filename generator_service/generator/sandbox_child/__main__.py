"""`python -m generator.sandbox_child <settings as JSON>`: started by the pool, talks over stdin and stdout."""

import json
import os
import sys
from pathlib import Path

from generator.sandbox_child.confine import confine, die_with, keep_niceness, limit
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
    server = Server(requests=0, answers=answers, fonts=fonts, scratch=scratch, output_bytes=settings["output_bytes"])
    server.warm_up()
    limit(settings["memory_bytes"], settings["file_bytes"])
    if settings["confine"]:
        try:
            confine(scratch, fonts)
        except ConfinementUnavailable as error:
            print(error, file=sys.stderr)
            return EXIT_UNCONFINED
    server.serve(confined=bool(settings["confine"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
