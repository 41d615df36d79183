"""One program, whose forks kill themselves at one step after another.

    killed_program.py FOLDER STOP_AT...

A fork each, in a folder named after its number; `told` in it has what the fork printed. It imports
once, which takes longer than most of the forks live. The first one that ends by itself is the last.
"""

import asyncio
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Container, Coroutine, Iterable
from pathlib import Path
from typing import Any, TypeAlias

from storage import database
from tests.storage.new_files import migrate_or_copy, new_file

HANGS_S = 60  # a fork that lives so long will never end
PROGRAM_S = 550

Check: TypeAlias = Callable[[Path, list[tuple[str, str]]], Coroutine[Any, Any, None]]
"""Of a home after its process was killed, and what was acknowledged there."""


def run_forks(program: Path, folder: Path, stops: Iterable[int]) -> list[tuple[int, int]]:
    """(where it was to stop, its exit code) of each fork."""
    done = subprocess.run(
        [sys.executable, str(program), str(folder), *map(str, stops)],
        capture_output=True,
        text=True,
        timeout=PROGRAM_S,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    return [(int(stop_at), int(code)) for stop_at, code in lines]


def told(home: Path) -> list[tuple[str, str]]:
    """(kind, what) of each thing that was acknowledged there."""
    words = (home / "told").read_text().split()
    return list(zip(words[::2], words[1::2], strict=True))


async def killed_at(
    stops: Iterable[int], program: Path, folder: Path, check: Check
) -> tuple[int, list[tuple[str, str]]]:
    """Each fork's home checked, with what it told; of the one that came to its end the step and
    what it told."""
    forks = await asyncio.to_thread(run_forks, program, folder, stops)
    for step, _ in forks:
        await check(folder / str(step), told(folder / str(step)))
    step, code = forks[-1]
    assert code == 0, "it never came to its end"
    return step, told(folder / str(step))


def main(run: Callable[[Path, int], Coroutine[Any, Any, None]]) -> None:
    """What a program does with its arguments: `run` gets a home and the step to be killed at."""
    database.__dict__["migrate"] = migrate_or_copy
    new_file()
    folder = Path(sys.argv[1])
    for stop_at in map(int, sys.argv[2:]):
        home = folder / str(stop_at)
        home.mkdir()
        child = os.fork()
        if not child:
            _be_a_fork(run, home, stop_at)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(stop_at, code, flush=True)
        if code == 0:
            return
        if code != -signal.SIGKILL:
            sys.exit(f"the fork to be killed at step {stop_at} ended with {code}")


class Steps:
    """Counts what a store is about to do, and kills this process before step `stop_at`.

    `moments`: only these statements are steps. `is_counting`: not what comes before and after.
    """

    def __init__(self, stop_at: int, moments: Container[str] | None = None) -> None:
        self._stop_at, self._moments = stop_at, moments
        self.is_counting = True
        self.count = 0

    def __call__(self, sql: str) -> None:
        if not self.is_counting or (self._moments is not None and sql not in self._moments):
            return
        if self.count == self._stop_at:
            os.kill(os.getpid(), signal.SIGKILL)
        self.count += 1


def _be_a_fork(run: Callable[[Path, int], Coroutine[Any, Any, None]], home: Path, at: int) -> None:
    signal.alarm(HANGS_S)
    code = 1
    try:
        with (home / "told").open("w") as told:
            os.dup2(told.fileno(), 1)
        asyncio.run(run(home, at))
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)
