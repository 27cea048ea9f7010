"""Make one document: pick the source, render, check the result. Pure: no Redis, ClickHouse or HTTP.

Runs inside the render processes (`generator.sandbox_child`); the CLI and the benchmarks call it directly.
"""

from contracts.errors import DocumentError, DocumentFailed
from contracts.templates import TemplateSource
from generator.renderers.controls import WORD_CONTROLS, without_controls
from generator.renderers.port import Rendered, RenderRequest, failed
from generator.renderers.registry import Engines

__all__ = ["Engines", "RenderRequest", "Rendered", "generate"]


#: A list of a million rows may miss a value in each.
MAX_WARNINGS = 50
#: What to do about errors that nothing placed or explained further.
_HINTS = {
    "template_error": "Mend the template, or the data that it meets.",
    "invalid_output": "A damaged template is the usual cause: open it where it was made, and save it anew.",
}


def generate(request: RenderRequest, engines: Engines | None = None) -> Rendered:
    """Render and check one document. Raises DocumentFailed, with template and version named.

    Without `engines` new ones are loaded (tens of milliseconds); keep one `Engines` per process.
    """
    engines = engines or Engines()
    try:
        return _generate(request, engines)
    except DocumentFailed as failure:
        named = {"template": request.template, "version": request.version, "hint": _hint(failure.error)}
        raise DocumentFailed(failure.error.model_copy(update=named)) from failure


def _hint(error: DocumentError) -> str | None:
    placed = error.part or error.line or error.tag or error.data_path
    return error.hint or (None if placed else _HINTS.get(error.code))


def _generate(request: RenderRequest, engines: Engines) -> Rendered:
    source = _source(request)
    _refuse_no_text(request.data)
    request, warned = without_controls(request, WORD_CONTROLS if source.engine == "docx" else frozenset())
    rendered = engines.get(source.engine).render(source, request)
    if request.strict and rendered.warnings:  # those that engines do not refuse by themselves
        first = rendered.warnings[0]
        raise failed(first.code, first.message, hint="The document is strict: leave `options.strict` out to warn only.")
    counted = engines.check(request.format, rendered.content, rendered.shapes)
    pages = rendered.pages if counted is None else counted
    return Rendered(rendered.content, pages, (*warned, *rendered.warnings)[:MAX_WARNINGS])


def _refuse_no_text(data: bytes) -> None:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        raise failed("data_invalid", f"The data is not UTF-8: {error}.", hint="Send JSON in UTF-8.") from error


def _source(request: RenderRequest) -> TemplateSource:
    manifest = request.bundle.manifest
    source = manifest.source_for(request.format)
    if source is None:
        made = ", ".join(manifest.formats)
        raise failed(
            "unsupported_format", f"The template makes {made}, not {request.format}.", hint=f"Ask for one of: {made}."
        )
    return source
