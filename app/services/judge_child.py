"""A process that judges data by schemas: the validator lets nobody else work meanwhile, and only a kill stops it.

Reads a JSON line for each judgement, writes one for each verdict. `app.services.judges` starts it.
"""

import contextlib
import resource
import sys
from pathlib import Path

from pydantic import BaseModel
from pydantic_core import from_json, to_json

from app.services.data_judging import judge
from app.services.data_schema import DataSchemas
from contracts.documents import Warned
from contracts.errors import Flaw, Invalid
from contracts.templates import Validation

#: Of memory for judging, beyond which it dies: what a schema finds wrong may fill gigabytes.
MEMORY_BYTES = 256 * 1024 * 1024


class Judgement(BaseModel, frozen=True):
    """What is to be judged by what. `data` None: only whether the schema is one that may be used."""

    schema_: dict[str, object]
    data: dict[str, object] | None = None
    validation: Validation | None = None
    given: bool = True
    strict: bool = False


class Verdict(BaseModel, frozen=True):
    """The outcome: what to warn of, what is wrong (and how much more is), or why the schema is none."""

    warnings: tuple[Warned, ...] = ()
    flaws: tuple[Flaw, ...] = ()
    unlisted: int = 0
    unusable: str | None = None

    def told(self) -> tuple[Warned, ...]:
        """Return the warnings. Raises Invalid, or ValueError for the schema."""
        if self.unusable is not None:
            raise ValueError(self.unusable)
        if self.flaws:
            raise Invalid(*self.flaws, unlisted=self.unlisted)
        return self.warnings


def verdict(schemas: DataSchemas, order: Judgement) -> Verdict:
    """Judge here and now."""
    try:
        if order.data is None:
            schemas.compile(order.schema_)
            return Verdict()
        options = {"given": order.given, "strict": order.strict}
        return Verdict(warnings=judge(schemas, order.schema_, order.data, order.validation, **options))
    except Invalid as error:
        return Verdict(flaws=error.flaws, unlisted=error.unlisted)
    except ValueError as error:
        return Verdict(unusable=str(error))


def limit_memory() -> None:
    """Die of a judgement that takes too much memory, and before the User API does where there is little for both."""
    with contextlib.suppress(ValueError, OSError):  # not on every system
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY_BYTES, used + MEMORY_BYTES))
        Path("/proc/self/oom_score_adj").write_text("1000")


def main() -> None:
    """Say that it is there, and serve until the input ends."""
    limit_memory()
    schemas = DataSchemas()
    sys.stdout.buffer.write(b"{}\n")
    sys.stdout.buffer.flush()
    for line in sys.stdin.buffer:
        order = Judgement.model_construct(**from_json(line))  # what comes from our own process is as it says
        sys.stdout.buffer.write(to_json(verdict(schemas, order)) + b"\n")
        sys.stdout.buffer.flush()
