"""A document as clients see it: the same object in the API's answers, in webhooks and in the panel."""

from dataclasses import dataclass

from contracts.documents import Delivery, DocumentRow, Result
from contracts.errors import DocumentError
from contracts.ids import rfc3339
from contracts.secrets import UrlSigner

JsonObject = dict[str, object]


@dataclass(frozen=True)
class Links:
    """Makes links to the public API. `url_ttl_s`: how long a signed download link lives."""

    public_url: str
    signer: UrlSigner
    url_ttl_s: int = 3600

    def document(self, row_id: object) -> dict[str, str]:
        base = f"{self.public_url}/v1/documents/{row_id}"
        return {"self": base, "content": f"{base}/content", "events": f"{base}/events"}

    def signed_content(self, row: DocumentRow, now_ms: int) -> tuple[str, int]:
        """Return a download link that needs no key, and when it expires (epoch milliseconds)."""
        expires_s = now_ms // 1000 + self.url_ttl_s
        if row.bytes_until is not None:
            expires_s = min(expires_s, row.bytes_until // 1000)
        return self.public_url + self.signer.sign(content_path(row.document_id), expires_s), expires_s * 1000


def content_path(document_id: object) -> str:
    return f"/v1/documents/{document_id}/content"


def document_view(row: DocumentRow, links: Links, now_ms: int) -> JsonObject:
    """Show a row as the API's document object; `result.url` is signed anew each time."""
    template = {"name": row.template_name, "version": row.template_version, "sha256": row.template_sha256}
    return {
        "id": str(row.document_id),
        "status": str(row.status),
        "format": row.output_format,
        "template": template,
        "user_id": str(row.user_id),
        "run": row.run,
        "attempts": row.attempt,
        "priority": row.priority,
        "lane": row.lane,
        "subject": row.subject,
        "metadata": row.metadata,
        "created_at": rfc3339(row.created_at),
        "started_at": rfc3339(row.started_at),
        "completed_at": rfc3339(row.completed_at),
        "expires_at": rfc3339(row.expires_at),
        "timings": timings(row),
        "result": result_view(row, row.result, links, now_ms) if row.result else None,
        "error": error_view(row.error) if row.error else None,
        "delivery": delivery_view(row.delivery),
    }


def timings(row: DocumentRow) -> dict[str, int | None]:
    """Return the run's durations in milliseconds: waiting, rendering, from queued to its end."""
    queued = None if row.started_at is None else max(0, row.started_at - row.queued_at)
    total = None if row.completed_at is None else max(0, row.completed_at - row.queued_at)
    return {"queued_ms": queued, "render_ms": row.render_ms, "total_ms": total}


def result_view(row: DocumentRow, result: Result, links: Links, now_ms: int) -> JsonObject:
    url, expires_at = links.signed_content(row, now_ms)
    return {
        "bytes": result.bytes,
        "sha256": result.sha256,
        "pages": result.pages,
        "content_type": result.content_type,
        "filename": result.filename,
        "url": url,
        "url_expires_at": rfc3339(expires_at),
        "warnings": [warned.model_dump() for warned in result.warnings],
    }


def delivery_view(delivery: Delivery) -> JsonObject:
    return {
        "status": delivery.status,
        "attempts": delivery.attempts,
        "next_attempt_at": rfc3339(delivery.next_attempt_at),
    }


def error_view(error: DocumentError) -> JsonObject:
    return error.model_dump()


def event_view(row: DocumentRow) -> JsonObject:
    """Show one transition as `/events` lists it."""
    detail: JsonObject = dict(row.detail or {})
    if row.event in ("failed", "attempt_failed") and row.error:
        detail |= {"code": row.error.code, "message": row.error.message}
    return {
        "at": rfc3339(row.at),
        "event": row.event,
        "run": row.run,
        "attempt": row.attempt,
        "worker": row.worker,
        "detail": detail or None,
    }
