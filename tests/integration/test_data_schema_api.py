"""Data against the template's schema over HTTP: refused before anything is accepted, also by a retry."""

from backends.template_store import TemplateStore
from tests.integration.conftest import Api, a_template


async def test_data_that_does_not_fit_is_refused_with_its_places_and_nothing_is_accepted(api: Api) -> None:
    body = {"template": "letter", "format": "docx", "data": {"to": {"nmae": "Ada"}}}
    response = await api.admin.post("/v1/documents", json=body)
    problem = response.json()
    assert (response.status_code, problem["code"]) == (422, "invalid_request")
    says = "The template needs `to.name`. The data has `to.nmae`: is that meant?"
    assert problem["errors"] == [{"pointer": "/data/to/name", "detail": says, "code": "data_missing"}]
    assert problem["detail"] == says
    assert (await api.queue.lengths())["open"] == 0


async def test_a_retry_with_another_template_is_judged_by_its_schema(api: Api) -> None:
    pickier = a_template("pickier").model_copy(update={"data_schema": {"properties": {"to": {"required": ["city"]}}}})
    await TemplateStore(api.scripts).ship(pickier)
    body = {"template": "letter", "format": "pdf", "data": {"to": {"name": "Ada"}}}
    made = (await api.admin.post("/v1/documents", json=body)).json()
    await api.admin.post(f"/v1/documents/{made['id']}/cancel")
    refused = await api.admin.post(f"/v1/documents/{made['id']}/retry", json={"template": "pickier"})
    assert refused.status_code == 422
    assert [flaw["pointer"] for flaw in refused.json()["errors"]] == ["/data/to/city"]


async def test_the_schema_can_be_read(api: Api) -> None:
    response = await api.admin.get("/v1/templates/letter/schema")
    assert (response.status_code, response.headers["Content-Type"]) == (200, "application/json")
    assert response.json() == a_template().data_schema


async def test_a_template_without_a_schema_takes_any_data_and_says_so(api: Api) -> None:
    await TemplateStore(api.scripts).ship(a_template("free").model_copy(update={"data_schema": None}))
    assert (await api.admin.get("/v1/templates/free/schema")).status_code == 404
    body = {"template": "free", "format": "pdf", "data": {"to": []}}
    assert (await api.admin.post("/v1/documents", json=body)).status_code == 202


async def test_the_detail_of_a_request_with_many_flaws_says_how_many_more_there_are(api: Api) -> None:
    problem = (
        await api.admin.post("/v1/documents", json={"a": 1, "b": 2, "c": 3, "d": 4, "template": "letter"})
    ).json()
    assert len(problem["errors"]) == 4
    assert problem["detail"].endswith(" (and 1 more)")
