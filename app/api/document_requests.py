"""From a parsed request to a GenerationJob: defaults, limits and roles that need more than one field to judge."""

import base64
import hashlib
import re

from fastapi import Request
from pydantic_core import to_json

from app.api.document_schemas import DocumentRequest, Options, Source, metadata_bytes
from app.api.schemas import epoch_ms
from app.services.auth import Principal
from app.services.documents import IdempotentRequest
from app.settings import ApiSettings
from contracts.documents import own_type
from contracts.errors import Flaw, Forbidden, Invalid, PermanentError
from contracts.ids import new_id, now_ms
from contracts.jobs import Callback, GenerationJob, InlineSource, JobOptions
from contracts.templates import ENGINES

MAX_IDEMPOTENCY_KEY = 255
MAX_WAIT_S, BYTES_WAIT_S = 60, 30
EXTENSION = re.compile(r"\.([A-Za-z][A-Za-z0-9]{0,9})$")
WAIT = re.compile(r'"?([0-9]{1,9})"?')
WEIGHT = re.compile(r"[01](\.[0-9]{0,3})?")
YEAR_MS = 366 * 86_400_000


class BadHeader(PermanentError):
    """A header's value is not usable."""

    code = "invalid_header"


def job_of(body: DocumentRequest, caller: Principal, settings: ApiSettings, request_id: str) -> GenerationJob:
    """Build the job of a request, its template still unpinned. Raises Invalid, Forbidden."""
    now = now_ms()
    _check(body, caller, settings, now)
    document_id = new_id(now)
    return GenerationJob(
        document_id=document_id,
        user_id=caller.user.user_id,
        created_at=now,
        source=_inline(body.source, body.format) if body.source else None,
        data=body.data,
        format=body.format,
        filename=_filename(body),
        locale=body.locale,
        timezone=body.timezone,
        priority=body.priority,
        lane=body.lane or str(caller.user.user_id),
        subject=body.subject,
        metadata=body.metadata,
        callback=Callback(url=body.callback_url, headers=body.callback_headers) if body.callback_url else None,
        run_at=epoch_ms(body.run_at, "/run_at"),
        expires_in=body.expires_in if "expires_in" in body.model_fields_set else settings.results_ttl_s,
        options=_options(body.options, settings),
        request_id=request_id,
    )


def _check(body: DocumentRequest, caller: Principal, settings: ApiSettings, now: int) -> None:
    flaws = []
    if (size := metadata_bytes(body.metadata)) > settings.max_metadata_bytes:
        flaws.append(
            Flaw("/metadata", f"metadata has {size} bytes; {settings.max_metadata_bytes} are allowed.", "too_large")
        )
    if body.options.max_attempts > settings.max_attempts:
        flaws.append(Flaw("/options/max_attempts", f"At most {settings.max_attempts} are allowed.", "too_large"))
    if (body.options.timeout_s or 0) > settings.max_timeout_s:
        flaws.append(Flaw("/options/timeout_s", f"At most {settings.max_timeout_s:g} s are allowed.", "too_large"))
    if (run_at := epoch_ms(body.run_at, "/run_at")) is not None and run_at > now + YEAR_MS:
        flaws.append(Flaw("/run_at", "run_at lies more than a year ahead.", "too_large"))
    flaws += [flaw for flaw in (_simulate_flaw(body.options, settings), _filename_flaw(body)) if flaw]
    if flaws:
        raise Invalid(*flaws)
    if body.options.simulate and caller.role != "admin" and not settings.allow_simulate:
        raise Forbidden("options.simulate is for admins, unless PRESSWORK_ALLOW_SIMULATE=1 is set.")


def _simulate_flaw(options: Options, settings: ApiSettings) -> Flaw | None:
    limit = options.timeout_s or settings.default_timeout_s
    if options.simulate is None or options.simulate.seconds <= limit:
        return None
    detail = f"At most {limit:g} s are allowed: a render that takes longer is ended (options.timeout_s)."
    return Flaw("/options/simulate/seconds", detail, "too_large")


def _filename_flaw(body: DocumentRequest) -> Flaw | None:
    ending = extension(body.filename or "")
    if ending in (None, body.format):
        return None
    detail = f"The file will be {body.format}: let its name end in .{body.format}, or leave .{ending} out."
    return Flaw("/filename", detail, "wrong_extension")


