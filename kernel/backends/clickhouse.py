"""ClickHouse over its HTTP interface: statements, rows as JSON, batches of JSON lines.

Connects on first use and never remembers a failure, so the server may be away at boot and come back at any time.
Plain aiohttp rather than clickhouse-connect: see docs/adr/0003-clickhouse-over-plain-http.md.
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from urllib.parse import unquote, urlsplit
from uuid import UUID

import aiohttp
import orjson

from contracts.errors import HistoryUnavailable, PermanentError, PressworkError

Parameter = str | int | None
Row = dict[str, object]
Settings = Mapping[str, str | int]

#: Sent with every read: the defaults differ between server versions.
READ_SETTINGS: Settings = {
    # An error in the middle then has a status. The answer waits in memory: without `buffer_size` even one row went
    # through a temporary file (5 ms in place of 1), and on a full disk it came as an empty answer with status 200.
    "wait_end_of_query": 1,
    "buffer_size": 4 << 20,
    "output_format_json_quote_64bit_integers": 0,
    # Rows of one document share their partition, which is made from the key.
    "do_not_merge_across_partitions_select_final": 1,
    # Without it an index on a column that changed finds the row by its old value, in spite of FINAL.
    "use_skip_indexes_if_final_exact_mode": 1,
}

#: Sent with every insert. One thread parses, so that the same lines always form the same block.
INSERT_SETTINGS: Settings = {
    "async_insert": 0,
    "wait_end_of_query": 1,
    "deduplicate_blocks_in_dependent_materialized_views": 1,
    "materialized_views_ignore_errors": 0,
    "input_format_parallel_parsing": 0,
    "input_format_skip_unknown_fields": 1,
    "input_format_null_as_default": 1,
    "input_format_json_read_objects_as_strings": 1,
    # An insert that nobody waits for any more must not go on beside its repetition.
    "max_execution_time": 100,
    # A batch of retries may reach as many months as it has rows; refusing it would stop the log.
    "throw_on_max_partitions_per_insert_block": 0,
}

#: Sent with stray single rows: a real server gathers them into one part, the embedded node inserts them as they come.
SINGLE_ROW_SETTINGS: Settings = {**INSERT_SETTINGS, "async_insert": 1, "wait_for_async_insert": 1}

#: Sent with rows that come from another table: equal blocks are stored again, for the first may have been lost.
SELECTED_SETTINGS: Settings = {**INSERT_SETTINGS, "insert_deduplicate": 0}

#: Exception codes that say "this row cannot be stored" and would say so again (src/Common/ErrorCodes.cpp): text that
#: cannot be parsed, values that do not fit their type, NULL where none may be.
ROW_CODES = frozenset(
    {6, 26, 27, 33, 38, 41, 53, 69, 70, 72, 117, 128, 130, 131, 190, 321, 349, 376, 407, 441, 467, 675, 676}
)

#: Exception codes of a read that say "a part cannot be read": the server sets it aside when it starts again.
PART_CODES = frozenset({33, 40, 246})

#: Exception codes that mean "not now".
AWAY_CODES = frozenset(
    {
        *(60, 81, 218, 667),  # the tables are not there yet
        *(159, 160, 201, 202, 203, 236, 252, 341, 394, 473, 692),  # overload, shutdown
        *(74, 75, 76, 77, 204, 241, 243, 425, 1001),  # memory, disk
        *(40, 246),  # PART_CODES, where no row can mean them
        *(164, 198, 209, 210, 225, 242, 279, 285, 289, 319, 568, 574, 999),  # replicas, network
        *(192, 193, 194, 497, 516),  # login: for the operator to mend, while we keep asking
    }
)


#: HTTP statuses that mean the same when the answer is not ClickHouse's own.
PROXY_AWAY = frozenset({401, 403, 408, 429, 500, 502, 503, 504})


class ClickHouseRefused(PressworkError):
    """ClickHouse refused a statement: this is a bug."""

    exception_code = 0

    @classmethod
    def of(cls, exception_code: int, message: str) -> "ClickHouseRefused":
        refused = cls(message)
        refused.exception_code = exception_code
        return refused


class RowsRefused(PermanentError):
    """ClickHouse cannot store at least one of these rows."""

    code = "rows_refused"


@dataclass(frozen=True)
class ClickHouseAddress:
    """Where a server is and who we are there, taken from `http(s)://user:password@host:port/database`."""

    url: str
    user: str
    password: str
    database: str

    @classmethod
    def parse(cls, url: str) -> "ClickHouseAddress":
        """Take a URL apart. Raises ValueError that names what is wrong, without repeating the password."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("expected http(s)://user:password@host:port/database")
        host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
        port = parts.port or (8443 if parts.scheme == "https" else 8123)
        return cls(
            url=f"{parts.scheme}://{host}:{port}/",
            user=unquote(parts.username or "default"),
            password=unquote(parts.password or ""),
            database=unquote(parts.path.strip("/")) or "presswork",
        )


