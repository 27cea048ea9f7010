"""What `presswork up` says when it is ready: the key goes to a terminal, once, and nowhere else."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from standalone.data_dir import locked
from standalone.errors import StartRefused
from standalone.settings import UpSettings, load_up_settings
from standalone.stack import build_stack
from standalone.summary import SAMPLE, Summary
from standalone.up import Herald


@pytest.fixture
def summary(tmp_path: Path) -> Summary:
    home = tmp_path / "it's $HOME"
    home.mkdir()
    (home / "admin.key").write_text("pw_key\n")
    return Summary("http://127.0.0.1:8000", "http://127.0.0.1:8001", "pw_key", home / "admin.key", home, 1.0)


def words_of_shell(line: str, **variables: str) -> list[str]:
    """Let a shell read the line and return what it would run."""
    script = f"curl() {{ printf '%s\\0' curl \"$@\"; }}\n{line}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=variables, timeout=20)
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\0")[:-1]


def test_the_curl_line_is_one_line_that_a_shell_reads_back_as_the_sample_with_the_key(summary: Summary) -> None:
    assert "\n" not in summary.curl()
    words = words_of_shell(summary.curl(), PATH="/usr/bin:/bin")
    assert words[:3] == ["curl", "-sSf", "http://127.0.0.1:8000/v1/documents"]
    assert "Authorization: Bearer pw_key" in words
    assert json.loads(words[words.index("-d") + 1]) == SAMPLE


def test_the_curl_line_takes_a_given_key_from_its_variable(summary: Summary) -> None:
    line = replace(summary, key_file=None).curl()
    assert "Authorization: Bearer pw_given" in words_of_shell(line, PRESSWORK_ADMIN_KEY="pw_given")


def test_the_panel_is_said_to_want_the_key_alone(summary: Summary) -> None:
    assert f"  Admin      {summary.generator_url}/   (log in with the key)\n" in summary.text(to_terminal=True)


def test_a_terminal_shows_the_key_once(summary: Summary) -> None:
    assert summary.text(to_terminal=True).count("pw_key") == 1


@pytest.mark.parametrize("given", [False, True])
def test_what_is_no_terminal_gets_the_place_of_the_key(summary: Summary, given: bool) -> None:
    text = replace(summary, key_file=None if given else summary.key_file).text(to_terminal=False)
    assert "pw_key" not in text
    assert f"Admin key  in {'PRESSWORK_ADMIN_KEY' if given else summary.key_file}\n" in text


class Said(list[str]):
    """A console, as far as the herald needs one."""

    def say(self, text: str) -> None:
        self.append(text)


def herald(settings: UpSettings, said: Said) -> tuple[Herald, str]:
    """Make one on a data directory of its own; returns the admin's key, too."""
    with locked(settings.data_dir) as data:
        stack = build_stack(settings, data, {})
        return Herald(settings, data, stack, said, 0.0), stack.admin_key  # type: ignore[arg-type]


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("given", ["", "pw_given"])
def test_up_asks_its_output_whether_it_is_a_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, terminal: bool, given: str
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    said = Said()
    one, key = herald(load_up_settings(data_dir=tmp_path / "var", admin_key=given, ready_file=None), said)
    one.ready({})
    one.ready({})
    (text,) = said
    assert (key in text) is terminal
    assert ("$PRESSWORK_ADMIN_KEY" in text) is bool(given)


def test_a_ready_file_that_cannot_be_written_refuses_the_start_and_later_stops_nothing(tmp_path: Path) -> None:
    said, folder = Said(), tmp_path / "run"
    one, _ = herald(load_up_settings(data_dir=tmp_path / "var", ready_file=folder / "ready.json"), said)
    with pytest.raises(StartRefused, match="PRESSWORK_READY_FILE=.* cannot be written .No such file"):
        one.ready({"api": 1})
    folder.mkdir()
    one.ready({"api": 1})
    assert json.loads((folder / "ready.json").read_text())["pids"] == {"api": 1}
    shutil.rmtree(folder)
    one.ready({"api": 2})
    assert "the pids in it are old" in said[-1]
