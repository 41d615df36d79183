"""Alice's key on disk: hers alone, whole or not there."""

import os
import stat
from pathlib import Path

import pytest

from storage.errors import BadKeyFile, NotHeld
from storage.keyfiles import is_sealed, read_key, write_key, write_private

SECRET = bytes(range(32))


def test_a_key_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "identity" / "device.key"
    write_key(path, SECRET)
    assert read_key(path) == SECRET
    assert not is_sealed(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["device.key"]


def test_a_sealed_key_needs_its_passphrase(tmp_path: Path) -> None:
    path = tmp_path / "author.key"
    write_key(path, SECRET, "correct horse")
    assert is_sealed(path)
    assert SECRET.hex() not in path.read_text()
    assert read_key(path, "correct horse") == SECRET
    with pytest.raises(BadKeyFile, match="passphrase is needed"):
        read_key(path)
    with pytest.raises(BadKeyFile, match="does not open"):
        read_key(path, "wrong horse")


def test_a_key_that_others_can_read_is_not_used(tmp_path: Path) -> None:
    path = tmp_path / "device.key"
    write_key(path, SECRET)
    path.chmod(0o640)
    with pytest.raises(BadKeyFile, match="chmod 600"):
        read_key(path)


def test_a_key_is_on_the_disk_before_it_has_its_name_and_its_name_when_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "device.key"
    synced: list[tuple[bytes | None, list[bytes]]] = []

    def fsync(file: int) -> None:
        is_folder = stat.S_ISDIR(os.fstat(file).st_mode)
        written = None if is_folder else next(tmp_path.glob("*.part")).read_bytes()
        synced.append((written, [path.read_bytes()] if path.exists() else []))

    monkeypatch.setattr(os, "fsync", fsync)
    write_key(path, SECRET)
    old = path.read_bytes()
    assert synced == [(old, []), (None, [old])]
    synced.clear()
    write_key(path, bytes(32))
    new = path.read_bytes()
    assert synced == [(new, [old]), (None, [new])]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"panspermia-key-1 plain\n",
        b"panspermia-key-1 plain\nzz\n",
        b"panspermia-key-2 plain\n00\n",
        b"panspermia-key-1 open\n00\n",
        b"panspermia-key-1 plain\n00\n00\n",
        b"panspermia-key-1 plain\n" + b"00" * 10_000,
    ],
)
def test_what_is_no_key_file_is_said_to_be_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "device.key"
    write_private(path, content)
    with pytest.raises(BadKeyFile, match="key file"):
        read_key(path)


def test_a_missing_key_is_not_held(tmp_path: Path) -> None:
    with pytest.raises(NotHeld):
        read_key(tmp_path / "device.key")


def test_a_new_key_replaces_the_old_one_whole(tmp_path: Path) -> None:
    path = tmp_path / "device.key"
    write_key(path, SECRET)
    held_open = os.open(path, os.O_RDONLY)
    write_key(path, bytes(32))
    try:
        assert SECRET.hex().encode() in os.read(held_open, 4_096)
    finally:
        os.close(held_open)
    assert read_key(path) == bytes(32)
