"""Bodies and answers of templates."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError, to_json

from app.api import examples
from app.api.depth import data_depth, schema_depth
from app.api.schemas import Body, NotNull, PageQuery, unprintable
from contracts.ids import rfc3339
from contracts.templates import Missing, TemplateHead, TemplateVersion, Validation, Visibility
from contracts.workbench import Verdict

#: Every accepted document looks its template up, sample and schema with it.
MAX_OBJECT_BYTES = 256 * 1024


def small_enough(value: dict[str, object] | None) -> dict[str, object] | None:
    """Refuse an object that is too large to be kept with a template."""
    if value is not None and len(to_json(value)) > MAX_OBJECT_BYTES:
        raise PydanticCustomError("too_large", "At most {limit} bytes of JSON are kept.", {"limit": MAX_OBJECT_BYTES})
    return value


def _shown_text(value: str) -> str:
    if unprintable(value.replace("\n", "")):
        raise PydanticCustomError("control_character", "Control characters are not allowed here.")
    return value


Kept = Annotated[dict[str, object] | None, AfterValidator(small_enough)]
Text = Annotated[str, StringConstraints(strip_whitespace=True), AfterValidator(_shown_text)]


class OwnerQuery(Body):
    owner_id: Annotated[
        UUID | None, Field(description="Whose template of this name; without it one's own, a shipped or a shared one")
    ] = None


class VersionQuery(PageQuery, OwnerQuery):
    pass


class TemplateChanges(Body):
    """What to change; what is left out stays. `sample` and `schema` are replaced as a whole; null removes them.

    `validation` null: a given schema refuses data, an inferred one refuses what is certain to fail.
    """

    model_config = ConfigDict(
        **examples.shown({"visibility": "shared", "schema": examples.DATA_SCHEMA, "validation": "warn"}),
        populate_by_name=False,
    )

    visibility: Annotated[Visibility | None, NotNull] = None
    title: Annotated[Annotated[Text, Field(max_length=200)] | None, NotNull] = None
    description: Annotated[Annotated[Text, Field(max_length=2000)] | None, NotNull] = None
    sample: Annotated[Kept, AfterValidator(data_depth)] = None
    data_schema: Annotated[Kept, AfterValidator(schema_depth)] = Field(None, alias="schema")
    validation: Validation | None = None
    missing: Annotated[Missing | None, NotNull] = None


class TaggedVersion(Body):
    model_config = examples.shown({"version": 3})

    version: Annotated[int, Field(ge=1, le=999_999_999, strict=True)]


class Template(BaseModel):
    model_config = examples.shown(examples.TEMPLATE)

    name: str
    owner_id: str | None
    visibility: Visibility
    engine: str
    formats: list[str]
    versions: int
    tags: dict[str, int]
    title: str | None
    description: str | None
    sample: dict[str, object] | None
    validation: Validation | None
    missing: Missing
    created_at: str
    updated_at: str


class TemplateWarning(BaseModel):
    code: str
    message: str


class TemplateMade(Template):
    """A template and the version that was made; `example`: data that it would take, None if nothing could be told."""

    model_config = examples.shown(examples.TEMPLATE_MADE)

    version: int
    warnings: list[TemplateWarning]
    example: dict[str, object] | None


class TemplateList(BaseModel):
    model_config = examples.page(examples.TEMPLATE)

    items: list[Template]
    next_cursor: str | None


class Version(BaseModel):
    model_config = examples.shown(examples.TEMPLATE_VERSION)

    version: int
    sha256: str
    formats: list[str]
    tags: list[str]
    created_at: str


class VersionList(BaseModel):
    model_config = examples.page(examples.TEMPLATE_VERSION)

    items: list[Version]
    next_cursor: str | None


class UploadForm(BaseModel):
    """The parts of an upload. `template.json` in a zip says what its sources are for."""

    model_config = examples.shown({"name": "delivery-note", "file": "= Delivery note", "sample": '{"number": "7"}'})

    name: Annotated[str, Field(pattern="[a-z0-9-]{1,64}")]
    file: Annotated[str, Field(description=".docx, .typ, or .zip with sources, pictures and fonts")]
    sample: Annotated[str, Field(description="A JSON object: sample data, rendered at once")] = ""
    visibility: Visibility = "private"
    publish: Annotated[Literal["true"], Field(description="The first version is always published")] = "true"


class VersionForm(BaseModel):
    """The parts of an upload; what is left out stays."""

    model_config = examples.shown({"file": "= Delivery note", "publish": "true"})

    name: Annotated[str, Field(description="If sent, the template's own")] = ""
    file: Annotated[str, Field(description=".docx, .typ, or .zip with sources, pictures and fonts")]
    sample: Annotated[str, Field(description="A JSON object: sample data, rendered at once")] = ""
    visibility: Visibility = "private"
    publish: Annotated[Literal["true", "false"], Field(description="Whether `production` moves to it")] = "false"


def template_view(head: TemplateHead) -> dict[str, object]:
    return {
        "name": head.name,
        "owner_id": str(head.owner_id) if head.owner_id else None,
        "visibility": head.visibility,
        "engine": head.engine,
        "formats": list(head.formats),
        "versions": len(head.versions),
        "tags": head.tags,
        "title": head.title or None,
        "description": head.description or None,
        "sample": head.sample,
        "validation": head.validation,
        "missing": head.missing,
        "created_at": rfc3339(head.created_at),
        "updated_at": rfc3339(head.updated_at),
    }


def made_view(head: TemplateHead, version: int, verdict: Verdict) -> dict[str, object]:
    warnings = [warning.model_dump() for warning in verdict.warnings]
    return {**template_view(head), "version": version, "warnings": warnings, "example": verdict.example}


def version_view(head: TemplateHead, version: TemplateVersion) -> dict[str, object]:
    return {
        "version": version.version,
        "sha256": version.sha256,
        "formats": list(version.formats),
        "tags": sorted(tag for tag, number in head.tags.items() if number == version.version),
        "created_at": rfc3339(version.created_at),
    }
