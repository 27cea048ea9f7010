"""What the API asks ClickHouse: lists, pages, filters, single documents, and the rows Redis is rebuilt from."""

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import orjson
import pytest

from app.repository.documents import DocumentFilter, DocumentRepository
from app.repository.users import UserFilter, UserRepository
from backends.clickhouse import ClickHouse
from backends.history_accounts import HistoryAccounts
from contracts.cursors import Position
from contracts.documents import Delivery, DocumentRow, Result, Status
from contracts.errors import DocumentError, HistoryUnavailable
from contracts.ids import new_id
from contracts.users import KeyRow, UserRow
from tests.integration.history_rows import START, later, row
from tests.integration.history_servers import Server, free_port, fresh_database


@pytest.fixture
async def clickhouse(clickhouse_node: Server) -> AsyncIterator[ClickHouse]:
    async with fresh_database(clickhouse_node.url) as client:
        # Rows of one document must come together by FINAL, not because a merge happened to be quick.
        await client.command("SYSTEM STOP MERGES documents")
        await client.command("SYSTEM STOP MERGES users")
        yield client


@pytest.fixture
def documents(clickhouse: ClickHouse) -> DocumentRepository:
    return DocumentRepository(clickhouse)


@pytest.fixture
def users(clickhouse: ClickHouse) -> UserRepository:
    return UserRepository(clickhouse)


async def write(clickhouse: ClickHouse, *rows: DocumentRow) -> None:
    await clickhouse.insert_lines(
        "document_events", [one.model_dump_json().encode() for one in rows], token=uuid4().hex
    )


async def test_a_row_comes_back_as_it_was_written(clickhouse: ClickHouse, documents: DocumentRepository) -> None:
    result = Result(key="k", bytes=1, sha256="cd", pages=None, content_type="application/pdf", filename='a"\\Ж.pdf')
    full = row(
        batch_id=uuid4(),
        subject="s\n\\",
        metadata={"a b": "\t'", "ключ": "€"},
        run_at=START + 5,
        started_at=START + 6,
        completed_at=START + 7,
        expires_at=START + 8,
        render_ms=9,
        result=result.model_dump(),
        error=DocumentError(code="template_error", message='line\n"2"', line=2).model_dump(),
        delivery=Delivery(status="pending", attempts=2, next_attempt_at=START + 9).model_dump(),
        detail={"nested": {"list": [1, None, "x"]}},
        status=Status.FAILED,
    )
    inline = row(START + 1, template_name=None, template_version=None)
    await write(clickhouse, full, inline)
    assert await documents.get(full.document_id) == full
    assert await documents.get(inline.document_id) == inline


async def test_a_document_is_its_newest_row_in_whatever_order_rows_arrive(
    clickhouse: ClickHouse, documents: DocumentRepository
) -> None:
    first = row()
    second = later(first, status=Status.RENDERING, event="started")
    third = later(second, status=Status.COMPLETED, event="completed")
    for one in (third, first, second):
        await write(clickhouse, one)
    assert await documents.get(first.document_id) == third
    assert await documents.events(first.document_id) == [first, second, third]
    assert (await documents.list(DocumentFilter(), None, 10))[0] == [third]


async def test_a_filter_sees_only_the_newest_row(clickhouse: ClickHouse, documents: DocumentRepository) -> None:
    first = row()
    await write(clickhouse, first)
    await write(clickhouse, later(first, status=Status.COMPLETED, template_name="other", subject="new"))
    for stale in (DocumentFilter(status="queued"), DocumentFilter(template="invoice")):
        assert await documents.list(stale, None, 10) == ([], None)
    for current in (
        DocumentFilter(status="completed"),
        DocumentFilter(template="other"),
        DocumentFilter(subject="new"),
    ):
        assert len((await documents.list(current, None, 10))[0]) == 1


async def test_a_deleted_document_is_nowhere(clickhouse: ClickHouse, documents: DocumentRepository) -> None:
    first = row()
    await write(clickhouse, first)
    await write(clickhouse, later(first, event="deleted", deleted=1))
    assert await documents.get(first.document_id) is None
    assert await documents.events(first.document_id) == []
    assert await documents.list(DocumentFilter(), None, 10) == ([], None)


