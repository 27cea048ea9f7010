"""How much of its disk the embedded ClickHouse leaves alone."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest

from backends.embedded.clickhouse import kept_free_bytes

MB = 1 << 20


@pytest.mark.parametrize(("disk_mb", "kept_mb"), [(64, 16), (256, 64), (1_000_000, 64)])
def test_some_room_stays_free_of_a_small_disk_a_quarter(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, disk_mb: int, kept_mb: int
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(total=disk_mb * MB))
    assert kept_free_bytes(tmp_path) == kept_mb * MB
