"""The programs of docs/quickstart.md, as they stand there, each where its language is installed, on a running stack."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.e2e.test_main_job import Fast
from tests.e2e.test_readme import up

__all__ = ["up"]
pytestmark = pytest.mark.timeout(240)

PAGE = (Path(__file__).parents[2] / "docs/quickstart.md").read_text(encoding="utf-8")
#: Language of a block -> the file that it is written to, and what runs that.
RUN = {
    "sh": ("quickstart.sh", ["bash", "-eu", "quickstart.sh"]),
    "python": ("quickstart.py", ["python3", "quickstart.py"]),
    "js": ("quickstart.mjs", ["node", "quickstart.mjs"]),
    "php": ("quickstart.php", ["php", "quickstart.php"]),
    "go": ("quickstart.go", ["go", "run", "quickstart.go"]),
}


def programs() -> list[tuple[str, str]]:
    """Collect the blocks that make a PDF, with their languages."""
    found: list[tuple[str, str]] = re.findall(r"^```(\w+)\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    return [(language, code) for language, code in found if "invoice.pdf" in code]


def test_every_language_has_one_program() -> None:
    assert [language for language, _ in programs()] == list(RUN)


@pytest.mark.parametrize(("language", "code"), programs(), ids=RUN)
def test_the_program_makes_a_pdf(up: Fast, tmp_path: Path, language: str, code: str) -> None:
    name, command = RUN[language]
    if not shutil.which(command[0]):
        pytest.skip(f"{command[0]} is not installed")
    (tmp_path / name).write_text(code, encoding="utf-8")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "PRESSWORK_URL": up.facts["api_url"],
        "PRESSWORK_KEY": (up.home / "var/admin.key").read_text().strip(),
    }
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "invoice.pdf").read_bytes().startswith(b"%PDF-")
