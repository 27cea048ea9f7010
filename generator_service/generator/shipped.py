"""The templates that ship with Presswork, read from `generator_service/templates` at start."""

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path

from contracts.templates import TemplateBundle, TemplateManifest

TEMPLATES = Path(__file__).resolve().parents[1] / "templates"
_DESCRIPTION = "template.toml"


@dataclass(frozen=True)
class ShippedTemplate:
    """A template of ours: `sample` is data that shows all it can do, `data_schema` says what data it takes."""

    name: str
    bundle: TemplateBundle
    sample: dict[str, object]
    data_schema: dict[str, object]
    title: str
    description: str


def load_shipped(directory: Path = TEMPLATES) -> list[ShippedTemplate]:
    """Load every folder that has a template.toml, by name. Raises FileNotFoundError for a file that it names."""
    return [_load(path.parent) for path in sorted(directory.glob(f"*/{_DESCRIPTION}"))]


def _load(folder: Path) -> ShippedTemplate:
    described = tomllib.loads((folder / _DESCRIPTION).read_text(encoding="utf-8"))
    manifest = TemplateManifest.model_validate({"sources": described["sources"]})
    files = {source.file: (folder / source.file).read_bytes() for source in manifest.sources}
    files |= {name: (folder.parent / "shared" / name).read_bytes() for name in described.get("shared", [])}
    return ShippedTemplate(
        name=folder.name,
        bundle=TemplateBundle(manifest, files),
        sample=json.loads((folder / "sample.json").read_text(encoding="utf-8")),
        data_schema=json.loads((folder / "schema.json").read_text(encoding="utf-8")),
        title=described["title"],
        description=described["description"],
    )
