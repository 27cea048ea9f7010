"""Ours: `generator.core.generate` with every check of production, on templates as untrusted as an uploaded one."""

from collections.abc import Callable
from itertools import count

from benchmarks.engines.bundles import bundle_of, request_of
from benchmarks.engines.peers.harness import Task, run
from generator.core import Engines, generate


def prepare(task: Task) -> Callable[[bytes], bytes]:
    engines, bundle, numbers = Engines(), bundle_of(task.kind, task.format), count()
    engines.warm_up()
    return lambda data: generate(request_of(bundle, data, task.format, next(numbers)), engines).content


if __name__ == "__main__":
    run(prepare, raw=True)