async def test_a_document_that_never_was_is_none(documents: DocumentRepository) -> None:
    assert await documents.get(new_id()) is None
    assert await documents.get(UUID(int=0)) is None
    assert await documents.get(UUID(int=2**128 - 1)) is None
    assert await documents.events(uuid4()) == []


@pytest.mark.parametrize(
    ("narrowed", "found"),
    [
        (DocumentFilter(), "abcd"),
        (DocumentFilter(status="failed"), "b"),
        (DocumentFilter(template="report"), "c"),
        (DocumentFilter(format="docx"), "c"),
        (DocumentFilter(user_id=UUID(int=2)), "d"),
        (DocumentFilter(batch_id=UUID(int=3)), "a"),
        (DocumentFilter(lane="tenant'; DROP TABLE documents"), "b"),
        (DocumentFilter(subject="customer-17"), "ad"),
        (DocumentFilter(metadata={"order": "7"}), "ab"),
        (DocumentFilter(metadata={"order": "7", "team": "x"}), "b"),
        (DocumentFilter(metadata={"team": ""}), "d"),
        (DocumentFilter(metadata={"order": "8"}), ""),
        (DocumentFilter(created_after=START + 1), "cd"),
        (DocumentFilter(created_before=START + 1), "a"),
        (DocumentFilter(status="queued", subject="customer-17", user_id=UUID(int=1)), "a"),
    ],
)
async def test_each_filter_finds_what_it_says(
    clickhouse: ClickHouse, documents: DocumentRepository, narrowed: DocumentFilter, found: str
) -> None:
    rows = {
        "a": row(START, batch_id=UUID(int=3), subject="customer-17", metadata={"order": "7"}),
        "b": row(
            START + 1, status="failed", lane="tenant'; DROP TABLE documents", metadata={"order": "7", "team": "x"}
        ),
        "c": row(START + 2, template_name="report", output_format="docx"),
        "d": row(START + 3, user_id=UUID(int=2), subject="customer-17", metadata={"team": ""}),
    }
    await write(clickhouse, *rows.values())
    page, _ = await documents.list(narrowed, None, 10)
    assert [one.document_id for one in page] == [rows[name].document_id for name in reversed(found)]


