"""Tens of thousands of Typst documents in one process: `python -m benchmarks.engines.many DOCUMENTS` prints, as a JSON
line now and then, how many were made and the resident MiB. Typst has 65,535 file names for the life of a process.
"""

import json
import sys
from collections.abc import Iterator

import psutil

from benchmarks.engines.bundles import request_of
from benchmarks.engines.turn import MIB
from contracts.templates import TemplateBundle
from generator.core import Engines, generate

#: A template for so many documents, then another.
OF_A_TEMPLATE = 1000
POINTS = 10
_SOURCE = '#set page(width: 60mm, height: 40mm)\n#let d = json("data.json")\n= Label {number}\n#d.number, #d.name\n'


def measured(documents: int) -> Iterator[tuple[int, float]]:
    """Render, each with data of its own. Raises AssertionError if one is not a page."""
    engines, process = Engines(), psutil.Process()
    engines.warm_up()
    bundle = _template(0)
    for number in range(1, documents + 1):
        if number % OF_A_TEMPLATE == 0:
            bundle = _template(number)
        data = json.dumps({"number": f"L-{number:06}", "name": f"Harbour {number * 7919 % 10_007}"}).encode()
        rendered = generate(request_of(bundle, data, "pdf", number), engines)
        assert rendered.pages == 1 and not rendered.warnings
        if number in (1, documents) or number % max(1, documents // POINTS) == 0:
            yield number, process.memory_info().rss / MIB


def _template(number: int) -> TemplateBundle:
    return TemplateBundle.of_file("typst", _SOURCE.format(number=number).encode())


if __name__ == "__main__":
    for made, rss_mb in measured(int(sys.argv[1])):
        print(json.dumps([made, rss_mb]), flush=True)
