"""`presswork webhooks verify`: what it says about captured calls that an independent library signed, how it ends."""

import base64
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from standardwebhooks import Webhook

from standalone.errors import UsageError
from standalone.verify import check

# Not random: pytest makes names of them, which must be the same in all of its processes.
SECRET, OTHER = (f"whsec_{base64.b64encode(letter * 32).decode()}" for letter in (b"k", b"o"))
BODY = '{"type":"document.completed","data":{"title":"Счёт"}}'
SENT = datetime(2026, 11, 23, 3, 0, 0, tzinfo=UTC)
SOON = str(int(SENT.timestamp()) + 12)


def captured(body: str = BODY, *secrets: str, sent: datetime = SENT) -> list[str]:
    signatures = [Webhook(secret).sign("msg-1", sent, body) for secret in secrets or (SECRET,)]
    timestamp = str(int(sent.timestamp()))
    return ["webhook-id: msg-1", f"Webhook-Timestamp: {timestamp}", f"webhook-signature:{' '.join(signatures)}"]


@pytest.fixture
def body(tmp_path: Path) -> Path:
    path = tmp_path / "body"
    path.write_text(BODY)
    return path


@pytest.fixture(autouse=True)
def no_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PRESSWORK_WEBHOOK_SECRET", raising=False)


def run(*arguments: str, body: bytes = b"", secret: str = SECRET) -> subprocess.CompletedProcess[bytes]:
    environment = os.environ | {"PRESSWORK_WEBHOOK_SECRET": secret, "COLUMNS": "200"}
    command = [sys.executable, "-m", "standalone", "webhooks", "verify", *arguments]
    return subprocess.run(command, input=body, capture_output=True, timeout=60, env=environment)


def options(*lines: str) -> list[str]:
    return [part for line in lines for part in ("--header", line)]


def test_a_genuine_call_is_verified_from_standard_input() -> None:
    result = run(*options(*captured()), "--now", SOON, body=BODY.encode())
    assert result.stdout.decode() == (
        f"verified: msg-1, signed 2026-11-23T03:00:00Z (12 s ago), {len(BODY.encode())} bytes\n"
    )
    assert (result.returncode, result.stderr) == (0, b"")


def test_a_forged_call_ends_with_1_and_the_reason() -> None:
    result = run(*options(*captured()), "--now", SOON, body=BODY.encode() + b" ")
    assert (result.returncode, result.stdout) == (1, b"not verified: no signature matches this secret\n")


def test_wrong_usage_ends_with_2_and_never_repeats_the_secret() -> None:
    secret = "whsec_this is no base64"
    result = run(*options(*captured()), "--secret", secret)
    assert (result.returncode, result.stdout) == (2, b"")
    assert b"presswork: A webhook secret is" in result.stderr and b"this is no base64" not in result.stderr


def test_the_help_names_options_variable_and_exit_codes() -> None:
    result = run("--help")
    text = result.stdout.decode()
    for part in ("--header", "--headers", "--tolerance", "--now", "PRESSWORK_WEBHOOK_SECRET", "2 wrong usage"):
        assert part in text
    assert SECRET not in text


@pytest.mark.parametrize("secrets", [(SECRET,), (OTHER, SECRET), (SECRET, OTHER)])
def test_one_of_several_signatures_is_enough(body: Path, secrets: tuple[str, ...]) -> None:
    assert check(body, captured(BODY, *secrets), secret=SECRET, now=SOON)[0]


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("request_line", ["", "POST /hook HTTP/1.1"])
def test_headers_are_read_from_a_captured_request(body: Path, ending: str, request_line: str) -> None:
    lines = [*([request_line] if request_line else []), "Host: a.example", *captured(), "", "webhook-id: in the body"]
    raw = body.with_name("request")
    raw.write_bytes(ending.join(lines).encode())
    assert check(body, headers_file=raw, secret=SECRET, now="2026-11-23T03:00:12Z")[0]


