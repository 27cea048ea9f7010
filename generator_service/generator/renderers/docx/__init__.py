"""DOCX: docxtpl's tag dialect, compiled once per template and rendered by MiniJinja; values are JSON, always escaped.

archive = the container, parts = XML to template source, tags = the dialect, values = the data, filters = what
templates can call (tables, charts and lines in whole), passes = MiniJinja, plain = templates that can do without,
template = the compiled whole.
What is more than text (inserts) is put in afterwards: expand, with richtext, images, qr, links, markdown and subdocs,
each adding to the package through additions. safety = nothing in a document calls out.
"""

from collections import OrderedDict

from contracts.templates import TemplateSource
from generator.renderers.docx.filters import filters
from generator.renderers.docx.inserts import Inserts
from generator.renderers.docx.output import with_pages
from generator.renderers.docx.template import CompiledDocx
from generator.renderers.docx.values import Values
from generator.renderers.formatting import Locale, locale_for
from generator.renderers.port import Rendered, RenderRequest

#: Compiled templates kept per process; one takes about ten times its file.
TEMPLATES_KEPT = 64


class DocxRenderer:
    """Renders `.docx` sources; compiled templates are kept, least recently used first out."""

    def __init__(self) -> None:
        self._compiled: OrderedDict[tuple[str, str, Locale], CompiledDocx] = OrderedDict()
        self._inserts = Inserts()

    def warm_up(self) -> None:
        """Nothing to load: the libraries came with the import."""

    def cool(self) -> None:
        """Drop the compiled templates: they are compiled again in milliseconds."""
        self._compiled.clear()

    def render(self, source: TemplateSource, request: RenderRequest) -> Rendered:
        """Render one document. Raises DocumentFailed with part, paragraph (as `line`), tag and data path."""
        template = self._template(source, request)
        self._inserts.begin(request.assets)
        values = Values(request, self._inserts)
        changed, warnings = template.render(values, missing="error" if request.strict else request.missing)
        if request.extra_pages:
            changed[template.main] = with_pages(template.main_part(changed), request.extra_pages)
        return Rendered(template.write(changed), None, warnings, template.shapes)

    def compile(self, source: TemplateSource, request: RenderRequest) -> None:
        """Compile a template without data. Raises DocumentFailed as `render` does."""
        self._template(source, request)

    def _template(self, source: TemplateSource, request: RenderRequest) -> CompiledDocx:
        locale = locale_for(request.locale)
        key = (request.bundle.sha256, source.file, locale)
        if key in self._compiled:
            self._compiled.move_to_end(key)
            return self._compiled[key]
        template = self._compiled[key] = CompiledDocx(
            request.bundle.files[source.file], filters(locale, self._inserts), self._inserts
        )
        if len(self._compiled) > TEMPLATES_KEPT:
            self._compiled.popitem(last=False)
        return template
