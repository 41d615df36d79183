"""What a file that is written anew says of what was lost."""

import errno
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from storage.vault.opening import make_vault
from storage.vault.rescue import is_noted, note_damage, rescue


def spoil(path: Path) -> bytes:
    """Its one object, which it is given, has a type that none can have."""
    with closing(sqlite3.connect(path)) as opened:
        opened.execute("INSERT INTO whole VALUES (100, ?)", (b"\0an object",))
        opened.commit()
        opened.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    content = bytearray(path.read_bytes())
    content[content.rindex(b"\0an object") - 1] = 1
    path.write_bytes(content)
    return bytes(content)


def rows(path: Path, asked: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as opened:
        return opened.execute(asked).fetchall()


def test_all_that_is_said_of_what_was_lost_is_in_the_new_file(tmp_path: Path) -> None:
    path = tmp_path / "snapshots.db"
    make_vault(path)
    columns = [str(name) for (name,) in rows(path, "SELECT name FROM pragma_table_info('lost')")]
    values = {column: number for number, column in enumerate(columns, 7)} | {"key": bytes(32)}
    marks = ",".join("?" * len(columns))
    with closing(sqlite3.connect(path)) as opened, opened:
        opened.execute(f"INSERT INTO lost VALUES ({marks})", [values[name] for name in columns])
    spoil(path)
    note_damage(path)
    assert rescue(path, make_vault)
    assert not is_noted(path)
    assert rows(path, "SELECT * FROM lost") == [tuple(values.values())]


class Killed(BaseException):
    """Nothing catches it, and no file is put in order because of it."""


STEPS = ("fsync", "link", "replace", "unlink")


def test_a_start_that_is_killed_leaves_the_old_file_or_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = damaged(tmp_path / "base.db")
    last = -1
    is_killed = True
    while is_killed:
        last += 1
        home = tmp_path / str(last)
        home.mkdir()
        path = home / "snapshots.db"
        path.write_bytes(old)
        note_damage(path)
        is_killed = killed_at(last, path, monkeypatch)
        kept = home / "snapshots.db.old"
        assert (kept if kept.exists() else path).read_bytes() == old
        if is_killed:
            rescue(path, make_vault)
        assert kept.read_bytes() == old
        assert rows(path, "SELECT count(*) FROM whole") == [(99,)]
        assert {one.name for one in home.iterdir()} == {path.name, kept.name}
    assert last > len(STEPS)


def killed_at(last: int, path: Path, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Before the step of that number, unless it was done by then."""
    left = last

    def step(real: Callable[..., object], *args: object, **named: object) -> object:
        nonlocal left
        left -= 1
        if left < 0:
            raise Killed
        return real(*args, **named)

    with monkeypatch.context() as patched:
        for name in STEPS:
            patched.setattr(os, name, partial(step, getattr(os, name)))
        try:
            assert rescue(path, make_vault)
        except Killed:
            return True
    return False


def damaged(path: Path) -> bytes:
    """With 99 objects that are whole."""
    make_vault(path)
    with closing(sqlite3.connect(path)) as vault:
        vault.executemany(
            "INSERT INTO whole VALUES (?, ?)", [(id, b"\0one") for id in range(1, 100)]
        )
        vault.commit()
    return spoil(path)


def test_where_a_file_can_have_one_name_only_a_copy_of_it_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "snapshots.db"
    old = damaged(tmp_path / "base.db")
    path.write_bytes(old)
    note_damage(path)

    def link(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    assert rescue(path, make_vault).kept == "snapshots.db.old"
    assert (tmp_path / "snapshots.db.old").read_bytes() == old
