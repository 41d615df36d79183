"""Files that people name to be written: a device or a pipe stays what it is."""

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from node.commands.files import keep_what_is_there, whole_file, write_whole
from node.commands.unfinished import ENDING
from node.failure import Failure


def by_block(path: Path, content: bytes) -> None:
    with whole_file(path, force=True) as file:
        file.write(content)


def at_once(path: Path, content: bytes) -> None:
    write_whole(path, content)


@pytest.mark.parametrize("write", [by_block, at_once])
def test_a_pipe_is_written_to_and_not_replaced(
    write: Callable[[Path, bytes], None], tmp_path: Path
) -> None:
    """As root even /dev/null would be: then everybody's output is kept, and read again."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit(pipe.read_bytes)
        write(pipe, b"state")
        assert read.result(timeout=60) == b"state"
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert os.listdir(tmp_path) == ["pipe"]
    keep_what_is_there(pipe, force=False)


@pytest.mark.parametrize("write", [by_block, at_once])
def test_what_a_person_keeps_from_others_stays_so(
    write: Callable[[Path, bytes], None], tmp_path: Path
) -> None:
    for umask, mode in ((0o077, 0o600), (0o027, 0o640), (0o022, 0o644)):
        before = os.umask(umask)
        try:
            write(tmp_path / "state", b"private")
            assert os.umask(umask) == umask, "it is as it was"
        finally:
            os.umask(before)
        assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == mode


@pytest.mark.parametrize("write", [by_block, at_once])
def test_a_file_is_replaced_when_the_new_one_is_whole(
    write: Callable[[Path, bytes], None], tmp_path: Path
) -> None:
    place = tmp_path / "state"
    place.write_bytes(b"before")
    write(place, b"after")
    assert place.read_bytes() == b"after"
    with pytest.raises(Failure):
        keep_what_is_there(place, force=False)
    with pytest.raises(Failure):
        write(tmp_path, b"a folder")
    assert os.listdir(tmp_path) == ["state"]


def test_without_force_what_is_there_stays(tmp_path: Path) -> None:
    place, link = tmp_path / "state", tmp_path / "link"
    place.write_bytes(b"before")
    link.symlink_to("nowhere")
    for path in (place, link):
        with pytest.raises(Failure) as refused, whole_file(path, force=False):
            raise AssertionError("nothing is done for it")
        assert refused.value.problem["code"] == "file-exists"
    place.unlink()

    def beaten() -> None:
        with whole_file(place, force=False) as file:
            file.write(b"ours")
            place.write_bytes(b"theirs")  # another program was quicker

    with pytest.raises(Failure) as refused:
        beaten()
    assert refused.value.problem["code"] == "file-exists"
    assert (place.read_bytes(), link.is_symlink()) == (b"theirs", True)
    assert sorted(os.listdir(tmp_path)) == ["link", "state"]


WRITER = """
import os, signal, sys
from pathlib import Path
from node.commands.files import whole_file
with whole_file(Path(sys.argv[1]), force=False) as file:
    file.write(b"half")
    os.kill(os.getpid(), getattr(signal, sys.argv[2]))
    signal.pause()
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_who_is_ended_while_it_writes_leaves_nothing(name: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WRITER, str(tmp_path / "state"), name], check=False
    )
    assert done.returncode == 128 + getattr(signal, name)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("write", [by_block, at_once])
def test_what_a_killed_run_left_is_removed_by_the_next_one(
    write: Callable[[Path, bytes], None], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "state"
    killed = subprocess.run([sys.executable, "-c", WRITER, str(place), "SIGKILL"], check=False)
    assert killed.returncode == -signal.SIGKILL
    (left,) = os.listdir(tmp_path)
    kept = {
        ".state.abcdefgh": b"of another program",
        left.replace("state", "states"): b"of another file",
        f".state.abc{ENDING}": b"of no run",
    }
    for name, data in kept.items():
        (tmp_path / name).write_bytes(data)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes(b"precious")
    link, second = f".state.linklink{ENDING}", f".state.hardlink{ENDING}"
    (tmp_path / link).symlink_to(elsewhere)
    (tmp_path / second).hardlink_to(elsewhere)
    write(place, b"whole")
    assert {*os.listdir(tmp_path)} == {*kept, "elsewhere", link, second, "state"}
    assert (place.read_bytes(), elsewhere.read_bytes()) == (b"whole", b"precious")
    said = capsys.readouterr()
    assert (said.out, said.err.count("was left by a run that was killed")) == ("", 1)
    assert left in said.err


def test_what_another_run_is_writing_is_left_to_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / ("x" * 255)
    with whole_file(place, force=True) as slow:
        slow.write(b"slow")
        at_once(place, b"quick")
        by_block(place, b"quicker")
        assert len(os.listdir(tmp_path)) == 2
        assert place.read_bytes() == b"quicker"
    assert place.read_bytes() == b"slow"
    assert os.listdir(tmp_path) == [place.name]
    assert capsys.readouterr().err == ""


def test_a_folder_is_no_file_that_is_there(tmp_path: Path) -> None:
    with pytest.raises(Failure) as refused:
        keep_what_is_there(tmp_path, force=False)
    assert refused.value.problem["code"] == "cannot-write"
    assert "is a folder; name a file in it" in refused.value.problem["detail"]


def test_what_is_cut_off_leaves_nothing(tmp_path: Path) -> None:
    def stopped() -> None:
        with whole_file(tmp_path / "state", force=False) as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(not Path("/dev/fd").exists(), reason="no names for what is open")
@pytest.mark.parametrize("write", [by_block, at_once])
def test_what_a_shell_opened_is_written_to_by_its_name(
    write: Callable[[Path, bytes], None], tmp_path: Path
) -> None:
    """`-o /dev/stdout > file` and `>> file`: a file there, whose name in /dev is not ours."""
    place = tmp_path / "out"
    place.write_bytes(b"head,")
    with place.open("ab") as opened:
        name = Path(f"/dev/fd/{opened.fileno()}")
        keep_what_is_there(name, force=False)
        write(name, b"state")
        assert name.exists()
    assert place.read_bytes() == b"head,state"
    assert os.listdir(tmp_path) == ["out"]
