"""The doctor as a command on real servers: what it prints, how it ends, and that it ships what it sent again."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from redis.asyncio import Redis

from backends.blobs import FileBlobStore
from backends.clickhouse import ClickHouse
from backends.embedded.clickhouse import EmbeddedClickHouse
from backends.embedded.redis import EmbeddedRedis
from backends.scripts import Scripts
from backends.template_store import TemplateStore
from contracts.ids import now_ms, rfc3339
from generator.maintenance.doctor.command import DoctorOptions, examine, progress_on
from generator.settings import GeneratorSettings
from generator.shipper import Shipper
from standalone.data_dir import DataDir
from standalone.doctor import embedded_clickhouse, embedded_redis
from standalone.errors import UsageError
from tests.conftest import WaitUntil
from tests.integration.conftest import SECRET_KEY, Api, a_template, url_of
from tests.integration.doctor_stage import HOUR_MS, Clinic
from tests.integration.history_servers import Server, free_port

QUICK = DoctorOptions(moment_s=0.01)


def settings_of(redis_url: str, clickhouse_url: str, folder: Path) -> GeneratorSettings:
    values = {"redis_url": redis_url, "clickhouse_url": clickhouse_url, "secret_key": SECRET_KEY, "blob_dir": folder}
    return GeneratorSettings.model_validate(values)


async def clinic_at(redis_node: Server, redis: Redis, clickhouse: ClickHouse, folder: Path) -> Clinic:
    return await Clinic(Scripts(redis), clickhouse, FileBlobStore(folder), redis_node.url).open()


async def test_without_a_generator_it_ships_what_it_has_sent_again(
    redis_node: Server, redis: Redis, clickhouse: ClickHouse, tmp_path: Path
) -> None:
    clinic = await clinic_at(redis_node, redis, clickhouse, tmp_path)
    document_id = await clinic.complete()
    await clinic.ship()
    for table in ("document_events", "documents", "users", "user_events"):
        await clickhouse.command(f"TRUNCATE TABLE {table}")
    report = await examine(settings_of(redis_node.url, url_of(clickhouse), tmp_path), QUICK)
    assert report.exit_code == 0, report.as_text()
    assert await clinic.count("document_events", f"document_id = '{document_id}'") == 3
    assert await clinic.count("users FINAL") == 1


async def test_a_client_that_repeats_its_request_after_the_loss_gets_the_same_document(
    api: Api, shipping: Shipper, redis_node: Server, redis: Redis, tmp_path: Path, wait_until: WaitUntil
) -> None:
    body = {"template": "letter", "data": {"to": {"name": "Ada"}}, "run_at": rfc3339(now_ms() + HOUR_MS)}
    first = await api.admin.post("/v1/documents", json=body, headers={"Idempotency-Key": "k"})

    async def shipped() -> bool:
        return await redis.xlen("{pw}:events") == 0

    await wait_until(shipped, "the event is in history")
    await redis.flushdb()
    assert (await examine(settings_of(redis_node.url, url_of(api.clickhouse), api.blobs.root), QUICK)).exit_code == 0
    await TemplateStore(api.scripts).ship(a_template())
    again = await api.admin.post("/v1/documents", json=body, headers={"Idempotency-Key": "k"})
    assert (again.status_code, again.json()["id"]) == (202, first.json()["id"])
    assert again.headers["Idempotency-Replayed"] == "true"
    other = await api.admin.post("/v1/documents", json={**body, "filename": "b.pdf"}, headers={"Idempotency-Key": "k"})
    assert other.json()["code"] == "idempotency_mismatch"


async def test_without_clickhouse_the_rest_is_checked_and_the_exit_code_says_so(
    redis_node: Server, redis: Redis, clickhouse: ClickHouse, tmp_path: Path
) -> None:
    clinic = await clinic_at(redis_node, redis, clickhouse, tmp_path)
    await clinic.accept()
    await redis.delete("{pw}:ring:normal")
    away = f"http://presswork:x@127.0.0.1:{free_port()}/presswork"
    report = await examine(settings_of(redis_node.url, away, tmp_path), QUICK)
    assert report.exit_code == 3
    assert {check.name: len(check.found) for check in report.checks if check.found} == {"lanes": 1}
    assert await redis.llen("{pw}:ring:normal") == 1
    assert "NOT CHECKED: The history store does not answer" in report.as_text()


async def test_without_redis_the_exit_code_is_3_and_the_report_says_why(clickhouse: ClickHouse, tmp_path: Path) -> None:
    report = await examine(settings_of(f"redis://127.0.0.1:{free_port()}/0", url_of(clickhouse), tmp_path), QUICK)
    assert report.exit_code == 3
    assert "NOT CHECKED: The broker does not answer" in report.as_text()


async def test_the_report_for_machines_says_what_was_found_done_and_left(clinic: Clinic) -> None:
    documents = [await clinic.accept() for _ in range(5)]
    await clinic.scripts.redis.delete(clinic.name("ring:normal"), clinic.name(f"lane:normal:{clinic.user_id}"))
    await clinic.scripts.redis.set(clinic.name("surprise"), "1")
    report = json.loads(json.dumps((await clinic.examine()).as_json()))
    assert (report["dry_run"], report["exit_code"]) == (False, 1)
    assert (report["found"], report["mended"], report["left"]) == (6, 5, 1)
    findings = {check["name"]: check["findings"] for check in report["checks"] if check["findings"]}
    (place,) = findings["places"]
    assert (place["flaw"], place["found"], place["mended"], place["left"]) == ("queued_nowhere", 5, 5, 0)
    assert len(place["examples"]) == 3
    assert set(place["examples"]) <= {str(document.document_id) for document in documents}
    (key,) = findings["lifetimes"]
    assert key["examples"] == ["surprise"] and key["remedy"] == "" and key["left"] == 1


def test_a_data_directory_leads_to_its_own_servers_on_the_ports_they_were_given(tmp_path: Path) -> None:
    password = DataDir(tmp_path).password
    redis = EmbeddedRedis(tmp_path / "redis", 18291, password("redis"), Path("redis-server"))
    clickhouse = EmbeddedClickHouse(tmp_path / "clickhouse", 18292, password("clickhouse"), marker="m", host="::")
    redis.prepare()
    clickhouse.prepare()
    assert embedded_redis(tmp_path) == redis.url
    assert embedded_clickhouse(tmp_path) == clickhouse.url


def test_a_folder_that_is_no_data_directory_is_refused_with_the_option_to_use(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--redis-url"):
        embedded_redis(tmp_path)
    with pytest.raises(UsageError, match="--clickhouse-url"):
        embedded_clickhouse(tmp_path)


def test_progress_is_shown_on_a_terminal_only() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal, file = Terminal(), io.StringIO()
    progress_on(terminal)("keys in Redis")
    progress_on(file)("keys in Redis")
    assert "keys in Redis ..." in terminal.getvalue() and file.getvalue() == ""


def command(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PRESSWORK_")}
    return subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, timeout=120, env=environment | variables
    )


def test_a_wrong_data_directory_is_wrong_usage(tmp_path: Path) -> None:
    refused = command("-m", "standalone", "doctor", "--data-dir", str(tmp_path))
    assert refused.returncode == 2
    assert str(tmp_path) in refused.stderr and "--redis-url" in refused.stderr and "Traceback" not in refused.stderr


@pytest.mark.parametrize("entry", [("standalone", "doctor"), ("generator.maintenance.doctor",)])
def test_both_commands_read_the_environment_that_a_container_has(entry: tuple[str, ...], tmp_path: Path) -> None:
    away = {
        "PRESSWORK_REDIS_URL": f"redis://127.0.0.1:{free_port()}/0",
        "PRESSWORK_CLICKHOUSE_URL": f"http://x:x@127.0.0.1:{free_port()}/presswork",
        "PRESSWORK_BLOB_DIR": str(tmp_path),
        "PRESSWORK_SECRET_KEY": SECRET_KEY,
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    ended = command("-m", *entry, "--json", "--dry-run", **away)
    assert ended.returncode == 3, ended.stderr
    report = json.loads(ended.stdout)
    assert report["dry_run"] is True and all(check["unchecked"] for check in report["checks"])
