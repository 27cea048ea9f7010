"""Users: the list, one user with its keys, and everything an admin changes about them, through the User API."""

from typing import Annotated
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Depends, Response

from contracts.ids import parse_id
from generator.admin.guard import CurrentVisit, PanelRoute, Visit
from generator.admin.user_api import ApiRefused, JsonObject, page_at
from generator.admin.user_forms import BadAttrs, KeyForm, Trouble, UserForm
from generator.admin.wording import Wording

router = APIRouter(route_class=PanelRoute)

PATH = "/users"
PAGE, KEYS_PAGE = 50, 100
FILTERS = ("q", "email", "role", "status")
USER_FIELDS = ("/email", "/name", "/role", "/status", "/attrs")
KEY_FIELDS = ("/name", "/expires_at", "/scopes")


async def _user_id(user_id: str) -> UUID:
    return parse_id(user_id, "user")


UserId = Annotated[UUID, Depends(_user_id)]


@router.get(PATH)
async def users(visit: CurrentVisit) -> Response:
    """List users, newest first, with the API's filters. A form with empty fields leads to its clean address."""
    given = visit.request.query_params
    filters = {name: value for name in FILTERS if (value := given.get(name, "").strip())}
    cursor = given.get("cursor", "")
    if len(given.multi_items()) > len(filters) + bool(cursor):
        return visit.go(f"{PATH}?{urlencode(filters)}" if filters else PATH)
    try:
        answer = await visit.api.get("/v1/users", {**filters, **page_at(cursor, PAGE)})
    except ApiRefused as refused:
        if refused.status != 422:
            raise
        return visit.page("users.html", 422, **_listed(visit, filters, [], "", cursor, refused))
    return visit.page("users.html", **_listed(visit, filters, answer.items, answer.following, cursor))


@router.get(PATH + "/new")
async def new_user(visit: CurrentVisit) -> Response:
    """Show an empty form."""
    return _new(visit, UserForm(), Trouble())


@router.post(PATH)
async def create_user(visit: CurrentVisit) -> Response:
    """Create a user and go to its page; what is wrong is shown at the fields, which keep their values."""
    form = UserForm.sent(await visit.form())
    try:
        answer = await visit.api.post("/v1/users", form.body())
    except (BadAttrs, ApiRefused) as error:
        return _new(visit, form, _trouble(error, visit.words))
    return visit.go(f"{PATH}/{answer.json['id']}")


@router.get(PATH + "/{user_id}")
async def user_page(visit: CurrentVisit, user_id: UserId) -> Response:
    """Show a user, its keys, and the forms that change them."""
    return await _page(visit, user_id)


@router.post(PATH + "/{user_id}")
async def change_user(visit: CurrentVisit, user_id: UserId) -> Response:
    """Save the form, unless somebody has changed the user since it was shown."""
    form = UserForm.sent(await visit.form())
    user = (await visit.api.get(_api(user_id))).json
    try:
        await visit.api.call("PATCH", _api(user_id), body=form.changes(user), headers=form.if_match)
    except (BadAttrs, ApiRefused) as error:
        trouble = _trouble(error, visit.words)
        return await _page(visit, user_id, form=None if trouble.outrun else form, trouble=trouble)
    return visit.go(f"{PATH}/{user_id}")


@router.post(PATH + "/{user_id}/status")
async def change_status(visit: CurrentVisit, user_id: UserId) -> Response:
    """Suspend or activate a user, whatever else of it was changed meanwhile."""
    status = str((await visit.form()).get("status", ""))
    try:
        await visit.api.call("PATCH", _api(user_id), body={"status": status})
    except ApiRefused as refused:
        return await _page(visit, user_id, trouble=Trouble.of(refused, ()))
    return visit.go(f"{PATH}/{user_id}")


@router.post(PATH + "/{user_id}/delete")
async def delete_user(visit: CurrentVisit, user_id: UserId) -> Response:
    """Delete a user and its keys."""
    try:
        await visit.api.call("DELETE", _api(user_id))
    except ApiRefused as refused:
        return await _page(visit, user_id, trouble=Trouble.of(refused, ()))
    return visit.go(PATH)


