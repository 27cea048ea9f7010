"""How many templates a user may have, and how many versions a template."""

import asyncio
from pathlib import Path

from backends.clickhouse import ClickHouse
from tests.integration.conftest import running_api
from tests.integration.history_servers import Server
from tests.integration.template_stage import add, inspecting, made, problem, upload


async def test_a_user_has_so_many_templates_and_a_template_so_many_versions_at_most(
    redis_node: Server, clickhouse: ClickHouse, tmp_path: Path
) -> None:
    limits = {"max_templates_per_user": 1, "max_versions_per_template": 2}
    async with running_api(redis_node.url, clickhouse, tmp_path, **limits) as api, inspecting(api) as inspector:
        member, _ = await api.user()
        await made(member)
        assert problem(await upload(member, "second"))[:2] == (409, "too_many_templates")
        assert (await add(member, b"= 2")).status_code == 201
        checked = len(inspector.seen)
        assert problem(await add(member, b"= 3"))[:2] == (409, "too_many_versions")
        assert len(inspector.seen) == checked, "nobody compiles what cannot be kept"
        await member.delete("/v1/templates/note")
        anew = (await upload(member)).json()
        assert (anew["versions"], anew["version"]) == (1, 3), "numbers count on"


async def test_versions_at_once_do_not_share_the_last_place(
    redis_node: Server, clickhouse: ClickHouse, tmp_path: Path
) -> None:
    async with running_api(redis_node.url, clickhouse, tmp_path, max_versions_per_template=3) as api, inspecting(api):
        await made(api.admin)
        answers = await asyncio.gather(*(add(api.admin, f"= {number}".encode()) for number in range(5)))
        assert sorted(answer.status_code for answer in answers) == [201, 201, 409, 409, 409]
