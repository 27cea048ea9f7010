"""What a generator answers to an ask is read back as it was, also where there is nothing to say."""

import pytest

from contracts.documents import Warned
from contracts.errors import DocumentError
from contracts.workbench import Answer, Rendering, Verdict


@pytest.mark.parametrize(
    "answer",
    [
        Answer(rendering=Rendering(content_type="application/pdf", pages=3, warnings=(Warned(code="w", message="m"),))),
        Answer(rendering=Rendering(content_type="text/plain", pages=None)),
        Answer(verdict=Verdict()),
        Answer(error=DocumentError(code="template_error", message="m")),
    ],
    ids=["pages", "no pages", "nothing found", "error"],
)
def test_an_answer_without_its_empty_fields_is_the_same_answer(answer: Answer) -> None:
    assert Answer.model_validate_json(answer.model_dump_json(exclude_none=True)) == answer
