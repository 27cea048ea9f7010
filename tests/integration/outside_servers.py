"""Servers of somebody else's in place of the embedded ones, named by the two variables below.

They must be for tests alone: the Redis database that the URL names is emptied before each test, its `maxmemory` is
changed for a moment, and databases called `test_*` are made and dropped in ClickHouse. CONTRIBUTING.md has the rights.
"""

import os
from urllib.parse import urlsplit

import pytest

REDIS = "PRESSWORK_TEST_REDIS_URL"
CLICKHOUSE = "PRESSWORK_TEST_CLICKHOUSE_URL"


class OutsideServer:
    """A server that tests may neither start nor kill."""

    def __init__(self, url: str) -> None:
        self.url = url


def outside_redis() -> OutsideServer | None:
    """Return the Redis to test with, if one is named. Its database 0 is refused: that is where Presswork's own live."""
    url = os.environ.get(REDIS)
    if url and urlsplit(url).path.strip("/") in ("", "0"):
        pytest.exit(f"{REDIS} must name a database other than 0, such as redis://:password@127.0.0.1:6379/9", 4)
    if url and "PYTEST_XDIST_WORKER" in os.environ:
        pytest.fail(f"{REDIS} names one database, which each test empties: one process, without -n", pytrace=False)
    return OutsideServer(url) if url else None


def outside_clickhouse() -> OutsideServer | None:
    """Return the ClickHouse to test with, if one is named. The database in its URL is not touched."""
    url = os.environ.get(CLICKHOUSE)
    return OutsideServer(url) if url else None


def skip_if_outside(variable: str) -> None:
    """Skip a test that starts, kills or configures a server of its own."""
    if os.environ.get(variable):
        pytest.skip(f"needs a server that it may kill; {variable} is set")


def needs_embedded(variable: str) -> pytest.MarkDecorator:
    """Skip a module about the embedded server when another one is tested."""
    return pytest.mark.skipif(bool(os.environ.get(variable)), reason=f"about the embedded server; {variable} is set")
