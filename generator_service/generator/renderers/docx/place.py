"""Where an insert goes: its part, the package that it may add to, and the errors that name both."""

from dataclasses import dataclass

from contracts.errors import DocumentFailed
from generator.renderers.docx.additions import Additions
from generator.renderers.docx.inserts import Insert, Inserts


@dataclass(frozen=True)
class Place:
    """One part of the document at hand."""

    part: str
    additions: Additions
    inserts: Inserts

    def refused(self, insert: Insert, message: str, hint: str | None = None) -> DocumentFailed:
        """Make the error of a value that cannot be inserted here."""
        return insert.refused(message, hint, self.part)
