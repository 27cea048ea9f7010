"""`python -m tests.chaos.broken MODULE ...` runs app, generator or standalone so that it breaks promises on purpose.

Only the suite's own test starts it: a checker that finds nothing in this one would find nothing anywhere. The scripts
are changed as text, and a text that is not there any more ends the start: a breakage that breaks nothing must not pass.
"""

import runpy
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import backends.scripts
import standalone.stack
from app.services.users import UserService
from backends.clickhouse import ClickHouse
from backends.queue import Completion, DocumentQueue
from standalone.keeper import ChildSpec

AnyCall = Callable[..., Any]

#: script -> what is replaced by what
BREAKAGES: dict[str, list[tuple[str, str]]] = {
    # A zombie's late result counts, and so does a result that the client library sends again.
    "complete": [("v[1] == token and v[2] == 'rendering'", "v[2] == 'rendering' or v[2] == 'completed'")],
    # Failures call nobody.
    "fail": [("finish(id, 'failed', at)", "redis.call('HDEL', doc(id), 'callback') finish(id, 'failed', at)")],
}


def main() -> None:
    _break(backends.scripts, "source", _broken)
    _break(ClickHouse, "insert_lines", _twice)
    _break(DocumentQueue, "complete", _sent_again)
    _break(UserService, "change", _whatever_the_version)
    _break(standalone.stack, "_service", _broken_service)
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


def _break(owner: object, name: str, breaking: Callable[..., object]) -> None:
    setattr(owner, name, breaking(getattr(owner, name)))


def _broken_service(service: Callable[..., ChildSpec]) -> Callable[..., ChildSpec]:
    """Let `presswork up` start its services through this module, too."""

    def launched(*arguments: object) -> ChildSpec:
        spec = service(*arguments)
        return replace(spec, command=[sys.executable, "-P", "-m", "tests.chaos.broken", spec.command[-1]])

    return launched


def _broken(source: Callable[[str], str]) -> Callable[[str], str]:
    def changed(name: str) -> str:
        text = source(name)
        for right, wrong in BREAKAGES.get(name, []):
            if right not in text:
                sys.exit(f"{name}.lua has changed: {right!r} is not in it; break it otherwise")
            text = text.replace(right, wrong)
        return text

    for name in BREAKAGES:
        changed(name)
    return changed


def _twice(insert: AnyCall) -> AnyCall:
    """Insert one batch in three again under another token, as a shipper without tokens does after a crash."""
    batches = 0

    async def inserted(self: ClickHouse, table: str, lines: list[bytes], *, token: str) -> None:
        nonlocal batches
        batches += 1
        await insert(self, table, lines, token=token)
        if batches % 3 == 0:
            await insert(self, table, lines, token=f"{token} again")

    return inserted


def _sent_again(complete: AnyCall) -> AnyCall:
    """Send each result twice, as the client library does when the connection breaks."""

    async def completed(self: DocumentQueue, completions: list[Completion]) -> object:
        await complete(self, completions)
        return await complete(self, completions)

    return completed


def _whatever_the_version(change: AnyCall) -> AnyCall:
    """Forget If-Match: whoever writes last wins."""

    async def changed(self: UserService, *arguments: object) -> object:
        return await change(self, *arguments[:-1], None)

    return changed


if __name__ == "__main__":
    main()
