"""The panel's documents over HTTP: the list with its filters, a document's page, its pictures, and what can be done."""

import asyncio
import re
import struct
from uuid import UUID

import pytest

from backends.template_store import TemplateStore
from contracts.ids import new_id, now_ms, rfc3339
from contracts.jobs import input_key
from contracts.templates import TemplateBundle, TemplateHead, TemplateVersion, bundle_key
from generator.admin.user_api import ApiAnswer, ApiRefused, Params, UserApi
from tests.conftest import WaitUntil
from tests.integration.panel_stack import PanelStack, panel

__all__ = ["panel"]

XSS = "<script>alert(1)</script>"
ESCAPED = "&lt;script&gt;alert(1)&lt;/script&gt;"


def tomorrow() -> str | None:
    return rfc3339(now_ms() + 86_400_000)


async def make(panel: PanelStack, wait: bool = True, **request: object) -> str:
    """Request a document from an inline source and wait for its end; returns its id."""
    source = {"engine": "typst", "content": "#set page(width: 90pt, height: 60pt)\nOne #pagebreak() Two"}
    body = {"source": source, **request}
    answer = (await panel.api.admin.post("/v1/documents", json=body)).json()
    assert "id" in answer, answer
    if wait:
        ended = (await panel.api.admin.get(f"/v1/documents/{answer['id']}?wait=20")).json()
        assert ended["status"] in ("completed", "failed"), ended
    return str(answer["id"])


async def ship(panel: PanelStack, name: str, source: str) -> None:
    """Put a template of one file where shipped ones are; a second source becomes its second version."""
    bundle = TemplateBundle.of_file("typst", source.encode())
    await panel.api.blobs.put(bundle_key(bundle.sha256), bundle.pack())
    formats = bundle.manifest.formats
    version = TemplateVersion(version=1, sha256=bundle.sha256, engines=dict.fromkeys(formats, "typst"), created_at=1)
    head = TemplateHead(
        name=name,
        visibility="shared",
        engine="typst",
        formats=formats,
        versions=(version,),
        tags={"production": 1},
        created_at=1,
        updated_at=1,
    )
    await TemplateStore(panel.api.scripts).ship(head)


async def listed(panel: PanelStack, query: str) -> list[str]:
    page = await panel.browser.get(f"/documents?{query}")
    assert page.status_code == 200, page.text
    return re.findall(r'<tr id="d-([0-9a-f-]{36})"', page.text)


async def test_filters_narrow_the_list_and_can_be_removed(panel: PanelStack, wait_until: WaitUntil) -> None:
    one = await make(panel, subject="alpha", metadata={"order": "A-1"})
    two = await make(panel, subject="beta", format="svg")

    async def both() -> bool:
        return await listed(panel, "status=completed") == [two, one]

    await wait_until(both, "both are in the history")
    assert await listed(panel, "format=svg") == [two]
    assert await listed(panel, "subject=alpha") == [one]
    assert await listed(panel, "metadata%5Border%5D=A-1") == [one]
    assert await listed(panel, "metadata%5Border%5D=A-2") == []
    assert await listed(panel, "created_after=2020-01-01T00%3A00") == [two, one]
    assert await listed(panel, "created_before=2020-01-01T00%3A00") == []
    page = (await panel.browser.get("/documents?subject=alpha&metadata%5Border%5D=A-1")).text
    assert 'href="/documents?metadata%5Border%5D=A-1"' in page and 'href="/documents?subject=alpha"' in page


async def test_a_filled_form_leads_to_a_clean_address(panel: PanelStack) -> None:
    form = {"status": "failed", "template": "", "format": "", "metadata_key": "order", "metadata_value": "A 1"}
    answer = await panel.browser.get("/documents", params=form)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/documents?status=failed&metadata%5Border%5D=A+1")


async def test_older_pages_keep_the_filters(panel: PanelStack, wait_until: WaitUntil) -> None:
    for _ in range(51):
        await make(panel, wait=False, subject="many", run_at=tomorrow())

    async def full() -> bool:
        return len(await listed(panel, "subject=many")) == 50

    await wait_until(full, "the first page is full")
    page = (await panel.browser.get("/documents?subject=many")).text
    older = re.search(r'href="(/documents\?subject=many&amp;cursor=[^"]+)" rel="next"', page)
    assert older and "hx-sse:connect" in page
    second = (await panel.browser.get(older[1].replace("&amp;", "&"))).text
    assert len(re.findall('<tr id="d-', second)) == 1
    assert "hx-sse:connect" not in second and 'href="/documents?subject=many"' in second


