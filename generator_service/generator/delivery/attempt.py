"""One attempt: load the document, build and sign the body, dial, judge the answer."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol
from uuid import UUID

import structlog

from backends.deliveries import LeasedDelivery
from contracts.deliveries import DeliveryAttempt, shown_url
from contracts.documents import Delivery
from contracts.errors import PermanentError, TransientError
from contracts.jobs import Callback
from contracts.views import JsonObject, delivery_view
from contracts.webhooks import payload, sign
from generator.delivery.dial import Answer
from generator.delivery.schedule import Schedule, parse_retry_after

GONE_STATUS = 410

log = structlog.get_logger(__name__)


class Payloads(Protocol):
    async def document_payload(self, document_id: UUID, run: int) -> Mapping[str, object]:
        """Return the document as the API shows it, as it was when this run ended. Raises NotFound."""


class SealedSecrets(Protocol):
    async def webhook_secrets(self, user_id: UUID) -> Sequence[str]:
        """Return the user's webhook secrets as they are stored (sealed), the current one first. Raises NotFound."""


class Posts(Protocol):
    async def post(self, url: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Make one call. Never raises: what goes wrong is in the answer."""


class Attempter:
    """Makes attempts. `open_secret` unseals a stored secret; `random_` is the jitter's source (0 to 1)."""

    def __init__(
        self,
        dialer: Posts,
        payloads: Payloads,
        secrets: SealedSecrets,
        open_secret: Callable[[str], str],
        schedule: Schedule,
        *,
        random_: Callable[[], float] = random.random,
    ) -> None:
        self._dialer = dialer
        self._payloads = payloads
        self._secrets = secrets
        self._open_secret = open_secret
        self._schedule = schedule
        self._random = random_

    async def make(self, leased: LeasedDelivery) -> DeliveryAttempt:
        """Attempt a delivery and return what it came to. Raises TransientError if it could not be tried at all."""
        started = time.monotonic()
        answer = await self._call(leased)
        # One clock for everything: the queue's, read at the claim, and the time that passed here since then.
        now = leased.leased_at + round((time.monotonic() - started) * 1000)
        attempt = self._judge(leased, answer, now)
        self._log(leased, attempt, answer)
        return attempt

    async def _call(self, leased: LeasedDelivery) -> Answer:
        try:
            callback = Callback.model_validate_json(leased.callback)
            body = await self._body(leased)
            signed = await self._signed(leased, body)
            return await self._dialer.post(callback.url, {**callback.headers, **signed}, body)
        except TransientError:
            raise
        except PermanentError as error:
            return Answer(http_status=None, error="gone", error_detail=error.message)
        except Exception as error:
            # A bug, which counts as an attempt: left to its lease, the delivery would be tried for ever.
            log.exception("delivery.broken", document_id=str(leased.document_id), run=leased.run)
            return Answer(error="internal", error_detail=type(error).__name__)

    async def _body(self, leased: LeasedDelivery) -> bytes:
        document = await self._payloads.document_payload(leased.document_id, leased.run)
        return payload(leased.type, leased.created_at, {**document, "delivery": _so_far(leased)})

    async def _signed(self, leased: LeasedDelivery, body: bytes) -> dict[str, str]:
        sealed = await self._secrets.webhook_secrets(leased.user_id)
        secrets = [self._open_secret(secret) for secret in sealed]
        return sign(secrets, leased.delivery_id, leased.leased_at // 1000, body)

    def _judge(self, leased: LeasedDelivery, answer: Answer, now: int) -> DeliveryAttempt:
        """Decide what follows: delivered, dead (410, nothing to send, schedule over) or a next time."""
        status, next_at = "delivered", None
        if answer.error:
            final = answer.http_status == GONE_STATUS or answer.error == "gone"
            retry_after = parse_retry_after(answer.retry_after, now / 1000)
            delay = None if final else self._schedule.next_delay(leased.attempts + 1, retry_after, self._random)
            status, next_at = ("dead", None) if delay is None else ("pending", now + round(delay * 1000))
        return DeliveryAttempt(
            delivery_id=leased.delivery_id,
            attempt=leased.attempts + 1,
            document_id=leased.document_id,
            user_id=leased.user_id,
            run=leased.run,
            type=leased.type,
            url=shown_url(leased.callback),
            status=status,
            http_status=answer.http_status,
            duration_ms=answer.duration_ms,
            error=answer.error,
            error_detail=answer.error_detail,
            response_excerpt=answer.excerpt,
            next_attempt_at=next_at,
            at=now,
            created_at=leased.created_at,
        )

    def _log(self, leased: LeasedDelivery, attempt: DeliveryAttempt, answer: Answer) -> None:
        fields = attempt.model_dump(mode="json", exclude={"response_excerpt", "created_at"}, exclude_none=True)
        if answer.blocked_address:
            fields["blocked_address"] = answer.blocked_address
        log.info("delivery.attempted", **fields)


def _so_far(leased: LeasedDelivery) -> JsonObject:
    """Show the delivery as its own body can know it: the attempts before this one, and nothing of a next one."""
    return delivery_view(Delivery(status="pending", attempts=leased.attempts))
