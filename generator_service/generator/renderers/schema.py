"""The schema of a template's data, inferred from what its sources do with them, and an example that fits it.

It never claims more than is sure: what every document would fail for carries `x-certain`, all else is for warnings.
"""

from contracts.templates import TemplateBundle
from generator.renderers.schema_docx import uses_in_docx
from generator.renderers.schema_typst import LONGEST, uses_in_typst
from generator.renderers.schema_uses import Schema, Use, example_of, merged, schema_of


def describe(bundle: TemplateBundle) -> tuple[Schema | None, dict[str, object] | None]:
    """Return the JSON Schema (2020-12) and example data; None for both if nothing could be told."""
    uses = [_uses(bundle, source.engine, source.file) for source in bundle.manifest.sources]
    known = [use for use in uses if use is not None]
    if not known or len(known) < len(uses):
        return None, None
    try:
        use = merged(known)
        example = example_of(use)
        return schema_of(use), example if isinstance(example, dict) else {}
    except RecursionError:  # d.a.a.a...: no template of this world
        return None, None


def _uses(bundle: TemplateBundle, engine: str, file: str) -> Use | None:
    if engine == "docx":
        return uses_in_docx(bundle.files[file])
    sources = {
        name: content.decode("utf-8", "replace")
        for name, content in bundle.files.items()
        if name.endswith(".typ") and (name == file or b"data.json" in content)
    }
    if sum(map(len, sources.values())) > LONGEST:
        return None
    return uses_in_typst(sources.pop(file), list(sources.values()))
