"""How the supervisor asks a child whether it lives and whether it works."""

import json
from dataclasses import dataclass
from typing import Protocol

from backends.embedded.http_probe import http_get


class Probe(Protocol):
    """Asks one child. Neither question raises: silence is the answer no."""

    async def is_alive(self) -> bool: ...

    async def is_ready(self, pid: int) -> bool: ...


@dataclass(frozen=True)
class ServiceProbe:
    """Asks a Presswork service. `instance` is this start's id: another process on the port does not know it."""

    host: str
    port: int
    instance: str

    async def is_alive(self) -> bool:
        """Tell whether /livez answers, and it is ours."""
        try:
            status, body = await http_get(self.host, self.port, "/livez")
            answer = json.loads(body)
        except (OSError, ValueError):
            return False
        return status == 200 and isinstance(answer, dict) and answer.get("instance") == self.instance

    async def is_ready(self, pid: int) -> bool:
        """Tell whether it is ours and /readyz answers 200."""
        try:
            return await self.is_alive() and (await http_get(self.host, self.port, "/readyz", limit_s=5))[0] == 200
        except (OSError, ValueError):
            return False
