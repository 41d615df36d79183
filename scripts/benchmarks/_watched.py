"""A daemon whose event loop is watched: `python -m scripts.benchmarks._watched HOME`.

The daemon as `up` runs it, and a timer beside it. Once it has stopped, the second line that it
prints says how late the timer was: blocked by a callback, or waiting for the interpreter's lock.
"""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Final

from node.config import load_config
from node.daemon import Ready, run
from node.home import Home

EVERY_S: Final = 0.005


class Watch:
    """Lateness of a timer, in seconds, while the loop runs."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.late_s: list[float] = []
        self._arm()

    def _arm(self) -> None:
        due_s = self._loop.time() + EVERY_S
        self._loop.call_at(due_s, self._ring, due_s)

    def _ring(self, due_s: float) -> None:
        self.late_s.append(self._loop.time() - due_s)
        self._arm()


def main(path: str) -> None:
    watches: list[Watch] = []

    def ready(news: Ready) -> None:
        watches.append(Watch(asyncio.get_running_loop()))
        said = {"event": "ready", "api": news.api, "p2p": news.p2p, "did": news.did}
        print(json.dumps(said), flush=True)

    flags = {"api.port": 0, "p2p.listen": "127.0.0.1:0", "p2p.mdns": False}
    run(load_config(flags, os.environ, "", source="").config, Home(Path(path)), ready=ready)
    late_ms = sorted(1000 * late_s for watch in watches for late_s in watch.late_s)
    told = {
        "rings": len(late_ms),
        "p99_ms": round(late_ms[len(late_ms) * 99 // 100], 1),
        "longest_ms": round(late_ms[-1], 1),
        "above_50_ms": sum(late > 50 for late in late_ms),
    }
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
