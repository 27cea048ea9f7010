"""What an attacker would write into every field that somebody may fill, and the pages on which it appears."""

import asyncio
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import httpx2

from tests.browser.receiver import Receiver

#: Any of these that runs sets `window.ran`. The last shows whether a template engine has computed it.
EVIL = (
    "<img src=x onerror=window.ran=1>",
    '"><script>window.ran=1</script>',
    "' onmouseover='window.ran=1",
    "javascript:window.ran=1",
    "</textarea></title><svg onload=window.ran=1>",
    "{{7777*7777}}",
)
ALL = " ".join(EVIL)
#: Neither slashes nor quotes may stand in a file's name.
FILENAME = "<img src=x onerror=window.ran=1>{{7777*7777}}.pdf"
#: What an address allows before its @.
EMAIL = "{{7777*7777}}'onload=ran@example.com"
TOMORROW = (datetime.now(UTC) + timedelta(days=1)).isoformat()
#: Says what it was given, in its pages and in its error.
SOURCE = '#let data = json("data.json")\n// ' + ALL.replace("*/", "") + "\n#data.text"


@dataclass
class Haunted:
    """`pages` shows each text at least once."""

    user_id: str = ""
    document_id: str = ""
    pages: list[str] = field(default_factory=list)


async def haunt(api: httpx2.AsyncClient, receiver: Receiver) -> Haunted:
    """Fill every field with it; then a few plain things, so that each page has something to show."""
    made = Haunted()
    user = {"email": EMAIL, "name": ALL[:200], "role": "member", "attrs": {ALL: [ALL]}}
    made.user_id = (await posted(api, "/v1/users", user))["id"]
    key = (await posted(api, f"/v1/users/{made.user_id}/keys", {"name": ALL[:200]}))["key"]
    mine = {"Authorization": f"Bearer {key}", "Prefer": "wait=30"}
    request = {
        "source": {"engine": "typst", "content": SOURCE},
        "data": {"text": ALL, ALL: ALL},
        "subject": ALL[:200],
        "metadata": {ALL[:200]: ALL},
        "filename": FILENAME,
        "lane": ALL[:128],
    }
    receiver.status = 500
    callback = {"callback_url": f"{receiver.url}?{ALL.replace(' ', '+')}"}
    good = await posted(api, "/v1/documents", {**request, **callback}, mine)
    made.document_id = good["id"]
    broken = {"engine": "typst", "content": f"#panic({json.dumps(ALL)})"}
    failed = await api.post("/v1/documents", json={**request, "source": broken}, headers=mine)
    failed_id = failed.json()["document_id"]
    later = await posted(api, "/v1/documents", {**request, "run_at": TOMORROW}, {"Authorization": f"Bearer {key}"})
    delivery_id = await attempted(api, document_id=made.document_id)
    endpoints = await haunted_endpoints(api, receiver)
    made.pages = [
        *("/", "/documents", "/documents?metadata%5Bk%5D=%3Cimg+src%3Dx+onerror%3Dwindow.ran%3D1%3E&status=completed"),
        *(f"/documents/{one}" for one in (made.document_id, failed_id, later["id"])),
        *("/templates", "/templates?q=%3Cimg+src%3Dx%3E", "/templates/invoice"),
        *("/users", "/users?q=img", "/users/new", f"/users/{made.user_id}"),
        *("/webhooks", "/webhooks?status=dead", f"/webhooks/{delivery_id}", "/webhooks/secret"),
        *endpoints,
    ]
    return made


async def haunted_endpoints(api: httpx2.AsyncClient, receiver: Receiver) -> list[str]:
    """Register endpoints, ping one until it is gone; return the pages that show them."""
    url = f"{receiver.url}?{ALL.replace(' ', '+')}"
    made = {"url": url, "description": ALL, "headers": {"X-Haunted": ALL}, "types": ["document.cancelled"]}
    endpoint_id = (await posted(api, "/v1/webhooks/endpoints", made))["id"]
    path, receiver.status = f"/webhooks/endpoints/{endpoint_id}", 410
    await posted(api, f"/v1{path}/test", {})
    ping_id = await attempted(api, endpoint_id=endpoint_id)
    forms = ("/webhooks/endpoints/new", f"{path}/edit", f"{path}/secret")
    return ["/webhooks/endpoints", path, *forms, f"/webhooks/{ping_id}", f"/webhooks?endpoint_id={endpoint_id}"]


async def attempted(api: httpx2.AsyncClient, **filters: str) -> str:
    """Wait until a webhook has been tried; returns its id. `filters`: of which document, or to which endpoint."""
    async with asyncio.timeout(20):
        while True:
            answer = await api.get("/v1/webhooks/deliveries", params=filters)
            for delivery in answer.json()["items"]:
                if delivery["attempts"]:
                    return str(delivery["id"])
            await asyncio.sleep(0.1)


async def posted(
    api: httpx2.AsyncClient, path: str, body: dict[str, object], headers: dict[str, str] | None = None
) -> dict[str, str]:
    answer = await api.post(path, json=body, headers=headers)
    assert answer.status_code in (200, 201, 202), answer.text
    return dict(answer.json())
