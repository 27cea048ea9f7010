"""Makes the documents of all examples, or of those that are named, on a running Presswork: `python -m examples`."""

import argparse
import json
import os
import sys
import urllib.error
from pathlib import Path
from typing import Any

from examples.client import Presswork, Refused, zipped

HERE = Path(__file__).parent
NAMES = sorted(path.parent.name for path in HERE.glob("*/data.json"))


def main() -> int:
    options = parser().parse_args()
    if not options.key:
        print(
            "No key: give --key, or set PRESSWORK_KEY (`make run` keeps the admin's in var/admin.key).", file=sys.stderr
        )
        return 2
    presswork = Presswork(options.url, options.key)
    options.out.mkdir(parents=True, exist_ok=True)
    try:
        failures = [name for name in options.names or NAMES if not made(presswork, name, options.out)]
    except urllib.error.URLError as error:
        print(f"{options.url} does not answer ({error.reason}): is `make run` running?", file=sys.stderr)
        return 2
    return 1 if failures else 0


def made(presswork: Presswork, name: str, out: Path) -> bool:
    """Upload an example and make its documents; say how it went."""
    try:
        for path, document in make(presswork, HERE / name, out):
            result = document["result"]
            pages = f"{result['pages']} p. " if result["pages"] else ""
            took = document["timings"]["render_ms"]
            print(f"{path}  {pages}{result['bytes'] / 1000:.0f} kB  rendered in {took} ms")
    except Refused as refused:
        print(f"{name} was refused. {refused}", file=sys.stderr)
        return False
    return True


def make(presswork: Presswork, example: Path, out: Path) -> list[tuple[Path, dict[str, Any]]]:
    """Make a document in every format of an example's template; return the files and the API's answers."""
    data = with_assets(presswork, example, json.loads((example / "data.json").read_text(encoding="utf-8")))
    request = example / "request.json"  # what else the order says: a locale, a time zone
    order = json.loads(request.read_text(encoding="utf-8")) if request.exists() else {}
    template = presswork.put_template(example.name, zipped(example / "template"), data)
    files = []
    for kind in template["formats"]:
        document = presswork.make(
            template=example.name, data=data, format=kind, options={"strict": True}, **order  # a warning is a failure
        )
        path = out / f"{example.name}.{kind}"
        path.write_bytes(presswork.content(document))
        files.append((path, document))
    return files


def with_assets(presswork: Presswork, example: Path, value: Any) -> Any:
    """Upload the files that data name as {"$file": "logo.png", ...}, and put the names of the assets in their place."""
    if isinstance(value, list):
        return [with_assets(presswork, example, one) for one in value]
    if not isinstance(value, dict):
        return value
    rest = {key: with_assets(presswork, example, one) for key, one in value.items() if key != "$file"}
    return presswork.put_asset((example / value["$file"]).read_bytes()) | rest if "$file" in value else rest


def parser() -> argparse.ArgumentParser:
    described = argparse.ArgumentParser(prog="python -m examples", description=__doc__)
    described.add_argument("names", nargs="*", type=known, metavar="NAME", help=", ".join(NAMES))
    described.add_argument("--url", default=os.environ.get("PRESSWORK_URL", "http://127.0.0.1:8000"))
    described.add_argument("--key", default=own_key(), help="default: PRESSWORK_KEY, or the admin's in var/admin.key")
    described.add_argument("--out", type=Path, default=Path("var/examples"), help="folder of the files: %(default)s")
    return described


def known(name: str) -> str:
    if name not in NAMES:
        raise argparse.ArgumentTypeError(f"there is no example {name}; there are {', '.join(NAMES)}")
    return name


def own_key() -> str | None:
    """Return the key of the environment, or the one that `make run` keeps here."""
    kept = Path("var/admin.key")
    return os.environ.get("PRESSWORK_KEY") or (kept.read_text().strip() if kept.exists() else None)


if __name__ == "__main__":
    sys.exit(main())
