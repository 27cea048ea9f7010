"""Look at an uploaded template: does it compile, and what data does it ask for? Pure; runs inside the render processes.

Without a sample nobody knows what data it will get. A Typst source is compiled with example data, made from the schema
that is inferred: if that fails, it is refused for an error of its syntax or for what it names and does not have; any
other error may be the data's.
"""

from pydantic_core import to_json

from contracts.documents import Warned
from contracts.errors import DocumentFailed
from contracts.templates import TemplateBundle, TemplateSource
from contracts.workbench import Verdict
from generator.renderers.docx import DocxRenderer
from generator.renderers.port import RenderRequest
from generator.renderers.registry import Engines
from generator.renderers.schema import describe as inferred
from generator.renderers.typst_errors import EXCLUSIVE

#: Of what is said about the data: more is no help to anybody, and it is kept and read with every document.
LONGEST_BYTES = 256 * 1024
#: The compiler parses a file as a whole before it runs any of it: what reaches this has no error of syntax.
PARSED = "presswork: it parses"
#: How the compiler says that something is not there which no data can bring, or that `template.json` asks for too much.
_ABSENT = ("unknown variable", "file not found", "failed to load file", "Packages are not", "The package ", EXCLUSIVE)
_STOP = f'#panic("{PARSED}");'.encode()


def describe(bundle: TemplateBundle, engines: Engines) -> Verdict:
    """Compile every source of a bundle. Raises DocumentFailed for the first that does not compile."""
    schema, example = inferred(bundle)
    warnings = [
        warned for source in bundle.manifest.sources for warned in _compiled(bundle, source, engines, example or {})
    ]
    if len(to_json([schema, example])) > LONGEST_BYTES:
        schema = example = None
    return Verdict(inferred_schema=schema, example=example, warnings=tuple(warnings))


def _compiled(
    bundle: TemplateBundle, source: TemplateSource, engines: Engines, example: dict[str, object]
) -> list[Warned]:
    if source.engine == "docx":
        engine = engines.get(source.engine)
        assert isinstance(engine, DocxRenderer)
        engine.compile(source, RenderRequest(bundle, b"{}", source.formats[0]))
        return []
    return _tried(bundle, source, engines, example)


def _tried(
    bundle: TemplateBundle, source: TemplateSource, engines: Engines, example: dict[str, object]
) -> list[Warned]:
    """Render with example data; a failure that may be the data's is a warning."""
    try:
        _render(bundle, source, engines, example)
        return []
    except DocumentFailed as failure:
        if not _may_be_the_datas(failure, bundle, source, engines):
            raise
        message = f"{source.file} could not be tried, because there is no sample: {failure.message}"
        return [Warned(code="not_tried", message=message)]


def _may_be_the_datas(
    failure: DocumentFailed, bundle: TemplateBundle, source: TemplateSource, engines: Engines
) -> bool:
    if failure.code in ("data_missing", "data_invalid"):
        return True
    certain = failure.code != "template_error" or failure.message.startswith(_ABSENT)
    return not certain and _parses(bundle, source, engines)


def _parses(bundle: TemplateBundle, source: TemplateSource, engines: Engines) -> bool:
    files = {**bundle.files, source.file: _STOP + bundle.files[source.file]}
    try:
        _render(TemplateBundle(bundle.manifest, files), source, engines, {})
    except DocumentFailed as failure:
        return PARSED in failure.message
    return True


def _render(bundle: TemplateBundle, source: TemplateSource, engines: Engines, data: dict[str, object]) -> None:
    only = TemplateBundle(bundle.manifest.model_copy(update={"sources": (source,)}), bundle.files)
    request = RenderRequest(bundle=only, data=to_json(data), format=source.formats[0])
    engines.get(source.engine).render(source, request)
