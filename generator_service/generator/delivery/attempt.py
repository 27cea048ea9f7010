"""One attempt: find the receiver, build and sign the body, dial, judge the answer."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

import structlog
from pydantic_core import from_json

from backends.deliveries import LeasedDelivery, Sign
from contracts.deliveries import DeliveryAttempt
from contracts.documents import Delivery
from contracts.endpoints import PING, Reason
from contracts.errors import NotFound, PermanentError, TransientError
from contracts.views import JsonObject, delivery_view
from contracts.webhooks import payload, sign
from generator.delivery.dial import Answer
from generator.delivery.schedule import Schedule, calm_s, parse_retry_after

GONE_STATUS = 410
#: Classes of errors that end a delivery whatever the schedule says.
FINAL = frozenset({"gone", "disabled", "aborted", "unwanted"})
#: Classes of errors before which no call was made: they say nothing about the receiver.
UNCALLED = frozenset({"gone", "disabled", "internal"})

log = structlog.get_logger(__name__)


class Disabled(PermanentError):
    """The endpoint is disabled, or was deleted. `shown`: its URL as it may be shown, if it is known."""

    def __init__(self, message: str, shown: str) -> None:
        super().__init__(message)
        self.shown = shown


@dataclass(frozen=True)
class Receiver:
    """Where a delivery goes: sealed secrets that sign it, the current one first, and headers that come along."""

    url: str
    headers: Mapping[str, str]
    secrets: Sequence[str]

    # The URL's query may hold a secret: `shown` is for logs and lists.
    shown: str = ""


class Payloads(Protocol):
    async def document_payload(self, document_id: UUID, run: int, known: str = "") -> Mapping[str, object]:
        """Return the document as the API shows it, as it was when this run ended. Raises NotFound.

        `known`: the JSON of the row with which the run ended, if it is at hand.
        """


class Receivers(Protocol):
    async def receiver(self, leased: LeasedDelivery) -> Receiver:
        """Say where a delivery goes. Raises NotFound (its user is gone), Disabled."""


class Posts(Protocol):
    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Make one call. Never raises: what goes wrong is in the answer."""


class Attempter:
    """Makes attempts. `open_secret` unseals a stored secret; `random_` is the jitter's source (0 to 1)."""

    def __init__(
        self,
        dialer: Posts,
        payloads: Payloads,
        receivers: Receivers,
        open_secret: Callable[[str], str],
        schedule: Schedule,
        *,
        random_: Callable[[], float] = random.random,
    ) -> None:
        self._dialer = dialer
        self._payloads = payloads
        self._receivers = receivers
        self._open_secret = open_secret
        self._schedule = schedule
        self._random = random_

    async def make(self, leased: LeasedDelivery) -> DeliveryAttempt:
        """Attempt a delivery and return what it came to. Raises TransientError if it could not be tried at all."""
        started = time.monotonic()
        url, answer = await self._call(leased)
        # One clock for everything: the queue's, read at the claim, and the time that passed here since then.
        now = leased.leased_at + round((time.monotonic() - started) * 1000)
        attempt = self._judge(leased, url, answer, now)
        self._log(leased, attempt, answer)
        return attempt

    async def _call(self, leased: LeasedDelivery) -> tuple[str, Answer]:
        """Make the call; returns the URL as it may be shown, and the answer."""
        shown = ""
        try:
            receiver = await self._receivers.receiver(leased)
            shown = receiver.shown
            body = await self._body(leased)
            secrets = [self._open_secret(secret) for secret in receiver.secrets]
            signed = sign(secrets, leased.delivery_id, leased.leased_at // 1000, body)
            return shown, await self._dialer.post(receiver.url, {**receiver.headers, **signed}, body)
        except TransientError:
            raise
        except Disabled as error:
            return error.shown, Answer(error="disabled", error_detail=error.message)
        except PermanentError as error:
            return shown, Answer(error="gone", error_detail=error.message)
        except Exception as error:
            # A bug, which counts as an attempt: left to its lease, the delivery would be tried for ever.
            log.exception("delivery.broken", document_id=str(leased.document_id), run=leased.run)
            return shown, Answer(error="internal", error_detail=type(error).__name__)

    async def _body(self, leased: LeasedDelivery) -> bytes:
        if leased.run == 0:
            if not leased.data:
                raise NotFound("message")
            return payload(leased.type, leased.created_at, from_json(leased.data))
        document = await self._payloads.document_payload(leased.document_id, leased.run, leased.row)
        return payload(leased.type, leased.created_at, {**document, "delivery": _so_far(leased)})

    def _judge(self, leased: LeasedDelivery, url: str, answer: Answer, now: int) -> DeliveryAttempt:
        """Decide what follows: delivered, dead (unwanted, nothing to send, schedule over) or a next time."""
        status, next_at = "delivered", None
        retry_after = parse_retry_after(answer.retry_after, now / 1000)
        if answer.error and not answer.ok:
            final = answer.http_status == GONE_STATUS or answer.error in FINAL or leased.type == PING
            delay = None if final else self._schedule.next_delay(leased.attempts + 1, retry_after, self._random)
            status, next_at = ("dead", None) if delay is None else ("pending", now + round(delay * 1000))
        return DeliveryAttempt(
            delivery_id=leased.delivery_id,
            attempt=leased.attempts + 1,
            document_id=leased.document_id,
            user_id=leased.user_id,
            run=leased.run,
            type=leased.type,
            endpoint_id=leased.endpoint_id,
            url=url,
            status=status,
            http_status=answer.http_status,
            duration_ms=answer.duration_ms,
            dns_ms=answer.timings.dns,
            connect_ms=answer.timings.connect,
            tls_ms=answer.timings.tls,
            first_byte_ms=answer.timings.first_byte,
            error=answer.error,
            error_detail=answer.error_detail,
            response_excerpt=answer.excerpt,
            next_attempt_at=next_at,
            calm_ms=round(calm_s(answer.http_status, retry_after) * 1000),
            at=now,
            created_at=leased.created_at,
        )

    def _log(self, leased: LeasedDelivery, attempt: DeliveryAttempt, answer: Answer) -> None:
        fields = attempt.model_dump(mode="json", exclude={"response_excerpt", "created_at"}, exclude_none=True)
        if answer.blocked_address:
            fields["blocked_address"] = answer.blocked_address
        log.info("delivery.attempted", **fields)


def sign_of(attempt: DeliveryAttempt) -> Sign:
    """Say what an attempt tells of its receiver: one that refuses a single message is well."""
    if attempt.error in UNCALLED:
        return ""
    return "ok" if attempt.status == "delivered" or attempt.error == "aborted" else "failed"


def reason_to_disable(attempt: DeliveryAttempt) -> Reason:
    """Say why the endpoint of this attempt should get nothing any more; empty if it should."""
    if attempt.error == "unwanted":
        return "asked"
    return "gone" if attempt.http_status == GONE_STATUS else ""


def _so_far(leased: LeasedDelivery) -> JsonObject:
    """Show the delivery as its own body can know it: the attempts before this one, and nothing of a next one."""
    return delivery_view(Delivery(status="pending", attempts=leased.attempts))
