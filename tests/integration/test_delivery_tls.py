"""The webhook client speaks TLS 1.2 at least, with whoever can prove to be the name in the URL."""

import asyncio
import ssl
import time
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import ValidationError

from generator.delivery.connections import trusting
from generator.delivery.dial import Answer, Dialer, DialLimits
from generator.settings import GeneratorSettings
from tests.integration.delivery_zoo import LOOPBACK, answers, receiving, says

pytestmark = pytest.mark.usefixtures("hung_up")

QUICK = DialLimits(connect_s=0.5, total_s=2, body_s=0.2)
NO_TLS, UNTRUSTED = "No TLS could be agreed on:", "The certificate is not trusted:"
OTHER = f"{UNTRUSTED} hostname mismatch, certificate is not valid for 'other.example'."
ADDRESS = f"{UNTRUSTED} IP address mismatch, certificate is not valid for '127.0.0.1'."


def certificate(directory: Path, name: str, *, until_days: int = 1) -> Path:
    """Write a key with a self-signed certificate for a name; it ends in so many days."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=9))
        .not_valid_after(now + timedelta(days=until_days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file = directory / "both.pem"
    file.write_bytes(key.private_bytes(*form) + made.public_bytes(serialization.Encoding.PEM))
    return file


class Secure:
    """A receiver behind TLS: where it listens, and the requests that came through."""

    def __init__(self) -> None:
        self.port = 0
        self.calls: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.calls.append(await reader.readuntil(b"{}"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()


@asynccontextmanager
async def secured(pem: Path, newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> AsyncIterator[Secure]:
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, newest
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.load_cert_chain(pem)
    receiver = Secure()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", 0, ssl=context)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()


async def at_home(host: str, port: int) -> list[str]:
    await asyncio.sleep(0)
    return ["127.0.0.1"]


async def call(host: str, port: int, trusted: Path | None) -> Answer:
    tls = trusting(str(trusted)) if trusted else None
    started = time.monotonic()
    answer = await Dialer(LOOPBACK, QUICK, lookup=at_home, tls=tls).post(f"https://{host}:{port}/", {}, b"{}")
    assert time.monotonic() - started < QUICK.connect_s + 1
    return answer


@pytest.mark.parametrize(
    ("trusted", "host", "days", "newest", "detail"),
    [
        pytest.param(True, "hooks.example", 1, ssl.TLSVersion.TLSv1_3, "", id="TLS 1.3"),
        pytest.param(True, "hooks.example", 1, ssl.TLSVersion.TLSv1_2, "", id="TLS 1.2"),
        pytest.param(
            True,
            "hooks.example",
            1,
            ssl.TLSVersion.TLSv1_1,
            NO_TLS,
            id="TLS 1.1 at most",
        ),
        pytest.param(
            True,
            "hooks.example",
            1,
            ssl.TLSVersion.TLSv1,
            NO_TLS,
            id="TLS 1.0 at most",
        ),
        pytest.param(
            False, "hooks.example", 1, ssl.TLSVersion.TLSv1_3, f"{UNTRUSTED} self-signed certificate.", id="self-signed"
        ),
        pytest.param(
            True, "hooks.example", -1, ssl.TLSVersion.TLSv1_3, f"{UNTRUSTED} certificate has expired.", id="expired"
        ),
        pytest.param(True, "other.example", 1, ssl.TLSVersion.TLSv1_3, OTHER, id="another name"),
        pytest.param(True, "127.0.0.1", 1, ssl.TLSVersion.TLSv1_3, ADDRESS, id="an address"),
    ],
)
async def test_tls_is_verified_for_the_name_in_the_url(
    tmp_path: Path, trusted: bool, host: str, days: int, newest: ssl.TLSVersion, detail: str
) -> None:
    error = "tls" if detail else ""
    pem = certificate(tmp_path, "hooks.example", until_days=days)
    async with secured(pem, newest) as receiver:
        answer = await call(host, receiver.port, pem if trusted else None)
    assert (answer.error, answer.http_status) == (error, None if error else 200)
    assert answer.error_detail.startswith(detail) and answer.error_detail.endswith(".") == bool(error)
    assert "_ssl" not in answer.error_detail and "Error" not in answer.error_detail
    assert (answer.timings.dns is None) == (host == "127.0.0.1") and answer.timings.connect is not None
    assert answer.timings.tls is not None and (answer.timings.first_byte is None) == bool(error)
    assert len(receiver.calls) == (0 if error else 1), "nothing is said before the other side has proved itself"


async def test_a_receiver_that_hangs_up_instead_of_agreeing_on_tls_has_no_tls() -> None:
    async def hangs_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.close()

    server = await asyncio.start_server(hangs_up, "127.0.0.1", 0)
    answer = await call("hooks.example", server.sockets[0].getsockname()[1], None)
    server.close()
    assert (answer.error, answer.error_detail) == ("tls", f"{NO_TLS} the receiver hung up.")
    assert answer.timings.tls is not None and answer.timings.first_byte is None


async def test_a_receiver_without_tls_gets_no_request() -> None:
    async with receiving(answers(200)) as receiver:
        answer = await call("hooks.example", receiver.port, None)
    assert answer.error in ("tls", "timeout", "connect") and receiver.calls == []
    assert "_ssl" not in answer.error_detail and "Error" not in answer.error_detail


async def test_a_handshake_that_never_ends_ends_at_the_connect_timeout() -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(mute, "127.0.0.1", 0)
    answer = await call("hooks.example", server.sockets[0].getsockname()[1], None)
    server.close()
    assert answer.error == "timeout" and answer.error_detail == "No connection within 0.5 s."


async def test_tls_to_https_never_falls_back_to_http(tmp_path: Path, dialled: set[tuple[str, int]]) -> None:
    async with receiving(says(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) as receiver:
        answer = await call("hooks.example", receiver.port, certificate(tmp_path, "hooks.example"))
        assert answer.http_status is None and dialled == {("127.0.0.1", receiver.port)}


def test_a_file_without_certificates_is_refused_at_the_start(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("no certificate\n")
    needed = {"secret_key": "s" * 32, "redis_url": "redis://127.0.0.1", "clickhouse_url": "http://127.0.0.1"}
    for file in (empty, tmp_path / "missing.pem"):
        with pytest.raises(ValidationError, match=r"webhook_ca_file(.|\n)*name a PEM file"):
            GeneratorSettings.model_validate({**needed, "webhook_ca_file": str(file)})
    good = str(certificate(tmp_path, "hooks.example"))
    assert GeneratorSettings.model_validate({**needed, "webhook_ca_file": good}).webhook_ca_file == good
