"""Webhook endpoints in plain words: what they hear of, why one is disabled, and where it is without its secrets."""

from generator.admin.wording import Wording


def types(words: Wording) -> dict[str, str]:
    """Say what each type of event tells."""
    return {
        "document.completed": words("A document is ready"),
        "document.failed": words("A document has failed"),
        "document.cancelled": words("A document was cancelled"),
        "endpoint.disabled": words("Another endpoint was disabled"),
    }


def reasons(words: Wording) -> dict[str, tuple[str, str]]:
    """Say why an endpoint is disabled, and what to do about it."""
    return {
        "owner": (words("Disabled by hand"), words("Enable it when calls shall go out again.")),
        "gone": (
            words("It answered 410 Gone"),
            words("A receiver says so when it is gone for good. If it is back, enable the endpoint; else delete it."),
        ),
        "asked": (
            words("It asked for no more calls"),
            words("It answered with `webhook-delivery: disable`. Ask whoever runs it before you enable it."),
        ),
        "failing": (
            words("It has only failed, for days"),
            words("Mend the receiver, send a ping, then enable the endpoint and recover what it has missed."),
        ),
    }


def pauses(words: Wording) -> dict[str, str]:
    """Say why a receiver is left alone for a while."""
    return {
        "failing": words("Most calls to it of the last five minutes failed."),
        "asked": words("It answered with Retry-After, so it asked for a pause."),
    }


def without_query(url: str) -> str:
    """Return a URL whose query, which may hold a secret, is left out."""
    address, mark, _ = url.partition("?")
    return f"{address}?..." if mark else address
