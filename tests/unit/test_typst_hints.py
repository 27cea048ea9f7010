"""No Typst error without a word on what to do."""

import pytest

from contracts.errors import DocumentFailed
from contracts.templates import TemplateBundle
from generator.core import Engines, RenderRequest, generate


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("#let x = (\n", "Close what is opened"),
        ("#while true { }", "break"),
        ("#nobody", "#let"),
        ('#read("/etc/passwd")', "own files"),
        ('#panic("no")', "refuses"),
        ("#let f() = f()\n#f()", "recursion"),
        ("#(1, 2).at(7)", "default"),
        ('#(1 + "a")', "Convert"),
        ('#"a".nope()', "Mend"),
    ],
)
def test_every_error_says_where_and_what_to_do(engines: Engines, source: str, words: str) -> None:
    bundle = TemplateBundle.of_file("typst", source.encode(), "main.typ")
    with pytest.raises(DocumentFailed) as failure:
        generate(RenderRequest(bundle=bundle, data=b"{}", format="pdf"), engines)
    error = failure.value.error
    assert error.code == "template_error" and error.line
    assert error.hint and words in error.hint
