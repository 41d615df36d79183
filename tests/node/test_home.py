"""The home: private files, one owner at a time."""

import stat
from pathlib import Path

import pytest

from node.errors import AlreadyRunning, BadHome
from node.home import Home, NodeFile, read_small, write_private

ALICE = NodeFile("http://127.0.0.1:3000", "0.0.0.0:4747", 7, "did:key:zAlice")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "alice")
    home.make()
    return home


def test_one_node_a_home(home: Home) -> None:
    assert not home.is_locked()
    with home.lock():
        assert home.is_locked()
        with pytest.raises(AlreadyRunning), home.lock():
            pass
    assert not home.is_locked()
    with home.lock():
        pass


def test_a_stale_lock_file_heals_itself(home: Home) -> None:
    home.lock_file.write_text("a process that was killed")
    assert not home.is_locked()
    with home.lock():
        pass


def test_files_are_private(home: Home) -> None:
    home.write_node_file(ALICE)
    assert stat.S_IMODE(home.node_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(home.identity.stat().st_mode) == 0o700
    home.node_file.chmod(0o644)
    home.write_node_file(ALICE)
    assert stat.S_IMODE(home.node_file.stat().st_mode) == 0o600
    assert home.read_node_file() == ALICE
    home.remove_node_file()
    assert home.read_node_file() is None


def test_a_damaged_node_file_is_none(home: Home) -> None:
    home.node_file.write_text("{")
    assert home.read_node_file() is None


def test_files_that_are_not_ours(home: Home) -> None:
    home.config_file.write_bytes(b"\xff")
    with pytest.raises(BadHome, match="UTF-8"):
        home.config_text()
    with pytest.raises(BadHome):
        read_small(home.identity)
    home.cache.joinpath("big").write_bytes(b" " * ((1 << 20) + 1))
    with pytest.raises(BadHome, match="bytes"):
        read_small(home.cache / "big")
    in_the_way = home.path / "file"
    in_the_way.write_text("")
    with pytest.raises(BadHome):
        write_private(in_the_way / "file", b"")
    with pytest.raises(BadHome):
        Home(in_the_way).make()
