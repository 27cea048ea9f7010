"""Shipped templates over known ones: a source is a new version, everything else is replaced."""

from backends.template_store import shipped_over
from contracts.templates import TemplateHead, TemplateVersion


def head(sha256: str = "a" * 64, at: int = 1, **changes: object) -> TemplateHead:
    version = TemplateVersion(version=1, sha256=sha256, engines={"pdf": "typst"}, created_at=at)
    kept = {"name": "invoice", "engine": "typst", "formats": ("pdf",), "tags": {"production": 1}}
    return TemplateHead.model_validate({**kept, "versions": (version,), "created_at": at, "updated_at": at, **changes})


def test_a_template_that_is_known_as_it_is_changes_nothing() -> None:
    assert shipped_over(head(data_schema={"minimum": 1}), head(at=2, data_schema={"minimum": 1})) is None


def test_a_changed_source_is_the_next_version_and_production_moves_to_it() -> None:
    stored = shipped_over(head(tags={"production": 1, "beta": 1}), head("b" * 64, at=2))
    assert stored is not None
    assert [(version.version, version.sha256[0]) for version in stored.versions] == [(1, "a"), (2, "b")]
    assert stored.tags == {"production": 2, "beta": 1}
    assert (stored.created_at, stored.updated_at) == (1, 2)


def test_an_older_head_gets_the_schema_and_keeps_its_versions_and_tags() -> None:
    older = TemplateHead.model_validate_json(head(tags={"production": 1, "mine": 1}).model_dump_json())
    stored = shipped_over(older, head(at=2, data_schema={"type": "object"}, title="Invoice"))
    assert stored is not None
    assert (stored.data_schema, stored.title) == ({"type": "object"}, "Invoice")
    assert (stored.versions, stored.tags, stored.created_at) == (older.versions, older.tags, 1)
