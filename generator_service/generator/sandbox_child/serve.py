"""The render loop: a bundle or a job comes in, a document or an error goes out."""

import ctypes
import time
import traceback
from collections.abc import Callable

from contracts.errors import DocumentError, DocumentFailed
from contracts.jobs import Simulate
from contracts.templates import BadArchive, TemplateBundle
from generator.core import Engines, Rendered, RenderRequest, generate
from generator.describe import describe
from generator.renderers.port import failed
from generator.sandbox_child.frames import Header, read_frame, write_frame
from generator.sandbox_child.hints import SMALLER, UNEXPECTED

_NAP_S = 0.05


class Server:
    """Answers each job with one frame. Bundles arrive before the first job that uses them and leave when told."""

    def __init__(self, *, requests: int, answers: int, engines: Engines, output_bytes: int) -> None:
        self._requests = requests
        self._answers = answers
        self._output_bytes = output_bytes
        self._bundles: dict[str, TemplateBundle] = {}
        self._refused: dict[str, str] = {}
        self._engines = engines

    def warm_up(self) -> None:
        """Load every engine."""
        self._engines.warm_up()

    def serve(self, *, confined: bool) -> None:
        """Report ready, then answer until the parent closes the pipe."""
        self._answer({"kind": "ready", "confined": confined})
        while (frame := read_frame(self._requests)) is not None:
            header, body = frame
            if header["kind"] == "bundle":
                self._keep(header, body)
            elif header["kind"] == "cool":
                self._cool()
            else:
                self._guarded(self._describe if header["kind"] == "describe" else self._render, header, body)

    def _answer(self, header: Header, body: bytes = b"") -> None:
        write_frame(self._answers, header, body)

    def _keep(self, header: Header, packed: bytes) -> None:
        for sha256 in _texts(header["forget"]):
            self._bundles.pop(sha256, None)
            self._refused.pop(sha256, None)
        sha256 = str(header["sha256"])
        try:
            self._bundles[sha256] = TemplateBundle.unpack(packed)
        except BadArchive as error:
            self._refused[sha256] = str(error)

    def _named(self, header: Header) -> list[TemplateBundle]:
        """Return the bundle that an order is about, and the one of fonts if there is one."""
        names = _texts(header["bundles"])
        for sha256 in names:
            if sha256 in self._refused:
                raise failed("template_error", self._refused[sha256], hint="Upload the template again.")
        return [self._bundles[sha256] for sha256 in names]

    def _cool(self) -> None:
        """Give memory back that caches and the allocator hold."""
        self._engines.cool()
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
        self._answer({"kind": "cooled"})

    def _guarded(self, work: Callable[[Header, bytes], None], header: Header, body: bytes) -> None:
        """Answer one order. Raises, after the answer, what means that this process must not be used again."""
        try:
            work(header, body)
        except DocumentFailed as failure:
            self._failed(failure.error)
        except RecursionError:
            self._failed(_error("template_error", "The data or the template is nested too deeply.", "Nest it less."))
        except MemoryError:
            self._failed(_error("memory_limit", "Rendering needed more memory than the limit.", SMALLER), fatal=True)
            raise
        except Exception:
            self._answer({"kind": "bug", "trace": traceback.format_exc()[-8000:]})
        except BaseException as panic:  # Typst's PanicException
            self._failed(_error("render_crashed", f"The engine gave up: {panic}"[:500], UNEXPECTED), fatal=True)
            raise

    def _render(self, header: Header, body: bytes) -> None:
        rendered = self._rendered(header, body)
        warnings = [warning.model_dump() for warning in rendered.warnings]
        self._answer({"kind": "rendered", "pages": rendered.pages, "warnings": warnings}, rendered.content)

    def _describe(self, header: Header, _: bytes) -> None:
        (bundle,) = self._named(header)
        verdict = describe(bundle, self._engines)
        self._answer({"kind": "described"}, verdict.model_dump_json().encode())

    def _failed(self, error: DocumentError, *, fatal: bool = False) -> None:
        self._answer({"kind": "failed", "error": error.model_dump(), "fatal": fatal})

    def _rendered(self, header: Header, body: bytes) -> Rendered:
        began = time.monotonic()
        request = self._request(header, body)
        rendered = generate(request, self._engines)
        if len(rendered.content) > self._output_bytes:
            raise failed(
                "output_too_large",
                f"The document has {len(rendered.content)} bytes; {self._output_bytes} are allowed.",
                hint=SMALLER,
            )
        if request.simulate:
            _linger(began + request.simulate.seconds)
        return rendered

    def _request(self, header: Header, body: bytes) -> RenderRequest:
        fields, data_length = header["request"], header["data"]
        assert isinstance(fields, dict) and isinstance(data_length, int)
        simulate = Simulate.model_validate(fields.pop("simulate")) if fields.get("simulate") else None
        fields["simulate"] = simulate
        bundle, *fonts = self._named(header)
        return RenderRequest(
            bundle=bundle,
            fonts=fonts[0] if fonts else None,
            data=body[:data_length],
            assets=_assets(header["assets"], body[data_length:]),
            **fields,
        )


def _assets(lengths: object, joined: bytes) -> dict[str, bytes]:
    """Take the assets apart that stand behind the data: pairs of hex digest and length say where each one ends."""
    assert isinstance(lengths, list)
    assets, at = {}, 0
    for digest, length in lengths:
        assets[str(digest)] = joined[at : at + length]
        at += length
    return assets


def _error(code: str, message: str, hint: str) -> DocumentError:
    return DocumentError(code=code, message=message, hint=hint)


def _texts(values: object) -> list[str]:
    return [str(value) for value in values] if isinstance(values, list) else []


def _linger(until: float) -> None:
    """Imitate a long render: sleep in slices, inside the parent's wall clock."""
    while (left := until - time.monotonic()) > 0:
        time.sleep(min(left, _NAP_S))
