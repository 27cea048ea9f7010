"""Assets: found anywhere in data, checked by their bytes, and each user's own."""

import asyncio
import hashlib
import time
from uuid import UUID

import pytest

from app.services.assets import BELIEVED_S, AssetService, kind_of
from app.services.records import asset_quota
from contracts.assets import asset_key, digests, owner_key, references
from contracts.errors import Conflict, Invalid, NotFound
from contracts.ids import new_id
from tests.fakes_blobs import InMemoryBlobStore

PNG = b"\x89PNG\r\n\x1a\n" + bytes(40)
ANN, BOB = new_id(), new_id()


@pytest.fixture
def blobs() -> InMemoryBlobStore:
    return InMemoryBlobStore()


def test_assets_are_found_wherever_data_names_them() -> None:
    name = f"sha256:{'ab' * 32}"
    data = {"a/b": [{"$asset": name, "width": "40mm"}], "x": {"y~": {"$docx": {"$asset": "logo"}}}, "n": {"$asset": 7}}
    assert references(data) == [("/a~1b/0/$asset", name), ("/x/y~0/$docx/$asset", "logo"), ("/n/$asset", "")]
    assert digests([data, data]) == ["ab" * 32]
    assert references({"text": "$asset", "list": ["$asset"]}) == []


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (b"RIFF\0\0\0\0WAVE", None),
        (b'\xef\xbb\xbf<?xml version="1.0"?>\n<svg xmlns="x"/>', "image/svg+xml"),
        (b"<?xml version='1.0'?><html/>", None),
        (b"<html><svg>", None),
        (b"MZ\x90", None),
        (b"", None),
    ],
)
def test_bytes_are_judged_by_how_they_begin(content: bytes, kind: str | None) -> None:
    assert kind_of(content) == kind


async def test_an_asset_is_kept_under_its_hash_and_its_owners(blobs: InMemoryBlobStore) -> None:
    service, digest = AssetService(blobs), hashlib.sha256(PNG).hexdigest()
    for user in (ANN, BOB, ANN):
        assert await service.add(user, PNG, "image/png") == f"sha256:{digest}"
    assert set(blobs.blobs) == {asset_key(digest), owner_key(digest, ANN), owner_key(digest, BOB)}


async def test_bytes_under_a_wrong_name_are_refused(blobs: InMemoryBlobStore) -> None:
    service = AssetService(blobs)
    for content, media_type in ((PNG, "image/gif"), (b"MZ\x90", "image/png"), (b"", "application/octet-stream")):
        with pytest.raises(Invalid) as refusal:
            await service.add(ANN, content, media_type)
        assert refusal.value.flaws[0].code == "invalid_asset"
    assert blobs.blobs == {}
    assert await service.add(ANN, PNG, "application/octet-stream")


async def refused(service: AssetService, user: UUID, data: object) -> list[tuple[str, str]]:
    with pytest.raises(Invalid) as refusal:
        await service.require(user, data)
    return [(flaw.pointer, flaw.code) for flaw in refusal.value.flaws]


async def test_another_users_asset_is_unknown_even_to_who_knows_its_hash(blobs: InMemoryBlobStore) -> None:
    name = await AssetService(blobs).add(ANN, PNG, "image/png")
    service = AssetService(blobs)  # another process: it remembers nothing
    data = {"logo": {"$asset": name}, "photos": [{"$asset": name}, {"$asset": "nothing"}]}
    assert await refused(service, BOB, data) == [
        ("/data/logo/$asset", "unknown_asset"),
        ("/data/photos/0/$asset", "unknown_asset"),
        ("/data/photos/1/$asset", "unknown_asset"),
    ]
    assert await refused(service, ANN, data) == [("/data/photos/1/$asset", "unknown_asset")]
    assert await service.require(ANN, {"logo": {"$asset": name}}) == [name.removeprefix("sha256:")]


async def test_an_owner_without_its_asset_must_upload_it_again(blobs: InMemoryBlobStore) -> None:
    name = await AssetService(blobs).add(ANN, PNG, "image/png")
    await blobs.delete(asset_key(name.removeprefix("sha256:")))
    assert await refused(AssetService(blobs), ANN, {"$asset": name}) == [("/data/$asset", "unknown_asset")]


async def test_a_use_is_noted_so_that_the_asset_is_kept(blobs: InMemoryBlobStore) -> None:
    name = await AssetService(blobs).add(ANN, PNG, "image/png")
    digest = name.removeprefix("sha256:")
    blobs.written[owner_key(digest, ANN)] = 1
    service = AssetService(blobs)
    await service.require(ANN, {"$asset": name})
    assert blobs.written[owner_key(digest, ANN)] > 1


async def test_a_document_may_name_so_many_assets_and_no_more(blobs: InMemoryBlobStore) -> None:
    data = [{"$asset": f"sha256:{number:064x}"} for number in range(201)]
    assert await refused(AssetService(blobs), ANN, data) == [("/data", "too_large")]


async def test_a_user_keeps_so_many_assets_and_so_many_bytes(blobs: InMemoryBlobStore) -> None:
    service = AssetService(blobs, asset_quota(count=2, mib=1))
    first = await service.add(ANN, PNG, "image/png")
    for content, setting in (
        (PNG + bytes(2**20), "ASSETS_MB_PER_USER"),
        (PNG + b"2", ""),
        (PNG + b"3", "ASSETS_PER_USER"),
    ):
        if not setting:
            await service.add(ANN, content, "image/png")
            continue
        with pytest.raises(Conflict, match=f"PRESSWORK_MAX_{setting}") as refusal:
            await service.add(ANN, content, "image/png")
        assert refusal.value.code == "too_many_assets"
    assert await service.add(ANN, PNG, "image/png") == first, "what one has can be uploaded again"
    assert await service.add(BOB, PNG + b"3", "image/png"), "a limit is each user's own"
    await service.delete(ANN, first.removeprefix("sha256:"))
    assert await service.add(ANN, PNG + b"3", "image/png")


async def test_uploads_at_once_do_not_share_the_last_place(blobs: InMemoryBlobStore) -> None:
    service = AssetService(blobs, asset_quota(count=3))
    uploads = (service.add(ANN, PNG + bytes([number]), "image/png") for number in range(10))
    outcomes = await asyncio.gather(*uploads, return_exceptions=True)
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 7
    assert len(await service.of(ANN)) == 3


async def test_no_limit_of_bytes_is_zero(blobs: InMemoryBlobStore) -> None:
    assert await AssetService(blobs, asset_quota(mib=0)).add(ANN, PNG + bytes(2**20), "image/png")


async def test_a_deleted_asset_is_unknown_here_at_once_and_elsewhere_within_a_second(
    blobs: InMemoryBlobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, elsewhere = AssetService(blobs), AssetService(blobs)
    data = {"$asset": await here.add(ANN, PNG, "image/png")}
    digest = data["$asset"].removeprefix("sha256:")
    assert await elsewhere.require(ANN, data) == [digest]
    await here.delete(ANN, digest)
    assert await refused(here, ANN, data) == [("/data/$asset", "unknown_asset")]
    clock = time.monotonic() + BELIEVED_S
    monkeypatch.setattr("app.services.assets.time.monotonic", lambda: clock)
    assert await refused(elsewhere, ANN, data) == [("/data/$asset", "unknown_asset")]
    with pytest.raises(NotFound):
        await here.delete(ANN, digest)
    assert set(blobs.blobs) == {asset_key(digest)}, "its bytes are the pruner's to remove"
