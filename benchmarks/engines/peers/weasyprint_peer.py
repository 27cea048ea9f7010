"""WeasyPrint on finished pages; what it knows of the fonts is kept from document to document."""

from collections.abc import Callable

from weasyprint import HTML
from weasyprint.text.fonts import FontConfiguration

from benchmarks.engines.peers.harness import Task, run


def prepare(task: Task) -> Callable[[str], bytes]:
    fonts = FontConfiguration()

    def render(page: str) -> bytes:
        made: bytes = HTML(string=page).write_pdf(font_config=fonts)
        return made

    return render


if __name__ == "__main__":
    run(prepare)
