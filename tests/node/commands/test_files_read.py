"""Files that people name: some are pipes, and some of those have nobody at the other end."""

import os
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Event

import pytest

from node.commands import files
from node.commands.files import read_file
from tests.node.commands.test_convert import run

GLIDER = b"x = 3, y = 3, rule = B3/S23\nbob$2bo$3o!\n"


def test_no_more_is_read_than_is_wanted(tmp_path: Path) -> None:
    file = tmp_path / "large"
    with file.open("wb") as sparse:
        sparse.truncate(1 << 40)
    assert read_file(file, 3 << 20) == bytes(3 << 20)
    file.write_bytes(b"abc")
    assert (read_file(file, 2), read_file(file, 9), read_file(file, 0)) == (b"ab", b"abc", b"")
    with pytest.raises(FileNotFoundError):
        read_file(tmp_path / "none", 1)


def test_a_pipe_is_read_to_its_end_and_waited_for_only_so_long(tmp_path: Path) -> None:
    pipe = tmp_path / "glider.rle"
    os.mkfifo(pipe)

    def refused(command: str) -> bytes:
        more = ("--to", "cells") if command == "convert" else ()
        return run("--home", str(tmp_path / "none"), command, str(pipe), *more).stderr

    with ThreadPoolExecutor(3) as beside:
        alone = beside.submit(read_file, pipe, 100)
        told = list(beside.map(refused, ("convert", "publish")))
        assert all(b"a pipe that nobody writes to" in one for one in told), told
        with pytest.raises(OSError, match="a pipe that nobody writes to"):
            alone.result(60)
    # Its writer is there, and may be slow.
    writer = os.open(pipe, os.O_RDWR)
    with ThreadPoolExecutor(1) as beside:
        reading = beside.submit(read_file, pipe, len(GLIDER))
        os.write(writer, GLIDER[:7])
        os.write(writer, GLIDER[7:])
        assert reading.result(60) == GLIDER
    os.close(writer)


@pytest.mark.parametrize("written", [GLIDER, b""], ids=["glider", "nothing"])
def test_the_writer_of_a_pipe_may_come_after_its_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: bytes
) -> None:
    monkeypatch.setattr(files, "WRITER_PATIENCE_S", 300.0)
    pipe = tmp_path / "glider.rle"
    os.mkfifo(pipe)
    with ThreadPoolExecutor(1) as beside:
        reading = beside.submit(read_file, pipe, 100)
        writer = opened_after(reading, pipe)
        os.write(writer, written)
        os.close(writer)
        assert reading.result(60) == written


def opened_after(reading: Future[bytes], pipe: Path) -> int:
    """The writer's end, refused as long as nobody reads. Raises what the reader did."""
    while not reading.done():
        with suppress(OSError):
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
    raise AssertionError(reading.result())


def test_a_writer_that_takes_its_time_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "WRITER_PATIENCE_S", 0.0)
    waits, wait_from_now = Event(), os.set_blocking

    def told(pipe: int, blocking: bool) -> None:
        wait_from_now(pipe, blocking)
        waits.set()

    monkeypatch.setattr(os, "set_blocking", told)
    pipe = tmp_path / "glider.rle"
    os.mkfifo(pipe)
    # Opened for both, there is a writer before there is a reader.
    writer = os.open(pipe, os.O_RDWR)
    with ThreadPoolExecutor(1) as beside:
        reading = beside.submit(read_file, pipe, len(GLIDER))
        assert waits.wait(60)
        os.write(writer, GLIDER)
        assert reading.result(60) == GLIDER
    os.close(writer)


def test_a_pipe_of_the_shell_that_holds_nothing_is_an_empty_file() -> None:
    """As <(true) gives it: its writer is gone before anybody opens it."""
    for written in (b"", GLIDER):
        reader, writer = os.pipe()
        os.write(writer, written)
        os.close(writer)
        assert read_file(Path(f"/dev/fd/{reader}"), 100) == written
        os.close(reader)


def test_a_terminal_is_read_to_the_end_that_its_person_gives() -> None:
    person, terminal = os.openpty()
    with ThreadPoolExecutor(1) as beside:
        reading = beside.submit(read_file, Path(os.ttyname(terminal)), 100)
        with pytest.raises(TimeoutError):  # it ends at nothing that a person has yet to type
            reading.result(0.2)
        for typed in (b"x = 1\n", b"bo!\n", b"\x04"):
            os.write(person, typed)
        assert reading.result(60) == b"x = 1\nbo!\n"
    os.close(terminal)
    os.close(person)
