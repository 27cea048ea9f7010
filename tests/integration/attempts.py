"""Records of calls that no test makes for real."""

from backends.deliveries import LeasedDelivery
from contracts.deliveries import DeliveryAttempt


def attempt_of(leased: LeasedDelivery, status: str = "delivered", **more: object) -> DeliveryAttempt:
    """Make the record of one attempt of a leased delivery, a millisecond after it was claimed."""
    plain = DeliveryAttempt(
        delivery_id=leased.delivery_id,
        attempt=leased.attempts + 1,
        document_id=leased.document_id,
        user_id=leased.user_id,
        run=leased.run,
        type=leased.type,
        url="https://example.com/hook?...",
        status=status,
        http_status=200 if status == "delivered" else None,
        at=leased.leased_at + 1,
        created_at=leased.created_at,
    )
    return plain.model_copy(update=more)
