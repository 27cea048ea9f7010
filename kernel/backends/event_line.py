"""Reads which step of which document an event's line is. Pure."""

import re
from collections.abc import Mapping

import orjson

AS_WRITTEN = re.compile(rb',"seq":([0-9]{1,9}),"event":"([a-z_]+)","at":[0-9]+,"status":"([a-z]+)"')
HEAD_START, ID_LENGTH = b'{"document_id":"', 36


def document_event(line: bytes) -> tuple[str, int, bytes, bytes]:
    """Read a document event's id, seq, event and status. Raises ValueError, KeyError or TypeError for what is none.

    A line as the queue's scripts write it takes 2 us, any other JSON 4. A client's texts cannot look like such a line:
    inside a JSON string each quote has a backslash before it.
    """
    found = AS_WRITTEN.search(line)
    if found is None or not line.startswith(HEAD_START) or not line.endswith(b"}"):
        return _parsed(line)
    seq, event, status = found.groups()
    id_ = line[len(HEAD_START) : len(HEAD_START) + ID_LENGTH]
    return id_.decode(errors="replace"), int(seq), event, status


def _parsed(line: bytes) -> tuple[str, int, bytes, bytes]:
    row = orjson.loads(line)
    if not isinstance(row, Mapping):
        raise ValueError("not a JSON object")
    document_id, seq, event = row["document_id"], row["seq"], row["event"]
    if not (isinstance(document_id, str) and isinstance(seq, int) and isinstance(event, str)):
        raise ValueError("document_id, seq or event is of the wrong type")
    return document_id, seq, event.encode(), str(row.get("status")).encode()
