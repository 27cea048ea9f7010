"""Why a render process died, as the document's error."""

import signal

from contracts.errors import DocumentFailed, ProcessKilled
from generator.renderers.port import failed
from generator.sandbox_child.hints import NESTING, SMALLER, UNEXPECTED

#: How Rust, C++ and Python say that an allocation failed, before they abort.
_OUT_OF_MEMORY = ("memory allocation of", "bad_alloc", "MemoryError", "out of memory", "Cannot allocate memory")
#: Sent from outside: the kernel's OOM killer, an operator, a container that stops. The document may be innocent.
_FROM_OUTSIDE = (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


def verdict(returncode: int, stderr: str) -> DocumentFailed:
    """Judge a death that was not ours. `returncode` as of asyncio: minus the signal."""
    if any(words in stderr for words in _OUT_OF_MEMORY):
        return failed("memory_limit", "Rendering needed more memory than the limit.", hint=SMALLER)
    if returncode == -signal.SIGXCPU:
        return failed("render_timeout", "Rendering took more CPU time than the limit.", hint=SMALLER)
    name = signal.Signals(-returncode).name if returncode < 0 else f"exit code {returncode}"
    died = f"The render process died on this document ({name})."
    if returncode in [-number for number in _FROM_OUTSIDE]:
        return ProcessKilled(failed("render_crashed", died, retryable=True).error)
    hint = NESTING if returncode == -signal.SIGSEGV else UNEXPECTED
    return failed("render_crashed", died, hint=hint)


def timed_out(seconds: float) -> DocumentFailed:
    """The wall clock ran out and we killed the process."""
    return failed("render_timeout", f"Rendering took longer than {seconds:g} s.", hint=SMALLER)


def spoke_nonsense() -> DocumentFailed:
    """The process broke the protocol: it is not to be trusted, and neither is what made it do so."""
    return failed("render_crashed", "The render process gave an answer that makes no sense.", hint=UNEXPECTED)
