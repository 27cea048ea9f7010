"""A shipper in a process of its own, for tests that kill it: `python -m tests.integration.shipper_process ...`."""

import asyncio
import sys
from pathlib import Path

from backends.blobs import FileBlobStore
from backends.clickhouse import ClickHouse
from backends.redis import connect_redis
from backends.scripts import Scripts
from tests.integration.shipper_stage import Stage


async def ship(redis_url: str, prefix: str, clickhouse_url: str, folder: str, max_rows: str) -> None:
    stage = Stage(Scripts(connect_redis(redis_url), prefix), ClickHouse(clickhouse_url), FileBlobStore(Path(folder)))
    await stage.shipper(max_rows=int(max_rows)).run()


if __name__ == "__main__":
    asyncio.run(ship(*sys.argv[1:]))
