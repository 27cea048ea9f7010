"""How a document is ordered from a render process, and what its answers mean; `sandbox_child.serve` is the other end.

The process may have been subverted: nothing it says is taken on trust.
"""

import structlog
from pydantic import BaseModel, ValidationError

from contracts.documents import Warned
from contracts.errors import DocumentError, DocumentFailed
from contracts.workbench import Verdict
from generator.renderers.port import Rendered, RenderRequest, failed
from generator.sandbox.verdicts import spoke_nonsense
from generator.sandbox_child.frames import Header

log = structlog.get_logger(__name__)

#: A verdict has a schema, an example and a few warnings.
_MAX_VERDICT = 1024 * 1024


class LastAnswer(DocumentFailed):
    """The document failed, and its process must not be used again."""


class _Document(BaseModel):
    """The header of a finished document."""

    pages: int | None
    warnings: tuple[Warned, ...]


def render_order(request: RenderRequest) -> tuple[Header, bytes]:
    """Write the order of a document, all but its bundles: the header, and a body of the data and then the assets."""
    assets = [[digest, len(content)] for digest, content in request.assets.items()]
    order: Header = {"kind": "render", "request": _fields(request), "data": len(request.data), "assets": assets}
    return order, b"".join((request.data, *request.assets.values()))


def _fields(request: RenderRequest) -> Header:
    return {
        "format": request.format,
        "created_at_ms": request.created_at_ms,
        "locale": request.locale,
        "timezone": request.timezone,
        "strict": request.strict,
        "simulate": request.simulate.model_dump() if request.simulate else None,
        "template": request.template,
        "version": request.version,
        "trusted": request.trusted,
        "missing": request.missing,
    }


def rendered(header: Header, body: bytes, pid: int) -> Rendered:
    """Read the answer to a render order. Raises DocumentFailed: LastAnswer if the process is of no more use."""
    if header.get("kind") != "rendered":
        raise _failure(header, pid)
    try:
        document = _Document.model_validate(header)
    except ValidationError:
        raise _distrusted() from None
    return Rendered(body, document.pages, document.warnings)


def described(header: Header, body: bytes, pid: int) -> Verdict:
    """Read what a template asks for. Raises as `rendered` does."""
    if header.get("kind") != "described":
        raise _failure(header, pid)
    try:
        if len(body) <= _MAX_VERDICT:
            return Verdict.model_validate_json(body)
    except ValidationError as error:
        log.warning("render_child.nonsense", pid=pid, error=error.error_count())
    raise _distrusted()


def _failure(header: Header, pid: int) -> DocumentFailed:
    if header.get("kind") != "failed":
        log.error("render.bug", pid=pid, trace=header.get("trace"))
        return failed("internal_error", "Presswork failed to render this document.", retryable=True)
    try:
        error = DocumentError.model_validate(header.get("error"))
    except ValidationError:
        return _distrusted()
    return LastAnswer(error) if header.get("fatal") is True else DocumentFailed(error)


def _distrusted() -> LastAnswer:
    return LastAnswer(spoke_nonsense().error)
