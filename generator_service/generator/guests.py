"""The render processes for whatever is no document: asks of the User API, pictures of the panel.

They are guests: while a document must be alone, because a crash has been blamed on it twice, nothing of theirs begins.
"""

from contracts.errors import NoGenerator
from contracts.templates import TemplateBundle
from contracts.workbench import Verdict
from generator.renderers.port import Rendered, RenderRequest
from generator.sandbox import RenderPool
from generator.turnstile import HeldUp, Turnstile

#: How long a guest waits for a document that is alone.
PATIENCE_S = 20.0


class GuestPool:
    """Raises NoGenerator beside what the pool raises."""

    def __init__(self, pool: RenderPool, turnstile: Turnstile | None = None) -> None:
        self._pool = pool
        self._turnstile = turnstile or Turnstile()

    @property
    def size(self) -> int:
        """How many documents render at once."""
        return self._pool.size

    @property
    def shut(self) -> bool:
        """Tell whether a document is alone, or waits to be."""
        return self._turnstile.reserved

    async def render(self, request: RenderRequest, timeout_s: float) -> Rendered:
        """Render one document. Raises DocumentFailed."""
        try:
            async with self._turnstile.passing(alone=False, patience_s=PATIENCE_S):
                return await self._pool.render(request, timeout_s)
        except HeldUp:
            raise NoGenerator() from None

    async def describe(self, bundle: TemplateBundle, timeout_s: float) -> Verdict:
        """Compile an untrusted template and say what data it asks for. Raises DocumentFailed."""
        try:
            async with self._turnstile.passing(alone=False, patience_s=PATIENCE_S):
                return await self._pool.describe(bundle, timeout_s)
        except HeldUp:
            raise NoGenerator() from None
