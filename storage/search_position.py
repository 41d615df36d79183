"""Whose outbox a search index follows, and how far it has come: a file beside it."""

import json
import os
from contextlib import suppress
from pathlib import Path

POSITION_FILE = "position.json"


def write_position(file: Path, owner: bytes, seq: int) -> None:
    part = file.with_suffix(".part")
    part.write_text(json.dumps({"store": owner.hex(), "seq": seq}))
    os.replace(part, file)


def read_position(file: Path, owner: bytes) -> int | None:
    """None where there is none, it cannot be read, or it is of another store."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        told = json.loads(file.read_text())
        if told["store"] == owner.hex() and type(told["seq"]) is int:
            return int(told["seq"])
    return None
