"""What docs/webhooks.md claims: its code runs, its numbers are the defaults."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from contracts.targets import CIDRS_VARIABLE, HOSTS_VARIABLE, AllowList
from contracts.webhooks import new_secret, payload, sign
from generator.delivery.dial import USER_AGENT, DialLimits
from generator.delivery.loop import DeliverLimits
from generator.delivery.schedule import DEFAULT_SCHEDULE, VARIABLE

PAGE = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text()


def test_the_verification_code_verifies_and_refuses() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, object] = {}
    exec(code, names)  # noqa: S102
    receive = names["receive"]
    assert callable(receive)
    secret, body = new_secret(), payload("document.completed", 0, {"id": "1"})
    headers = sign([secret], "id", int(datetime.now(UTC).timestamp()), body)
    assert receive(secret, headers, body)["data"] == {"id": "1"}
    with pytest.raises(Exception, match="signature"):
        receive(secret, headers, body + b" ")


def test_the_page_names_the_defaults() -> None:
    limits = DialLimits()
    assert f"`{VARIABLE}`" in PAGE and f"`{DEFAULT_SCHEDULE}`" in PAGE and f"User-Agent: {USER_AGENT}" in PAGE
    assert f"nothing for {limits.total_s:g} s, or no connection within {limits.connect_s:g} s" in PAGE
    assert f"at most {limits.answer.body_bytes // 1024} KiB of it are read, for up to {limits.body_s:g} s" in PAGE
    assert f"at most {DeliverLimits().per_receiver} calls at a time" in PAGE


def test_the_allow_list_examples_are_read() -> None:
    lines = dict(re.findall(rf"^({HOSTS_VARIABLE}|{CIDRS_VARIABLE})=(\S+)", PAGE, re.MULTILINE))
    allow = AllowList.parse(lines[CIDRS_VARIABLE], lines[HOSTS_VARIABLE])
    assert len(allow.networks) == 2 and ("backend", 8080) in allow.hosts and ("hooks.internal", None) in allow.hosts
