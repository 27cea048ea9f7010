"""What an attempt to deliver a webhook came to, in plain words, and what to do about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit

from generator.admin.wording import Wording


@dataclass(frozen=True)
class Said:
    """`headline` names the outcome, `advice` says what to do (empty when there is nothing to do)."""

    headline: str
    advice: str
    good: bool


def said(attempt: Mapping[str, object], words: Wording) -> Said:
    """Explain an attempt as the API shows it."""
    error, code = attempt.get("error"), attempt.get("status_code")
    if not isinstance(error, Mapping):
        return Said(status_line(code), "", good=True)
    name = str(error.get("code", ""))
    if name == "status" and isinstance(code, int):
        return Said(status_line(code), _of_status(code, words), good=False)
    headline, advice = _of_error(words).get(name, (name, ""))
    return Said(headline, advice, good=False)


def steps(timings: object, words: Wording) -> str:
    """Say how long the steps of an attempt took; empty if none was timed."""
    if not isinstance(timings, Mapping):
        return ""
    names = {
        "dns_ms": words("name %(time)s"),
        "connect_ms": words("connection %(time)s"),
        "tls_ms": words("TLS %(time)s"),
        "first_byte_ms": words("first byte %(time)s"),
    }
    taken = [(text, timings.get(name)) for name, text in names.items()]
    return ", ".join(text % {"time": words.milliseconds(ms)} for text, ms in taken if isinstance(ms, int))


def status_line(code: object) -> str:
    """Write a status code with its phrase, if HTTP has one for it."""
    if not isinstance(code, int):
        return "–"
    try:
        return f"{code} {HTTPStatus(code).phrase}"
    except ValueError:
        return str(code)


def receiver(url: str) -> str:
    """Return host and port of a URL; the URL itself if it has none."""
    try:
        return urlsplit(url).netloc or url
    except ValueError:
        return url


def _of_status(code: int, words: Wording) -> str:
    if code == HTTPStatus.GONE:
        return words("The receiver says that it is gone for good, so it was given up at once. Resend once it is back.")
    if code == HTTPStatus.TOO_MANY_REQUESTS:
        return words("The receiver asks to slow down. Its Retry-After is respected: nothing to do.")
    if code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return words("The receiver refuses the caller: check how it verifies the signature, and the callback_headers.")
    if code in (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED):
        return words("The receiver has nothing there that takes a POST: check the path of the callback URL.")
    if 300 <= code < 400:
        return words("Redirects are not followed: give the address that it leads to as the callback URL.")
    if code >= 500:
        return words("The receiver failed: its own log says why. It is tried again by schedule.")
    return words("The receiver does not accept the call: its answer below may say why.")


def _of_error(words: Wording) -> dict[str, tuple[str, str]]:
    return {
        "dns": (
            words("Name not found"),
            words("The host has no address: check the spelling of the callback URL, and the receiver's DNS."),
        ),
        "blocked": (
            words("Address refused"),
            words("It leads where webhooks may not go. If it is yours, open it with the line below and restart."),
        ),
        "connect": (
            words("No connection, or it broke off"),
            words(
                "Nobody took the call, or whoever did hung up before an answer: is the receiver running, does its log"
                " tell of a crash, and does its firewall let this server in?"
            ),
        ),
        "tls": (
            words("Certificate not trusted"),
            words("It is expired, self-signed or made for another name: renew it at the receiver."),
        ),
        "timeout": (
            words("No answer in time"),
            words("Let the receiver answer 2xx first and do its work afterwards."),
        ),
        "protocol": (
            words("Not an HTTP answer"),
            words("Something else listens there: check the port, and whether it is http or https."),
        ),
        "gone": (
            words("Nothing to tell any more"),
            words("The document or its user was deleted before this could be sent."),
        ),
        "aborted": (
            words("The receiver does not want this call"),
            words("It answered `webhook-delivery: abort-message`, so this call was given up. Nothing to do."),
        ),
        "unwanted": (
            words("The receiver wants no more calls"),
            words("It answered `webhook-delivery: disable`. Enable its endpoint, or resend, once it wants them again."),
        ),
        "disabled": (
            words("The endpoint is disabled"),
            words("It was disabled or deleted before this was sent. Enable it, then resend or recover."),
        ),
        "internal": (
            words("The call could not be built"),
            words("This is a defect of ours: the generator's log has the cause under this delivery's id."),
        ),
    }
