"""The Dockerfiles, docker-compose.yml and what belongs to them, as far as it can be told without Docker."""

import ast
import fnmatch
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.settings import ApiSettings
from contracts.api_keys import well_formed
from generator.settings import GeneratorSettings

ROOT = Path(__file__).parents[2]
COMPOSE = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
DOCKERFILES = (ROOT / "Dockerfile", ROOT / "generator_service/Dockerfile")
SECRETS = {"PRESSWORK_ADMIN_KEY", "PRESSWORK_SECRET_KEY", "REDIS_PASSWORD", "CLICKHOUSE_PASSWORD"}

#: What each image carries: its source folders, and the lock file and groups that its packages come from.
IMAGES = {
    "fastapi_app": (("kernel", "app"), "poetry.lock", {"main"}),
    "generator_service": (("kernel", "generator_service"), "generator_service/poetry.lock", {"main"}),
    "standalone": (("kernel", "generator_service", "app", "standalone"), "poetry.lock", {"main", "standalone"}),
}
OURS = {"contracts": "kernel", "backends": "kernel", "generator": "generator_service", "app": "app"}
OURS["standalone"] = "standalone"


def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load(COMPOSE)["services"]
    return found


def tool(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a linter of the development group, which lies beside this interpreter."""
    program = Path(sys.executable).parent / name
    if not program.exists():
        pytest.skip(f"{name} is not installed: make install")
    return subprocess.run([program, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: str(path.parent.name))
def test_hadolint_finds_nothing(dockerfile: Path) -> None:
    done = tool("hadolint", "--no-color", str(dockerfile))
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_compose_lint_finds_nothing() -> None:
    done = tool("compose-lint", "check", "--fail-on", "low", "docker-compose.yml")
    assert done.returncode == 0 and "docker-compose.yml: 0 issues" in done.stdout + done.stderr, done.stdout


# ---- the compose file


def test_there_are_four_services_on_the_ports_of_the_design() -> None:
    published = {name: service["ports"] for name, service in services().items()}
    assert published == {
        "fastapi_app": ["${PRESSWORK_BIND:-127.0.0.1}:8000:8000"],
        "generator_service": ["${PRESSWORK_BIND:-127.0.0.1}:8001:8001"],
        "redis": ["127.0.0.1:6379:6379"],
        "clickhouse": ["127.0.0.1:8123:8123"],
    }


@pytest.mark.parametrize("name", ["fastapi_app", "generator_service", "redis", "clickhouse"])
def test_a_service_is_hardened_limited_and_watched(name: str) -> None:
    service = services()[name]
    assert service["read_only"] is True and service["cap_drop"] == ["ALL"] and service["tmpfs"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"
    assert not re.search(r"^0|:-0|root", service["user"])
    assert {"mem_limit", "cpus", "pids_limit", "healthcheck", "stop_grace_period"} <= set(service)
    assert all(":" in volume and not volume.startswith((".", "/")) for volume in service["volumes"]), "named volumes"


def test_both_services_share_the_blobs() -> None:
    found = services()
    assert found["fastapi_app"]["volumes"] == found["generator_service"]["volumes"] == ["blobs:/data/blobs"]


def test_secrets_are_required_and_nothing_else_is() -> None:
    required = set(re.findall(r"\$\{(\w+):\?", COMPOSE))
    optional = set(re.findall(r"\$\{(\w+):-", COMPOSE))
    used = set(re.findall(r"(?<!\$)\$\{(\w+)", COMPOSE))
    assert required == SECRETS
    assert used == required | optional


def test_images_are_pinned_by_tag_and_replaceable() -> None:
    for service in services().values():
        assert re.fullmatch(r"\$\{\w+_IMAGE:-[\w/-]+:[\w.-]*\d[\w.-]*\}", service["image"])
    assert "latest" not in COMPOSE


def test_redis_loses_nothing_and_shows_its_password_to_nobody() -> None:
    redis = services()["redis"]
    command = " ".join(redis["command"][0].split())
    for option in ("--appendonly yes", "--appendfsync always", "--maxmemory-policy noeviction"):
        assert option in command
    assert "REDIS_PASSWORD" not in command and 'requirepass "%s"' in command


@pytest.mark.parametrize(("name", "settings"), [("fastapi_app", ApiSettings), ("generator_service", GeneratorSettings)])
def test_a_service_is_told_only_what_it_knows(name: str, settings: type[ApiSettings | GeneratorSettings]) -> None:
    told = {variable.removeprefix("PRESSWORK_").lower() for variable in services()[name]["environment"]}
    assert told <= set(settings.model_fields)


def test_the_admin_key_goes_to_the_user_api_alone() -> None:
    holders = [name for name, service in services().items() if "PRESSWORK_ADMIN_KEY" in str(service["environment"])]
    assert holders == ["fastapi_app"]


@pytest.mark.parametrize("name", ["fastapi_app", "generator_service"])
def test_a_service_may_finish_what_it_has_in_hand(name: str) -> None:
    grace_s = int(services()[name]["stop_grace_period"].removesuffix("s"))
    assert grace_s > GeneratorSettings.model_fields["drain_s"].default


def test_every_variable_of_the_compose_file_is_in_the_operations_guide() -> None:
    guide = (ROOT / "docs/operations.md").read_text(encoding="utf-8")
    used = set(re.findall(r"(?<!\$)\$\{(\w+)", COMPOSE))
    assert {name for name in used if f"`{name}`" not in guide} == set()


# ---- the Dockerfiles


def instructions(dockerfile: Path) -> list[list[str]]:
    lines = dockerfile.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    return [line.split() for line in lines if line.strip() and not line.startswith("#")]


def copied(dockerfile: Path) -> list[str]:
    sources = []
    for keyword, *arguments in instructions(dockerfile):
        if keyword == "COPY" and not arguments[0].startswith("--from"):
            sources += arguments[:-1]
    return sources


def ignored(path: str) -> bool:
    """Tell whether .dockerignore keeps a path out: the last line that matches it, or a folder above it, decides."""
    found = False
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        pattern = line.removeprefix("!").removeprefix("**/")
        if line and not line.startswith("#") and any(fnmatch.fnmatch(part, pattern) for part in above(path, line)):
            found = not line.startswith("!")
    return found


def above(path: str, line: str) -> list[str]:
    parts = path.split("/")
    if line.startswith("**/"):
        return parts
    return ["/".join(parts[: length + 1]) for length in range(len(parts))]


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: str(path.parent.name))
def test_what_is_copied_exists_and_is_in_the_build_context(dockerfile: Path) -> None:
    assert len(copied(dockerfile)) > 5
    for source in copied(dockerfile):
        assert (ROOT / source).exists(), source
        assert not ignored(source), source


def test_tests_secrets_and_caches_stay_out_of_the_build_context() -> None:
    for path in ("tests/conftest.py", ".env", ".git/config", "var/admin.key", "app/__pycache__/main.cpython-312.pyc"):
        assert ignored(path), path


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: str(path.parent.name))
def test_every_image_ends_without_root_and_bases_are_replaceable(dockerfile: Path) -> None:
    users: dict[str, str] = {}
    stage = ""
    for keyword, *arguments in instructions(dockerfile):
        if keyword == "FROM":
            stage, base = arguments[-1], arguments[0]
            users[stage] = users.get(base, "")
            assert base == "${PYTHON_IMAGE}" or base in users
        elif keyword == "USER":
            users[stage] = arguments[0]
    assert {user for name, user in users.items() if name not in ("base", "locked") and "packages" not in name} == {
        "10001:10001"
    }


@pytest.mark.parametrize("image", IMAGES)
def test_an_image_has_every_module_that_it_imports(image: str) -> None:
    folders, lock, groups = IMAGES[image]
    packages = tomllib.loads((ROOT / lock).read_text(encoding="utf-8"))["package"]
    locked = {normal(package["name"]) for package in packages if groups & set(package["groups"])}
    providers = packages_distributions()
    for file, module in imports(folders):
        if module in OURS:
            assert OURS[module] in folders, f"{file} imports {module}, which the image lacks"
        else:
            found = {normal(name) for name in providers.get(module, [])}
            assert found & locked, f"{file} imports {module}, which {lock} lacks"


def imports(folders: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Yield each file with the outermost names that it imports, the standard library's left out."""
    for folder in folders:
        for file in sorted(carried(folder)):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                for name in imported(node):
                    if name.partition(".")[0] not in sys.stdlib_module_names:
                        yield str(file.relative_to(ROOT)), name.partition(".")[0]


def carried(folder: str) -> list[Path]:
    return [file for file in (ROOT / folder).rglob("*.py") if not ignored(str(file.relative_to(ROOT)))]


def imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else []


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


# ---- secrets


def made_env() -> dict[str, str]:
    made = subprocess.run(["sh", "deploy/compose/make-env"], cwd=ROOT, capture_output=True, text=True, check=True)
    return dict(line.split("=", 1) for line in made.stdout.splitlines() if line and not line.startswith("#"))


def test_make_env_prints_every_secret_anew_and_a_key_that_is_well_formed() -> None:
    first, second = made_env(), made_env()
    assert set(first) == SECRETS
    assert well_formed(first["PRESSWORK_ADMIN_KEY"])
    assert all(first[name] != second[name] and len(first[name]) >= 52 for name in SECRETS)
    assert all(re.fullmatch(r"\w+", value) for value in first.values()), "they go into URLs"


def test_the_source_is_named_by_a_path_file_and_not_by_a_variable() -> None:
    """Render processes start with an empty environment: PYTHONPATH would not reach them."""
    for dockerfile in DOCKERFILES:
        assert "PYTHONPATH" not in dockerfile.read_text(encoding="utf-8")
    assert "presswork.pth" in (ROOT / "deploy/docker/install").read_text(encoding="utf-8")
