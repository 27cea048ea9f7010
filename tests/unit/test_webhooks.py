"""Standard Webhooks signatures and bodies, checked by the independent `standardwebhooks` package."""

import base64
import json
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from contracts.webhooks import MAX_BODY, NotVerified, new_secret, payload, secret_key, sign, verify

ID = UUID("0190a0a0-0000-7000-8000-000000000001")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


def seconds_now() -> int:
    return int(datetime.now(UTC).timestamp())


def test_a_secret_is_32_random_bytes_behind_whsec() -> None:
    assert len(secret_key(new_secret())) == 32
    assert new_secret().startswith("whsec_") and new_secret() != new_secret()


@pytest.mark.parametrize(
    "secret", ["whsec_", "whsec_!!!", "whsec_c2hvcnQ=", "whsec_" + base64.b64encode(b"x" * 65).decode()]
)
def test_a_malformed_secret_is_refused_without_repeating_it(secret: str) -> None:
    with pytest.raises(ValueError, match="webhook secret") as caught:
        secret_key(secret)
    assert secret[6:] == "" or secret[6:] not in str(caught.value)


def test_the_signature_is_the_standards_example() -> None:
    headers = sign(
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@given(data=st.dictionaries(st.text(), JSON, max_size=4))
def test_an_independent_verifier_accepts_what_we_sign(data: dict[str, object]) -> None:
    secret = new_secret()
    body = payload("document.completed", 1_700_000_000_123, data)
    headers = sign([secret], ID, seconds_now(), body)
    message = Webhook(secret).verify(body, headers)
    assert message["type"] == "document.completed"
    assert message["timestamp"] == "2023-11-14T22:13:20.123Z"
    assert len(body) >= MAX_BODY or message["data"] == data
    verify(secret, headers, body, now=seconds_now())


def test_both_secrets_verify_during_a_rotation() -> None:
    current, previous = new_secret(), new_secret()
    headers = sign([current, previous], ID, seconds_now(), b"{}")
    for secret in (current, previous):
        Webhook(secret).verify(b"{}", headers)
        verify(secret, headers, b"{}", now=seconds_now())
    with pytest.raises(WebhookVerificationError):
        Webhook(new_secret()).verify(b"{}", headers)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"webhook-id": "other"}, "no signature matches"),
        ({"webhook-timestamp": "999"}, "no signature matches"),
        ({"webhook-timestamp": "699"}, "301 s old"),
        ({"webhook-timestamp": "1301"}, "301 s ahead"),
        ({"webhook-timestamp": "soon"}, "not a number"),
        ({"webhook-timestamp": "-1"}, "not a number"),
        ({"webhook-signature": ""}, "no webhook-signature"),
        ({"webhook-signature": "v1"}, "no signature matches"),
        ({"webhook-signature": "v1,\u00fc"}, "no signature matches"),
        ({"webhook-signature": "v1a,AAAA v2,BBBB"}, "no signature matches"),
    ],
)
def test_a_call_that_was_changed_is_not_verified(change: dict[str, str], reason: str) -> None:
    secret = new_secret()
    headers = sign([secret], ID, 1000, b"{}")
    verify(secret, {name.title(): value for name, value in headers.items()}, b"{}", now=1300)
    with pytest.raises(NotVerified, match=reason):
        verify(secret, headers | change, b"{}", now=1000)
    with pytest.raises(NotVerified, match="no signature matches"):
        verify(secret, headers, b"{} ", now=1000)


def test_a_body_stays_under_20_kb_and_says_what_it_left_out() -> None:
    document: dict[str, object] = {
        "id": "1",
        "metadata": {"order": "7"},
        "result": {"url": "https://x", "warnings": [{"code": "c", "message": "w" * 30_000}]},
        "error": None,
    }
    body = payload("document.completed", 0, document)
    data = json.loads(body)["data"]
    assert len(body) < MAX_BODY
    assert data["result"] == {"url": "https://x", "warnings": []} and data["metadata"] == {"order": "7"}
    assert data["truncated"] == ["/result/warnings"]


def test_a_huge_error_is_cut_down_to_its_code() -> None:
    error = {"code": "template_error", "message": "m" * 30_000, "excerpt": "e" * 30_000, "line": 3}
    body = payload("document.failed", 0, {"id": "1", "metadata": {}, "result": None, "error": error})
    data = json.loads(body)["data"]
    assert len(body) < MAX_BODY
    assert data["error"] == {"code": "template_error", "message": "", "excerpt": None, "line": 3}


def test_a_lone_surrogate_does_not_stop_a_webhook() -> None:
    body = payload("document.completed", 0, {"subject": "\ud800"})
    assert json.loads(body)["data"]["subject"] == "\ud800"
