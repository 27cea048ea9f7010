"""What was settled when a document was accepted reaches its render, and what was found then its result."""

from dataclasses import dataclass, field, replace

import pytest

from contracts.documents import Warned
from contracts.jobs import PinnedTemplate
from contracts.templates import Missing, TemplateBundle, bundle_key
from generator.renderers.port import Rendered, RenderRequest
from tests.fakes_blobs import InMemoryBlobStore
from tests.unit.test_worker import Bench, FakePool, a_claim

FOUND = (Warned(code="data_missing", message="/data/name: The template needs `name`."),)


@dataclass
class Noting(FakePool):
    seen: list[RenderRequest] = field(default_factory=list)

    async def render(self, request: RenderRequest, timeout_s: float) -> Rendered:
        self.seen.append(request)
        return await super().render(request, timeout_s)


@pytest.mark.parametrize(("missing", "trusted"), [("mark", False), ("error", False), ("blank", True)])
async def test_what_is_missing_and_who_made_the_template_reach_the_render(missing: Missing, *, trusted: bool) -> None:
    bundle, blobs, pool = TemplateBundle.of_file("typst", b"= A"), InMemoryBlobStore(), Noting()
    await blobs.put(bundle_key(bundle.sha256), bundle.pack())
    pinned = PinnedTemplate(
        name="note", version=3, sha256=bundle.sha256, engine="typst", missing=missing, trusted=trusted
    )
    claim = a_claim()
    job = claim.job.model_copy(update={"source": None, "template": pinned})
    bench = Bench(replace(claim, job=job), pool=pool, blobs=blobs)
    await bench.until("queue.completed")
    (request,) = pool.seen
    assert (request.missing, request.trusted, request.template, request.version) == (missing, trusted, "note", 3)


async def test_what_was_found_at_accept_comes_before_what_the_render_warns_of() -> None:
    claim = a_claim()
    job = claim.job.model_copy(update={"warnings": FOUND})
    bench = Bench(replace(claim, job=job))
    await bench.until("queue.completed")
    assert [warning.code for warning in bench.queue.completed[0].result.warnings] == ["data_missing", "w"]
