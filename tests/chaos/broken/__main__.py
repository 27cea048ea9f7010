"""`python -m tests.chaos.broken MODULE` runs a service (app or generator) that breaks its promises on purpose.

Only the suite's own test starts it: a checker that finds nothing in this one would find nothing anywhere. The scripts
are changed as text, and a text that is not there any more ends the start: a breakage that breaks nothing must not pass.
"""

import runpy
import sys
from collections.abc import Callable

import backends.scripts
from backends.clickhouse import ClickHouse

#: script -> what is replaced by what, and the check that must notice.
BREAKAGES: dict[str, list[tuple[str, str]]] = {
    # A zombie's late result counts: a run ends twice.
    "complete": [("v[1] == token and v[2] == 'rendering'", "v[2] == 'rendering' or v[2] == 'completed'")],
    # Failures call nobody.
    "fail": [("finish(id, 'failed', at)", "redis.call('HDEL', doc(id), 'callback') finish(id, 'failed', at)")],
    # Whoever writes last wins.
    "user_put": [("if version ~= tonumber(ARGV[2]) then return 'conflict' end", "")],
}


def main() -> None:
    backends.scripts.source = _broken(backends.scripts.source)  # type: ignore[assignment]
    ClickHouse.insert_lines = _twice(ClickHouse.insert_lines)  # type: ignore[method-assign]
    runpy.run_module(sys.argv[1], run_name="__main__", alter_sys=True)


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


def _twice(insert: Callable[..., object]) -> Callable[..., object]:
    """Insert one batch in ten again under another token, as a shipper without tokens does after a crash."""
    batches = 0

    async def inserted(self: ClickHouse, table: str, lines: list[bytes], *, token: str) -> None:
        nonlocal batches
        batches += 1
        await insert(self, table, lines, token=token)  # type: ignore[misc]
        if batches % 10 == 0:
            await insert(self, table, lines, token=f"{token} again")  # type: ignore[misc]

    return inserted


if __name__ == "__main__":
    main()
