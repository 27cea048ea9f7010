"""docs/assets.md names limits: they are those of the code."""

from pathlib import Path

from app.api.renders import WARNINGS_BYTES
from app.services.assets import MOST_ASSETS
from app.settings import ApiSettings
from backends.asks import AskLimits
from generator.bundles import MAX_ASSETS_BYTES
from generator.settings import GeneratorSettings

PAGE = (Path(__file__).parents[2] / "docs" / "assets.md").read_text().replace("\n", " ")
MIB = 1024 * 1024


def test_the_limits_are_those_of_the_code() -> None:
    api, generator = ApiSettings.model_fields, GeneratorSettings.model_fields
    assert (AskLimits().waiting_per_user, AskLimits().waiting) == (8, 64)
    assert "Eight may wait per user" in PAGE and "64 in all" in PAGE
    assert f"name {MOST_ASSETS} assets, with {MAX_ASSETS_BYTES // MIB} MiB in all" in PAGE
    assert f"`PRESSWORK_MAX_ASSET_BYTES` ({api['max_asset_bytes'].default // MIB} MiB)" in PAGE
    assert f"`PRESSWORK_MAX_FONT_BYTES` ({api['max_font_bytes'].default // MIB} MiB)" in PAGE
    for setting in ("max_assets_per_user", "max_assets_mb_per_user", "max_fonts_per_user", "max_fonts_mb_per_user"):
        assert f"`PRESSWORK_{setting.upper()}` ({api[setting].default:,})" in PAGE
    assert f"`PRESSWORK_ASSETS_DAYS` ({generator['assets_days'].default})" in PAGE
    assert f"cut to {WARNINGS_BYTES // 1000} kB" in PAGE
