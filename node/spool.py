"""Refusals that found no node to list them: `refused.jsonl` in the home, the oldest first.

    {"where": "panspermia search --limit", "code": "usage", "detail": "…", "at_us": 1, "count": 1}

A command line that is wrong while no node runs is kept here. A node takes the file in when it
starts and before it lists; `panspermia refused` reads it where none runs. The same refusal again
raises its count. Whoever changes the file holds a lock on the home itself (the node's own lock is
on a file in it). Standard library only: the command line loads this.
"""

import json
import os
import time
from collections.abc import Generator, Iterable
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, cast

FILE: Final = "refused.jsonl"

# More slips than anybody reads through; the oldest make room.
RECORDS_MAX: Final = 200

# 200 records at their longest take 800 KB; a larger file is not ours, and only its end is read.
FILE_BYTES_MAX: Final = 1 << 20

# A change takes milliseconds. Whoever cannot have the lock by then goes without.
LOCK_S: Final = 1.0
LOCK_POLL_S: Final = 0.01

COUNT_MAX: Final = 1 << 53
AT_US_MAX: Final = 1 << 53


@dataclass(frozen=True, slots=True)
class Spooled:
    """One refusal, and how often it came."""

    where: str
    code: str
    detail: str
    at_us: int
    """When it came last, in µs since 1970."""
    count: int = 1


def put(home: str, one: Spooled) -> None:
    """On disk when it returns. Raises `OSError`."""
    with locked(home):
        kept = {(old.where, old.code, old.detail): old for old in read(home)}
        before = kept.pop((one.where, one.code, one.detail), None)
        count = min(one.count + (before.count if before else 0), COUNT_MAX)
        _replace(home, [*kept.values(), replace(one, count=count)][-RECORDS_MAX:])


def read(home: str) -> list[Spooled]:
    """What waits, the oldest first; none where nothing was ever put. Lines that are no records are
    passed over.

    Raises `OSError`.
    """
    if is_empty(home):
        return []
    try:
        with open(os.path.join(home, FILE), "rb", opener=_open_at_once) as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - FILE_BYTES_MAX))
            lines = file.read(FILE_BYTES_MAX).splitlines()
    except FileNotFoundError:
        return []
    return [one for one in map(_record, lines) if one is not None][-RECORDS_MAX:]


def clear(home: str) -> None:
    """For who has taken everything in, under the lock. Raises `OSError`."""
    with suppress(FileNotFoundError):
        os.unlink(os.path.join(home, FILE))


def is_empty(home: str) -> bool:
    return not os.path.exists(os.path.join(home, FILE))


@contextmanager
def locked(home: str) -> Generator[None]:
    """Nobody else changes the file meanwhile. Raises `OSError`, `TimeoutError` among them."""
    lock = lock_of(home)
    try:
        yield
    finally:
        os.close(lock)


def lock_of(home: str) -> int:
    """A descriptor that holds the lock until it is closed.

    Waits up to `LOCK_S`. Raises `OSError`.
    """
    import fcntl

    lock = os.open(home, os.O_RDONLY | os.O_CLOEXEC)
    until_s = time.monotonic() + LOCK_S
    try:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > until_s:
                    raise TimeoutError(f"{home} is locked") from None
                time.sleep(LOCK_POLL_S)
            else:
                return lock
    except BaseException:
        os.close(lock)
        raise


def _open_at_once(path: str, flags: int) -> int:
    """A pipe in its place holds nobody up."""
    return os.open(path, flags | os.O_NONBLOCK)


def _record(line: bytes) -> Spooled | None:
    try:
        value: object = json.loads(line)
    except (ValueError, RecursionError):
        return None
    fields = cast("dict[str, Any]", value) if isinstance(value, dict) else {}
    texts = [fields.get(name) for name in ("where", "code", "detail")]
    at_us, count = fields.get("at_us"), fields.get("count")
    if not all(isinstance(text, str) for text in texts):
        return None
    if type(at_us) is not int or type(count) is not int:
        return None
    if not (0 <= at_us <= AT_US_MAX and 1 <= count <= COUNT_MAX):
        return None
    where, code, detail = cast("list[str]", texts)
    return Spooled(where, code, detail, at_us, count)


def _replace(home: str, records: Iterable[Spooled]) -> None:
    """Whole and durable, or as it was."""
    path = os.path.join(home, FILE)
    part = f"{path}.part"  # one writer at a time: this is what a crash left, or nothing of ours
    with suppress(FileNotFoundError):
        os.unlink(part)
    text = "".join(json.dumps(asdict(one), ensure_ascii=False) + "\n" for one in records)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with os.fdopen(os.open(part, flags, 0o600), "wb") as file:
        file.write(text.encode(errors="backslashreplace"))
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
    folder = os.open(home, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
