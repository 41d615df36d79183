"""A daemon whose event loop is watched: `python -m scripts.benchmarks._watched HOME`.

The daemon as `up` runs it, and a timer beside it. Once it has stopped, the second line that it
prints says how late the timer was. Late by a callback, by another thread that has the interpreter's
lock or by blocking IO is the node's own doing; the time that the loop's thread was ready to run and
got no core, of which the kernel keeps account, is told apart.
"""

import asyncio
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from node.daemon import Ready, run
from node.home import Home
from node.settings import load_config

EVERY_S: Final = 0.005
SHOWN: Final = 6  # of the longest: one in which a process was stopped by a signal is no delay


@dataclass(frozen=True, slots=True)
class Ring:
    """How late the timer rang, in ms, and for how much of that the thread waited for a core."""

    late_ms: float
    queued_ms: float

    @property
    def own_ms(self) -> float:
        return max(0.0, self.late_ms - self.queued_ms)


class Watch:
    """A timer on the running loop, which must be the main thread's; it rings until the end."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._accounts = os.open("/proc/self/schedstat", os.O_RDONLY)
        self.rings: list[Ring] = []
        self._arm()

    def _arm(self) -> None:
        due_s = self._loop.time() + EVERY_S
        self._loop.call_at(due_s, self._ring, due_s, self._queued_ns())

    def _ring(self, due_s: float, queued_ns: int) -> None:
        late_ms = (self._loop.time() - due_s) * 1000
        self.rings.append(Ring(late_ms, (self._queued_ns() - queued_ns) / 1_000_000))
        self._arm()

    def _queued_ns(self) -> int:
        # ns on a core, ns ready and waiting for one, turns on a core
        return int(os.pread(self._accounts, 100, 0).split()[1])


def main(path: str) -> None:
    watches: list[Watch] = []

    def ready(news: Ready) -> None:
        watches.append(Watch(asyncio.get_running_loop()))
        said = {"event": "ready", "api": news.api, "p2p": news.p2p, "did": news.did}
        print(json.dumps(said), flush=True)

    flags = {"api.port": 0, "p2p.listen": "127.0.0.1:0", "p2p.mdns": False}
    run(load_config(flags, os.environ, "", source="").config, Home(Path(path)), ready=ready)
    print(json.dumps(summary([ring for watch in watches for ring in watch.rings])), flush=True)


def summary(rings: list[Ring]) -> dict[str, Any]:
    """Milliseconds; what counts is `longest_own_ms`."""
    late_ms = sorted(ring.late_ms for ring in rings)
    own_ms = sorted((ring.own_ms for ring in rings), reverse=True)
    return {
        "rings": len(rings),
        "p99_ms": round(late_ms[len(late_ms) * 99 // 100], 1),
        "longest_ms": round(late_ms[-1], 1),
        "longest_own_ms": round(own_ms[0], 1),
        "next_own_ms": [round(one, 1) for one in own_ms[1:SHOWN]],
    }


if __name__ == "__main__":
    main(sys.argv[1])
