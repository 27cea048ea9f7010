"""Typst source as text with its code told from its words: enough to see what is read, no parser."""

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import cached_property

_SKIPPED = re.compile(r"(?P<line>(?<!:)//[^\n]*)|/\*.*?\*/|```.*?```|`[^`\n]*`|(?P<escape>\\[#$])", re.DOTALL)
_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_KEYWORD = re.compile(r"(?:let|set|show|if|for|while|import|include|return|context)\b")
_NAME_CHARACTER = re.compile(r"[\w-]")
_CLOSES = {"(": ")", "{": "}", "[": "]"}


@dataclass(frozen=True)
class TypstCode:
    """`text` without comments and raw text, of the same length; `code`: which characters are code, not words.

    `blocks`: where each bracket opens and closes. `statements`: where each statement of the top level begins and ends.
    """

    text: str
    code: list[bool]
    blocks: list[tuple[int, int]]
    statements: list[tuple[int, int]]

    def block_of(self, at: int) -> tuple[int, int]:
        """Return the innermost block around a place: the whole file if there is none."""
        opened = self._openers[at] if at < len(self.text) else -1
        return (opened, self._ends[opened]) if opened >= 0 else (0, len(self.text))

    def block_after(self, at: int) -> tuple[int, int]:
        """Return the first `{}` or `[]` that opens at the place or behind it, within its own block."""
        limit = self.block_of(at)[1]
        for opened in self._starts[bisect_left(self._starts, at) :]:
            if opened >= limit:
                break
            if self.text[opened] in "{[":
                return opened, self._ends[opened]
        return at, at

    def statement_of(self, at: int) -> tuple[int, int]:
        """Return the top-level statement around a place."""
        found = bisect_right(self.statements, at, key=lambda statement: statement[0]) - 1
        start, end = self.statements[found] if found >= 0 else (at, at)
        return (start, end) if at < end else (at, at)

    @cached_property
    def _ends(self) -> dict[int, int]:
        return dict(self.blocks)

    @cached_property
    def _starts(self) -> list[int]:
        return sorted(self._ends)

    @cached_property
    def _openers(self) -> list[int]:
        """For each place the opening bracket of the innermost block around it, -1 for none."""
        closers, openers, around = {end: start for start, end in self.blocks}, [], [-1]
        for at in range(len(self.text)):
            if at in closers:
                around.pop()
            openers.append(around[-1])
            if at in self._ends:
                around.append(at)
        return openers


def read_code(source: str) -> TypstCode:
    """Tell code from words."""
    text = _SKIPPED.sub(_blank, source)
    return _Scanner(text).scan()


def _blank(found: re.Match[str]) -> str:
    return re.sub(r"[^\n]", " ", found[0])


class _Scanner:
    """Modes: m = words, l = a statement to the end of its line, e = an expression behind #, c = code in brackets."""

    def __init__(self, text: str) -> None:
        self._text, self._at = text, 0
        self._code = [False] * len(text)
        self._modes: list[tuple[str, int]] = [("m", -1)]
        self._blocks: list[tuple[int, int]] = []
        self._statements: list[tuple[int, int]] = []
        self._began = 0

    def scan(self) -> TypstCode:
        while self._at < len(self._text):
            mode = self._modes[-1][0]
            if mode == "m":
                self._words()
            else:
                self._in_code(mode)
        self._end_statement(len(self._text))
        return TypstCode(self._text, self._code, self._blocks, self._statements)

    def _words(self) -> None:
        one = self._text[self._at]
        following = self._text[self._at + 1 : self._at + 2]
        if one == "#" and (following.isalpha() or following in ("_", "(", "{", "[") and following):
            self._modes.append(("l" if _KEYWORD.match(self._text, self._at + 1) else "e", self._at))
        elif one == "[":
            self._modes.append(("m", self._at))
        elif one == "]" and len(self._modes) > 1:
            self._close()
            return
        elif one == "\n" and len(self._modes) == 1:
            self._end_statement(self._at + 1)
        self._at += 1

    def _in_code(self, mode: str) -> None:
        string = _STRING.match(self._text, self._at)
        one = self._text[self._at]
        if mode == "e" and not self._continues(one):
            self._modes.pop()
            return
        if mode == "l" and one in "\n;])}":
            self._modes.pop()
            return
        end = string.end() if string else self._at + 1
        self._code[self._at : end] = [True] * (end - self._at)
        if not string and one in _CLOSES:
            self._modes.append(("m" if one == "[" else "c", self._at))
        elif not string and one in ")}]" and mode == "c":
            self._close()
            return
        self._at = end

    def _continues(self, one: str) -> bool:
        """Whether an expression behind # goes on: names, dots before names, brackets right behind."""
        if one == ".":
            return _NAME_CHARACTER.match(self._text, self._at + 1) is not None
        return one in "([{" or _NAME_CHARACTER.match(one) is not None

    def _close(self) -> None:
        _, opened = self._modes.pop()
        self._blocks.append((opened, self._at))
        self._at += 1

    def _end_statement(self, end: int) -> None:
        if self._text[self._began : end].strip():
            self._statements.append((self._began, end))
        self._began = end
