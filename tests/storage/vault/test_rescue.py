"""What a file that is written anew says of what was lost."""

import errno
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import BinaryIO

import pytest

from storage.errors import StorageError
from storage.vault.opening import make_vault
from storage.vault.rescue import Rescue, is_noted, note_damage, rescue, rescue_before_opening

ROOT = Path(__file__).parents[3]


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


def has_no_links(*_: object, **__: object) -> None:
    raise OSError(errno.EPERM, "Operation not permitted")


def test_where_a_file_can_have_one_name_only_a_copy_of_it_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "snapshots.db"
    old = damaged(tmp_path / "base.db")
    path.write_bytes(old)
    note_damage(path)

    monkeypatch.setattr(os, "link", has_no_links)
    assert rescue(path, make_vault).kept == "snapshots.db.old"
    assert (tmp_path / "snapshots.db.old").read_bytes() == old
    assert {one.name for one in tmp_path.iterdir()} == {"base.db", path.name, "snapshots.db.old"}


def test_it_takes_the_room_of_two_then_and_is_not_begun_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "snapshots.db"
    old = damaged(path)
    note_damage(path)
    real = os.statvfs

    def statvfs(place: Path) -> os.statvfs_result:
        found = [*real(place)]
        found[4] = (len(old) * 3 // 2 + (1 << 20)) // found[1]  # free blocks
        return os.statvfs_result(found)

    monkeypatch.setattr(os, "statvfs", statvfs)
    with monkeypatch.context() as patched:
        patched.setattr(os, "link", has_no_links)
        assert "MiB are free: make room" in rescue(path, never).why_not
    assert {one.name for one in tmp_path.iterdir()} == {path.name, "snapshots.db.damaged"}
    assert rescue(path, make_vault)


def never(_: Path) -> None:
    pytest.fail("it was begun")


def test_a_disk_that_is_full_is_called_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "snapshots.db"
    damaged(path)
    note_damage(path)

    def copy(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "link", copy)
    monkeypatch.setattr(shutil, "copyfileobj", copy)
    assert rescue(path, make_vault).why_not == "the disk is full: make room"
    assert {one.name for one in tmp_path.iterdir()} == {path.name, "snapshots.db.damaged"}


def in_another_process(path: Path) -> str:
    """What the start of one makes of it."""
    code = (
        "import sys; from pathlib import Path\n"
        "from storage.vault.opening import make_vault\n"
        "from storage.vault.rescue import rescue\n"
        "print(rescue(Path(sys.argv[1]), make_vault))"
    )
    asked = [sys.executable, "-c", code, str(path)]
    return subprocess.run(asked, cwd=ROOT, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("has_links", [True, False], ids=["linked", "copied"])
def test_of_two_at_once_the_second_takes_nothing_from_the_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, has_links: bool
) -> None:
    """Whichever step the first is at. Who closes a file gives away all locks that its process has
    on it."""
    path = tmp_path / "snapshots.db"
    old = damaged(path)
    note_damage(path)
    said: list[str] = []

    def make(new: Path) -> None:
        make_vault(new)
        said.append(in_another_process(path))

    real = os.replace

    def replace(source: Path, target: Path) -> None:
        said.append(in_another_process(path))
        real(source, target)

    if not has_links:
        monkeypatch.setattr(os, "link", has_no_links)
    monkeypatch.setattr(os, "replace", replace)
    assert rescue(path, make)
    assert len(said) == 2
    assert all("another program has it open" in one for one in said)
    assert rows(path, "SELECT count(*) FROM whole") == [(99,)]
    assert (tmp_path / "snapshots.db.old").read_bytes() == old
    assert {one.name for one in tmp_path.iterdir()} == {path.name, "snapshots.db.old"}


def test_a_log_that_is_there_at_last_is_not_read_as_that_of_the_new_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "snapshots.db"
    old = damaged(path)
    note_damage(path)
    real = shutil.copyfileobj

    def copy(source: BinaryIO, target: BinaryIO) -> None:
        real(source, target)
        (tmp_path / "snapshots.db-wal").write_bytes(b"by a program that asks for no lock")

    with monkeypatch.context() as patched:
        patched.setattr(os, "link", has_no_links)
        patched.setattr(shutil, "copyfileobj", copy)
        assert "has a log that could not be written into it" in rescue(path, make_vault).why_not
    assert path.read_bytes() == old
    assert not (tmp_path / "snapshots.db.new").exists()


def test_who_opened_the_old_file_before_the_new_one_was_there_leaves_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "snapshots.db"
    damaged(path)
    note_damage(path)
    real = sqlite3.connect
    found: list[Rescue] = []

    def connect(*args: object, **named: object) -> sqlite3.Connection:
        opened = real(*args, **named)  # type: ignore[call-overload]  # as they came
        if not found:
            found.append(Rescue())
            found[0] = rescue(path, make_vault)
            with closing(real(path)) as new, new:
                new.execute("INSERT INTO whole VALUES (200, x'00')")
            note_damage(path)
        assert isinstance(opened, sqlite3.Connection)
        return opened

    monkeypatch.setattr(sqlite3, "connect", connect)
    assert not rescue(path, make_vault)
    assert found[0]
    assert rows(path, "SELECT count(*) FROM whole") == [(100,)]
    assert not (tmp_path / "snapshots.db.old-2").exists()


def test_the_log_of_who_opens_the_new_file_at_once_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "snapshots.db"
    damaged(path)
    note_damage(path)
    real = os.replace

    def replace(source: Path, target: Path) -> None:
        real(source, target)
        write_and_die(path)

    monkeypatch.setattr(os, "replace", replace)
    assert rescue(path, make_vault)
    assert rows(path, "SELECT count(*) FROM whole") == [(100,)]


def write_and_die(path: Path) -> None:
    """What it wrote is in the log alone."""
    code = (
        "import os, sqlite3, sys; vault = sqlite3.connect(sys.argv[1], isolation_level=None)\n"
        "vault.execute(\"INSERT INTO whole VALUES (200, x'00')\"); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)
    assert path.with_name(f"{path.name}-wal").stat().st_size


def test_what_is_in_the_log_alone_is_in_the_new_file_and_the_old(tmp_path: Path) -> None:
    path = tmp_path / "snapshots.db"
    make_vault(path)
    with closing(sqlite3.connect(path)) as vault, vault:
        vault.execute("INSERT INTO delta VALUES (50, x'01', x'02')")
    ((root,),) = rows(path, "SELECT rootpage FROM sqlite_schema WHERE name = 'delta'")
    content = bytearray(path.read_bytes())
    at = (int(str(root)) - 1) * 2_048
    content[at : at + 2_048] = bytes(2_048)
    path.write_bytes(content)
    write_and_die(path)
    note_damage(path)
    assert rescue(path, make_vault)
    for one in (path, tmp_path / "snapshots.db.old"):
        assert rows(one, "SELECT id FROM whole") == [(200,)]
    assert {one.name for one in tmp_path.iterdir()} == {path.name, "snapshots.db.old"}


def test_each_start_tells_of_the_old_files_until_they_are_deleted(tmp_path: Path) -> None:
    path = tmp_path / "snapshots.db"
    for kept in ("snapshots.db.old", "snapshots.db.old, snapshots.db.old-2"):
        damaged(path)
        note_damage(path)
        assert rescue_before_opening(path, make_vault) == Rescue(is_done=True, kept=kept)
        assert rescue_before_opening(path, make_vault) == Rescue(kept=kept)
        path.unlink()
    make_vault(path)
    (tmp_path / "snapshots.db.old").unlink()
    (tmp_path / "snapshots.db.old.mine").touch()
    assert rescue_before_opening(path, make_vault).kept == "snapshots.db.old-2"


def test_while_the_disk_does_not_say_that_it_has_the_new_file_no_start_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the power went the old file had its name again, without what was stored meanwhile."""
    path = tmp_path / "snapshots.db"
    damaged(path)
    note_damage(path)
    real, is_done = os.replace, False
    sync = os.fsync

    def replace(source: Path, target: Path) -> None:
        nonlocal is_done
        real(source, target)
        is_done = True

    def fsync(file: int) -> None:
        if is_done:
            raise OSError(errno.EIO, "Input/output error")
        sync(file)

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", replace)
        patched.setattr(os, "fsync", fsync)
        for _ in range(2):
            with pytest.raises(StorageError, match=r"Input/output error.*start the node again"):
                rescue_before_opening(path, make_vault)
            assert is_noted(path)
    assert rescue_before_opening(path, make_vault) == Rescue(kept="snapshots.db.old")
    assert not is_noted(path)


def test_a_link_to_a_file_on_another_disk_stays_one(tmp_path: Path) -> None:
    home, disk = tmp_path / "home", tmp_path / "disk"
    home.mkdir()
    disk.mkdir()
    path, real = home / "snapshots.db", disk / "large.db"
    old = damaged(real)
    path.symlink_to(real)
    note_damage(path)
    kept = disk / "large.db.old"
    assert rescue_before_opening(path, make_vault) == Rescue(is_done=True, kept=str(kept))
    assert path.readlink() == real
    assert rows(path, "SELECT count(*) FROM whole") == [(99,)]
    assert kept.read_bytes() == old
    assert {one.name for one in tmp_path.rglob("*.db*")} == {path.name, real.name, kept.name}


@pytest.mark.parametrize("target", ["snapshots.db", "nothing"])
def test_a_link_is_no_old_file(tmp_path: Path, target: str) -> None:
    path = tmp_path / "snapshots.db"
    old = damaged(path)
    (tmp_path / "snapshots.db.old").symlink_to(target)
    note_damage(path)
    assert rescue_before_opening(path, make_vault).kept == "snapshots.db.old-2"
    assert (tmp_path / "snapshots.db.old-2").read_bytes() == old
    assert (tmp_path / "snapshots.db.old").readlink() == Path(target)
