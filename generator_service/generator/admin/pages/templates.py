"""Templates: the gallery, one template with its sample, and the form that makes a document from it."""

import re
from dataclasses import dataclass
from uuid import UUID

from fastapi import APIRouter, Response

from contracts.errors import DocumentFailed, NotFound
from contracts.templates import TemplateHead
from generator.admin.document_form import BadData, DocumentForm, curl, flaws_by_field, pretty
from generator.admin.guard import CurrentVisit, PanelRoute, Visit
from generator.admin.pictures import A4, picture_tag, placeholder
from generator.admin.previews import LARGE
from generator.admin.user_api import ApiAway, ApiRefused, JsonObject, UserApi, page_at
from generator.admin.view import PAGE_HEADERS
from generator.admin.wording import LANGUAGES

router = APIRouter(route_class=PanelRoute)

NAME = re.compile(r"[a-z0-9-]{1,64}")
PAGE = re.compile(r"[0-9]{1,4}")
#: One page of the gallery; beyond it the search helps.
MOST_SHOWN = 500
KEPT = "private, max-age=31536000, immutable"


@dataclass(frozen=True)
class Card:
    """A template as the gallery shows it. `usable`: this admin can make documents from it by its name."""

    shown: JsonObject
    picture: str = ""
    size: tuple[int, int] = A4
    usable: bool = True


@router.get("/templates")
async def gallery(visit: CurrentVisit) -> Response:
    """Show every template; `q` searches names, titles and descriptions."""
    wanted = visit.request.query_params.get("q", "").strip()
    known = await _all_shown(visit.api)
    heads = await _heads(visit)
    cards = [await _card(visit, item, heads) for item in _found(known, wanted)]
    name = "parts/gallery.html" if visit.partial else "templates.html"
    return visit.page(name, cards=cards, q=wanted, any=bool(known))


@router.get("/templates/{name}")
async def template_page(visit: CurrentVisit, name: str) -> Response:
    """Show one template, with a form that is filled with its sample."""
    shown = await _shown(visit.api, name)
    formats = [str(made) for made in _listed(shown, "formats")]
    return await _page(visit, shown, DocumentForm.fresh(shown["sample"], formats, visit.words.language))


@router.get("/templates/{name}/preview.png")
async def preview(visit: CurrentVisit, name: str) -> Response:
    """Send a page of the sample in a language; a drawn sheet says why there is none. `owner_id`: of another user's."""
    owner = visit.request.query_params.get("owner_id", "")
    shown = await _shown(visit.api, name, owner)
    head = await _head(visit, name, owner)
    asked = visit.request.query_params.get("locale", "")
    locale = asked if asked in LANGUAGES else visit.words.language
    try:
        content = await _picture(visit, head, locale, _page_number(visit))
    except DocumentFailed as failure:
        return _sheet(visit, str(shown["title"] or name), failure.error.code)
    lasting = visit.request.query_params.get("v") == picture_tag(head, locale)
    headers = {**PAGE_HEADERS, "Cache-Control": KEPT if lasting else "private, no-cache"}
    return Response(content, headers=headers, media_type="image/png")


@router.get("/templates/{name}/pages")
async def pages(visit: CurrentVisit, name: str) -> Response:
    """Send the links to the sample's pages: the page of a template asks for them once it is shown."""
    await _shown(visit.api, name)
    count = await visit.panel.pictures.pages(await _head(visit, name), visit.words.language)
    return visit.page("parts/template_pages.html", name=name, count=count, current=_page_number(visit))


@router.get("/templates/{name}/documents")
async def back_to_form(visit: CurrentVisit, name: str) -> Response:
    """Lead back from a refused form, whose address this is: a reload or a change of language asks for it."""
    await _shown(visit.api, name)
    return visit.go(f"/templates/{name}")


@router.post("/templates/{name}/documents")
async def make_document(visit: CurrentVisit, name: str) -> Response:
    """Request a document and go to its page; what is wrong is shown beside the fields, which keep their values."""
    shown = await _shown(visit.api, name)
    form = DocumentForm.sent(await visit.form())
    try:
        body = form.body(name)
        key = form.idempotency_key(body)
        answer = await visit.api.post("/v1/documents", body, {"Idempotency-Key": key})
    except BadData as error:
        return await _page(visit, shown, form, 422, flaws={"/data": error.worded(visit.words)})
    except ApiRefused as error:
        return await _page(visit, shown, form, error.status, error.detail, _flaws(visit, error))
    except ApiAway:
        return await _page(visit, shown, form, 503, visit.words("The User API does not answer. Try again in a moment."))
    return visit.go(f"/documents/{answer.json['id']}")


