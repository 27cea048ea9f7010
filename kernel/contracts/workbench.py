"""What the User API asks of a generator right now, while a client waits, and the answers. Nothing of it is stored.

Not the path of documents: an ask that is lost (no generator runs, or it is killed) is a 503, and is asked again.
"""

from typing import Literal
from uuid import UUID

from pydantic import BaseModel

from contracts.documents import Warned
from contracts.errors import DocumentError
from contracts.jobs import GenerationJob


class RenderAsk(BaseModel, frozen=True):
    """Render this job and answer with the bytes."""

    kind: Literal["render"] = "render"
    ask_id: UUID
    job: GenerationJob


class CheckAsk(BaseModel, frozen=True):
    """Compile an uploaded template, render its sample if it has one, and say what data it asks for.

    `sha256`: its bundle is in the blob store already. `name` only names it in errors.
    """

    kind: Literal["check"] = "check"
    ask_id: UUID
    name: str
    sha256: str
    sample: dict[str, object] | None = None


class Rendering(BaseModel, frozen=True):
    """A document that was rendered for an ask; its bytes travel apart."""

    content_type: str
    pages: int | None = None
    warnings: tuple[Warned, ...] = ()


class Verdict(BaseModel, frozen=True):
    """What a check found. `inferred_schema`, `example`: of the data that the tags ask for; None if unknown."""

    inferred_schema: dict[str, object] | None = None
    example: dict[str, object] | None = None
    warnings: tuple[Warned, ...] = ()


class Answer(BaseModel, frozen=True):
    """The answer to an ask: an error, or what was asked for."""

    error: DocumentError | None = None
    rendering: Rendering | None = None
    verdict: Verdict | None = None