class ClickHouse:
    """One server, one pool of connections; safe for concurrent use on one event loop.

    Raises HistoryUnavailable whenever asking again later may help, ClickHouseRefused when it will not.
    """

    def __init__(self, url: str, *, query_timeout_s: float = 8, insert_timeout_s: float = 130, connections: int = 32):
        self.address = ClickHouseAddress.parse(url)
        self._query_timeout_s = query_timeout_s
        # Longer than the server's own limit above: an insert that is given up too early is only repeated.
        self._insert_timeout_s = insert_timeout_s
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def ping(self, timeout_s: float = 2) -> bool:
        """Tell whether the server answers a query of ours now."""
        try:
            await self._post({}, b"SELECT 1", timeout_s)
        except PressworkError:
            return False
        return True

    async def rows(
        self,
        sql: str,
        parameters: Mapping[str, Parameter] | None = None,
        *,
        timeout_s: float | None = None,
    ) -> list[Row]:
        """Run a SELECT whose `{name:Type}` places take `parameters`; return its rows by column name."""
        query = {**READ_SETTINGS, **_escaped(parameters or {}), "database": self.address.database}
        try:
            answer = await self._post(query, f"{sql}\nFORMAT JSONEachRow".encode(), timeout_s or self._query_timeout_s)
        except ClickHouseRefused as refused:
            if refused.exception_code in PART_CODES:
                raise HistoryUnavailable(hint=str(refused.message)) from refused
            raise
        return answer.rows()

    async def command(self, sql: str, *, database: str | None = None) -> None:
        """Run a statement that returns nothing. `database` other than ours for the statement that creates ours."""
        query: dict[str, str | int] = {"database": database or self.address.database, "wait_end_of_query": 1}
        await self._post(query, sql.encode(), self._insert_timeout_s)

    async def insert_lines(self, table: str, lines: Sequence[bytes], *, token: str) -> None:
        """Insert JSON objects, all or none. The same `token` must always come with the same lines: it is stored once.

        Raises RowsRefused when the server cannot read or store at least one of them.
        """
        query = {**INSERT_SETTINGS, "insert_deduplication_token": token}
        await self._insert(table, b"\n".join(lines), query, self._insert_timeout_s)

    async def insert_selected(self, sql: str, parameters: Mapping[str, Parameter]) -> None:
        """Run an INSERT SELECT whose places take `parameters`; only into tables that replace equal rows."""
        query = {**SELECTED_SETTINGS, **_escaped(parameters), "database": self.address.database}
        await self._post(query, sql.encode(), self._insert_timeout_s)

    async def insert_row(self, table: str, line: bytes, *, timeout_s: float = 1) -> None:
        """Insert one JSON object at once; only into tables that replace equal rows: it has no token."""
        query = {**SINGLE_ROW_SETTINGS, "wait_for_async_insert_timeout": max(1, int(timeout_s))}
        await self._insert(table, line, query, timeout_s)

    async def _insert(self, table: str, body: bytes, settings: Settings, timeout_s: float) -> None:
        query = {**settings, "database": self.address.database, "query": f"INSERT INTO {table} FORMAT JSONEachRow"}
        try:
            await self._post(query, body, timeout_s)
        except ClickHouseRefused as refused:
            if refused.exception_code in ROW_CODES:
                raise RowsRefused(refused.message) from refused
            raise

    async def _post(self, query: Mapping[str, str | int], body: bytes, timeout_s: float) -> "Answer":
        try:
            async with asyncio.timeout(timeout_s):
                return await self._exchange(query, body)
        except (aiohttp.ClientError, OSError) as error:
            raise HistoryUnavailable() from error

    async def _exchange(self, query: Mapping[str, str | int], body: bytes) -> "Answer":
        try:
            return await self._exchange_once(query, body)
        except (aiohttp.ServerDisconnectedError, ConnectionResetError):
            # The server closed an idle connection just as we used it. Every statement of ours bears repetition.
            return await self._exchange_once(query, body)

    async def _exchange_once(self, query: Mapping[str, str | int], body: bytes) -> "Answer":
        # In a BytesIO it is sent piece by piece: 32 MB at once would hold the event loop up.
        async with self._connected().post(self.address.url, params=query, data=BytesIO(body)) as response:
            answer = await response.read()
            code = int(response.headers.get("X-ClickHouse-Exception-Code", 0))
            if response.status == 200 and not code:
                return Answer(answer, response.headers.get("X-ClickHouse-Summary", "{}"))
            message = answer.decode(errors="replace").strip()[:2000]
        if code in AWAY_CODES or (not code and response.status in PROXY_AWAY):
            raise HistoryUnavailable(hint=message)
        raise ClickHouseRefused.of(code, message or f"HTTP {response.status}")

    def _connected(self) -> aiohttp.ClientSession:
        if self._session is None:
            # Servers keep idle connections for 3 to 30 s: let go of ours before the shortest of them does.
            connector = aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=2.5)
            headers = {"Authorization": aiohttp.encode_basic_auth(self.address.user, self.address.password)}
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=2)
            self._session = aiohttp.ClientSession(connector=connector, headers=headers, timeout=timeout)
        return self._session


@dataclass(frozen=True)
class Answer:
    """What a statement gave: lines of JSON, and the server's summary, which counts them (`result_rows`)."""

    body: bytes
    summary: str

    def rows(self) -> list[Row]:
        """Return the rows, all of them. Raises HistoryUnavailable for fewer than the server counted: what is longer
        than `buffer_size` goes through a temporary file, and a disk that is full cuts it off in silence.
        """
        lines = self.body.splitlines()
        expected = int(orjson.loads(self.summary).get("result_rows", len(lines)))
        if len(lines) != expected:
            raise HistoryUnavailable(hint=f"{len(lines)} of {expected} rows came: is the server's disk full?")
        return [orjson.loads(line) for line in lines]


def array(values: Iterable[UUID | str | int]) -> str:
    """Write an array as a parameter: numbers, or ids and digests, which need no escapes."""
    return "[" + ",".join(str(value) if isinstance(value, int) else f"'{value}'" for value in values) + "]"


def _escaped(parameters: Mapping[str, Parameter]) -> dict[str, str]:
    """Write query parameters as the HTTP interface reads them: TSV escapes, NULL as \\N."""
    return {f"param_{name}": _escape(value) for name, value in parameters.items()}


def _escape(value: Parameter) -> str:
    if value is None:
        return "\\N"
    if isinstance(value, int):
        return str(value)
    return (
        value.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r").replace("\0", "\\0")
    )
