"""The queue beside its peers, in one run on one machine: `python -m benchmarks.queues [--only NAME ...] [--rounds N]`.

Every contestant gets a fresh Redis server of the same settings (an fsync per write), the same jobs, one worker process.
Modules that run inside a peer's own virtual environment (`client`, `options`, `runs`, `peers/*`) import only its
library and the standard library.
"""
