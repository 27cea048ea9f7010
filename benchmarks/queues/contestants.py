"""Who is measured, and with how many jobs at once (threads for dramatiq and celery): what a sweep found fastest.

`python -m benchmarks.queues --only arq --concurrency 50` measures another number.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Contestant:
    """`package`: its first pin in benchmarks/peers.txt; None runs in the project's own environment.

    `against_floods`: what it offers so that one user's flood does not hold up the others; empty for nothing.
    """

    name: str
    module: str
    package: str | None
    concurrency: int
    against_floods: str = ""


OURS = Contestant("presswork", "presswork", None, 64, "a lane per user, unannounced")
PEERS = (
    Contestant("arq", "arq", "arq", 100),
    Contestant("taskiq-redis", "taskiq", "taskiq-redis", 100, "a stream per user, announced"),
    Contestant("dramatiq", "dramatiq", "dramatiq", 8, "a queue per user, announced"),
    Contestant("celery", "celery", "celery", 10, "a queue per user, announced, in turn"),
    Contestant("pydocket", "pydocket", "pydocket", 200, "at most 5 of the 10 for one user"),
    Contestant("streaq", "streaq", "streaq", 100),
)
ALL = (OURS, *PEERS)
