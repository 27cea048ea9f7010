"""The version: of the installed package, or of the source that an image carries without installing it."""

import tomllib
from importlib import metadata
from pathlib import Path

PROJECT = Path(__file__).parents[1] / "pyproject.toml"


def version(project: Path = PROJECT) -> str:
    """Return the version of this Presswork, as in `0.1.0`."""
    try:
        return metadata.version("presswork")
    except metadata.PackageNotFoundError:
        return str(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"])
