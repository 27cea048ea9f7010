"""Makes the users of a run, with keys of their own, through the API."""

import json
import random
from dataclasses import dataclass
from pathlib import Path

import httpx2

from tests.chaos.clients.accounts import Register, RegisterClient, SignupRace
from tests.chaos.clients.caller import Caller
from tests.chaos.clients.documents import DocumentClient
from tests.chaos.history import History
from tests.chaos.stack import Ground

REGISTERS, REGISTER_CLIENTS, RACERS = 3, 3, 3


@dataclass(frozen=True)
class Cast:
    """Everybody who calls."""

    documents: list[DocumentClient]
    registers: list[RegisterClient]
    races: SignupRace
    callers: list[Caller]

    @property
    def everybody(self) -> list[DocumentClient | RegisterClient | SignupRace]:
        return [*self.documents, *self.registers, self.races]


@dataclass(frozen=True)
class Setup:
    """Makes users while all is quiet. `secrets`: where the receiver finds the secret of each path."""

    ground: Ground
    history: History
    admin_key: str
    secrets: Path
    seed: int

    async def cast(self, clients: int, pause_s: float, slow: float, endpoints: int = 1) -> Cast:
        """Make a user, a key and endpoints for every client. `slow`: the share of its documents that take seconds."""
        headers = {"Authorization": f"Bearer {self.admin_key}"}
        async with httpx2.AsyncClient(base_url=self.ground.apis[0], headers=headers, timeout=30) as admin:
            keys = {f"client-{number}": await _new_key(admin, f"client-{number}") for number in range(clients)}
            await self._write_secrets(keys, endpoints)
            registers = [Register(await _new_user(admin, f"register-{number}")) for number in range(REGISTERS)]
        documents = [self._document_client(name, key, pause_s, slow) for name, key in keys.items()]
        writers = [self._admin(f"writer-{number}") for number in range(REGISTER_CLIENTS)]
        racers = [self._admin(f"racer-{number}") for number in range(RACERS)]
        return Cast(
            [client for client, _ in documents],
            [RegisterClient(caller, registers, self._chance(caller.name)) for caller in writers],
            SignupRace(racers, self._chance("race")),
            [*(caller for _, caller in documents), *writers, *racers],
        )

    def _document_client(self, name: str, key: str, pause_s: float, slow: float) -> tuple[DocumentClient, Caller]:
        caller = Caller(name, key, self.ground.apis, self.history, self._chance(f"{name}'s API"))
        callback = f"{self.ground.receiver}/{name}"
        return DocumentClient(caller, callback, self._chance(name), pause_s, slow), caller

    def _admin(self, name: str) -> Caller:
        return Caller(name, self.admin_key, self.ground.apis, self.history, self._chance(f"{name}'s API"))

    def _chance(self, name: str) -> random.Random:
        return random.Random(f"{self.seed} {name}")

    async def _write_secrets(self, keys: dict[str, str], endpoints: int) -> None:
        """Register the clients' endpoints, and write down which secret signs what comes by which path."""
        secrets = {}
        async with httpx2.AsyncClient(base_url=self.ground.apis[0], timeout=30) as http:
            for name, key in keys.items():
                headers = {"Authorization": f"Bearer {key}"}
                secrets[f"/{name}"] = await _secret(http, "/v1/webhooks/secret", headers)
                for number in range(endpoints):
                    path = f"/{name}/endpoint-{number}"
                    url = f"{self.ground.receiver}{path}"
                    answer = await http.post("/v1/webhooks/endpoints", headers=headers, json={"url": url})
                    id_ = answer.raise_for_status().json()["id"]
                    secrets[path] = await _secret(http, f"/v1/webhooks/endpoints/{id_}/secret", headers)
        self.secrets.write_text(json.dumps(secrets))


async def _secret(http: httpx2.AsyncClient, path: str, headers: dict[str, str]) -> str:
    answer = await http.get(path, headers=headers)
    return str(answer.raise_for_status().json()["secret"])


async def _new_user(admin: httpx2.AsyncClient, name: str) -> str:
    answer = await admin.post("/v1/users", json={"email": f"{name}@example.com", "name": name})
    return str(answer.raise_for_status().json()["id"])


async def _new_key(admin: httpx2.AsyncClient, name: str) -> str:
    user_id = await _new_user(admin, name)
    answer = await admin.post(f"/v1/users/{user_id}/keys", json={"name": name})
    return str(answer.raise_for_status().json()["key"])
