"""What tests of the queue do again and again: jobs, claims, and the ways an attempt ends."""

from uuid import UUID, uuid4

from backends.queue import Claim, Completion, DocumentQueue, Failure
from contracts.documents import DocumentRow, Result
from contracts.errors import DocumentError
from contracts.ids import new_id, now_ms
from contracts.jobs import GenerationJob, PinnedTemplate

ANN, BOB = new_id(), new_id()


def a_job(user_id: UUID = ANN, **changes: object) -> GenerationJob:
    now = now_ms()
    plain = GenerationJob(
        document_id=new_id(now),
        user_id=user_id,
        created_at=now,
        template=PinnedTemplate(name="letter", version=1, sha256="ab" * 32, engine="typst"),
        data={"big": 1731234567890123, "empty": [], "text": 'quote " and \\ and ☃'},
        format="pdf",
        filename="letter.pdf",
        lane=str(user_id),
        metadata={"order": "7"},
    )
    return plain.model_copy(update=changes)


def a_result(claim: Claim) -> Completion:
    result = Result(
        key=f"results/{claim.job.document_id}/{claim.token}",
        bytes=5,
        sha256="cd" * 32,
        pages=1,
        content_type="application/pdf",
        filename="letter.pdf",
    )
    return Completion(claim.job.document_id, claim.token, result, render_ms=12, expires_at=now_ms() + 60_000)


def a_failure(claim: Claim, delay_ms: int | None = None) -> Failure:
    error = DocumentError(code="template_error", message="no", line=3)
    return Failure(claim.job.document_id, claim.token, error, render_ms=3, delay_ms=delay_ms)


async def claim_one(queue: DocumentQueue, worker: str = "w") -> Claim:
    (claim,) = await queue.claim(worker, 1, uuid4().hex)
    return claim


async def started(queue: DocumentQueue, job: GenerationJob | None = None) -> Claim:
    await queue.enqueue(job or a_job())
    claim = await claim_one(queue)
    assert await queue.start([claim.ref]) == ["ok"]
    return claim


async def row(queue: DocumentQueue, document_id: UUID) -> DocumentRow:
    found = await queue.live(document_id)
    assert found is not None
    return found
