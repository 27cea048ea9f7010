"""Settings of the User API: PRESSWORK_* variables. The table in docs/configuration.md is made from this class."""

from pydantic import Field, field_validator

from backends.settings import SharedSettings

MIN_ADMIN_KEY_LENGTH = 20
MIB = 1024 * 1024


class ApiSettings(SharedSettings):
    api_port: int = Field(8000, ge=1, le=65_535, description="Port of the User API")
    admin_key: str = Field("", description="The first admin's key; needed on the first start")
    max_body_bytes: int = Field(1_048_576, ge=1024, description="Largest request body")
    max_upload_bytes: int = Field(
        20 * MIB, ge=1024, description="Largest request body that brings a file: a template, an asset, a font"
    )
    max_asset_bytes: int = Field(10 * MIB, ge=1024, description="Largest asset: a picture, a Word document to insert")
    max_font_bytes: int = Field(16 * MIB, ge=1024, description="Largest font file")
    max_template_bytes: int = Field(
        64 * MIB, ge=1024, le=96 * MIB, description="Largest template once its zip is inflated"
    )
    max_template_files: int = Field(500, ge=1, le=1900, description="Most files in a template's zip")
    max_templates_per_user: int = Field(1000, ge=1, description="Most templates of one user")
    max_versions_per_template: int = Field(1000, ge=1, description="Most versions of one template")
    max_assets_per_user: int = Field(10_000, ge=1, description="Most assets of one user")
    max_assets_mb_per_user: int = Field(1024, ge=0, description="Bytes of one user's assets, in MiB; 0: no limit")
    max_fonts_per_user: int = Field(500, ge=1, description="Most fonts of one user")
    max_fonts_mb_per_user: int = Field(512, ge=0, description="Bytes of one user's fonts, in MiB; 0: no limit")
    max_endpoints_per_user: int = Field(20, ge=1, description="Most webhook endpoints of one user")
    max_requests: int = Field(256, ge=1, description="Requests under way at once, waiting ones aside; beyond it 503")
    max_metadata_bytes: int = Field(4096, ge=64, description="Largest metadata of a document, as JSON")
    max_attempts: int = Field(10, ge=1, description="Largest options.max_attempts")
    max_timeout_s: float = Field(120, ge=1, description="Largest options.timeout_s")
    default_timeout_s: float = Field(30, ge=1, description="options.timeout_s when the request names none")
    allow_simulate: bool = Field(False, description="Let members use options.simulate, not only admins")
    idempotency_ttl_s: int = Field(86_400, ge=60, description="How long an Idempotency-Key is remembered")
    results_ttl_s: int | None = Field(604_800, description="How long results are kept by default; null keeps them")
    deliveries_days: int | None = Field(90, ge=1, description="How long webhook attempts are kept; null keeps them")
    webhook_secret_overlap_s: int = Field(86_400, ge=0, description="How long a replaced webhook secret signs on")
    drain_s: float = Field(8, ge=0, description="How long running requests may finish after SIGTERM")
    shutdown_delay_s: float = Field(
        1, ge=0, description="How long requests are still taken after SIGTERM, while /readyz says 503"
    )

    @field_validator("admin_key")
    @classmethod
    def _long_enough(cls, key: str) -> str:
        if key and (len(key) < MIN_ADMIN_KEY_LENGTH or not key.isascii() or not key.isprintable() or " " in key):
            raise ValueError(
                f"at least {MIN_ADMIN_KEY_LENGTH} visible ASCII characters are needed; `presswork keys new` prints one"
            )
        return key
