"""What a template's schema means for data at accept: refuse, warn, or say nothing.

A given schema refuses. An inferred one refuses what is certain to fail (`x-certain` in it) and warns of the rest,
unless the template's `validation` says strict, warn or off.
"""

from app.services.data_schema import DataSchemas, TooLarge
from contracts.documents import Warned
from contracts.errors import Flaw, Invalid
from contracts.templates import Validation


def judge(
    schemas: DataSchemas,
    schema: dict[str, object],
    data: dict[str, object],
    validation: Validation | None,
    *,
    given: bool,
    strict: bool,
) -> tuple[Warned, ...]:
    """Return what to warn of. `strict`: the document's own option, which lets no warning pass. Raises Invalid."""
    if validation == "off":
        return ()
    refuses = strict or validation == "strict" or (given and validation is None)
    try:
        if refuses:
            schemas.check(schema, data)
            return ()
        found = schemas.flaws(schema, data)
    except TooLarge as error:
        if refuses:
            raise Invalid.at("/data", str(error), error.code) from error
        return (Warned(code=error.code, message=f"/data: {error}"),)
    certain = [flaw for flaw, is_certain in found if is_certain]
    if certain and not given and validation is None:
        raise Invalid(*certain)
    return tuple(_warning(flaw) for flaw, _ in found)


def _warning(flaw: Flaw) -> Warned:
    return Warned(code=flaw.code, message=f"{flaw.pointer}: {flaw.detail}")