def extension(filename: str) -> str | None:
    """Return a name's extension in lower case: what opens the file. `v1.2` and `No. 7` have none."""
    match = EXTENSION.search(filename)
    return match[1].lower() if match else None


def _filename(body: DocumentRequest) -> str:
    name = body.filename or (body.template or "document").partition("@")[0]
    return name if extension(name) else f"{name}.{body.format}"


def _options(options: Options, settings: ApiSettings) -> JobOptions:
    return JobOptions(
        strict=options.strict,
        max_attempts=options.max_attempts,
        timeout_s=options.timeout_s or settings.default_timeout_s,
        simulate=options.simulate.option() if options.simulate else None,
    )


def _inline(source: Source, output_format: str) -> InlineSource:
    made = ENGINES[source.engine]
    if output_format not in made:
        detail = f"{source.engine} cannot make {output_format}; it can make: {', '.join(made)}."
        raise Invalid.at("/format", detail, "unsupported_format")
    if source.engine == "docx" and source.encoding != "base64":
        raise Invalid.at("/source/encoding", "A Word document is sent as base64.")
    raw = source.content.encode()
    if source.encoding == "base64":
        try:
            raw = base64.b64decode(source.content, validate=True)
        except ValueError:
            raise Invalid.at("/source/content", "content is not base64.") from None
    digest = hashlib.sha256(raw).hexdigest()
    if source.engine == "docx":
        return InlineSource(engine=source.engine, content=source.content, encoding="base64", sha256=digest)
    try:
        return InlineSource(engine=source.engine, content=raw.decode(), encoding="utf-8", sha256=digest)
    except UnicodeDecodeError:
        raise Invalid.at("/source/content", "content is not base64 of UTF-8 text.") from None


def idempotency_of(request: Request, body: object) -> IdempotentRequest | None:
    """Read the Idempotency-Key. Raises BadHeader; the fingerprint does not depend on the order of the body's fields."""
    key = request.headers.get("idempotency-key")
    if key is None:
        return None
    if not 1 <= len(key) <= MAX_IDEMPOTENCY_KEY or not key.isascii() or not key.isprintable():
        raise BadHeader(f"Idempotency-Key has 1 to {MAX_IDEMPOTENCY_KEY} printable ASCII characters.")
    return IdempotentRequest(key, hashlib.sha256(to_json(_sorted(body))).hexdigest())


def _sorted(value: object) -> object:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def preferred_wait(request: Request) -> int | None:
    """Read `Prefer: wait=N` (RFC 7240), at most 60; None without it. The RFC says to ignore what cannot be read."""
    for preference in request.headers.get("prefer", "").replace(";", ",").split(","):
        name, _, value = preference.strip().partition("=")
        seconds = WAIT.fullmatch(value.strip())
        if name.strip().lower() == "wait" and seconds:
            return min(int(seconds[1]), MAX_WAIT_S)
    return None


def wants_bytes(request: Request, output_format: str) -> bool:
    """Tell whether Accept names the format's own type: then the bytes are the answer. Raises NotAcceptable."""
    own, weights = own_type(output_format), accepted_types(request.headers.get("accept", "*/*"))
    if 0 < weights.get(own, 0) >= weights.get("application/json", 0):
        return True
    if any(weights.get(json_range) for json_range in ("application/json", "application/*", "*/*", "")):
        return False
    if weights.get(own, weights.get(own.split("/")[0] + "/*", 0)):
        return True
    raise NotAcceptable(f"This answers application/json, or {own} for the bytes.")


def accepted_types(header: str) -> dict[str, float]:
    """Read an Accept header: the weight of each media range, 0 to 1 (RFC 9110, 12.5.1); no weight is 1."""
    weights = {}
    for part in header.split(","):
        media_range, *parameters = part.split(";")
        weight = next((one.strip()[2:] for one in parameters if one.strip().lower().startswith("q=")), "1")
        weights[media_range.strip().lower()] = float(weight) if WEIGHT.fullmatch(weight) else 1.0
    return weights


class NotAcceptable(PermanentError):
    """The Accept header asks for a type that this operation cannot make."""

    code = "not_acceptable"
