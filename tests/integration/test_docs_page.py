"""The API's documentation is served whole from this server: the page, its script and style, the description."""

import re

from tests.integration.conftest import Api


async def test_the_docs_page_and_everything_it_loads_come_from_here(api: Api) -> None:
    page = await api.client(None).get("/docs")
    assert page.status_code == 200
    links = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(links) >= 4 and all(link.startswith("/docs/") for link in links)
    for link in links:
        assert (await api.client(None).get(link)).status_code == 200, link


async def test_the_swagger_ui_is_one_that_reads_our_openapi_version(api: Api) -> None:
    document = (await api.client(None).get("/openapi.json")).json()
    bundle = (await api.client(None).get("/docs/assets/swagger-ui-bundle.js")).text
    assert document["openapi"].startswith("3.1")
    assert "OpenAPI31" in bundle or "openapi-3-1" in bundle
