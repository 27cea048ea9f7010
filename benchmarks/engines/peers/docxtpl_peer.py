"""docxtpl, as its documentation shows: the template opened for each document."""

import io
from collections.abc import Callable
from typing import Any

from docxtpl import DocxTemplate

from benchmarks.engines.peers.harness import Task, run


def prepare(task: Task) -> Callable[[dict[str, Any]], bytes]:
    def render(record: dict[str, Any]) -> bytes:
        document = DocxTemplate(task.template)
        document.render(record, autoescape=True)
        out = io.BytesIO()
        document.save(out)
        return out.getvalue()

    return render


if __name__ == "__main__":
    run(prepare)
