"""The engines beside their peers, then through the render processes and through the whole service.

`python -m benchmarks.engines` measures everything in one run: one core each, rounds interleaved, a different record per
document, outputs read back. `records` makes the data, `contestants` lists who is measured, `peers/` has their code.
"""
