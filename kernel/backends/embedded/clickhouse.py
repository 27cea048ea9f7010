"""The embedded ClickHouse, seen from outside: its configuration, its command line, its URL, whether it is up.

The process itself is `clickhouse_node`. ClickHouse's local session is always the user `default` without a password and
looks like any client from 127.0.0.1, so `default` may do next to nothing here, and the work is done by `presswork`.
"""

import base64
import hashlib
import ipaddress
import json
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode
from xml.sax.saxutils import escape

from backends.embedded.http_probe import http_get
from backends.embedded.private_files import private_directory, write_private

USER = "presswork"
DATABASE = "presswork"
LOOPBACK = ("127.0.0.1", "::1")

# Everything a database owner does, and nothing that reaches files, URLs, other servers or executables:
# those need CREATE TEMPORARY TABLE and a source grant, which are not here.
PRIVILEGES = (
    "SELECT, INSERT, ALTER, CREATE DATABASE, CREATE TABLE, CREATE VIEW, CREATE DICTIONARY, DROP, TRUNCATE, OPTIMIZE,"
    " SHOW, KILL QUERY, dictGet, SYSTEM VIEWS, SYSTEM MERGES, SYSTEM TTL MERGES, SYSTEM FLUSH, SYSTEM DROP CACHE,"
    " SYSTEM SYNC REPLICA, SYSTEM FLUSH ASYNC INSERT QUEUE"
)
ENGINES = (
    *("Atomic", "View", "MaterializedView", "Memory", "Null", "Dictionary", "Merge"),
    *("MergeTree", "ReplacingMergeTree", "SummingMergeTree", "AggregatingMergeTree", "CollapsingMergeTree"),
)

#: Some room stays free, so that merges and inserts are refused before there is none: a part that finds the disk full is
#: committed with empty files (26.9), and nothing reads the table again until a restart sets it aside. Seen within a
#: second when a disk was filled under small inserts; fsync after merges did not help, room does.
KEPT_FREE_BYTES, KEPT_FREE_SHARE = 64 << 20, 1 / 4


def kept_free_bytes(directory: Path) -> int:
    """Return how much of the disk under a folder ClickHouse leaves alone: of a small one, no more than a quarter."""
    return min(KEPT_FREE_BYTES, int(shutil.disk_usage(directory).total * KEPT_FREE_SHARE))


CONFIG = """<clickhouse>
  <listen_host>{host}</listen_host>
  <http_port>{port}</http_port>
  <users_config>users.xml</users_config>
  <display_name>presswork</display_name>
  <http_handlers>
    <rule><url>/ping</url><methods>GET</methods><handler><type>ping</type></handler></rule>
    <rule>
      <headers><Authorization>Basic {basic}</Authorization></headers>
      <handler><type>dynamic_query_handler</type><query_param_name>query</query_param_name></handler>
    </rule>
    <rule>
      <handler>
        <type>static</type><status>401</status><content_type>text/plain</content_type>
        <response_content>Log in by HTTP Basic as presswork: see PRESSWORK_CLICKHOUSE_URL.</response_content>
      </handler>
    </rule>
  </http_handlers>
  <macros><presswork_node>{marker}</presswork_node></macros>
  <log-level>warning</log-level>
  <logger><log>{directory}/node.log</log><size>10M</size><count>2</count></logger>
  <tmp_path>{directory}/tmp/</tmp_path>
  <storage_configuration>
    <disks><default><keep_free_space_bytes>{kept_free_bytes}</keep_free_space_bytes></default></disks>
  </storage_configuration>
  <keep_alive_timeout>10</keep_alive_timeout>
  <max_connections>256</max_connections>
  <max_server_memory_usage>{memory_bytes}</max_server_memory_usage>
  <mark_cache_size>67108864</mark_cache_size>
  <index_mark_cache_size>16777216</index_mark_cache_size>
  <uncompressed_cache_size>0</uncompressed_cache_size>
  <background_pool_size>2</background_pool_size>
  <background_schedule_pool_size>8</background_schedule_pool_size>
  <background_common_pool_size>2</background_common_pool_size>
  <background_fetches_pool_size>1</background_fetches_pool_size>
  <background_move_pool_size>1</background_move_pool_size>
  <background_message_broker_schedule_pool_size>1</background_message_broker_schedule_pool_size>
  <background_distributed_schedule_pool_size>1</background_distributed_schedule_pool_size>
  <merge_tree>
    <number_of_free_entries_in_pool_to_execute_mutation>1</number_of_free_entries_in_pool_to_execute_mutation>
    <number_of_free_entries_in_pool_to_lower_max_size_of_merge>1</number_of_free_entries_in_pool_to_lower_max_size_of_merge>
    <number_of_free_entries_in_pool_to_execute_optimize_entire_partition>1</number_of_free_entries_in_pool_to_execute_optimize_entire_partition>
    <old_parts_lifetime>480</old_parts_lifetime>
  </merge_tree>
</clickhouse>
"""  # noqa: E501 - the names are ClickHouse's

