"""One child process, kept for many tasks, replaced when it dies or hangs.

    absent ──ask──▶ busy ──answer──▶ idle ──ask──▶ busy …
       │             │ └── death, clock, cancellation ──▶ killed, absent
       └──begin──▶ starting, while whoever will ask does something else

A child that was here before may die of what earlier tasks left behind, so a task that such a child
dies of is tried once more on a fresh one. A clock is final: a second try would only wait again.
"""

import asyncio
import contextlib
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from node.workers.messages import MESSAGE_BYTES_MAX, SIZE_BYTES, framed

# The folder that holds `node/`: a checkout, or the one folder of an installed wheel. It comes first
# on the child's path, as it does on ours, whatever else on this machine is called `node`.
ROOT = Path(__file__).absolute().parents[2]
BOOT = (
    "import runpy, sys; sys.path.insert(0, sys.argv[1]); "
    "runpy.run_module('node.workers.child', run_name='__main__')"
)
GRACE_S = 5.0  # an idle child ends at once when its pipe closes; a loaded machine is slow
LAST_WORDS_CHARACTERS_MAX = 300  # of stderr in a verdict: a panic's message is one line


@dataclass(frozen=True, slots=True)
class Died:
    detail: str


@dataclass(frozen=True, slots=True)
class TimedOut:
    detail: str


class Worker:
    """Asks one child at a time; tasks wait for their turn."""

    def __init__(
        self, role: str, *, address_bytes: int, start_s: float, command: Sequence[str] = ()
    ) -> None:
        self.role = role
        own = [sys.executable, "-P", "-c", BOOT, str(ROOT), role, str(address_bytes)]
        self._command = list(command) or own
        self._start_s = start_s
        self._turn = asyncio.Lock()
        self._process: Process | None = None
        self._is_ready = False  # this very process has said so
        self._is_closed = False

    async def ask(self, message: bytes, *, wall_s: float) -> bytes | Died | TimedOut:
        """The child's answer, or how it ended. Cancelling kills the child."""
        async with self._turn:
            was_here = self._process is not None
            answer = await self._try(message, wall_s)
            if isinstance(answer, Died) and was_here:
                answer = await self._try(message, wall_s)
            return answer

    async def begin(self) -> None:
        """Has a child start where there is none; whoever asks it first waits until it is ready."""
        if self._turn.locked():
            return  # somebody asks already
        async with self._turn:
            if self._process is None and not self._is_closed:
                with contextlib.suppress(OSError):  # no room for a process, say: who asks is told
                    await self._start()

    async def close(self) -> None:
        """Ends the child even in the middle of a task; no other is started."""
        self._is_closed = True
        if self._process is not None and self._turn.locked():
            kill(self._process)  # whoever holds the turn reads the pipes, and so learns of it
        async with self._turn:
            await self._end(grace_s=GRACE_S)

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    async def _try(self, message: bytes, wall_s: float) -> bytes | Died | TimedOut:
        if self._is_closed:
            return Died(f"the {self.role} is closed")
        if self._process is None:
            await self._start()
        if not self._is_ready:
            ready = await self._exchange(b"", self._start_s)
            if not isinstance(ready, bytes):
                return ready
            self._is_ready = True
        if self._is_closed:  # while it started
            return Died(f"the {self.role} {await self._end()}")
        return await self._exchange(message, wall_s)

    async def _start(self) -> None:
        self._is_ready = False
        self._process = await asyncio.create_subprocess_exec(
            *self._command, stdin=PIPE, stdout=PIPE, stderr=PIPE, start_new_session=True
        )

    async def _exchange(self, message: bytes, wall_s: float) -> bytes | Died | TimedOut:
        """Write `message` (empty = only listen) and read one answer; else the child is ended."""
        process = self._process
        assert process is not None
        try:
            async with asyncio.timeout(wall_s):
                return await exchange(process, message)
        except TimeoutError:
            await self._end()
            return TimedOut(f"the {self.role} took over {wall_s:g} s")
        except (EOFError, ConnectionError):
            # It is dying already: its own signal says more than the one we would send.
            return Died(f"the {self.role} {await self._end(grace_s=GRACE_S)}")
        except BaseException:  # cancelled: a late answer must not meet the next task
            await self._end()
            raise

    async def _end(self, *, grace_s: float = 0) -> str:
        """Close, kill where it does not end by itself, and reap; how it ended, in words."""
        process, self._process = self._process, None
        if process is None:
            return "is closed"
        assert process.stdin is not None
        process.stdin.close()
        # A timer, no timeout block: before Python 3.11.3 one inside a cancelled task ends as one
        # more cancellation, and the child would outlive us.
        deadline = asyncio.get_running_loop().call_later(grace_s, kill, process)
        try:
            words = await drained(process)
            return ended(await process.wait(), words.decode(errors="replace"))
        finally:
            deadline.cancel()
            kill(process)  # at once where even this was cancelled


async def exchange(process: Process, message: bytes) -> bytes:
    assert process.stdin is not None
    assert process.stdout is not None
    if message:
        process.stdin.write(framed(message))
        await process.stdin.drain()
    size = int.from_bytes(await process.stdout.readexactly(SIZE_BYTES), "big")
    if size > MESSAGE_BYTES_MAX:
        raise EOFError(f"an answer of {size:,} bytes")
    return await process.stdout.readexactly(size)


def kill(process: Process) -> None:
    with contextlib.suppress(ProcessLookupError):  # it ended, and is not reaped yet
        process.kill()


async def drained(process: Process) -> bytes:
    """What is left on stderr. Unless both pipes are read to their end, no child is reaped."""
    assert process.stdout is not None
    assert process.stderr is not None
    await process.stdout.read()
    return await process.stderr.read()


def ended(code: int, words: str) -> str:
    """`ended by SIGABRT: memory allocation of 8 bytes failed`."""
    how = f"ended by {signal.Signals(-code).name}" if code < 0 else f"ended with {code}"
    lines = words.strip().splitlines()
    return f"{how}: {lines[-1][:LAST_WORDS_CHARACTERS_MAX]}" if lines else how
