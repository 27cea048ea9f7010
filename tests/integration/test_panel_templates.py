"""The panel's templates: gallery, pictures, and making a document from a form."""

import asyncio
import html
import json
import re
import shutil
import struct
from pathlib import Path

import pytest

from backends.template_store import TemplateStore
from contracts.ids import new_id
from contracts.templates import TemplateBundle, TemplateHead, TemplateVersion, bundle_key
from generator.admin.user_api import ApiAnswer, ApiAway, UserApi
from generator.shipped import load_shipped
from tests.conftest import WaitUntil
from tests.integration.panel_stack import PanelStack, panel

__all__ = ["panel"]

SHIPPED = load_shipped()
PICTURES = re.compile(r'<img class="sheet" src="([^"]+)" width="(\d+)" height="(\d+)"')
TOKEN = re.compile(r'name="token" value="([0-9a-f]+)"')
DOCUMENT = re.compile(r"/documents/([0-9a-f-]{36})")
EVIL = '"><script>alert(1)</script>'
EVIL_ESCAPED = "&#34;&gt;&lt;script&gt;alert(1)&lt;/script&gt;"


async def form_of(panel: PanelStack, name: str = "invoice", **changes: str) -> dict[str, str]:
    """Return the fields as the page of a template is sent when nothing is touched, but for `changes`."""
    page = (await panel.get(f"/templates/{name}")).text
    token, data = TOKEN.search(page), re.search(r"<textarea[^>]*>\n(.*?)</textarea>", page, re.DOTALL)
    assert token and data
    sent = {"token": token[1], "data": html.unescape(data[1]), "format": "pdf", "language": "en"}
    return {**sent, "priority": "normal", **changes}


async def made(panel: PanelStack, fields: dict[str, str], name: str = "invoice") -> str:
    answer = await panel.post(f"/templates/{name}/documents", **fields)
    assert answer.status_code == 303, answer.text
    found = DOCUMENT.fullmatch(answer.headers["Location"])
    assert found, answer.headers["Location"]
    return found[1]


async def document(panel: PanelStack, document_id: str, wait: int = 0) -> dict[str, object]:
    return dict((await panel.api.admin.get(f"/v1/documents/{document_id}?wait={wait}")).json())


def png_size(content: bytes) -> tuple[int, int]:
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", content[16:24])
    return width, height


async def ship(panel: PanelStack, name: str, source: str, engine: str = "typst", **head: object) -> None:
    """Put a template of one source file where shipped ones are."""
    bundle = TemplateBundle.of_file(engine, source.encode())
    await panel.api.blobs.put(bundle_key(bundle.sha256), bundle.pack())
    engines = {made: engine for made in bundle.manifest.formats}
    version = TemplateVersion(version=1, sha256=bundle.sha256, engines=engines, created_at=1)
    known = {"engine": engine, "formats": bundle.manifest.formats, "tags": {"production": 1}, "visibility": "shared"}
    shown = {"name": name, "versions": (version,), "created_at": 1, "updated_at": 1, "sample": {}}
    await TemplateStore(panel.api.scripts).ship(TemplateHead.model_validate({**known, **shown, **head}))


# The gallery and its pictures


async def test_the_gallery_shows_every_shipped_template_with_a_picture_of_its_first_page(panel: PanelStack) -> None:
    page = (await panel.get("/templates")).text
    addresses = [html.unescape(address) for address, _, _ in PICTURES.findall(page)]
    assert len(addresses) == len(SHIPPED) >= 2
    for template in SHIPPED:
        assert html.escape(template.title) in page and f'href="/templates/{template.name}"' in page
    for address in addresses:
        picture = await panel.browser.get(address)
        assert picture.headers["Content-Type"] == "image/png", address
        assert min(png_size(picture.content)) > 800
        assert "immutable" in picture.headers["Cache-Control"] and "private" in picture.headers["Cache-Control"]


async def test_a_picture_that_is_known_gives_the_card_its_proportions(panel: PanelStack) -> None:
    await ship(panel, "wide", "#set page(width: 300pt, height: 100pt)\nWide")
    page = (await panel.get("/templates/wide")).text
    [(address, *guessed)] = PICTURES.findall(page)
    await panel.browser.get(html.unescape(address))
    [(_, *known)] = PICTURES.findall((await panel.get("/templates/wide")).text)
    assert (guessed, known) == (["595", "842"], ["600", "200"])


