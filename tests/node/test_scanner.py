"""A scanner is ended with the install that asked it."""

import asyncio
import os
import shlex
import sys
from pathlib import Path

import pytest

from node.scanner import Scanner, Subject

SUBJECT = Subject(
    module="org.example.add", version="1.0.0", author="did:key:z", sha256="", size=1, imports=(),
    exports=(), dependencies={}, license="",
)  # fmt: skip
# What holds its pipes is in another session, so nothing ends it with the scanner.
HOLDS = """
import os, subprocess, sys, time
subprocess.Popen(["sleep", "20"], start_new_session=True)
with open(sys.argv[1], "w") as begun:
    begun.write("begun")
time.sleep(60)
"""


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
async def test_a_scan_that_nobody_waits_for_leaves_no_pipe_open(tmp_path: Path) -> None:
    script, begun = tmp_path / "scan.py", tmp_path / "begun"
    os.mkfifo(begun)
    script.write_text(HOLDS)
    command = shlex.join([sys.executable, str(script), str(begun)])
    before = open_files()
    scanning = asyncio.create_task(Scanner(command, timeout_s=60).scan(SUBJECT, b"x"))
    assert await asyncio.to_thread(begun.read_text) == "begun"
    assert open_files() > before
    scanning.cancel()
    async with asyncio.timeout(15):  # far less than what holds the pipes takes
        with pytest.raises(asyncio.CancelledError):
            await scanning
    await asyncio.sleep(0)  # pipes that are let go are closed in the next turn
    assert open_files() <= before
