"""What 100,000 invalid entries cost a daemon, of a sender with free keys that never gives up.

CPU is that of the daemon and its children, from before the first call until the last one ended.
"""

import asyncio
import tempfile
import time
from pathlib import Path
from typing import Any, Final

from node.commands.nodes import start_node
from scripts.benchmarks._usage import usage_of
from tests.e2e.flooder import Flood

ENTRIES: Final = 100_000
SETTLED_S: Final = 3.0
HAMMERS_S: Final = 20.0  # it goes on calling for so long, though nobody answers
CPU_S_MAX: Final = 1.0
GROWTH_MIB_MAX: Final = 16.0


def main() -> dict[str, Any]:
    """CPU and memory for the flood, and CPU a second while the sender keeps calling."""
    with tempfile.TemporaryDirectory() as name:
        node = start_node("alice", Path(name), "--no-mdns")
        try:
            time.sleep(SETTLED_S)
            pid, flood = node.process.pid, Flood(str(node.ready["p2p"]))
            before = usage_of(pid)
            began_s = time.monotonic()
            asyncio.run(flood.run(entries=ENTRIES))
            took_s, after = time.monotonic() - began_s, usage_of(pid)
            calls, given, words = flood.calls, flood.given, dict(flood.words)
            asyncio.run(flood.run(entries=0, seconds=HAMMERS_S))
            time.sleep(SETTLED_S)
            at_last = usage_of(pid)
            refused = node.client.get("/api/status")["refused"]
        finally:
            node.stop()
    cpu_s = round(after.cpu_s - before.cpu_s, 2)
    growth_mib = round(at_last.rss_mib - before.rss_mib, 1)
    return {
        "offered": ENTRIES,
        "calls": calls,
        "given": given,
        "hung_up": words,
        "flood_s": round(took_s, 1),
        "cpu_s": cpu_s,
        "rss_mib_before": before.rss_mib,
        "rss_mib_growth": round(after.rss_mib - before.rss_mib, 1),
        "hammering": {
            "calls": flood.calls - calls,
            "given": flood.given - given,
            "cpu_of_one_core": round((at_last.cpu_s - after.cpu_s) / HAMMERS_S, 3),
        },
        "rss_mib_growth_at_last": growth_mib,
        "refused_listed": refused,
        "cpu_s_max": CPU_S_MAX,
        "rss_mib_growth_max": GROWTH_MIB_MAX,
        "held": cpu_s < CPU_S_MAX and growth_mib < GROWTH_MIB_MAX,
    }
