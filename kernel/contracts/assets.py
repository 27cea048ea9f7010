"""Assets: files that data names as `{"$asset": "sha256:<hex>"}` instead of carrying them, such as a logo or a photo."""

import re
from collections.abc import Iterator
from uuid import UUID

from pydantic import BaseModel
from pydantic_core import to_json

MARK = "$asset"
NAME = re.compile(r"sha256:([0-9a-f]{64})")


class AssetRecord(BaseModel, frozen=True):
    """What a user has uploaded. `size` in bytes, `created_at` in epoch ms: of the first upload."""

    media_type: str
    size: int
    created_at: int


def asset_key(sha256: str) -> str:
    """Name the blob that holds an asset's bytes."""
    return f"assets/{sha256}"


def owner_key(sha256: str, user_id: UUID) -> str:
    """Name the record that says whose an asset is; it was written when the user last uploaded or named it."""
    return f"asset-owners/{user_id}/{sha256}"


def use_key(document_id: UUID, sha256: str) -> str:
    """Name the empty blob that says that a document needs an asset, as long as the document's input is kept."""
    return f"asset-uses/{document_id}/{sha256}"


def references(data: object) -> list[tuple[str, str]]:
    """Return where data names assets, and what it says there: JSON pointer within the data, name of the asset."""
    if f'"{MARK}"'.encode() not in to_json(data):  # 250 bytes take a microsecond, a tenth of walking through them
        return []
    return list(_references(data, ""))


def digests(data: object) -> list[str]:
    """Return the hex digests of the assets that data names, each once, in the order of the data."""
    found = (NAME.fullmatch(name) for _, name in references(data))
    return list(dict.fromkeys(match[1] for match in found if match))


def _references(value: object, pointer: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        if MARK in value:
            name = value[MARK]
            yield f"{pointer}/{MARK}", name if isinstance(name, str) else ""
        for key, inner in value.items():
            if key != MARK:
                yield from _references(inner, f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _references(inner, f"{pointer}/{number}")
