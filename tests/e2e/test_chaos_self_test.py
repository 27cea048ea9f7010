"""The chaos suite notices a service that is broken on purpose; `make chaos ARGS=--self-test` is the same by hand."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


def test_a_broken_build_is_caught(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.chaos", "--self-test", "--dir", str(tmp_path)]
    tried = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (tried.returncode, "The checker bites." in tried.stdout) == (0, True), tried.stdout + tried.stderr
