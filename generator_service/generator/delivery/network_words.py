"""Sentences for what went wrong on the way to a receiver. No URL and nothing it sent: both may hold a secret."""

import os
import re
import socket
import ssl

from generator.delivery.exchange import HungUp
from generator.delivery.guard import NoAddress

_NAMES = {
    socket.EAI_AGAIN: "the name server does not answer, or cannot now",
    socket.EAI_FAIL: "the name server refuses to say",
}
_TLS = {
    "WRONG_VERSION_NUMBER": "what came back is no TLS",
    "RECORD_LAYER_FAILURE": "what came back is no TLS",
    "UNSUPPORTED_PROTOCOL": "TLS 1.2 at least is needed",
    "TLSV1_ALERT_PROTOCOL_VERSION": "TLS 1.2 at least is needed",
    "UNEXPECTED_EOF_WHILE_READING": "the receiver hung up",
}
#: Where OpenSSL and Python say it: `[SSL: ...] words (_ssl.c:1000)`.
_SOURCE = re.compile(r"^\[[A-Z0-9_]+(: [A-Z0-9_]+)?\] ?| ?\(_ssl\.c:[0-9]+\)$")


def error_class(error: OSError) -> str:
    """Return the class of an attempt's error: `dns`, `tls` or `connect`."""
    if isinstance(error, NoAddress):
        return "dns"
    return "tls" if isinstance(error, ssl.SSLError) else "connect"


def in_words(error: OSError) -> str:
    """Describe a network error in a sentence."""
    if isinstance(error, HungUp):
        return str(error)
    if isinstance(error, NoAddress):
        return _name_words(error.errno or 0)
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"The certificate is not trusted: {_tls_words(error.verify_message or error.strerror)}."
    if isinstance(error, ssl.SSLError):
        return f"No TLS could be agreed on: {_TLS.get(_reason(error)) or _tls_words(error.strerror)}."
    return f"{os.strerror(error.errno)}." if error.errno and error.errno > 0 else "No connection could be made."


def _name_words(number: int) -> str:
    """Resolvers count their errors below zero, the system counts its own above."""
    if number > 0:
        return f"The name could not be looked up: {_lower(os.strerror(number))}."
    return f"The name has no address: {_NAMES.get(number, 'no name server knows one')}."


def _reason(error: ssl.SSLError) -> str:
    """Return OpenSSL's name of what is wrong; what Python raises by itself has none."""
    return getattr(error, "reason", None) or ""


def _tls_words(said: str | None) -> str:
    return _lower(_SOURCE.sub("", said or "").strip().removesuffix(".")) or "the reason is not known"


def _lower(words: str) -> str:
    """Begin within a sentence; abbreviations stay as they are."""
    return words[:1].lower() + words[1:] if words[1:2].islower() else words
