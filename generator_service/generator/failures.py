"""What becomes of an attempt that failed: the document's error, whether it is tried again, and whether it counts."""

import random

import structlog

from backends.queue import Claim, Failure
from contracts.errors import DocumentError, DocumentFailed, ProcessKilled, TransientError

log = structlog.get_logger(__name__)

#: Storage that is away is asked again after 2 s, 4 s, ... and then every minute, for as long as it takes.
STORAGE_FIRST_S, STORAGE_MOST_S = 2.0, 60.0
#: Added to every wait, so that documents that failed together do not come back together.
JITTER = 0.2


def failure_of(claim: Claim, error: Exception, render_ms: int, retry_delay_s: float) -> Failure:
    """Judge an attempt that raised. Killed processes and absent storage are no fault of the document's."""
    told = described(error)
    ref = (claim.job.document_id, claim.token)
    if isinstance(error, ProcessKilled):
        return Failure(*ref, told, render_ms, delay_ms=0, excuse="crashes")
    if isinstance(error, TransientError):
        wait_s = min(STORAGE_MOST_S, STORAGE_FIRST_S * 2 ** min(claim.postponed, 10))
        return Failure(*ref, told, render_ms, _with_jitter(wait_s), excuse="postponed")
    own_attempts = claim.attempt + 1 - claim.crashes - claim.postponed
    again = told.retryable and own_attempts < claim.job.options.max_attempts
    return Failure(*ref, told, render_ms, _with_jitter(retry_delay_s * 2 ** (own_attempts - 1)) if again else None)


def described(error: Exception) -> DocumentError:
    """Describe what ended an attempt as the document's error."""
    if isinstance(error, DocumentFailed):
        return error.error
    if isinstance(error, TransientError):
        return DocumentError(code="storage_unavailable", message=error.message, retryable=True)
    log.error("job.internal_error", exc_info=error)
    message = f"Presswork failed ({type(error).__name__}); the log has the cause under this document's id."
    return DocumentError(code="internal_error", message=message, retryable=True)


def _with_jitter(seconds: float) -> int:
    """Return milliseconds: a little more than asked for, never less."""
    return int(seconds * 1000 * random.uniform(1, 1 + JITTER))