async def test_pages_show_every_document_once_though_new_ones_arrive(
    clickhouse: ClickHouse, documents: DocumentRepository
) -> None:
    # Five in the same millisecond, so that the id must decide; over two months, so that partitions matter.
    made = [row(START + month * 31 * 86_400_000 + number // 5) for month in (0, 1) for number in range(17)]
    await write(clickhouse, *made)
    seen: list[DocumentRow] = []
    position: Position | None = None
    while True:
        page, position = await documents.list(DocumentFilter(), position, 4)
        seen += page
        if position is None:
            break
        assert len(page) == 4
        await write(clickhouse, row(START + 90 * 86_400_000 + len(seen)))
    assert len(seen) == len(made) == 34
    assert {one.document_id for one in seen} == {one.document_id for one in made}
    assert [one.created_at for one in seen] == sorted((one.created_at for one in made), reverse=True)


async def test_the_last_full_page_has_no_next(clickhouse: ClickHouse, documents: DocumentRepository) -> None:
    await write(clickhouse, row(), row(START + 1))
    page, following = await documents.list(DocumentFilter(), None, 2)
    assert (len(page), following) == (2, None)


async def test_without_the_server_everything_says_unavailable() -> None:
    away = ClickHouse(f"http://a:b@127.0.0.1:{free_port()}/presswork")
    documents, users = DocumentRepository(away), UserRepository(away)
    for question in (
        documents.get(new_id()),
        documents.events(new_id()),
        documents.list(DocumentFilter(), None, 1),
        users.list(UserFilter(), None, 1),
        HistoryAccounts(away).users(),
        HistoryAccounts(away).keys(),
        users.user_written(user("a@x.io")),
    ):
        with pytest.raises(HistoryUnavailable):
            await question
    await away.close()


def user(email: str, at: int = START, **changes: object) -> UserRow:
    plain = UserRow(
        user_id=new_id(at),
        email=email,
        email_norm=email.lower(),
        name=email.partition("@")[0],
        role="member",
        status="active",
        attrs={"team": {"id": 7}},
        webhook_secret="sealed",
        created_at=at,
        updated_at=at,
        version=1,
    )
    return plain.model_copy(update=changes)


async def test_a_user_is_listed_as_soon_as_it_is_written(clickhouse: ClickHouse, users: UserRepository) -> None:
    ann = user("Ann@x.io")
    await users.user_written(ann)
    assert await users.list(UserFilter(), None, 10) == ([ann], None)
    assert await HistoryAccounts(clickhouse).users() == [ann]


async def test_a_users_event_after_its_write_through_changes_nothing(
    clickhouse: ClickHouse, users: UserRepository
) -> None:
    old, new = user("ann@x.io"), user("ann@x.io", name="Ann", version=2)
    new = new.model_copy(update={"user_id": old.user_id})
    await users.user_written(old)
    await users.user_written(new)
    for one in (old, new):
        line = {**one.model_dump(mode="json"), "event": "user.updated", "at": START, "actor_id": None}
        await clickhouse.insert_lines("user_events", [orjson.dumps(line)], token=uuid4().hex)
    assert await users.list(UserFilter(), None, 10) == ([new], None)
    assert await users.count() == 1


async def test_a_deleted_user_is_not_listed_and_rebuilt_as_deleted(
    clickhouse: ClickHouse, users: UserRepository
) -> None:
    gone = user("gone@x.io")
    await users.user_written(gone)
    deleted = gone.model_copy(update={"version": 2, "deleted": 1})
    await users.user_written(deleted)
    assert await users.list(UserFilter(), None, 10) == ([], None)
    assert await HistoryAccounts(clickhouse).users() == [deleted]


@pytest.mark.parametrize(
    ("narrowed", "found"),
    [
        (UserFilter(q="NN"), ["Anna@x.io"]),
        (UserFilter(q="Ø"), ["bjørn@y.io"]),
        (UserFilter(q="%"), []),
        (UserFilter(email_norm="anna@x.io"), ["Anna@x.io"]),
        (UserFilter(email_norm="anna@old.io"), []),
        (UserFilter(role="admin"), ["root@x.io"]),
        (UserFilter(status="suspended"), ["bjørn@y.io"]),
        (UserFilter(q="x.io", role="member"), ["Anna@x.io"]),
    ],
)
async def test_each_user_filter_finds_what_it_says(
    users: UserRepository, narrowed: UserFilter, found: list[str]
) -> None:
    anna = user("anna@old.io")
    await users.user_written(anna)
    await users.user_written(anna.model_copy(update={"email": "Anna@x.io", "email_norm": "anna@x.io", "version": 2}))
    await users.user_written(user("bjørn@y.io", START + 1, status="suspended"))
    await users.user_written(user("root@x.io", START + 2, role="admin"))
    page, _ = await users.list(narrowed, None, 10)
    assert [one.email for one in page] == found
    assert await users.count(narrowed) == len(found)


async def test_user_pages_show_everyone_once(users: UserRepository) -> None:
    everyone = [user(f"u{number}@x.io", START + number // 3) for number in range(10)]
    for one in everyone:
        await users.user_written(one)
    seen: list[str] = []
    position: Position | None = None
    while True:
        page, position = await users.list(UserFilter(), position, 3)
        seen += [one.email for one in page]
        if position is None:
            break
    assert sorted(seen) == sorted(one.email for one in everyone)


async def test_revoked_keys_are_rebuilt_too(clickhouse: ClickHouse, users: UserRepository) -> None:
    key = KeyRow(
        key_id=new_id(), user_id=new_id(), name="k", prefix="pw_a", digest="ff", scopes=("all",), created_at=START
    )
    revoked = key.model_copy(update={"revoked_at": START + 1, "version": 2})
    await users.key_written(revoked)
    await users.key_written(key)
    assert await HistoryAccounts(clickhouse).keys() == [revoked]
