"""One child, through every way it can end. The children here are small programs of our own."""

import asyncio
import os
import signal
import sys
import time

import pytest

from node.workers.process import Died, TimedOut, Worker, ended

ADDRESS_BYTES = 1 << 30
# Echoes; `!` ends it in the way named.
ECHO = """
import os, signal, sys, time
def send(body):
    sys.stdout.buffer.write(len(body).to_bytes(4, "big") + body); sys.stdout.buffer.flush()
send(b"ready")
count = 0
while head := sys.stdin.buffer.read(4):
    body = sys.stdin.buffer.read(int.from_bytes(head, "big"))
    count += 1
    if body == b"!abort": print("out of luck", file=sys.stderr, flush=True); os.abort()
    if body == b"!exit": sys.exit(3)
    if body == b"!hang": time.sleep(600)
    if body == b"!lie": sys.stdout.buffer.write(b"\\xff\\xff\\xff\\xff"); sys.stdout.buffer.flush()
    if body == b"!shout": sys.stderr.write("x" * 1_000_000); sys.stderr.flush()
    if body == b"!tired" and count > 1: os.abort()
    send(body + b" " + str(count).encode())
"""


def echo(program: str = ECHO) -> Worker:
    return Worker(
        "echo", address_bytes=ADDRESS_BYTES, start_s=30, command=[sys.executable, "-c", program]
    )


async def test_one_child_answers_many_tasks() -> None:
    worker = echo()
    assert worker.pid is None, "it starts with its first task"
    assert await worker.ask(b"a", wall_s=30) == b"a 1"
    pid = worker.pid
    assert [await worker.ask(b"a", wall_s=30) for _ in range(2)] == [b"a 2", b"a 3"]
    assert worker.pid == pid is not None
    await worker.close()
    assert worker.pid is None


async def test_tasks_wait_for_their_turn() -> None:
    worker = echo()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(worker.ask(b"%d" % n, wall_s=30)) for n in range(20)]
    assert [task.result() for task in tasks] == [b"%d %d" % (n, n + 1) for n in range(20)]
    await worker.close()


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        (b"!abort", Died("the echo ended by SIGABRT: out of luck")),
        (b"!exit", Died("the echo ended with 3")),
    ],
)
async def test_a_child_that_ends_says_how(message: bytes, answer: Died) -> None:
    worker = echo()
    assert await worker.ask(message, wall_s=30) == answer
    assert await worker.ask(b"next", wall_s=30) == b"next 1", "a new child"
    await worker.close()


async def test_a_child_that_hangs_is_killed() -> None:
    worker = echo()
    start = time.monotonic()
    assert await worker.ask(b"!hang", wall_s=0.2) == TimedOut("the echo took over 0.2 s")
    assert time.monotonic() - start < 20
    assert await worker.ask(b"next", wall_s=30) == b"next 1"
    await worker.close()


async def test_a_child_is_reaped_when_the_one_who_asks_runs_out_of_time() -> None:
    """Cleaning up under somebody else's timeout; Python 3.11.2 told the two apart wrongly."""
    worker = echo()
    assert await worker.ask(b"first", wall_s=30) == b"first 1"
    pid = worker.pid
    assert pid is not None
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await worker.ask(b"!hang", wall_s=60)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    await worker.close()


async def test_a_child_that_shouts_is_not_waited_for() -> None:
    worker = echo()
    assert isinstance(await worker.ask(b"!shout", wall_s=0.5), TimedOut)
    await worker.close()


async def test_a_child_that_claims_an_endless_answer() -> None:
    worker = echo()
    assert isinstance(await worker.ask(b"!lie", wall_s=30), Died)
    await worker.close()


async def test_what_a_used_child_dies_of_is_tried_on_a_fresh_one() -> None:
    worker = echo()
    assert await worker.ask(b"first", wall_s=30) == b"first 1"
    assert await worker.ask(b"!tired", wall_s=30) == b"!tired 1"
    await worker.close()


async def test_a_child_may_start_before_it_is_asked() -> None:
    worker = echo()
    await worker.begin()
    pid = worker.pid
    assert pid is not None
    await worker.begin()
    assert await worker.ask(b"a", wall_s=30) == b"a 1"
    await worker.begin()
    assert (await worker.ask(b"a", wall_s=30), worker.pid) == (b"a 2", pid)
    await worker.close()


async def test_a_child_that_died_before_it_was_asked_is_replaced() -> None:
    worker = echo()
    await worker.begin()
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGKILL)
    assert await worker.ask(b"a", wall_s=30) == b"a 1"
    await worker.close()


async def test_none_begins_once_it_is_closed() -> None:
    worker = echo()
    await worker.begin()
    pid = worker.pid
    assert pid is not None
    await worker.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    await worker.begin()
    assert worker.pid is None


async def test_a_child_that_cannot_begin_says_so_to_whoever_asks() -> None:
    worker = Worker("echo", address_bytes=1, start_s=30, command=["/nowhere/echo"])
    await worker.begin()
    with pytest.raises(FileNotFoundError):
        await worker.ask(b"a", wall_s=30)
    await worker.close()


async def test_a_child_that_cannot_start() -> None:
    worker = echo("raise SystemExit('no engine')")
    assert await worker.ask(b"a", wall_s=30) == Died("the echo ended with 1: no engine")
    await worker.close()


async def test_closing_in_the_middle_of_a_task() -> None:
    worker = echo()
    assert await worker.ask(b"first", wall_s=30) == b"first 1"
    async with asyncio.TaskGroup() as group:
        task = group.create_task(worker.ask(b"!hang", wall_s=60))
        await asyncio.sleep(0)  # the task takes its turn
        await worker.close()
    assert isinstance(task.result(), Died)
    assert worker.pid is None


def test_how_an_end_reads() -> None:
    assert ended(0, "") == "ended with 0"
    assert ended(-9, "") == "ended by SIGKILL"
    assert ended(-6, "thread panicked\nmemory allocation failed\n") == (
        "ended by SIGABRT: memory allocation failed"
    )
    assert len(ended(1, "x" * 10_000)) < 400
