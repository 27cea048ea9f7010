"""Blocks that do not nest: found when a template is compiled, told at the tag to mend."""

from collections.abc import Iterable
from typing import NoReturn

from generator.renderers.docx.tags import Tag
from generator.renderers.port import failed

_BLOCKS = frozenset({"for", "if", "macro", "call", "filter", "with"})
_WITHIN = {"elif": ("if",), "else": ("if", "for")}


def refuse_unbalanced(tags: Iterable[Tag]) -> None:
    """Raise DocumentFailed template_error for the first tag, in the order of the text, that ends the wrong block."""
    open_: list[Tag] = []
    for tag in tags:
        keyword = tag.keyword
        if keyword in _BLOCKS or (keyword == "set" and "=" not in tag.code):
            open_.append(tag)
        elif keyword in _WITHIN:
            if not open_ or open_[-1].keyword not in _WITHIN[keyword]:
                _refuse_ending(tag, open_, "belongs to")
        elif keyword.startswith("end"):
            if not open_ or open_[-1].keyword != keyword.removeprefix("end"):
                _refuse_ending(tag, open_, "ends")
            open_.pop()
    if open_:
        last = open_[-1]
        message = f"`{last.raw}` is never ended: there is no {{% end{last.keyword} %}} for it in this part."
        hint = (
            "A block that begins in a cell, row or paragraph of its own ends in one: {%tr for %} with {%tr endfor %}."
        )
        _refuse(last, message, hint)


def _refuse_ending(tag: Tag, open_: list[Tag], does: str) -> NoReturn:
    if not open_:
        _refuse(
            tag, f"`{tag.raw}` {does} nothing: no block is open here.", "Take it out, or begin the block before it."
        )
    last = open_[-1]
    message = f"`{tag.raw}` {does} nothing here: `{last.raw}` in paragraph {last.paragraph} is open."
    _refuse(tag, message, f"End that first with {{% end{last.keyword} %}}.")


def _refuse(tag: Tag, message: str, hint: str) -> NoReturn:
    raise failed(
        "template_error", message, part=tag.part, line=tag.paragraph, tag=tag.raw, excerpt=tag.excerpt, hint=hint
    )
