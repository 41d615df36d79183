"""Run as a program by test_killed_start.py: starts a vault that has the fault that is named, time
after time, killed before the first of what it does with files, the second, and so on.

    killed_start.py FAULT HOME

A line each, in JSON: what lay there when it was killed, and, after another start, what lies there
and how many objects can be read. The last one is of a start that nobody killed.
"""

import json
import os
import shutil
import sqlite3
import sys
from pathlib import Path

from storage.vault.opening import make_vault
from storage.vault.starting import start_vault
from tests.storage.test_rescued import files
from tests.storage.vault.test_starting import KEYS, OBJECTS, readable

STEPS_OF_FILES = ("open", "os.link", "os.remove", "os.rename", "os.truncate", "sqlite3.connect")
COUNT = 20  # objects
STEPS_MAX = 500  # one that ends by itself is the last, and comes much earlier


def spoiled(base: Path, fault: str) -> None:
    """The file at `base` is that of a process that was killed while it had some of the log yet."""
    make_vault(base)
    vault = sqlite3.connect(base, isolation_level=None)
    for id, (key, data) in enumerate(zip(KEYS[:COUNT], OBJECTS, strict=False), 1):
        vault.execute("INSERT INTO whole VALUES (?, ?)", (id, b"\0" + data))
        vault.execute("INSERT INTO name VALUES (?, ?, ?, 0)", (key, id, len(data)))
    vault.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    vault.execute("UPDATE name SET height = 1 WHERE id = 1")
    content = bytearray(base.read_bytes())
    match fault:
        case "version":
            content[63] ^= 1
        case _:
            del content[len(content) * 2 // 3 :]
    log = base.with_name(f"{base.name}-wal").read_bytes()
    vault.close()
    base.write_bytes(content)
    base.with_name(f"{base.name}-wal").write_bytes(log)


def put(base: Path, home: Path) -> Path:
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    for rest in ("", "-wal"):
        shutil.copy(base.with_name(base.name + rest), home / f"snapshots.db{rest}")
    return home / "snapshots.db"


def start(path: Path, stop_at: int) -> None:
    count = 0

    def step(event: str, _: object) -> None:
        nonlocal count
        count += event in STEPS_OF_FILES
        if event in STEPS_OF_FILES and count == stop_at:
            os._exit(9)

    sys.addaudithook(step)
    start_vault(path)


def main(fault: str, at: Path) -> None:
    base = at / "base.db"
    spoiled(base, fault)
    for stop_at in range(1, STEPS_MAX):
        path = put(base, at / "home")
        child = os.fork()
        if not child:
            start(path, stop_at)
            os._exit(0)
        _, ended = os.waitpid(child, 0)
        left = files(path.parent)
        start_vault(path)
        said = [sorted(left), sorted(files(path.parent)), readable(path)]
        print(json.dumps(said), flush=True)
        if not os.WEXITSTATUS(ended):
            return


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
