"""Rendering on the spot: judged like a document, made by a generator while the client waits, kept nowhere."""

import structlog

from app.services.documents import DocumentService
from backends.workbench import Workbench
from contracts.jobs import GenerationJob
from contracts.workbench import Rendering

log = structlog.get_logger(__name__)


class RenderService:
    def __init__(self, documents: DocumentService, workbench: Workbench) -> None:
        self._documents = documents
        self._workbench = workbench

    async def render(self, job: GenerationJob, reference: str | None) -> tuple[Rendering, bytes]:
        """Make a document now.

        Raises Invalid, DocumentFailed, NoGenerator, TooManyRenders, SystemFull, QueueUnavailable, BlobUnavailable.
        """
        job, _ = await self._documents.prepared(job, reference)
        rendering, content = await self._workbench.render(job)
        log.info("render.made", template=reference, format=job.format, bytes=len(content), pages=rendering.pages)
        return rendering, content
