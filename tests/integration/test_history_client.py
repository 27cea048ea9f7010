"""backends.clickhouse against a real server: parameters, tokens, and which error means what."""

from dataclasses import replace

import pytest

from backends.clickhouse import ClickHouse, ClickHouseAddress, ClickHouseRefused, RowsRefused
from contracts.errors import HistoryUnavailable
from tests.integration.history_servers import Server, free_port

NASTY = [
    "plain",
    "tab\there",
    "line\nbreak",
    "back\\slash",
    "it's",
    'double "quotes"',
    "{x:String}",
    "\\N",
    "Ж€😀",
    "\0",
    "",
]


@pytest.mark.parametrize("text", NASTY)
async def test_a_parameter_arrives_as_it_was_given(clickhouse: ClickHouse, text: str) -> None:
    assert await clickhouse.rows("SELECT {x:String} AS x", {"x": text}) == [{"x": text}]


async def test_a_missing_parameter_arrives_as_null(clickhouse: ClickHouse) -> None:
    assert await clickhouse.rows("SELECT {x:Nullable(String)} AS x", {"x": None}) == [{"x": None}]


async def test_milliseconds_come_back_as_numbers(clickhouse: ClickHouse) -> None:
    assert await clickhouse.rows("SELECT {at:Int64} AS at", {"at": 1731234567890}) == [{"at": 1731234567890}]


async def test_the_same_token_stores_rows_and_what_views_make_of_them_once(clickhouse: ClickHouse) -> None:
    await clickhouse.command(
        "CREATE TABLE a (x Int64) ENGINE = MergeTree ORDER BY x SETTINGS non_replicated_deduplication_window = 100"
    )
    await clickhouse.command(
        "CREATE TABLE b (x Int64) ENGINE = MergeTree ORDER BY x SETTINGS non_replicated_deduplication_window = 100"
    )
    await clickhouse.command("CREATE MATERIALIZED VIEW m TO b AS SELECT x FROM a")
    for token in ("first", "first", "second"):
        await clickhouse.insert_lines("a", [b'{"x":1}', b'{"x":2}'], token=token)
    counts = "SELECT (SELECT count() FROM a) AS a, (SELECT count() FROM b) AS b"
    assert await clickhouse.rows(counts) == [{"a": 4, "b": 4}]


async def test_a_row_that_cannot_be_read_refuses_the_batch_and_stores_nothing(clickhouse: ClickHouse) -> None:
    await clickhouse.command("CREATE TABLE a (x UUID) ENGINE = MergeTree ORDER BY x")
    good = b'{"x":"01932b7c-1111-7000-8000-000000000001"}'
    for bad in (b'{"x":"no uuid"}', b'{"x":', b'{"x":{"y":1}}', b"[]"):
        with pytest.raises(RowsRefused):
            await clickhouse.insert_lines("a", [good, bad], token="t")
    assert await clickhouse.rows("SELECT count() AS n FROM a") == [{"n": 0}]


async def test_a_wrong_statement_is_a_bug_and_not_an_outage(clickhouse: ClickHouse) -> None:
    with pytest.raises(ClickHouseRefused) as refused:
        await clickhouse.rows("SELECT no_such_column FROM users")
    assert refused.value.exception_code == 47


async def test_a_table_that_is_not_there_yet_is_an_outage(clickhouse: ClickHouse) -> None:
    with pytest.raises(HistoryUnavailable):
        await clickhouse.rows("SELECT 1 FROM not_migrated_yet")


async def test_a_wrong_password_is_an_outage_and_not_ready(clickhouse_node: Server) -> None:
    wrong = ClickHouse(clickhouse_node.url)
    wrong.address = replace(wrong.address, password="wrong")
    assert not await wrong.ping()
    with pytest.raises(HistoryUnavailable):
        await wrong.rows("SELECT 1")
    await wrong.close()


async def test_a_slow_answer_is_an_outage(clickhouse: ClickHouse) -> None:
    with pytest.raises(HistoryUnavailable):
        await clickhouse.rows("SELECT sleep(3)", timeout_s=0.1)


async def test_a_server_that_is_away_may_come_later() -> None:
    away = ClickHouse(f"http://presswork:secret@127.0.0.1:{free_port()}/presswork")
    assert not await away.ping()
    with pytest.raises(HistoryUnavailable):
        await away.insert_lines("users", [b"{}"], token="t")
    await away.close()


async def test_an_error_in_the_middle_of_an_answer_is_an_error(clickhouse: ClickHouse) -> None:
    with pytest.raises(ClickHouseRefused):
        await clickhouse.rows("SELECT throwIf(number = 100000) FROM numbers(1000000) SETTINGS max_block_size = 10")


def test_a_url_is_taken_apart_with_its_escapes() -> None:
    address = ClickHouseAddress.parse("https://us%40er:p%2Fw%3A@[::1]/history")
    assert address == ClickHouseAddress("https://[::1]:8443/", "us@er", "p/w:", "history")


@pytest.mark.parametrize("url", ["", "clickhouse", "clickhouse://a:b@c:9000/d", "http:///x"])
def test_a_url_of_another_kind_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ValueError, match="expected http"):
        ClickHouseAddress.parse(url)
