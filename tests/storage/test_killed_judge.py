"""Killed while statements take effect: what is judged in the end is what the entries held say."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from storage.store import open_store
from tests.storage.killed_judge import RECORDS
from tests.storage.people import NOW_US, project
from tests.storage.test_authority import names
from tests.storage.test_histories import outcome

TRIES = 10
NEVER = 1 << 30


def run_child(home: Path, *, stop_at: int) -> list[str]:
    """What it said before it was killed, or ended by itself."""
    home.mkdir()
    program = str(Path(__file__).with_name("killed_judge.py"))
    done = subprocess.run(
        [sys.executable, program, str(home), str(stop_at)],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    wanted = 0 if stop_at == NEVER else -signal.SIGKILL
    assert done.returncode == wanted, done.stderr
    return done.stdout.split()


@pytest.mark.skipif(os.name != "posix", reason="kills by signal")
async def test_killed_while_it_judges_it_goes_on_where_it_was(tmp_path: Path) -> None:
    *said, steps = run_child(tmp_path / "whole", stop_at=NEVER)
    assert said == ["revoked", "back"]
    whole = {f"m{n}" for n in range(RECORDS)}
    for stop_at in Random(1).sample(range(int(steps)), TRIES):
        home = tmp_path / str(stop_at)
        said = run_child(home, stop_at=stop_at)
        async with open_store(home / "p.db", project=project, clock_us=lambda: NOW_US) as store:
            await store.settle()
            listed = set(await names(store))
            assert listed in (set(), whole, {""}), "all of them, or none"
            if "revoked" in said:
                assert listed in ({""}, whole)
            judged = outcome(home / "p.db")
            await store.rematerialise()
            assert outcome(home / "p.db") == judged
