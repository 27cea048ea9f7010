"""What the terminal shows of the children's log files."""

import errno
import io
import json
import shutil
import stat
from pathlib import Path

import pytest

from standalone.console import Console, LogFile, Tail, fresh_log, pretty_line


def shown(files: dict[str, Path], **options: object) -> str:
    out = io.StringIO()
    console = Console(files, out, **{"pretty": False, **options})  # type: ignore[arg-type]
    console.start()
    console.close(limit_s=10)
    return out.getvalue()


def test_lines_are_shown_as_they_are_when_nobody_watches(tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    log.write_text('{"event":"document.accepted"}\nnot json\n')
    assert shown({"api": log}) == '{"event":"document.accepted"}\nnot json\n'


def test_hidden_files_are_not_shown(tmp_path: Path) -> None:
    log = tmp_path / "redis.log"
    log.write_text("Ready to accept connections\n")
    assert shown({"redis": log}, hidden={"redis"}) == ""


def test_a_line_is_shown_once_it_is_complete(tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    log.write_bytes("naïve".encode()[:3])
    tail = Tail(log)
    assert tail.new_lines() == []
    with open(log, "ab") as file:
        file.write("naïve".encode()[3:] + b"\nnext")
    assert tail.new_lines() == ["naïve"]


def test_a_log_that_grew_too_large_moves_aside_and_its_writer_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    with open(log, "ab", buffering=0) as writer:
        writer.write(b"one\n" * 100)
        tail = Tail(log)
        assert len(tail.new_lines()) == 100
        tail.rotate(limit_bytes=100)
        writer.write(b"two\n")
    assert log.read_bytes() == b"two\n"
    assert (tmp_path / "api.log.1").read_bytes() == b"one\n" * 100
    assert tail.new_lines() == ["two"]
    assert stat.S_IMODE((tmp_path / "api.log.1").stat().st_mode) == 0o600


def test_a_log_that_cannot_be_moved_aside_for_want_of_room_is_emptied_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "api.log"
    log.write_bytes(b"one\n" * 100)
    tail = Tail(log)
    tail.new_lines()

    def half(source: Path, target: Path) -> None:
        target.write_bytes(b"one\n")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", half)
    tail.rotate(limit_bytes=100)
    assert log.read_bytes() == b""
    assert not (tmp_path / "api.log.1").exists()


def test_output_into_a_full_file_goes_on_when_there_is_room_again(tmp_path: Path) -> None:
    class FullOnce(io.StringIO):
        full = True

        def write(self, text: str) -> int:
            if self.full:
                self.full = False
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(text)

    out = FullOnce()
    for name in ("a", "b"):
        (tmp_path / name).write_text(f"{name}\n")
    console = Console({name: tmp_path / name for name in ("a", "b")}, out, pretty=False)
    console.start()
    console.close(limit_s=10)
    assert out.getvalue() == "b\n"


def test_a_log_of_the_supervisors_own_loses_lines_where_there_is_no_room_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "supervisor.log"
    path.touch()
    log = LogFile(path)
    with monkeypatch.context() as patch:
        patch.setattr("standalone.console.os.write", full)
        log.write("lost\n")
    log.write("kept\n")
    log.close()
    assert path.read_text() == "kept\n"


def test_a_log_that_is_removed_does_not_silence_the_others(tmp_path: Path) -> None:
    (tmp_path / "redis.log").write_text("line\n")
    assert shown({"api": tmp_path / "gone.log", "redis": tmp_path / "redis.log"}) == "line\n"


def test_a_start_keeps_the_log_of_the_start_before(tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    log.write_text("old")
    fresh_log(log)
    assert (log.read_text(), (tmp_path / "api.log.1").read_text()) == ("", "old")


def test_a_closed_terminal_ends_the_console_and_nothing_else(tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    log.write_text("line\n")
    out = io.StringIO()
    out.close()
    console = Console({"api": log}, out, pretty=False)
    console.start()
    console.join(10)
    assert not console.is_alive()


def test_an_event_is_written_for_people_with_its_fields_and_its_stack_trace() -> None:
    event = {
        "event": "job.failed",
        "level": "error",
        "timestamp": "2026-11-23T10:11:12.345Z",
        "document_id": "d1",
        "exception": "Traceback ...",
    }
    line = pretty_line("generator", json.dumps(event))
    for part in ("generator", "10:11:12", "job.failed", "document_id=", "d1", "\nTraceback ..."):
        assert part in line
    assert '"' not in line


def test_a_line_that_is_no_event_keeps_its_text() -> None:
    for text in ("plain text", "[1, 2]", '{"no": "event"}'):
        assert pretty_line("api", text).endswith(text)
