"""Killed while statements take effect: what is judged in the end is what the entries held say."""

import asyncio
import os
import signal
from pathlib import Path
from random import Random

import pytest

from storage.store import open_store
from tests.storage.killed import run_forks, told
from tests.storage.killed_judge import RECORDS
from tests.storage.people import NOW_US, project
from tests.storage.test_authority import names
from tests.storage.test_histories import outcome

TRIES = 10
NEVER = 1 << 30


@pytest.mark.skipif(os.name != "posix", reason="kills by signal")
async def test_killed_while_it_judges_it_goes_on_where_it_was(tmp_path: Path) -> None:
    program = Path(__file__).with_name("killed_judge.py")
    assert await asyncio.to_thread(run_forks, program, tmp_path, [NEVER]) == [(NEVER, 0)]
    *said, (_, steps) = told(tmp_path / str(NEVER))
    assert said == [("revoked", "1"), ("back", "1")]
    whole = {f"m{n}" for n in range(RECORDS)}
    stops = Random(1).sample(range(int(steps)), TRIES)
    forks = await asyncio.to_thread(run_forks, program, tmp_path, stops)
    assert forks == [(stop_at, -signal.SIGKILL) for stop_at in stops]
    for stop_at in stops:
        home = tmp_path / str(stop_at)
        async with open_store(home / "p.db", project=project, clock_us=lambda: NOW_US) as store:
            await store.settle()
            listed = set(await names(store))
            assert listed in (set(), whole, {""}), "all of them, or none"
            if ("revoked", "1") in told(home):
                assert listed in ({""}, whole)
            judged = outcome(home / "p.db")
            await store.rematerialise()
            assert outcome(home / "p.db") == judged
