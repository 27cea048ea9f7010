"""Typst packages: only from a folder of the operator's, never from the network."""

import re
from collections.abc import Mapping
from pathlib import Path

from generator.renderers.port import failed

_IMPORTED = re.compile(
    r'\b(?:import|include)\s+(?P<package>"@(?P<space>[\w-]+)/(?P<name>[\w-]+):(?P<version>\d+\.\d+\.\d+)")'
)
VENDOR = "Put the package's files beside the template and import them by path."


def refuse_packages(files: Mapping[str, bytes], folder: Path | None) -> None:
    """Raise DocumentFailed for an import of a package that is not in the folder, before the compiler looks for it."""
    for name, content in files.items():
        if name.endswith(".typ") and b'"@' in content:
            _refuse(name, content.decode(), folder)


def _refuse(name: str, text: str, folder: Path | None) -> None:
    for number, line in enumerate(text.splitlines(), 1):
        for found in _IMPORTED.finditer(line.partition("//")[0]):
            if folder is None or not (folder / found["space"] / found["name"] / found["version"]).is_dir():
                raise failed(
                    "template_error",
                    _message(found["package"], folder),
                    part=name,
                    line=number,
                    column=found.start("package") + 1,
                    tag=found["package"],
                    excerpt=line.strip(),
                    hint=_hint(folder),
                )


def _message(package: str, folder: Path | None) -> str:
    if folder is None:
        return f"Packages are not fetched: {package}."
    return f"The package {package} is not in the folder of packages, and packages are not fetched."


def _hint(folder: Path | None) -> str:
    if folder is None:
        return f"{VENDOR} Or have PRESSWORK_TYPST_PACKAGES name a folder that has them."
    return f"{VENDOR} Or have it put into the folder that PRESSWORK_TYPST_PACKAGES names."