async def test_a_searched_id_leads_to_its_document(panel: PanelStack) -> None:
    identity = str(new_id())
    answer = await panel.get("/documents", find=identity)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/documents/{identity}")


async def test_a_filter_that_the_api_refuses_says_which(panel: PanelStack) -> None:
    page = await panel.browser.get("/documents?user_id=nobody")
    assert page.status_code == 422
    assert "User: This is not an id (UUID)." in page.text


async def test_an_empty_list_says_what_to_do(panel: PanelStack) -> None:
    assert "No document yet" in (await panel.get("/documents")).text
    assert "No document matches" in (await panel.browser.get("/documents?status=failed")).text


async def test_what_users_write_is_shown_and_never_run(panel: PanelStack, wait_until: WaitUntil) -> None:
    document = await make(panel, subject=XSS, metadata={XSS: XSS}, filename=f"{XSS.replace('/', '')}.pdf", lane=XSS)

    async def there() -> bool:
        return await listed(panel, "subject=%3Cscript%3Ealert(1)%3C%2Fscript%3E") == [document]

    await wait_until(there, "it is in the list")
    for path in ("/documents", f"/documents/{document}", "/documents?subject=%3Cscript%3Ealert(1)%3C%2Fscript%3E"):
        text = (await panel.browser.get(path)).text
        assert ESCAPED in text and XSS not in text and XSS.replace("/", "") not in text, path


async def test_the_page_of_a_document_shows_its_way_its_facts_and_its_data(panel: PanelStack) -> None:
    document = await make(panel, data={"secret": "s3cret value"}, subject="letter", filename="two.pdf")
    page = await panel.get(f"/documents/{document}")
    assert page.headers["Cache-Control"] == "no-store"
    for text in ("Accepted", "Rendering began", "Completed", "two.pdf", "letter", "s3cret value", "#pagebreak()"):
        assert text in page.text, text
    assert "hx-sse:connect" not in page.text
    file = await panel.get(f"/documents/{document}/data.json")
    assert file.json() == {"secret": "s3cret value"} and file.headers["Content-Disposition"].startswith("attachment")


async def test_a_failed_document_says_where_and_what_to_do(panel: PanelStack) -> None:
    source = {"engine": "typst", "content": '#let data = json("data.json")\nDear #data.naem'}
    document = await make(panel, source=source, data={"name": "Ada"})
    page = (await panel.get(f"/documents/{document}")).text
    for text in ("data_missing", "line 2, column", "Dear #data.naem", "naem", "No file was made"):
        assert text in page, text
    assert f"/documents/{document}/retry" in page and f"/documents/{document}/content" not in page


async def test_data_that_is_no_longer_kept_is_said_to_be_gone(panel: PanelStack, wait_until: WaitUntil) -> None:
    document = await make(panel)
    assert "The data is no longer kept" not in (await panel.get(f"/documents/{document}")).text
    key = input_key(UUID(document))
    await wait_until(lambda: panel.api.blobs.get(key), "the input is kept")
    await panel.api.scripts.redis.delete(f"{panel.api.scripts.prefix}job:{document}")
    assert "The data is no longer kept" not in (await panel.get(f"/documents/{document}")).text
    await panel.api.blobs.delete(key)
    page = (await panel.get(f"/documents/{document}")).text
    assert "The data is no longer kept" in page and f"/documents/{document}/retry" not in page
    assert (await panel.get(f"/documents/{document}/data.json")).status_code == 404


