"""A start is killed at each of its steps with files, while it writes a vault anew."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.skipif(os.name != "posix", reason="forks")
@pytest.mark.parametrize("fault", ["version", "cut"])
def test_killed_anywhere_nothing_is_lost_and_no_copy_stays(tmp_path: Path, fault: str) -> None:
    program = Path(__file__).with_name("killed_start.py")
    told = subprocess.run(
        [sys.executable, program, fault, tmp_path],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    *killed, (_, whole, readable) = map(json.loads, told)
    assert whole == ["snapshots.db", "snapshots.db.old"]
    left: set[str] = set()
    for lay_there, lie_there, can_be_read in killed:
        assert (lie_there, can_be_read) == (whole, readable), lay_there
        left |= {*lay_there}
    assert {"snapshots.db.new", "snapshots.db.old.part"} <= left
