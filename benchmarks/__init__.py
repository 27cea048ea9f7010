"""Benchmarks: outputs are validated, ratios are within one run, results are JSON. Never imported by the product."""