async def test_pages_of_a_pdf_are_pictures(panel: PanelStack) -> None:
    document = await make(panel)
    page = (await panel.get(f"/documents/{document}")).text
    sources = re.findall(rf'src="(/documents/{document}/preview/[^"]+)"', page)
    assert [source.partition("?")[0].rpartition("/")[2] for source in sources] == ["1.png", "2.png"]
    large, small = [await panel.browser.get(source.replace("&amp;", "&")) for source in sources]
    for picture, width in ((large, 1200), (small, 320)):
        assert picture.headers["Content-Type"] == "image/png"
        assert picture.headers["Cache-Control"] == "private, max-age=86400, immutable"
        assert "sandbox" in picture.headers["Content-Security-Policy"]
        assert struct.unpack(">II", picture.content[16:24]) == (width, width * 2 // 3 + (width * 2 % 3 > 0))
    again = await panel.browser.get(sources[0], headers={"If-None-Match": large.headers["ETag"]})
    assert again.status_code == 304


@pytest.mark.parametrize("name", ["3.png", "0.png", "01.png", "1.svg", "1.gif", "99999.png", "x.png"])
async def test_a_page_that_a_document_does_not_have_is_not_found(panel: PanelStack, name: str) -> None:
    document = await make(panel)
    assert (await panel.get(f"/documents/{document}/preview/{name}")).status_code == 404


async def test_pictures_are_shown_as_they_are_and_word_files_are_not(panel: PanelStack) -> None:
    svg = await make(panel, format="svg")
    picture = await panel.get(f"/documents/{svg}/preview/1.svg")
    assert picture.headers["Content-Type"] == "image/svg+xml" and picture.content.startswith(b"<svg")
    assert picture.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    sample = (await panel.api.admin.get("/v1/templates/invoice")).json()["sample"]
    answer = await panel.api.admin.post(
        "/v1/documents", json={"template": "invoice", "format": "docx", "data": sample}, headers={"Prefer": "wait=20"}
    )
    docx = answer.json()["id"]
    assert "There is no preview of DOCX" in (await panel.get(f"/documents/{docx}")).text
    assert (await panel.get(f"/documents/{docx}/preview/1.png")).status_code == 404


async def test_a_file_that_is_gone_is_not_shown_from_memory_either(panel: PanelStack) -> None:
    document = await make(panel)
    picture = f"/documents/{document}/preview/1.png"
    assert (await panel.get(picture)).status_code == 200
    await panel.api.blobs.delete_prefix(f"results/{document}")
    assert (await panel.get(picture)).status_code == 410
    page = (await panel.get(f"/documents/{document}")).text
    assert (
        "The file is no longer kept" in page
        and "/preview/" not in page
        and f"/documents/{document}/content" not in page
    )


async def test_a_document_is_retried_on_another_version_of_its_template(panel: PanelStack) -> None:
    for text in ("First", "Second"):
        await ship(panel, "note", text)
    made = await panel.api.admin.post("/v1/documents", json={"template": "note@1"}, headers={"Prefer": "wait=20"})
    document = made.json()["id"]
    page = (await panel.get(f"/documents/{document}")).text
    assert "<option>note@2</option>" in page and "<option selected>note@1</option>" in page
    assert (await panel.post(f"/documents/{document}/retry", template="note@2")).status_code == 303
    again = (await panel.api.admin.get(f"/v1/documents/{document}?wait=20")).json()
    assert (again["run"], again["status"], again["template"]["version"]) == (2, "completed", 2)


async def test_webhook_attempts_lead_to_their_page(panel: PanelStack, wait_until: WaitUntil) -> None:
    document = await make(panel, callback_url="https://callback.invalid/hook", callback_headers={"X-Key": "s3cret"})

    async def tried() -> bool:
        return "The name has no address" in (await panel.get(f"/documents/{document}")).text

    await wait_until(tried, "the first attempt is listed")
    page = (await panel.get(f"/documents/{document}")).text
    assert re.search(r'href="/webhooks/[0-9a-f-]{36}">document.completed<', page)
    assert "https://callback.invalid/hook" in page and "X-Key" in page and "s3cret" not in page


async def test_without_clickhouse_the_list_says_so_and_documents_keep_their_pages(
    panel: PanelStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = await make(panel)
    get = UserApi.get

    async def away(self: UserApi, path: str, params: Params | None = None) -> ApiAnswer:
        if path == "/v1/documents":
            raise ApiRefused(503, {"code": "history_unavailable"})
        return await get(self, path, params)

    monkeypatch.setattr(UserApi, "get", away)
    answer = await panel.get("/documents")
    assert answer.status_code == 503 and "The list needs ClickHouse" in answer.text
    assert (await panel.get(f"/documents/{document}")).status_code == 200


async def test_the_file_passes_through_as_a_download(panel: PanelStack) -> None:
    document = await make(panel, filename="two pages.pdf")
    file = await panel.get(f"/documents/{document}/content")
    assert file.status_code == 200 and file.content.startswith(b"%PDF")
    assert file.headers["Content-Disposition"].startswith('attachment; filename="two pages.pdf"')
    assert file.headers["Cache-Control"] == "no-store" and file.headers["X-Content-Type-Options"] == "nosniff"
    assert int(file.headers["Content-Length"]) == len(file.content)


async def test_a_file_that_is_not_made_is_a_conflict_and_not_a_download(panel: PanelStack) -> None:
    document = await make(panel, wait=False, run_at=tomorrow())
    answer = await panel.get(f"/documents/{document}/content")
    assert answer.status_code == 409 and "Content-Disposition" not in answer.headers
    assert (await panel.get(f"/documents/{document}/preview/1.png")).status_code == 404


async def test_an_unknown_or_impossible_id_is_not_found(panel: PanelStack) -> None:
    for identity in (str(new_id()), "not-an-id", "..%2f..%2fetc"):
        for path in ("", "/content", "/data.json", "/preview/1.png"):
            assert (await panel.browser.get(f"/documents/{identity}{path}")).status_code == 404, (identity, path)
        assert (await panel.browser.get(f"/live/documents/{identity}")).status_code == 404
    for action in ("retry", "cancel", "delete"):
        assert (await panel.post(f"/documents/{new_id()}/{action}")).status_code == 404


async def test_a_scheduled_document_is_cancelled_retried_and_deleted(panel: PanelStack) -> None:
    document = await make(panel, wait=False, run_at=tomorrow())
    page = (await panel.get(f"/documents/{document}")).text
    assert "hx-sse:connect" in page and f"/documents/{document}/cancel" in page
    cancelled = await panel.post(f"/documents/{document}/cancel")
    assert (cancelled.status_code, cancelled.headers["Location"]) == (303, f"/documents/{document}")
    assert "The document was cancelled" in (await panel.get(f"/documents/{document}")).text
    assert (await panel.post(f"/documents/{document}/retry")).status_code == 303
    assert (await panel.api.admin.get(f"/v1/documents/{document}?wait=20")).json()["run"] == 2
    deleted = await panel.post(f"/documents/{document}/delete")
    assert (deleted.status_code, deleted.headers["Location"]) == (303, "/documents")
    assert (await panel.get(f"/documents/{document}")).status_code == 404


async def test_what_the_state_forbids_is_told_on_the_page(panel: PanelStack) -> None:
    document = await make(panel)
    refused = await panel.post(f"/documents/{document}/cancel")
    assert refused.status_code == 409 and "only one under way can be cancelled" in refused.text
    refused = await panel.post(f"/documents/{document}/retry", template="invoice")
    assert refused.status_code == 422 and "made from an inline source" in refused.text


@pytest.mark.parametrize("action", ["retry", "cancel", "delete"])
async def test_a_change_without_its_token_is_refused(panel: PanelStack, action: str) -> None:
    document = await make(panel)
    for fields in ({}, {"csrf": "0" * 64}):
        assert (await panel.browser.post(f"/documents/{document}/{action}", data=fields)).status_code == 403
    assert (await panel.api.admin.get(f"/v1/documents/{document}")).json()["run"] == 1


async def test_strangers_see_nothing(panel: PanelStack) -> None:
    document = await make(panel)
    async with panel.stranger() as stranger:
        for path in (
            "",
            f"/{document}",
            f"/{document}/content",
            f"/{document}/data.json",
            f"/{document}/preview/1.png",
        ):
            answer = await stranger.get(f"/documents{path}")
            assert answer.status_code == 303 and answer.headers["Location"].startswith("/login"), path
        assert (await stranger.post(f"/documents/{document}/delete", data={"csrf": panel.csrf})).status_code == 303
    assert (await panel.api.admin.get(f"/v1/documents/{document}")).status_code == 200


async def test_the_live_list_tells_what_came(panel: PanelStack) -> None:
    async with panel.browser.stream("GET", "/live/documents?subject=live") as stream:
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        text, made = "", ""
        async with asyncio.timeout(20):
            async for line in stream.aiter_lines():
                text += line + "\n"
                if "No document matches" in text and not made:
                    made = await make(panel, subject="live")
                if made and f'id="d-{made}" class="linked fresh"' in text:
                    break
        assert made


async def test_the_live_page_ends_when_the_document_has(panel: PanelStack) -> None:
    source = {"engine": "typst", "content": "Hello"}
    slow = {"simulate": {"seconds": 2}}
    document = await make(panel, wait=False, source=source, options=slow)
    async with asyncio.timeout(20), panel.browser.stream("GET", f"/live/documents/{document}") as stream:
        lines = [line async for line in stream.aiter_lines()]
    assert "event: ended" in lines
    assert any('class="chip completed"' in line for line in lines)
    assert any(f"/documents/{document}/preview/1.png" in line for line in lines)
