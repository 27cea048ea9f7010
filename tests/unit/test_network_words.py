"""What went wrong on the way to a receiver is said in sentences: no class of Python's, no file of C."""

import errno
import socket
import ssl

import pytest

from generator.delivery.exchange import HungUp
from generator.delivery.guard import NoAddress
from generator.delivery.network_words import error_class, in_words


def tls(words: str, reason: str = "") -> ssl.SSLError:
    error = ssl.SSLError(1, words)
    error.reason = reason
    return error


def untrusted(words: str) -> ssl.SSLError:
    error = ssl.SSLCertVerificationError(1, f"[SSL: CERTIFICATE_VERIFY_FAILED] {words} (_ssl.c:1000)")
    error.verify_message = words
    return error


@pytest.mark.parametrize(
    ("error", "class_", "words"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed"), "connect", "Connection refused."),
        (OSError(errno.EHOSTUNREACH, "x ('10.0.0.1', 80)"), "connect", "No route to host."),
        (OSError("Multiple exceptions: [Errno 111] ('10.0.0.1', 80)"), "connect", "No connection could be made."),
        (HungUp(silent=True), "connect", "The receiver hung up before it answered."),
        (NoAddress(socket.EAI_NONAME, "x"), "dns", "The name has no address: no name server knows one."),
        (NoAddress(socket.EAI_NODATA, "x"), "dns", "The name has no address: no name server knows one."),
        (
            NoAddress(socket.EAI_AGAIN, "x"),
            "dns",
            "The name has no address: the name server does not answer, or cannot now.",
        ),
        (NoAddress(socket.EAI_FAIL, "x"), "dns", "The name has no address: the name server refuses to say."),
        (NoAddress(errno.EMFILE, "x"), "dns", "The name could not be looked up: too many open files."),
        (untrusted("self-signed certificate"), "tls", "The certificate is not trusted: self-signed certificate."),
        (
            untrusted("IP address mismatch, certificate is not valid for '1.1.1.1'."),
            "tls",
            "The certificate is not trusted: IP address mismatch, certificate is not valid for '1.1.1.1'.",
        ),
        (
            tls("[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1000)", "WRONG_VERSION_NUMBER"),
            "tls",
            "No TLS could be agreed on: what came back is no TLS.",
        ),
        (
            tls("[SSL: SSLV3_ALERT_HANDSHAKE_FAILURE] ssl/tls alert handshake failure (_ssl.c:1000)"),
            "tls",
            "No TLS could be agreed on: ssl/tls alert handshake failure.",
        ),
        (
            tls("EOF occurred in violation of protocol (_ssl.c:997)"),
            "tls",
            "No TLS could be agreed on: EOF occurred in violation of protocol.",
        ),
        (tls("[SSL] unknown error (_ssl.c:3098)"), "tls", "No TLS could be agreed on: unknown error."),
        (ssl.SSLError(), "tls", "No TLS could be agreed on: the reason is not known."),
    ],
)
def test_a_network_error_is_a_sentence(error: OSError, class_: str, words: str) -> None:
    assert (error_class(error), in_words(error)) == (class_, words)