async def test_a_sample_of_several_pages_can_be_leafed_through(panel: PanelStack) -> None:
    await ship(
        panel, "long", "#set page(width: 300pt, height: 100pt)\n" + "#pagebreak()\n".join(["One", "Two", "Three"])
    )
    links = (await panel.get("/templates/long/pages", page="2")).text
    assert re.findall(r'href="/templates/long\?page=(\d)"( aria-current)?', links) == [
        *(("1", ""), ("2", " aria-current"), ("3", "")),
    ]
    [(address, _, _)] = PICTURES.findall((await panel.get("/templates/long", page="2")).text)
    first, second = await panel.get("/templates/long/preview.png"), await panel.browser.get(html.unescape(address))
    assert png_size(second.content) == (1200, 400) and second.content != first.content
    beyond = await panel.get("/templates/long/preview.png", page="9")
    assert beyond.headers["Content-Type"] == "image/svg+xml"


async def test_a_sample_of_one_page_has_no_links_to_pages(panel: PanelStack) -> None:
    await ship(panel, "short", "One")
    assert "href" not in (await panel.get("/templates/short/pages")).text


async def test_a_picture_is_rendered_once_however_many_ask_for_it(
    panel: PanelStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    renders, at_once = 0, []
    render = panel.generator.pool.render

    async def counted(*arguments: object) -> object:
        nonlocal renders
        renders += 1
        at_once.append(renders)
        try:
            return await render(*arguments)  # type: ignore[arg-type]
        finally:
            at_once.append(-1)

    monkeypatch.setattr(panel.generator.pool, "render", counted)
    asked = [f"/templates/{name}/preview.png?locale=en" for name in ("invoice", "report") for _ in range(5)]
    answers = await asyncio.gather(*(panel.browser.get(path) for path in asked))
    assert {answer.headers["Content-Type"] for answer in answers} == {"image/png"}
    assert at_once == [1, -1, 2, -1], "one at a time, and each once"


async def test_pictures_speak_the_panels_language(panel: PanelStack) -> None:
    panel.browser.cookies.set("presswork_language", "ru")
    [(address, _, _)] = PICTURES.findall((await panel.get("/templates/invoice")).text)
    assert "locale=ru" in address
    russian = await panel.browser.get(html.unescape(address))
    english = await panel.get("/templates/invoice/preview.png", locale="en")
    assert png_size(russian.content) == png_size(english.content) and russian.content != english.content


async def test_a_sample_that_does_not_render_is_drawn_as_a_sheet_that_says_so(panel: PanelStack) -> None:
    await ship(panel, "broken", "#panic()", title="<b>Broken</b> one")
    answer = await panel.get("/templates/broken/preview.png")
    assert answer.headers["Content-Type"] == "image/svg+xml" and "no-store" in answer.headers["Cache-Control"]
    assert "Sample does not render" in answer.text and "<b>" not in answer.text
    assert (await panel.get("/templates/broken")).status_code == 200


async def test_a_template_that_makes_no_pictures_has_a_sheet_with_its_initials(panel: PanelStack) -> None:
    await ship(panel, "words-only", "not read", engine="docx", title="Words only")
    answer = await panel.get("/templates/words-only/preview.png")
    assert answer.headers["Content-Type"] == "image/svg+xml"
    assert ">WO</text>" in answer.text and "No preview" in answer.text


async def uploaded(panel: PanelStack, owner: str) -> TemplateHead:
    """Put a template where those of users are."""
    bundle = TemplateBundle.of_file("typst", b"= Delivery")
    await panel.api.blobs.put(bundle_key(bundle.sha256), bundle.pack())
    version = TemplateVersion(version=1, sha256=bundle.sha256, engines={"pdf": "typst", "png": "typst"}, created_at=1)
    known = {"name": "delivery", "engine": "typst", "formats": version.formats, "tags": {"production": 1}}
    times = {"created_at": 1, "updated_at": 1, "first_at": 1, "revision": 1}
    head = TemplateHead.model_validate({**known, **times, "owner_id": owner, "versions": (version,)})
    await TemplateStore(panel.api.scripts).put(head, "template.created", None)
    return head


async def test_the_templates_of_others_have_pictures_but_no_form(panel: PanelStack) -> None:
    member, owner = await panel.api.user()
    head = await uploaded(panel, owner)
    page = (await panel.get("/templates", q="delivery")).text
    [(address, _, _)] = PICTURES.findall(page)
    assert f"owner_id={owner}" in address and 'href="/templates/delivery' not in page
    picture = await panel.browser.get(html.unescape(address))
    assert picture.status_code == 200 and png_size(picture.content)[0] > 100
    for path in (
        "delivery/preview.png",
        f"delivery/preview.png?owner_id={new_id()}",
        "delivery/preview.png?owner_id=x",
    ):
        assert (await panel.browser.get(f"/templates/{path}")).status_code in (404, 422), path
    await member.delete(f"/v1/templates/{head.name}")
    assert (await panel.browser.get(html.unescape(address))).status_code == 404


async def test_an_uploaded_template_is_in_the_gallery_with_its_picture_and_a_form(panel: PanelStack) -> None:
    await uploaded(panel, (await panel.api.admin.get("/v1/me")).json()["user"]["id"])
    assert 'href="/templates/delivery"' in (await panel.get("/templates")).text
    preview = await panel.get("/templates/delivery/preview.png")
    assert preview.status_code == 200 and png_size(preview.content)[0] > 100
    assert 'action="/templates/delivery/documents"' in (await panel.get("/templates/delivery")).text


async def test_the_search_finds_by_title_and_description_and_says_when_there_is_nothing(panel: PanelStack) -> None:
    found = (await panel.get("/templates", q="BAR charts")).text
    assert "/templates/report" in found and "/templates/invoice" not in found
    nothing = (await panel.get("/templates", q=EVIL)).text
    assert "No template fits" in nothing and EVIL_ESCAPED in nothing and "<script>alert" not in nothing


async def test_the_gallery_reads_every_page_of_the_list(panel: PanelStack) -> None:
    for number in range(205):
        await ship(panel, f"many-{number}", f"= {number}", created_at=number)
    assert len(PICTURES.findall((await panel.get("/templates")).text)) == 205 + len(SHIPPED)


async def test_htmx_gets_the_cards_alone(panel: PanelStack) -> None:
    answer = await panel.browser.get("/templates", headers={"HX-Request": "true"})
    assert "template-card" in answer.text and "<html" not in answer.text


@pytest.mark.parametrize("path", ["/templates/nothing", "/templates/No..Name", "/templates/nothing/preview.png"])
async def test_a_template_that_the_api_does_not_show_is_a_404(panel: PanelStack, path: str) -> None:
    assert (await panel.get(path)).status_code == 404


async def test_a_document_of_an_unknown_template_is_a_404(panel: PanelStack) -> None:
    answer = await panel.post("/templates/nothing/documents", **await form_of(panel))
    assert answer.status_code == 404


@pytest.mark.parametrize("path", ["/templates", "/templates/invoice", "/templates/invoice/preview.png"])
async def test_strangers_are_sent_to_the_login(panel: PanelStack, path: str) -> None:
    async with panel.stranger() as stranger:
        answer = await stranger.get(path)
        assert answer.status_code == 303 and answer.headers["Location"].startswith("/login")


# One template


async def test_the_page_of_a_template_tells_what_it_is(panel: PanelStack) -> None:
    [invoice] = [template for template in SHIPPED if template.name == "invoice"]
    page = (await panel.get("/templates/invoice")).text
    for told in (invoice.title, invoice.description, "production → 1", "DOCX", 'href="/documents?template=invoice"'):
        assert told in page, told
    sample = json.dumps(invoice.sample, ensure_ascii=False, indent=2)
    assert html.escape(sample, quote=False) in page.replace("&#34;", '"').replace("&#39;", "'")


async def test_the_curl_command_of_the_page_makes_the_document(panel: PanelStack, tmp_path: Path) -> None:
    curl, shell = shutil.which("curl"), shutil.which("sh")
    if not curl or not shell:
        pytest.skip("no curl here")
    page = (await panel.get("/templates/invoice")).text
    [command] = re.findall(r'<pre class="code"[^>]*>(curl.*?)</pre>', page, re.DOTALL)
    environment = {"PRESSWORK_KEY": panel.api.key, "PATH": str(Path(curl).parent), "NO_PROXY": "*"}
    run = await asyncio.create_subprocess_exec(shell, "-c", html.unescape(command), cwd=tmp_path, env=environment)
    assert await asyncio.wait_for(run.wait(), 60) == 0
    assert (tmp_path / "invoice.pdf").read_bytes().startswith(b"%PDF-")


# Making a document


@pytest.mark.parametrize("output_format", ["pdf", "docx"])
async def test_the_form_makes_a_document_from_the_sample(panel: PanelStack, output_format: str) -> None:
    fields = await form_of(panel, format=output_format, filename=f"my {output_format}.{output_format}", subject="c-17")
    document_id = await made(panel, fields)
    row = await document(panel, document_id, wait=30)
    assert (row["status"], row["format"], row["subject"]) == ("completed", output_format, "c-17"), row["error"]
    assert row["result"]["filename"] == fields["filename"]  # type: ignore[index]
    content = (await panel.api.admin.get(f"/v1/documents/{document_id}/content")).content
    assert content.startswith(b"%PDF-" if output_format == "pdf" else b"PK")


async def test_sending_a_form_twice_makes_one_document(panel: PanelStack, wait_until: WaitUntil) -> None:
    fields = await form_of(panel)
    first, second = await asyncio.gather(made(panel, fields), made(panel, fields))
    assert first == second

    async def listed() -> bool:
        return len((await panel.api.admin.get("/v1/documents")).json()["items"]) == 1

    await wait_until(listed, "the one document is listed")


async def test_going_back_and_changing_a_value_makes_another_document(panel: PanelStack) -> None:
    fields = await form_of(panel)
    assert await made(panel, fields) != await made(panel, {**fields, "subject": "another"})


async def test_every_option_reaches_the_api(panel: PanelStack, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[dict[str, object]] = []
    post = UserApi.post

    async def watched(self: UserApi, path: str, body: dict[str, object], headers: dict[str, str]) -> ApiAnswer:
        sent.append(body)
        return await post(self, path, body, headers)

    monkeypatch.setattr(UserApi, "post", watched)
    options = {"language": "other", "other_language": "de-AT", "priority": "batch", "lane": "tenant-42"}
    callback = {"callback_url": "https://example.com/hook", "strict": "yes"}
    row = await document(panel, await made(panel, await form_of(panel, **options, **callback)))
    assert (row["priority"], row["lane"]) == ("batch", "tenant-42")
    told = {name: sent[0][name] for name in ("template", "locale", "callback_url", "options")}
    expected = {"template": "invoice", "locale": "de-AT", "callback_url": callback["callback_url"]}
    assert told == {**expected, "options": {"strict": True}}


@pytest.mark.parametrize(
    ("data", "told"),
    [
        ('{"a": 1,\n "b": }', "Line 2, column 7: this is not JSON"),
        ("[1]", "The data is one JSON object"),
        ("", "Line 1, column 1: this is not JSON"),
        ('{"a": NaN}', "A number is too large"),
        ('{"a": 1e999}', "A number is too large"),
        ("[" * 100_000, "nested too deeply"),
    ],
)
async def test_data_that_is_no_json_object_is_refused_with_its_place(panel: PanelStack, data: str, told: str) -> None:
    answer = await panel.post("/templates/invoice/documents", **await form_of(panel, data=data, subject="kept"))
    assert answer.status_code == 422 and told in answer.text
    assert 'value="kept"' in answer.text and data[:40] in html.unescape(answer.text)


async def test_what_the_api_finds_wrong_stands_above_the_form_and_beside_the_fields(panel: PanelStack) -> None:
    fields = await form_of(panel, data='{"number": "7"}')
    answer = await panel.post("/templates/invoice/documents", **fields)
    assert answer.status_code == 422
    assert "<code>/data/seller" in answer.text, "the notice lists pointers"
    assert re.search(r'id="field-data-flaw"[^>]*>/data/', answer.text), "and the field shows the first"


async def test_a_wrong_filename_is_told_beside_its_field_and_comes_back_escaped(panel: PanelStack) -> None:
    data = json.dumps({"number": EVIL})
    answer = await panel.post("/templates/invoice/documents", **await form_of(panel, filename=EVIL, data=data))
    assert answer.status_code == 422 and "<script>alert" not in answer.text
    assert answer.text.count(EVIL_ESCAPED) >= 1
    assert re.search(r'id="field-filename"[^>]*aria-invalid="true"', answer.text)


async def test_data_beyond_the_limit_is_refused_in_clear_words(panel: PanelStack) -> None:
    data = json.dumps({"number": "7" * 1_100_000})
    answer = await panel.post("/templates/invoice/documents", **await form_of(panel, data=data))
    assert answer.status_code == 413
    assert "PRESSWORK_MAX_BODY_BYTES" in answer.text and "Nothing was made" in answer.text


async def test_the_address_of_a_refused_form_leads_back_to_it(panel: PanelStack) -> None:
    answer = await panel.get("/templates/invoice/documents")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/templates/invoice")
    assert (await panel.get("/templates/nothing/documents")).status_code == 404


async def test_a_form_without_its_csrf_token_makes_nothing(panel: PanelStack) -> None:
    fields = await form_of(panel)
    answer = await panel.browser.post("/templates/invoice/documents", data=fields)
    assert answer.status_code == 403
    assert (await panel.api.queue.lengths())["open"] == 0


async def test_while_the_api_is_away_the_values_and_the_token_stay(
    panel: PanelStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields = await form_of(panel, subject="kept")

    async def cut(*_: object) -> None:
        raise ApiAway("cut")

    monkeypatch.setattr(UserApi, "post", cut)
    answer = await panel.post("/templates/invoice/documents", **fields)
    assert answer.status_code == 503 and 'value="kept"' in answer.text and fields["token"] in answer.text
