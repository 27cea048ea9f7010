"""Make one document: pick the source, check the data, render, check the result. Pure: no Redis, ClickHouse or HTTP.

Runs inside the render processes (`generator.sandbox_child`); the CLI and the benchmarks call it directly.
"""

import json

from contracts.data_paths import absent, hint_for
from contracts.documents import Warned
from contracts.errors import DocumentFailed
from contracts.templates import TemplateSource
from generator.renderers.port import Rendered, RenderRequest, failed
from generator.renderers.registry import Engines

__all__ = ["Engines", "RenderRequest", "Rendered", "generate"]


#: A list of a million rows may miss a value in each.
MAX_WARNINGS = 50


def generate(request: RenderRequest, engines: Engines | None = None) -> Rendered:
    """Render and check one document. Raises DocumentFailed, with template and version named.

    Without `engines` new ones are loaded (tens of milliseconds); keep one `Engines` per process.
    """
    engines = engines or Engines()
    try:
        return _generate(request, engines)
    except DocumentFailed as failure:
        named = {"template": request.template, "version": request.version}
        raise DocumentFailed(failure.error.model_copy(update=named)) from failure


def _generate(request: RenderRequest, engines: Engines) -> Rendered:
    source = _source(request)
    warned = _missing(request)
    rendered = engines.get(source.engine).render(source, request)
    counted = engines.check(request.format, rendered.content)
    known = {warning.message for warning in warned}
    warnings = (*warned, *(warning for warning in rendered.warnings if warning.message not in known))
    return Rendered(rendered.content, rendered.pages if counted is None else counted, warnings[:MAX_WARNINGS])


def _source(request: RenderRequest) -> TemplateSource:
    manifest = request.bundle.manifest
    source = manifest.source_for(request.format)
    if source is None:
        made = ", ".join(manifest.formats)
        raise failed(
            "unsupported_format", f"The template makes {made}, not {request.format}.", hint=f"Ask for one of: {made}."
        )
    return source


def _missing(request: RenderRequest) -> tuple[Warned, ...]:
    """Check the paths that the template requires. Raises DocumentFailed data_missing if the request is strict."""
    requires = request.bundle.manifest.requires
    if not requires:
        return ()
    data = json.loads(request.data)
    missing = absent(data, requires)
    if missing and request.strict:
        path = missing[0]
        raise failed("data_missing", f"The data has no `{path}`.", data_path=path, hint=hint_for(data, path))
    return tuple(Warned(code="data_missing", message=missing_message(path)) for path in missing)


def missing_message(path: str) -> str:
    """Word the warning for a value that was left blank."""
    return f"The data has no `{path}`: it was left blank."
