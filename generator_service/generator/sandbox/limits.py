"""What a render process may use, and when it is replaced."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

MIB = 1024 * 1024


@dataclass(frozen=True)
class SandboxLimits:
    """Limits of the pool. Sizes in bytes, times in seconds.

    `memory_bytes` is what rendering may map beyond a warm process (about 60 MiB resident). A 21-page report with a
    500-row table takes 420 MiB, and many of them one after the other 460. Beyond `cool_rss_bytes` a process drops its
    caches, which takes longer than such a report; if that is not enough, or after `renders` documents, it is
    replaced. `mode` unsafe: without seccomp; then only trusted templates are rendered, unless `untrusted_unconfined`
    allows all. `packages`: a folder of Typst packages that templates may import.
    """

    workers: int = field(default_factory=lambda: os.cpu_count() or 1)
    spare: int = 1
    timeout_s: float = 30
    start_s: float = 30
    memory_bytes: int = 1024 * MIB
    output_bytes: int = 50 * MIB
    file_bytes: int = 64 * MIB
    cool_rss_bytes: int = 512 * MIB
    renders: int = 10_000
    bundle_bytes: int = 64 * MIB
    mode: Literal["strict", "unsafe"] = "strict"
    untrusted_unconfined: bool = False
    packages: Path | None = None