@pytest.mark.parametrize(
    ("shift", "tolerance", "genuine", "reason"),
    [
        (300, 300, True, "(300 s ago)"),
        (301, 300, False, "the timestamp is 301 s old"),
        (-300, 300, True, "(300 s ahead)"),
        (-301, 300, False, "the timestamp is 301 s ahead"),
        (0, 0, True, "(0 s ago)"),
        (1, 0, False, "the timestamp is 1 s old"),
        (90_000, 100_000, True, "(90000 s ago)"),
    ],
)
def test_the_timestamp_may_be_off_by_the_tolerance(
    body: Path, shift: int, tolerance: int, genuine: bool, reason: str
) -> None:
    now = (SENT + timedelta(seconds=shift)).isoformat()
    judged, line = check(body, captured(), secret=SECRET, tolerance_s=tolerance, now=now)
    assert judged is genuine and reason in line


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        (captured()[1:], "no webhook-id header"),
        (captured()[:2], "no webhook-signature header"),
        ([*captured(), "WEBHOOK-ID: msg-2"], "there are 2 webhook-id headers"),
        (["webhook-id: m\u00fc", *captured()[1:]], "the webhook-id header is not ASCII"),
        (["webhook-id: msg-1", "webhook-timestamp: soon", captured()[2]], "not a number of seconds"),
        (captured(BODY, OTHER), "no signature matches this secret"),
        ([*captured()[:2], "webhook-signature: v1a,AAAA v1 , v1,"], "no signature matches this secret"),
        (captured(BODY.replace("completed", "failed")), "no signature matches this secret"),
    ],
)
def test_what_is_not_verified_has_a_reason(body: Path, headers: list[str], reason: str) -> None:
    judged, line = check(body, headers, secret=SECRET, now=SOON)
    assert not judged and line.startswith("not verified: ") and reason in line


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_newline_that_was_added_to_the_body_is_found(body: Path, newline: str) -> None:
    body.write_bytes((BODY + newline).encode())
    told = "no signature matches this secret, but one matches the body without the newline at its end"
    assert check(body, captured(), secret=SECRET, now=SOON) == (False, f"not verified: {told}")
    assert check(body, captured(), secret=OTHER, now=SOON) == (False, "not verified: no signature matches this secret")
    assert check(body, captured(BODY + newline), secret=SECRET, now=SOON)[0]


def test_a_call_of_just_now_needs_no_time(body: Path) -> None:
    assert check(body, captured(sent=datetime.now(UTC)), secret=SECRET)[0]
    assert not check(body, captured(sent=datetime.now(UTC) - timedelta(hours=1)), secret=SECRET)[0]


@pytest.mark.parametrize(
    ("headers", "secret", "now", "told"),
    [
        (captured(), "", SOON, "PRESSWORK_WEBHOOK_SECRET"),
        (captured(), "whsec_QUJD", SOON, "24 to 64 bytes"),
        ([], SECRET, SOON, "No headers"),
        (["webhook-id msg-1"], SECRET, SOON, "'webhook-id msg-1' is no header"),
        (["\x1b[2J"], SECRET, SOON, "'?[2J' is no header"),
        (captured(), SECRET, "yesterday", "--now 'yesterday'"),
        (captured(), SECRET, "2026-11-23T03:00:00", "--now '2026-11-23T03:00:00'"),
    ],
)
def test_what_cannot_be_judged_is_wrong_usage(body: Path, headers: list[str], secret: str, now: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        check(body, headers, secret=secret, now=now)
    assert told in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Cannot read .*missing: No such file"):
        check(tmp_path / "missing", captured(), secret=SECRET, now=SOON)
    with pytest.raises(UsageError, match="Cannot read"):
        check(tmp_path, headers_file=tmp_path, secret=SECRET, now=SOON)


def test_what_the_caller_wrote_reaches_no_terminal_unescaped(body: Path) -> None:
    sent = int(SENT.timestamp())
    signature = Webhook(SECRET).sign("\x1b]0;x\x07", SENT, BODY)
    headers = ["webhook-id: \x1b]0;x\x07", f"webhook-timestamp: {sent}", f"webhook-signature: {signature}"]
    judged, line = check(body, headers, secret=SECRET, now=SOON)
    assert judged and "msg" not in line and "\x1b" not in line and "?]0;x?" in line
