"""A folder that is written anew: whole, or as it was."""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from node.commands.new_files import NewFiles
from node.failure import Failure


def lying(top: Path) -> list[str]:
    return sorted(one.relative_to(top).as_posix() for one in top.rglob("*"))


def test_files_and_their_folders_are_made(tmp_path: Path) -> None:
    top = tmp_path / "new" / "out"
    with NewFiles(top) as files:
        files.write("a/b/one", b"1")
        with files.file("two") as file:
            file.write(b"22")
            assert not (top / "two").exists()
        assert files.size("two") == 2
        files.write("three", b"3")
        files.leave_out("three")
    assert lying(top) == ["a", "a/b", "a/b/one", "two"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(errno.ENOSPC, "No space left")])
def test_of_what_ends_early_nothing_is_left(tmp_path: Path, error: BaseException) -> None:
    top = tmp_path / "new" / "out"
    (tmp_path / "kept").write_text("here before")

    def write() -> None:
        with NewFiles(top) as files:
            files.write("a/one", b"1")
            with files.file("b/two") as file:
                file.write(b"half")
                raise error

    with pytest.raises((Failure, KeyboardInterrupt)) as raised:
        write()
    assert lying(tmp_path) == ["kept"]
    if isinstance(raised.value, Failure):
        assert raised.value.problem["code"] == "cannot-write"
        assert "No space left" in raised.value.problem["detail"]


def test_of_two_runs_at_one_moment_one_writes_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other has looked already, and nothing was there."""

    def is_there(_: object) -> bool:
        return False

    with NewFiles(tmp_path) as mine, NewFiles(tmp_path) as theirs, mine.file("one") as file:
        monkeypatch.setattr(os.path, "lexists", is_there)
        with pytest.raises(Failure) as refused:
            theirs.write("one", b"theirs")
        monkeypatch.undo()
        assert refused.value.problem["code"] == "file-exists"
        file.write(b"mine")
    assert (tmp_path / "one").read_bytes() == b"mine"


def test_what_a_killed_run_left_is_told(tmp_path: Path) -> None:
    left = tmp_path / ".one.part"
    left.write_bytes(b"half")
    with pytest.raises(Failure) as refused, NewFiles(tmp_path) as files:
        files.write("one", b"1")
    assert refused.value.problem["code"] == "file-exists"
    assert f"{left}: a run writes there now, or was killed" in refused.value.problem["detail"]
    assert lying(tmp_path) == [".one.part"]


WRITER = """
import os, signal, sys
from pathlib import Path
from node.commands.new_files import NewFiles
with NewFiles(Path(sys.argv[1])) as files:
    files.write("a/one", b"1")
    with files.file("b/two") as file:
        file.write(b"half")
        os.kill(os.getpid(), getattr(signal, sys.argv[2]))
        signal.pause()
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_who_is_ended_while_it_writes_leaves_nothing(name: str, tmp_path: Path) -> None:
    top = tmp_path / "new" / "out"
    done = subprocess.run([sys.executable, "-c", WRITER, str(top), name], check=False)
    assert done.returncode == 128 + getattr(signal, name)
    assert lying(tmp_path) == []


def test_a_folder_that_somebody_else_uses_by_now_stays(tmp_path: Path) -> None:
    def write() -> None:
        with NewFiles(tmp_path / "out") as files:
            files.write("one", b"1")
            (tmp_path / "out/theirs").write_text("not ours")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert lying(tmp_path / "out") == ["theirs"]


@pytest.fixture(params=["file", "folder", "link to nowhere"])
def taken(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "one"
    match request.param:
        case "file":
            place.write_text("theirs")
        case "folder":
            place.mkdir()
        case _:
            place.symlink_to(tmp_path / "nowhere")
    yield place
    assert os.path.lexists(place)


def test_nothing_is_written_over(tmp_path: Path, taken: Path) -> None:
    with pytest.raises(Failure) as refused, NewFiles(tmp_path) as files:
        files.write(taken.name, b"ours")
    assert refused.value.problem["code"] == "file-exists"
    assert lying(tmp_path) == ["one"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_takes_nothing_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(Failure) as refused, NewFiles(tmp_path / "out") as files:
        files.write("one", b"1")
    tmp_path.chmod(0o700)
    assert refused.value.problem["code"] == "cannot-write"


def test_a_file_in_the_way_of_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("no folder")
    with pytest.raises(Failure) as refused, NewFiles(tmp_path / "out/deeper") as files:
        files.write("one", b"1")
    assert refused.value.problem["code"] == "cannot-write"
