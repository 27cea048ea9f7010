"""What `presswork up` prints when everything is ready: where things are, the key, and a line to try it."""

import json
import shlex
from dataclasses import dataclass
from pathlib import Path

KEY_VARIABLE = "PRESSWORK_ADMIN_KEY"
SAMPLE = {
    "template": "invoice",
    "format": "pdf",
    "data": {
        "number": "2026-0001",
        "date": "2026-11-23",
        "due": "2026-12-07",
        "currency": "EUR",
        "seller": {"name": "Northwind Press", "address": "1 Mill Lane, York", "vat": "GB123456789", "iban": "GB00TEST"},
        "buyer": {"name": "Ada Lovelace", "address": "12 St James Square, London", "vat": ""},
        "items": [{"name": "Printing", "qty": 2, "unit": "h", "price": 80}],
        "vat_rate": 20,
        "note": "Thank you.",
    },
}


@dataclass(frozen=True)
class Summary:
    """The facts of one start. The URLs are the bases of both services as this machine reaches them.

    `key_file` holds the admin's key; None: PRESSWORK_ADMIN_KEY does.
    """

    api_url: str
    generator_url: str
    admin_key: str
    key_file: Path | None
    data_dir: Path
    took_s: float

    def text(self, *, to_terminal: bool) -> str:
        """Write it for people. The key itself is for their eyes only: what is no terminal may be a log file."""
        return "\n".join(
            [
                "",
                f"Presswork is ready ({self.took_s:.1f} s).",
                "",
                f"  API        {self.api_url}/v1",
                f"  API docs   {self.api_url}/docs",
                f"  Admin      {self.generator_url}/   (log in with the key)",
                f"  Admin key  {self.admin_key if to_terminal else f'in {self.key_file or KEY_VARIABLE}'}",
                f"  Data       {self.data_dir}",
                "",
                "Make a PDF:",
                "",
                f"  {self.curl()}",
                "",
                "Stop with Ctrl-C.",
                "",
            ]
        )

    def curl(self) -> str:
        """Return one line that bash runs as it is: it writes invoice.pdf. The shell puts the key in."""
        key = f"$(cat {shlex.quote(str(self.key_file))})" if self.key_file else f"${KEY_VARIABLE}"
        rest = [
            *("-H", "Content-Type: application/json", "-H", "Accept: application/pdf"),
            *("-d", json.dumps(SAMPLE, separators=(",", ":")), "-o", "invoice.pdf"),
        ]
        return f'curl -sSf {self.api_url}/v1/documents -H "Authorization: Bearer {key}" {shlex.join(rest)}'

    def as_json(self, pids: dict[str, int]) -> str:
        """Return the content of PRESSWORK_READY_FILE: for programs that start `presswork up` and wait for it."""
        facts = {"api_url": self.api_url, "generator_url": self.generator_url, "admin_key": self.admin_key}
        return json.dumps(facts | {"data_dir": str(self.data_dir), "pids": pids})
