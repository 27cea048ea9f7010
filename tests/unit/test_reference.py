"""What the documents claim: tables made from the code, one version of each library, every endpoint guarded."""

import tomllib
from pathlib import Path

import pytest

from app.api import content, documents, system, templates, users, webhooks
from app.api.access import PUBLIC, GuardedRoute
from app.api.errors import FLAW_CODES, PROBLEMS
from docs.generate import PAGES

ROOT = Path(__file__).parents[2]
SETTINGS = {
    "redis_url": "redis://127.0.0.1:1/0",
    "clickhouse_url": "http://u:p@127.0.0.1:1/presswork",
    "secret_key": "x" * 40,
    "log_level": "error",
}
OPEN = {
    "/livez",
    "/readyz",
    "/metrics",
    "/problems/{code}",
    "/docs",
    "/docs/start.js",
    "/v1/documents/{document_id}/content",
}


@pytest.mark.parametrize("page", PAGES)
def test_a_page_made_from_the_code_is_up_to_date(page: str) -> None:
    assert (ROOT / "docs" / page).read_text() == PAGES[page](), "run `make docs`"


def test_both_locks_hold_the_same_versions() -> None:
    locks = [tomllib.loads((ROOT / path).read_text()) for path in ("poetry.lock", "generator_service/poetry.lock")]
    first, second = ({package["name"]: package["version"] for package in lock["package"]} for lock in locks)
    shared = first.keys() & second.keys()
    assert len(shared) > 30
    assert {name: first[name] for name in shared} == {name: second[name] for name in shared}


def routes() -> list[GuardedRoute]:
    parts = (users, templates, documents, content, webhooks, system)
    return [route for part in parts for route in part.router.routes if isinstance(route, GuardedRoute)]


def test_every_endpoint_says_who_may_call_it_and_only_these_need_no_key() -> None:
    assert {route.path_format for route in routes() if route.roles == PUBLIC} == OPEN
    assert all(set(route.roles) <= {"admin", "member", "viewer"} for route in routes())


def test_every_problem_has_a_page_a_status_and_a_meaning() -> None:
    for code, known in PROBLEMS.items():
        assert 400 <= known.status < 600 and known.title and known.meaning.endswith("."), code
    assert all(meaning.endswith(".") for meaning in FLAW_CODES.values())
