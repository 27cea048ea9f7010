"""The embedded ClickHouse node as a container of its own, told by the variables of the official image.

For trying the compose file where no ClickHouse image is to be had; production runs ClickHouse itself.
"""

import os
import secrets
from pathlib import Path

from backends.embedded.clickhouse import DATABASE, USER, EmbeddedClickHouse


def main() -> None:
    for variable, only in (("CLICKHOUSE_USER", USER), ("CLICKHOUSE_DB", DATABASE)):
        if os.environ.get(variable, only) != only:
            raise SystemExit(f"{variable}: the embedded node knows only {only!r}")
    node = EmbeddedClickHouse(
        directory=Path("/var/lib/clickhouse"),
        port=8123,
        password=os.environ["CLICKHOUSE_PASSWORD"],
        marker=secrets.token_hex(8),
        host="0.0.0.0",  # noqa: S104 - a container's own network
        networks=("0.0.0.0/0", "::/0"),
    )
    node.prepare()
    os.execv(node.command[0], node.command)


if __name__ == "__main__":
    main()
