"""The files that contestants read: one JSON value a line, made once for all of them."""

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader

from benchmarks.engines.contestants import KINDS, WORK, Contestant
from benchmarks.engines.records import MAKE, Record, json_lines

#: More than the fastest renders in its time; those who read pages render a hundredth of it.
RECORDS = {"invoice": {"docx": 15_000, "pdf": 2000}, "report": {"docx": 1000, "pdf": 150}}
PAGES = {"invoice": 400, "report": 80}


@dataclass(frozen=True)
class Inputs:
    """Records and pages by kind, in a folder of their own. Line n is record n."""

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> "Inputs":
        inputs = cls(folder)
        for kind in KINDS:
            for made, count in RECORDS[kind].items():
                lines = json_lines(kind, made, 0, count)
                inputs.records(kind, made).write_text("".join(f"{line}\n" for line in lines))
            inputs.pages(kind).write_text("".join(f"{json.dumps(page)}\n" for page in _pages(kind, PAGES[kind])))
        return inputs

    def records(self, kind: str, output_format: str) -> Path:
        return self.folder / f"{kind}-{output_format}.jsonl"

    def pages(self, kind: str) -> Path:
        return self.folder / f"{kind}-pages.jsonl"

    def of(self, contestant: Contestant, kind: str) -> Path:
        return self.pages(kind) if contestant.html else self.records(kind, contestant.format)

    def all(self, kind: str, output_format: str) -> list[bytes]:
        """Return the records as JSON."""
        return self.records(kind, output_format).read_bytes().splitlines()


def _pages(kind: str, count: int) -> Iterator[str]:
    """Make HTML pages that need nothing from elsewhere."""
    environment = Environment(loader=FileSystemLoader(WORK), autoescape=True)
    template = environment.get_template(f"{kind}.html")
    logo = data_uri((WORK / "logo.png").read_bytes(), "image/png")
    for number in range(count):
        record = MAKE[kind](number)
        yield template.render(d=record, logo=logo, qr=_drawn(record, "qr_svg"), chart=_drawn(record, "chart_svg"))


def _drawn(record: Record, name: str) -> str:
    return data_uri(str(record.get(name, "")).encode(), "image/svg+xml")


def data_uri(content: bytes, content_type: str) -> str:
    return f"data:{content_type};base64,{base64.b64encode(content).decode()}"
