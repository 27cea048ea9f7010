"""DOCX: docxtpl's tag dialect, compiled once per template and rendered by MiniJinja; values are JSON, always escaped.

archive = the container, parts = XML to template source, tags = the dialect, template = the compiled whole.
"""

import json
import re
from collections import OrderedDict

from contracts.templates import TemplateSource
from generator.renderers.docx.output import with_pages
from generator.renderers.docx.template import CompiledDocx
from generator.renderers.formatting import Locale, filters, locale_for
from generator.renderers.port import Rendered, RenderRequest, failed

#: Compiled templates kept per process; one takes about ten times its file.
TEMPLATES_KEPT = 64

_LONE_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


class DocxRenderer:
    """Renders `.docx` sources; compiled templates are kept, least recently used first out."""

    def __init__(self) -> None:
        self._compiled: OrderedDict[tuple[str, str, Locale], CompiledDocx] = OrderedDict()

    def warm_up(self) -> None:
        """Nothing to load: the libraries came with the import."""

    def cool(self) -> None:
        """Drop the compiled templates: they are compiled again in milliseconds."""
        self._compiled.clear()

    def render(self, source: TemplateSource, request: RenderRequest) -> Rendered:
        """Render one document. Raises DocumentFailed with part, paragraph (as `line`), tag and data path."""
        template = self._template(source, request)
        values = _values(request)
        changed, warnings = template.render(values, strict=request.strict, nulls=b"null" in request.data)
        if request.extra_pages:
            changed[template.main] = with_pages(template.main_part(changed), request.extra_pages)
        return Rendered(template.write(changed), None, warnings)

    def _template(self, source: TemplateSource, request: RenderRequest) -> CompiledDocx:
        locale = locale_for(request.locale)
        key = (request.bundle.sha256, source.file, locale)
        if key in self._compiled:
            self._compiled.move_to_end(key)
            return self._compiled[key]
        template = self._compiled[key] = CompiledDocx(request.bundle.files[source.file], filters(locale))
        if len(self._compiled) > TEMPLATES_KEPT:
            self._compiled.popitem(last=False)
        return template


def _values(request: RenderRequest) -> dict[str, object]:
    """Return what tags can name: the data's own keys, then `data`, `locale` and `timezone`."""
    try:
        data = json.loads(request.data)
    except ValueError as error:
        raise failed("template_error", f"The data is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise failed("template_error", "The data must be a JSON object.")
    if _LONE_SURROGATE.search(request.data):
        data = _without_surrogates(data)
    own = {"data": data, "locale": request.locale or "en", "timezone": request.timezone or "UTC"}
    return {**own, **{str(key): value for key, value in data.items()}}


def _without_surrogates(value: object) -> object:
    """Replace halves of surrogate pairs, which are in no encoding."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    return value
