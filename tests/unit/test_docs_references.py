"""What the pages point at is there: files, headings, pictures, variables, make targets."""

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import pytest

from app.settings import ApiSettings
from generator.settings import GeneratorSettings
from standalone.settings import UpSettings

ROOT = Path(__file__).parents[2]
VARIABLE = re.compile(r"\bPRESSWORK_[A-Z0-9_]*[A-Z0-9]\b")
CODE_SUFFIXES = {".py", ".sh", ".yml", ".toml", ""}


def sources(top: Path) -> Iterator[Path]:
    """Walk through files; hidden folders (the benchmarks' peers: 20,000 files) are not entered."""
    for folder, inner, files in top.walk():
        inner[:] = [name for name in inner if name != "__pycache__" and not name.startswith(".")]
        yield from (folder / file for file in files)


PAGES = sorted(path for path in sources(ROOT) if path.suffix == ".md")


def prose(page: Path) -> str:
    """Return a page without its code blocks, whose brackets are no links."""
    return re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def targets(page: Path) -> list[str]:
    """Find what a page links to or shows, addresses of other sites aside."""
    found = re.findall(r"\]\(([^)\s]+)\)|(?:src|srcset|href)=\"([^\"\s]+)\"", prose(page))
    return [target for pair in found for target in pair if target and "://" not in target]


def anchors(page: Path) -> set[str]:
    """Name a page's headings as GitHub does: lower case, hyphens, no punctuation, a number behind repeated ones."""
    seen: Counter[str] = Counter()
    names = set()
    for heading in re.findall(r"^#+ (.+?)\s*$", prose(page), re.MULTILINE):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        names.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
        seen[slug] += 1
    return names


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def test_the_pages_that_matter_are_looked_at() -> None:
    assert {"README.md", "README.ru.md", "SECURITY.md", "docs/api.md", "docs/adr/0001-own-queue.md"} <= {
        name_of(page) for page in PAGES
    }


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_to_a_file_and_every_anchor_to_a_heading(page: Path) -> None:
    for target in targets(page):
        file, _, anchor = target.partition("#")
        to = (page.parent / unquote(file)).resolve() if file else page
        assert to.exists() and to.is_relative_to(ROOT), f"{target}: there is no such file"
        if anchor:
            assert unquote(anchor) in anchors(to), f"{target}: {name_of(to)} has no such heading"


@cache
def known_variables() -> set[str]:
    fields = {*ApiSettings.model_fields, *GeneratorSettings.model_fields, *UpSettings.model_fields}
    return {f"PRESSWORK_{field.upper()}" for field in fields} | {
        name for file in code() for name in VARIABLE.findall(file.read_text(encoding="utf-8"))
    }


def code() -> list[Path]:
    """List the files that may read a variable; not this one, nothing compiled or in a hidden folder."""
    tops = ("app", "benchmarks", "deploy", "docs", "generator_service", "kernel", "standalone", "tests")
    files = [path for top in tops for path in sources(ROOT / top) if path.suffix in CODE_SUFFIXES]
    files += [ROOT / "docker-compose.yml", ROOT / "Makefile", ROOT / "Dockerfile"]
    return [path for path in files if path != Path(__file__)]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_variable_that_a_page_names_is_read_by_the_code_or_set_on_the_page(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    set_here = set(re.findall(r"^export (PRESSWORK_\w+)=", text, re.MULTILINE))
    assert set(VARIABLE.findall(text)) - set_here <= known_variables()


def make_targets() -> dict[str, str]:
    """Read each phony target with its line of help."""
    text = (ROOT / "Makefile").read_text()
    phony = set(re.findall(r"^\.PHONY: (\S+)", text, re.MULTILINE))
    shown = dict(re.findall(r"^([a-z-]+):[^#\n]*## (.+)$", text, re.MULTILINE))
    assert shown.keys() == phony, "make help shows every target"
    return shown


def test_contributing_explains_every_make_target() -> None:
    named = set(re.findall(r"`make ([a-z-]+)", (ROOT / "CONTRIBUTING.md").read_text()))
    assert named == set(make_targets())


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_names_only_make_targets_that_exist(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(r"`make ([a-z-]+)", text)) | set(re.findall(r"^make ([a-z-]+)", text, re.MULTILINE))
    assert named <= set(make_targets())
