"""The `presswork` command. Imports what a command needs inside it: `presswork --help` answers at once."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from standalone.errors import StandaloneError

app = typer.Typer(
    name="presswork",
    help="Presswork: templates and data in, PDF and DOCX out. Nothing accepted is ever lost.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
keys = typer.Typer(help="API keys.", no_args_is_help=True)
app.add_typer(keys, name="keys")
webhooks = typer.Typer(help="Webhooks.", no_args_is_help=True)
app.add_typer(webhooks, name="webhooks")


def _setting(name: str, text: str, default: str | bool = False) -> Any:
    return typer.Option(envvar=f"PRESSWORK_{name}", help=text, show_default=default)


@app.command()
def up(
    data_dir: Annotated[Path | None, _setting("DATA_DIR", "Where everything is kept.", "./var")] = None,
    host: Annotated[str | None, _setting("HOST", "Address both services listen on.", "127.0.0.1")] = None,
    api_port: Annotated[int | None, _setting("API_PORT", "Port of the User API.", "8000")] = None,
    generator_port: Annotated[
        int | None, _setting("GENERATOR_PORT", "Port of the generator and its admin panel.", "8001")
    ] = None,
    redis_port: Annotated[int | None, _setting("REDIS_PORT", "Port of the embedded Redis.", "6379")] = None,
    clickhouse_port: Annotated[
        int | None, _setting("CLICKHOUSE_PORT", "Port of the embedded ClickHouse.", "8123")
    ] = None,
    redis_url: Annotated[str | None, _setting("REDIS_URL", "Use this Redis instead of the embedded one.")] = None,
    clickhouse_url: Annotated[
        str | None, _setting("CLICKHOUSE_URL", "Use this ClickHouse instead of the embedded one.")
    ] = None,
    workers: Annotated[int | None, _setting("WORKERS", "Render processes.", "one per core")] = None,
) -> None:
    """Start all of Presswork on this machine: embedded Redis and ClickHouse, the User API and the generator.

    Runs until Ctrl-C or SIGTERM. What dies or freezes is started again.
    """
    from standalone.settings import load_up_settings
    from standalone.up import up as run

    run(
        load_up_settings(
            data_dir=data_dir,
            host=host,
            api_port=api_port,
            generator_port=generator_port,
            redis_port=redis_port,
            clickhouse_port=clickhouse_port,
            redis_url=redis_url,
            clickhouse_url=clickhouse_url,
            workers=workers,
        )
    )


@app.command()
def listen(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=0, max=65535)] = 9000,
    secret: Annotated[
        str | None, _setting("WEBHOOK_SECRET", "Signing secret, whsec_...", "the one of the key's user")
    ] = None,
    api_port: Annotated[int | None, _setting("API_PORT", "Port of the User API to ask for it.", "8000")] = None,
    api_url: Annotated[str | None, _setting("PUBLIC_URL", "Ask there instead.", "the API port of this machine")] = None,
    key: Annotated[str | None, _setting("ADMIN_KEY", "API key to ask with.", "the one in the data directory")] = None,
    data_dir: Annotated[str, _setting("DATA_DIR", "Data directory of `presswork up`.", "./var")] = "./var",
    status: Annotated[int, typer.Option(help="Status to answer with.", min=200, max=599)] = 200,
    fail_first: Annotated[int, typer.Option(help="Answer 500 to this many calls first.", min=0)] = 0,
    count: Annotated[int, typer.Option(help="End after this many calls; 0: never.", min=0)] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object per call.")] = False,
) -> None:
    """Receive webhooks on this machine: verify each signature and print what came.

    Give its address as `callback_url` and start Presswork with PRESSWORK_WEBHOOK_ALLOW_HOSTS=127.0.0.1:9000.
    """
    from standalone.listen import listen as run
    from standalone.settings import load_up_settings

    settings = load_up_settings(api_port=api_port)
    run(
        host,
        port,
        secret,
        api_url=api_url or settings.url(settings.api_port),
        key=key,
        data_dir=data_dir,
        status=status,
        fail_first=fail_first,
        count=count,
        as_json=as_json,
    )


@app.command()
def doctor(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing, only say what is wrong.")] = False,
    rerender: Annotated[
        bool, typer.Option("--rerender", help="Make documents whose bytes are lost once more.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    data_dir: Annotated[Path | None, _setting("DATA_DIR", "Data directory of `presswork up`.", "./var")] = None,
    redis_url: Annotated[str | None, _setting("REDIS_URL", "Examine this Redis.", "the data directory's own")] = None,
    clickhouse_url: Annotated[
        str | None, _setting("CLICKHOUSE_URL", "Examine this ClickHouse.", "the data directory's own")
    ] = None,
    blob_dir: Annotated[Path | None, _setting("BLOB_DIR", "Examine these blobs.", "the data directory's own")] = None,
) -> None:
    """Find what is lost or stuck in Redis, ClickHouse and the blobs, and mend it. The services may run meanwhile.

    Exit codes: 0 nothing is wrong any more, 1 something is left, 2 wrong usage, 3 a server cannot be reached.
    """
    from generator.maintenance.doctor.command import DoctorOptions
    from standalone.doctor import doctor as run
    from standalone.settings import load_up_settings

    settings = load_up_settings(
        data_dir=data_dir, redis_url=redis_url, clickhouse_url=clickhouse_url, blob_dir=blob_dir
    )
    raise typer.Exit(run(settings, DoctorOptions(dry_run=dry_run, rerender=rerender, as_json=as_json)))


@app.command()
def version() -> None:
    """Print the version."""
    from standalone.version import version as own_version

    typer.echo(f"presswork {own_version()}")


@keys.command()
def new() -> None:
    """Print a new random API key, such as PRESSWORK_ADMIN_KEY takes. It is not stored anywhere."""
    from contracts.api_keys import generate_key

    typer.echo(generate_key())


@webhooks.command()
def verify(
    body: Annotated[
        Path | None, typer.Argument(help="File with the body exactly as it came.", show_default="-, standard input")
    ] = None,
    header: Annotated[
        list[str] | None, typer.Option(help='One header as it came: "webhook-id: ...". Give it once for each.')
    ] = None,
    headers: Annotated[
        Path | None, typer.Option(help="File with the headers as they came, one a line; it may hold the whole request.")
    ] = None,
    secret: Annotated[str | None, _setting("WEBHOOK_SECRET", "Signing secret, whsec_...")] = None,
    tolerance: Annotated[
        int, typer.Option(help="Seconds that the timestamp may be off, either way.", min=0, max=31_536_000)
    ] = 300,
    now: Annotated[
        str | None,
        typer.Option(
            help="Judge as of then: seconds since the epoch or 2026-11-23T03:00:00Z.", show_default="the clock's time"
        ),
    ] = None,
) -> None:
    """Verify a webhook that you captured: its headers, its body, your secret. The secret is never printed.

    Exit codes: 0 verified, 1 not verified (the reason is printed), 2 wrong usage.
    """
    from standalone.verify import STDIN, check

    genuine, line = check(body or STDIN, header or (), headers, secret=secret, tolerance_s=tolerance, now=now)
    typer.echo(line)
    raise typer.Exit(0 if genuine else 1)


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 failed, 2 wrong usage."""
    try:
        app()
    except StandaloneError as error:
        print(f"presswork: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