# The profile `default` stays empty: it also rules the session whose sleep keeps the server up, and a limit there ended
# the node after 60 s.
USERS = """<clickhouse>
  <profiles>
    <default/>
    <presswork>
      <max_memory_usage>{query_memory_bytes}</max_memory_usage>
      <max_execution_time>60</max_execution_time>
      <log_queries>0</log_queries>
    </presswork>
  </profiles>
  <users>
    <default>
      <password></password>
      <networks><ip>127.0.0.1</ip><ip>::1</ip></networks>
      <profile>default</profile><quota>default</quota>
      <grants><query>GRANT SYSTEM LISTEN ON *.*</query><query>GRANT SELECT ON system.one</query></grants>
    </default>
    <presswork>
      <password_sha256_hex>{password_sha256}</password_sha256_hex>
      <networks>{networks}</networks>
      <profile>presswork</profile><quota>default</quota>
      <grants><query>GRANT {privileges} ON *.*</query>{engines}</grants>
    </presswork>
  </users>
  <quotas><default/></quotas>
</clickhouse>
"""


@dataclass(frozen=True)
class EmbeddedClickHouse:
    """One node on one directory. `marker` is random per boot: who answers it is this node and no other.

    `networks` are addresses or CIDR blocks that may log in, besides loopback.
    """

    directory: Path
    port: int
    password: str
    marker: str
    host: str = "127.0.0.1"
    networks: tuple[str, ...] = ()
    memory_bytes: int = 2 << 30

    @property
    def command(self) -> list[str]:
        return [sys.executable, "-P", "-m", "backends.embedded.clickhouse_node", str(self.directory.resolve())]

    @property
    def dial_host(self) -> str:
        """Where clients on this machine reach it."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)

    @property
    def url(self) -> str:
        host = f"[{self.dial_host}]" if ":" in self.dial_host else self.dial_host
        return f"http://{USER}:{quote(self.password, safe='')}@{host}:{self.port}/{DATABASE}"

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Basic {self._basic()}"}

    def prepare(self) -> None:
        """Write the configuration that the node reads. Raises ValueError for a network that is none."""
        directory = private_directory(self.directory)
        # Without data/metadata, ClickHouse starts no background drop tasks on a fresh path.
        for name in ("data", "data/metadata", "tmp"):
            private_directory(directory / name)
        write_private(directory / "config.xml", self._config(directory))
        write_private(directory / "users.xml", self._users())
        write_private(directory / "node.json", json.dumps(self._node()))

    def sweep(self) -> None:
        """Do nothing: ClickHouse removes what it left behind itself."""

    async def is_alive(self) -> bool:
        """Tell whether something answers /ping. Cheap: no query, no login."""
        try:
            return (await http_get(self.dial_host, self.port, "/ping"))[0] == 200
        except (OSError, ValueError):
            return False

    async def is_ready(self, pid: int) -> bool:
        """Tell whether this boot of this node answers queries in its database. The marker says more than `pid`."""
        query = urlencode({"database": DATABASE, "query": "SELECT getMacro('presswork_node')"})
        try:
            status, body = await http_get(self.dial_host, self.port, f"/?{query}", self.headers)
        except (OSError, ValueError):
            return False
        return status == 200 and body.decode(errors="replace").strip() == self.marker

    def _config(self, directory: Path) -> str:
        return CONFIG.format(
            host=escape(self.host),
            port=self.port,
            marker=escape(self.marker),
            basic=self._basic(),
            directory=escape(str(directory)),
            memory_bytes=self.memory_bytes,
            kept_free_bytes=kept_free_bytes(directory),
        )

    def _basic(self) -> str:
        return base64.b64encode(f"{USER}:{self.password}".encode()).decode()

    def _users(self) -> str:
        own = () if self.dial_host != self.host else (self.host,)
        allowed = dict.fromkeys((*LOOPBACK, *own, *self.networks))
        return USERS.format(
            query_memory_bytes=self.memory_bytes // 2,
            password_sha256=hashlib.sha256(self.password.encode()).hexdigest(),
            networks="".join(f"<ip>{ipaddress.ip_network(network, strict=False)}</ip>" for network in allowed),
            privileges=PRIVILEGES,
            engines="".join(f"<query>GRANT TABLE ENGINE ON {engine}</query>" for engine in ENGINES),
        )

    def _node(self) -> dict[str, str | int]:
        return {
            "host": self.dial_host,
            "port": self.port,
            "basic": self._basic(),
            "database": DATABASE,
            "marker": self.marker,
        }
