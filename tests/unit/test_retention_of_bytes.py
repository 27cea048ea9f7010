"""How long bytes are promised: past `expires_at`, and never less than a day after the webhook has settled."""

import pytest

from contracts.documents import FETCH_MS, Delivery, DeliveryStatus, Status, bytes_until
from contracts.secrets import UrlSigner
from contracts.views import Links
from tests.integration.history_rows import START, row

LINKS = Links("https://api.example.com", UrlSigner("a secret key for tests, long enough"), url_ttl_s=3600)


@pytest.mark.parametrize(
    ("expires_at", "delivery", "changed_at", "until"),
    [
        (None, "none", 5, None),
        (None, "delivered", 5, None),
        (100, "none", 5, 100),
        (100, "pending", 5, None),
        (100, "delivered", 90, 90 + FETCH_MS),
        (100, "dead", 90, 90 + FETCH_MS),
        (FETCH_MS * 7, "delivered", 90, FETCH_MS * 7),
    ],
)
def test_bytes_stay_until_they_expire_and_a_day_after_the_webhook_has_settled(
    expires_at: int | None, delivery: DeliveryStatus, changed_at: int, until: int | None
) -> None:
    assert bytes_until(expires_at, delivery, changed_at) == until


@pytest.mark.parametrize(("delivery", "left_s"), [("none", 0), ("pending", 3600), ("delivered", 3600)])
def test_the_link_in_a_late_webhook_opens_although_the_result_has_expired(
    delivery: DeliveryStatus, left_s: int
) -> None:
    now = START + 600_000
    late = row(status=Status.COMPLETED, expires_at=now, delivery=Delivery(status=delivery), at=now)
    assert LINKS.signed_content(late, now)[1] == now + left_s * 1000
