"""What a contestant's processes are told, through one environment variable."""

import json
import os
from dataclasses import asdict, dataclass
from typing import Self

VARIABLE = "QUEUE_BENCHMARK"


@dataclass(frozen=True)
class Options:
    """`log`: the file of runs. `concurrency`: jobs at once in the worker. `job_s`: how long a job takes.

    `per_user` asks a contestant for what it has against one user's flood; without it all jobs wait in one line.
    """

    url: str
    log: str
    concurrency: int
    job_s: float = 0.0
    per_user: bool = False

    @classmethod
    def read(cls) -> Self:
        return cls(**json.loads(os.environ[VARIABLE]))

    def environment(self) -> dict[str, str]:
        return {VARIABLE: json.dumps(asdict(self))}
