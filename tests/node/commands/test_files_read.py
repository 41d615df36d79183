"""Files that people name: some are pipes, and some of those have nobody at the other end."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

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


def test_a_pipe_is_read_to_its_end_and_not_waited_for_where_nobody_writes(tmp_path: Path) -> None:
    pipe = tmp_path / "glider.rle"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="a pipe that nobody writes to"):
        read_file(pipe, 100)
    for command in ("convert", "publish"):
        more = ("--to", "cells") if command == "convert" else ()
        refused = run("--home", str(tmp_path / "none"), command, str(pipe), *more)
        assert b"a pipe that nobody writes to" in refused.stderr, refused
    # As a shell's <(…) gives it: its writer is there, and may be slow.
    writer = os.open(pipe, os.O_RDWR)
    with ThreadPoolExecutor(1) as beside:
        reading = beside.submit(read_file, pipe, len(GLIDER))
        os.write(writer, GLIDER[:7])
        os.write(writer, GLIDER[7:])
        assert reading.result(60) == GLIDER
    os.close(writer)
