"""Who is measured, and on which of the templates in `work/`. The text of each says how it is used."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

WORK = Path(__file__).parent / "work"
KINDS = ("invoice", "report")


@dataclass(frozen=True)
class Contestant:
    """`module` under `peers/`, run by `runtime`. `package`: its name in peers.txt or package.json, None for ours.

    `template`: a file of `work/` with the kind for `{}`. `html`: it gets finished pages instead of records.
    """

    name: str
    format: Literal["pdf", "docx"]
    runtime: Literal["python", "node"]
    module: str
    package: str | None
    template: str
    how: str
    html: bool = False
    browser: bool = False

    def template_of(self, kind: str) -> Path:
        return WORK / self.template.format(kind)


OURS_DOCX = Contestant(
    "presswork", "docx", "python", "presswork", None, "docxtpl_{}.docx", "docxtpl's templates as they are"
)
OURS_PDF = Contestant(
    "presswork",
    "pdf",
    "python",
    "presswork",
    None,
    "{}_fast.typ",
    "Typst, columns of fixed width, rows of fixed height",
)
DOCX = (
    OURS_DOCX,
    Contestant(
        "easy-template-x", "docx", "node", "easytemplatex", "easy-template-x", "easytemplatex_{}.docx", "a handler kept"
    ),
    Contestant(
        "docxtemplater", "docx", "node", "docxtemplater", "docxtemplater", "docxtemplater_{}.docx", "with PizZip"
    ),
    Contestant("carbone", "docx", "node", "carbone", "carbone", "carbone_{}.docx", "`carbone.render`"),
    Contestant(
        "docxtpl", "docx", "python", "docxtpl_peer", "docxtpl", "docxtpl_{}.docx", "with autoescape, or `&` is lost"
    ),
)
PDF = (
    OURS_PDF,
    Contestant("chromium", "pdf", "node", "chromium", "playwright-core", "{}.html", "one page reused", True, True),
    Contestant(
        "chromium-isolated",
        "pdf",
        "node",
        "chromium_isolated",
        "playwright-core",
        "{}.html",
        "a context for each document",
        True,
        True,
    ),
    Contestant(
        "weasyprint", "pdf", "python", "weasyprint_peer", "weasyprint", "{}.html", "a font configuration kept", True
    ),
)
ALL = (*DOCX, *PDF)