async def _all_shown(api: UserApi) -> list[JsonObject]:
    """List what the API shows, page by page, by title."""
    items: list[JsonObject] = []
    cursor = ""
    while len(items) < MOST_SHOWN:
        answer = await api.get("/v1/templates", page_at(cursor, 200))
        items += answer.items
        cursor = answer.following
        if not cursor:
            break
    return sorted(items, key=lambda item: str(item["title"] or item["name"]).casefold())


def _found(known: list[JsonObject], wanted: str) -> list[JsonObject]:
    """Keep the templates in which every word that was searched for stands."""
    words = wanted.casefold().split()

    def text(item: JsonObject) -> str:
        return " ".join(str(item[name] or "") for name in ("name", "title", "description")).casefold()

    return [item for item in known if all(word in text(item) for word in words)]


async def _heads(visit: Visit) -> dict[tuple[str, str], TemplateHead]:
    """Read the heads behind what the API shows: they know the sources' digests."""
    heads = await visit.panel.templates.visible_to(None)
    return {(str(head.owner_id or ""), head.name): head for head in heads}


async def _card(visit: Visit, item: JsonObject, heads: dict[tuple[str, str], TemplateHead]) -> Card:
    owner = str(item["owner_id"] or "")
    head = heads.get((owner, str(item["name"])))
    if head is None:  # deleted since
        return Card(item, usable=False)
    usable = owner in ("", str(visit.session.admin.user_id))
    size = await visit.panel.pictures.size(head, visit.words.language)
    return Card(item, _address(visit, head, "" if usable else owner), size, usable)


def _address(visit: Visit, head: TemplateHead, owner: str = "") -> str:
    language = visit.words.language
    whose = f"&owner_id={owner}" if owner else ""
    return f"/templates/{head.name}/preview.png?locale={language}&v={picture_tag(head, language)}{whose}"


async def _picture(visit: Visit, head: TemplateHead, locale: str, page: int) -> bytes:
    pictures = visit.panel.pictures
    if page == 1:
        return await pictures.png(head, locale)
    return await visit.panel.previews.page(picture_tag(head, locale), page, LARGE, lambda: pictures.pdf(head, locale))


def _page_number(visit: Visit) -> int:
    """Read the page that is asked for, from 1; what is no such number means the first."""
    asked = visit.request.query_params.get("page", "1")
    return max(1, int(asked)) if PAGE.fullmatch(asked) else 1


async def _shown(api: UserApi, name: str, owner: str = "") -> JsonObject:
    """Ask the API for a template. Raises NotFound for what cannot be a name, ApiRefused for what is none."""
    if not NAME.fullmatch(name):
        raise NotFound("template")
    return (await api.get(f"/v1/templates/{name}", {"owner_id": owner} if owner else {})).json


async def _head(visit: Visit, name: str, owner: str = "") -> TemplateHead:
    """Read what the API has shown. `owner`: whose it is, if it is not what the name means to this admin."""
    store = visit.panel.templates
    head = await (store.of_owner(name, UUID(owner)) if owner else store.find(name, visit.session.admin.user_id))
    if head is None or head.deleted_at is not None:
        raise NotFound("template")
    return head


async def _page(
    visit: Visit,
    shown: JsonObject,
    form: DocumentForm,
    status: int = 200,
    problem: str = "",
    flaws: dict[str, str] | None = None,
) -> Response:
    name = str(shown["name"])
    head = await _head(visit, name)
    sample = DocumentForm.fresh(shown["sample"], [str(made) for made in _listed(shown, "formats")], "")
    return visit.page(
        "template_page.html",
        status,
        template=shown,
        page=_page_number(visit),
        card=Card(shown, _address(visit, head), await visit.panel.pictures.size(head, visit.words.language)),
        sample=pretty(shown["sample"]) if shown["sample"] else "",
        curl=curl(visit.panel.generator.settings.public_url, name, sample),
        form=form,
        problem=problem,
        flaws=flaws or {},
        by_field=flaws_by_field(flaws or {}),
        formats=[(str(made), str(made).upper()) for made in _listed(shown, "formats")],
    )


def _flaws(visit: Visit, error: ApiRefused) -> dict[str, str]:
    """Return what the API found wrong by pointer; a body that is too large can only be the data."""
    if error.status == 413:
        return {"/data": visit.words("The data is larger than the User API takes (PRESSWORK_MAX_BODY_BYTES).")}
    return error.flaws()


def _sheet(visit: Visit, title: str, code: str) -> Response:
    words = visit.words
    note = words("No preview for this engine") if code == "unsupported_format" else words("Sample does not render")
    svg = placeholder(title, note)
    return Response(str(svg), headers={**PAGE_HEADERS, "Cache-Control": "no-store"}, media_type="image/svg+xml")


def _listed(shown: JsonObject, name: str) -> list[object]:
    value = shown[name]
    return value if isinstance(value, list) else []
