"""Pictures of templates: what they are kept under, and the sheet that stands for one that cannot be made."""

from xml.etree import ElementTree

from contracts.templates import TemplateHead, TemplateVersion
from generator.admin.pictures import initials, picture_key, picture_tag, placeholder, shown_version


def head(**changes: object) -> TemplateHead:
    versions = tuple(
        TemplateVersion(version=number, sha256=f"{number}" * 64, engines={"png": "typst"}, created_at=1)
        for number in (1, 2)
    )
    known = {"name": "a", "engine": "typst", "formats": ("png",), "versions": versions, "tags": {"production": 1}}
    return TemplateHead.model_validate({**known, "created_at": 1, "updated_at": 1, "sample": {"a": 1}, **changes})


def test_a_picture_shows_production_and_the_newest_version_without_it() -> None:
    assert shown_version(head()).version == 1
    assert shown_version(head(tags={})).version == 2
    assert shown_version(head(tags={"production": 9})).version == 2


def test_a_picture_is_kept_under_all_that_it_depends_on() -> None:
    heads = [(head(), "en"), (head(), "ru"), (head(sample={"a": 2}), "en"), (head(tags={}), "en")]
    assert len({picture_key(*one) for one in heads}) == len({picture_tag(*one) for one in heads}) == 4
    assert picture_key(head(title="Another title"), "en") == picture_key(head(), "en")


def test_a_placeholder_is_well_formed_whatever_the_title() -> None:
    drawn = ElementTree.fromstring(placeholder('<b>&"', "a < b & c"))
    assert [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")] == ["?", "a < b & c"]


def test_initials_are_those_of_two_words() -> None:
    assert [initials(title) for title in ("delivery note", "invoice", "words-only now", "", "счёт на оплату")] == [
        *("DN", "I", "WO", "?", "СН"),
    ]
