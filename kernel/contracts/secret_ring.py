"""A webhook secret and those it has replaced, which go on signing for a while. Pure; the secrets in it are sealed."""

from dataclasses import dataclass
from typing import Self

#: Who rotates again and again does not make every signature longer: the oldest go first.
MAX_REPLACED = 4


@dataclass(frozen=True)
class SecretRing:
    """`replaced`: sealed secrets with the epoch ms until which they sign beside the current one, newest first.

    As text, which is how it is stored: `sealed` or `sealed sealed@until ...` (a sealed secret is URL-safe base64).
    """

    current: str
    replaced: tuple[tuple[str, int], ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the stored text. Raises ValueError for what is none."""
        current, *rest = text.split(" ")
        replaced = (part.partition("@") for part in rest)
        return cls(current, tuple((sealed, int(until)) for sealed, _, until in replaced))

    def __str__(self) -> str:
        return " ".join([self.current, *(f"{sealed}@{until}" for sealed, until in self.replaced)])

    def rotated(self, sealed: str, now_ms: int, overlap_ms: int) -> Self:
        """Put a new secret first; the one before signs on for the overlap, those before it as long as they would."""
        before = [(self.current, now_ms + overlap_ms), *self._valid(now_ms)]
        return type(self)(sealed, tuple(before[:MAX_REPLACED]))

    def signing(self, now_ms: int) -> list[str]:
        """List the sealed secrets that sign at this moment, the current one first."""
        return [self.current, *(sealed for sealed, _ in self._valid(now_ms))]

    def previous_until(self, now_ms: int) -> int | None:
        """Say until when the last of the replaced secrets signs (epoch ms); None if there is none."""
        return max((until for _, until in self._valid(now_ms)), default=None)

    def _valid(self, now_ms: int) -> list[tuple[str, int]]:
        return [(sealed, until) for sealed, until in self.replaced if until > now_ms]
