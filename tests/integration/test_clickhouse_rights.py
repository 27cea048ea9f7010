"""The rights in ClickHouse that docs/operations.md asks for are enough, and each of them is needed."""

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from redis.asyncio import Redis

from backends.clickhouse import ClickHouse
from backends.embedded.clickhouse import PRIVILEGES, EmbeddedClickHouse
from backends.migrations.retention import HistoryRetention, apply_retention
from backends.migrations.runner import migrate
from contracts.errors import HistoryUnavailable
from tests.conftest import WaitUntil
from tests.integration.conftest import running_api
from tests.integration.history_servers import Server, free_port, running
from tests.integration.outside_servers import CLICKHOUSE, needs_embedded

GUIDE = (Path(__file__).parents[2] / "docs/operations.md").read_text(encoding="utf-8")
((ASKED, DATABASE),) = re.findall(r"^GRANT (.+) ON (\w+)\.\* TO presswork;$", GUIDE, re.MULTILINE)
#: The node of these tests makes its database before it is up: it cannot start without CREATE DATABASE.
RIGHTS = [right for right in ASKED.split(", ") if right != "CREATE DATABASE"]
pytestmark = needs_embedded(CLICKHOUSE)


class Narrow(EmbeddedClickHouse):
    """A node whose user has these rights on one database and no others."""

    rights = ""

    def prepare(self) -> None:
        super().prepare()
        users = self.directory / "users.xml"
        given, asked = f"GRANT {PRIVILEGES} ON *.*", f"GRANT {self.rights} ON {DATABASE}.*"
        marker = "GRANT SELECT ON system.macros"  # the node recognises itself by one
        assert given in users.read_text()
        users.write_text(users.read_text().replace(given, f"{asked}</query><query>{marker}"))


@pytest.fixture
def node(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Server]:
    """A node whose user has the rights that the test's parameter names."""
    kind = type("Node", (Narrow,), {"rights": request.param})
    with running(Server(kind(tmp_path / "clickhouse", free_port(), "test-password", uuid4().hex))) as server:
        yield server


@pytest.fixture
async def clickhouse(node: Server) -> AsyncIterator[ClickHouse]:
    client = ClickHouse(node.url)
    yield client
    await client.close()


@pytest.mark.parametrize("node", [ASKED], indirect=True, ids=["all"])
async def test_a_user_with_these_rights_migrates_stores_and_lists(
    clickhouse: ClickHouse, redis_node: Server, redis: Redis, tmp_path: Path, wait_until: WaitUntil
) -> None:
    async with running_api(redis_node.url, clickhouse, tmp_path / "blobs", history_months=2) as api:
        await api.user(email="ada@example.com")

        async def listed() -> bool:
            users = (await api.admin.get("/v1/users")).json()
            return "ada@example.com" in [user["email"] for user in users.get("items", [])]

        await wait_until(listed, "the users are listed")
        assert (await api.admin.get("/v1/documents")).json()["items"] == []


@pytest.mark.parametrize(
    ("node", "right"),
    [(re.sub(f"{right},? ?", "", ASKED).strip(", "), right) for right in RIGHTS],
    indirect=["node"],
    ids=RIGHTS,
)
async def test_none_of_these_rights_is_too_much(clickhouse: ClickHouse, right: str) -> None:
    with pytest.raises(HistoryUnavailable) as refused:
        await migrate(clickhouse)
        await apply_retention(clickhouse, HistoryRetention(history_months=2))
        await clickhouse.insert_lines("users", [b"{}"], token="t")
    assert re.search(rf"Not enough privileges.*\b{right.split()[0]}\b", str(refused.value.hint))