@router.post(PATH + "/{user_id}/keys")
async def create_key(visit: CurrentVisit, user_id: UserId) -> Response:
    """Make a key and show it, here and never again: the page is the answer itself, and no cache may keep it."""
    form = KeyForm.sent(await visit.form())
    user = (await visit.api.get(_api(user_id))).json
    try:
        answer = await visit.api.post(f"{_api(user_id)}/keys", form.body())
    except ApiRefused as refused:
        return await _page(visit, user_id, key_form=form, key_trouble=Trouble.of(refused, KEY_FIELDS))
    return visit.page("user_key.html", 201, user=user, key=answer.json)


@router.post(PATH + "/{user_id}/keys/{key_id}/revoke")
async def revoke_key(visit: CurrentVisit, user_id: UserId, key_id: str) -> Response:
    """Revoke a key; one that is gone already is what was wanted."""
    try:
        await visit.api.call("DELETE", f"{_api(user_id)}/keys/{parse_id(key_id, 'key')}")
    except ApiRefused as refused:
        if refused.status != 404:
            raise
    return visit.go(f"{PATH}/{user_id}#keys")


def _api(user_id: UUID) -> str:
    return f"/v1/users/{user_id}"


def _listed(
    visit: Visit,
    filters: dict[str, str],
    items: list[JsonObject],
    following: str,
    cursor: str,
    refused: ApiRefused | None = None,
) -> dict[str, object]:
    def address(**more: str) -> str:
        query = urlencode({**filters, **more})
        return f"{PATH}?{query}" if query else PATH

    return {
        "filters": {name: filters.get(name, "") for name in FILTERS},
        "filtered": bool(filters),
        "items": items,
        "first": address() if cursor else "",
        "following": address(cursor=following) if following else "",
        "flaws": Trouble.of(refused, ()).message if refused else "",
        "roles": roles(visit.words),
        "statuses": statuses(visit.words),
    }


def _new(visit: Visit, form: UserForm, trouble: Trouble) -> Response:
    labels = {"roles": roles(visit.words), "statuses": statuses(visit.words)}
    return visit.page("user_new.html", trouble.status, form=form, trouble=trouble, **labels)


async def _page(
    visit: Visit,
    user_id: UUID,
    *,
    form: UserForm | None = None,
    trouble: Trouble | None = None,
    key_form: KeyForm | None = None,
    key_trouble: Trouble | None = None,
) -> Response:
    """Show the user as it is now. `form` keeps what was typed and refused; without it the fields show the user."""
    cursor = visit.request.query_params.get("cursor", "")
    user = (await visit.api.get(_api(user_id))).json
    keys = await visit.api.get(f"{_api(user_id)}/keys", page_at(cursor, KEYS_PAGE))
    following = keys.following
    trouble, key_trouble = trouble or Trouble(), key_trouble or Trouble()
    return visit.page(
        "user.html",
        max(trouble.status, key_trouble.status),
        user=user,
        own=str(visit.session.admin.user_id) == str(user_id),
        form=form or UserForm.of(user),
        trouble=trouble,
        keys=keys.items,
        first=f"{PATH}/{user_id}#keys" if cursor else "",
        following=f"{PATH}/{user_id}?{urlencode({'cursor': following})}#keys" if following else "",
        key_form=key_form or KeyForm(),
        key_trouble=key_trouble,
        roles=roles(visit.words),
        statuses=statuses(visit.words),
    )


def _trouble(error: BadAttrs | ApiRefused, words: Wording) -> Trouble:
    if isinstance(error, ApiRefused):
        return Trouble.of(error, USER_FIELDS)
    if error.line:
        said = words(
            "This is not JSON: look at line %(line)s, column %(column)s.", line=error.line, column=error.column
        )
    else:
        said = words('Write a JSON object, such as {"team": "billing"}.')
    return Trouble(flaws={"/attrs": said}, status=422)


def roles(words: Wording) -> dict[str, str]:
    """Name the roles."""
    return {"admin": words("Admin"), "member": words("Member"), "viewer": words("Viewer")}


def statuses(words: Wording) -> dict[str, str]:
    """Name a user's states."""
    return {"active": words("Active"), "suspended": words("Suspended")}
