"""Every error of Presswork that somebody may meet, in one tree. The class docstring is the default message.

    PressworkError
    ├── PermanentError                 a second try would end the same
    │   ├── NotFound                   missing, or not yours: the same answer
    │   ├── Unauthorized
    │   ├── Forbidden
    │   │   └── ShippedTemplate        it comes with Presswork, and is nobody's to change
    │   ├── Invalid                    understood and wrong: JSON pointers say where
    │   ├── Conflict                   the state does not allow it (code says which)
    │   ├── VersionMismatch
    │   ├── IdempotencyMismatch
    │   ├── Gone
    │   └── DocumentFailed             a document's own error: template, line, tag, hint
    │       └── ProcessKilled          its render process was killed from outside: a crash, no failure
    └── TransientError                 try again later: carries retry_after_s
        ├── RateLimited                a user's own limit
        │   └── TooManyRenders         of renders on the spot
        ├── SystemFull                 the system's limit
        ├── NoGenerator                nobody renders or checks a template right now
        ├── QueueUnavailable           Redis does not answer
        ├── HistoryUnavailable         ClickHouse does not answer
        └── BlobUnavailable            the blob store does not answer

Anything else that is raised is a bug: bounded retries and a stack trace.
"""

from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, BeforeValidator


class PressworkError(Exception):
    """Something went wrong."""

    code = "internal_error"
    retryable = False

    def __init__(self, message: str = "", *, hint: str = "") -> None:
        self.message = message or (type(self).__doc__ or "").strip().splitlines()[0]
        self.hint = hint
        super().__init__(self.message)


class PermanentError(PressworkError):
    """The request cannot succeed as it is."""


class TransientError(PressworkError):
    """The service cannot do this right now."""

    code = "unavailable"
    retryable = True

    def __init__(self, message: str = "", *, hint: str = "", retry_after_s: int = 2) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


class NotFound(PermanentError):
    """There is no such resource."""

    code = "not_found"

    def __init__(self, kind: str = "resource") -> None:
        super().__init__(f"There is no such {kind}.")


class Unauthorized(PermanentError):
    """A valid API key is needed: send it as `Authorization: Bearer pw_...`."""

    code = "unauthorized"


class Forbidden(PermanentError):
    """Your role does not allow this operation."""

    code = "forbidden"


class ShippedTemplate(Forbidden):
    """This template ships with Presswork and cannot be changed: upload its source under another name."""

    code = "shipped_template"


@dataclass(frozen=True)
class Flaw:
    """One thing wrong with a request: where (JSON pointer, RFC 6901), what, and a stable code."""

    pointer: str
    detail: str
    code: str


def in_short(details: list[str], between: str, unlisted: int = 0) -> str:
    """Join the first three of many details, and say how many there are besides."""
    more = len(details) - 3 + unlisted
    return between.join(details[:3]) + (f" (and {more} more)" if more > 0 else "")


class Invalid(PermanentError):
    """The request was understood, but something in it is wrong."""

    code = "invalid_request"

    def __init__(self, *flaws: Flaw, unlisted: int = 0) -> None:
        """Take what is wrong; `unlisted`: how many more flaws were found."""
        super().__init__(in_short([flaw.detail for flaw in flaws], " ", unlisted))
        self.flaws = flaws
        self.unlisted = unlisted

    @classmethod
    def at(cls, pointer: str, detail: str, code: str = "invalid_value") -> "Invalid":
        return cls(Flaw(pointer, detail, code))


class Conflict(PermanentError):
    """The state of the resource does not allow this."""

    def __init__(self, code: str, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.code = code


class VersionMismatch(PermanentError):
    """The resource has changed since you read it: read it again and repeat your change."""

    code = "version_mismatch"


class IdempotencyMismatch(PermanentError):
    """This Idempotency-Key was used with another body: use a new key for a new request."""

    code = "idempotency_mismatch"


class Gone(PermanentError):
    """The document's content has expired and was removed."""

    code = "expired"


class RateLimited(TransientError):
    """You have too many unfinished documents: wait for some to finish."""

    code = "too_many_documents"


class TooManyRenders(RateLimited):
    """You have too many renders waiting: wait for some to finish, or request documents instead."""

    code = "too_many_renders"


class NoGenerator(TransientError):
    """No generator is free to do this right now."""

    code = "no_generator"


class SystemFull(TransientError):
    """The queue is full: nothing was accepted."""

    code = "queue_full"


class QueueUnavailable(TransientError):
    """The broker does not answer: repeat the request later (an Idempotency-Key makes sure that it counts once)."""

    code = "queue_unavailable"


class HistoryUnavailable(TransientError):
    """The history store does not answer: lists and old documents are back when it is."""

    code = "history_unavailable"


class BlobUnavailable(TransientError):
    """The blob store does not answer."""

    code = "storage_unavailable"


def at_most(length: int) -> BeforeValidator:
    """Shorten a text: a template can make messages of any length, and each is kept many times over."""

    def shorten(value: object) -> object:
        return f"{value[: length - 1]}…" if isinstance(value, str) and len(value) > length else value

    return BeforeValidator(shorten)


Message = Annotated[str, at_most(2000)]
Place = Annotated[str | None, at_most(300)]


class DocumentError(BaseModel, frozen=True):
    """Why a document failed, as `error` of the API shows it. Positions count from 1; long texts are shortened."""

    code: str
    message: Message
    template: str | None = None
    version: int | None = None
    line: int | None = None
    column: int | None = None
    part: Place = None
    tag: Place = None
    data_path: Place = None
    excerpt: Place = None
    hint: Annotated[str | None, at_most(1000)] = None
    retryable: bool = False


class DocumentFailed(PermanentError):
    """The document could not be made."""

    def __init__(self, error: DocumentError) -> None:
        super().__init__(error.message, hint=error.hint or "")
        self.error = error
        self.code = error.code
        self.retryable = error.retryable


class ProcessKilled(DocumentFailed):
    """The render process was killed while it worked on the document."""


# Codes of DocumentError, with what they mean; docs/errors.md is made from this table.
DOCUMENT_ERROR_CODES = {
    "template_error": "The template does not compile, or an expression in it failed with this data.",
    "data_missing": "The template uses a value that the data does not have.",
    "data_invalid": "The template cannot print a value of the data truthfully.",
    "missing_glyphs": "The document is strict and has characters that no font has: they would be printed as boxes.",
    "template_warning": "The document is strict and its template compiles with a warning.",
    "control_characters": "The document is strict and its data has control characters, which cannot be printed.",
    "unsupported_format": "The template has no source for this format.",
    "render_timeout": "Rendering took longer than the limit (wall clock or CPU).",
    "memory_limit": "Rendering needed more memory than the limit.",
    "output_too_large": "The document is larger than the limit.",
    "render_crashed": "The render process died on this document.",
    "invalid_output": "The renderer made a file that does not open: it was not delivered.",
    "crashed_repeatedly": "The document took its worker down three times and was set aside.",
    "input_lost": "The document's data is gone: it must be requested again.",
    "storage_unavailable": "The blob store could not take the document.",
    "internal_error": "Presswork failed: the log has the stack trace under this document's id.",
}
