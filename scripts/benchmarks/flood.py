"""What 100,000 invalid entries cost a daemon, of a sender with free keys that never gives up.

First such as a revoked key signed well, of which an honest peer could hold some, given by a sender
that begins each call with something good; then, to another daemon, such as are wrong in themselves.
CPU is that of the daemon and its children, from before the first call until the last one ended.
"""

import asyncio
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from crdt.change import SignedEntry
from node.commands.nodes import LocalNode, start_node
from scripts.benchmarks._usage import usage_of
from tests.e2e.flooder import BEGUN, CALL_ENTRIES, Flood, Revoked

ENTRIES: Final = 100_000
REVOKED: Final = 20_000  # of a revoked key; who hangs up early asks for no more of them
PATIENCE_S: Final = 20.0  # of a call
SETTLED_S: Final = 3.0
HAMMERS_S: Final = 20.0  # it goes on calling for so long, though nobody answers
CPU_S_MAX: Final = 1.0
GROWTH_MIB_MAX: Final = 16.0


def main() -> dict[str, Any]:
    """CPU and memory for both floods, and CPU a second while the sender keeps calling."""
    of_revoked = Revoked.with_entries(REVOKED)
    calls = [
        of_revoked.entries[at : at + CALL_ENTRIES] for at in range(BEGUN, REVOKED, CALL_ENTRIES)
    ]
    revoked = asyncio.run(_flooded("bob", calls, of_revoked))
    wrong = asyncio.run(_flooded("alice", (), None))
    return {
        "offered": ENTRIES,
        **wrong,
        "revoked": revoked,
        "cpu_s_max": CPU_S_MAX,
        "rss_mib_growth_max": GROWTH_MIB_MAX,
        "held": all(
            one["cpu_s"] < CPU_S_MAX and one["rss_mib_growth_at_last"] < GROWTH_MIB_MAX
            for one in (wrong, revoked)
        ),
    }


async def _flooded(
    name: str, kinds: Sequence[Sequence[SignedEntry]], of_revoked: Revoked | None
) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        node = await asyncio.to_thread(start_node, name, Path(folder), "--no-mdns")
        try:
            await asyncio.sleep(SETTLED_S)
            is_smart = of_revoked is not None
            flood = Flood(str(node.ready["p2p"]), kinds, PATIENCE_S, is_smart)
            if of_revoked:
                await of_revoked.is_said(flood.door)
            return await _measured(node, flood)
        finally:
            await asyncio.to_thread(node.stop)


async def _measured(node: LocalNode, flood: Flood) -> dict[str, Any]:
    pid = node.process.pid
    before, began_s = usage_of(pid), time.monotonic()
    await flood.run(entries=ENTRIES)
    took_s, after = time.monotonic() - began_s, usage_of(pid)
    calls, given, words = flood.calls, flood.given, dict(flood.words)
    await flood.run(entries=0, seconds=HAMMERS_S)
    await asyncio.sleep(SETTLED_S)
    at_last = usage_of(pid)
    status = await asyncio.to_thread(node.client.get, "/api/status")
    return {
        "calls": calls,
        "given": given,
        "hung_up": words,
        "flood_s": round(took_s, 1),
        "cpu_s": round(after.cpu_s - before.cpu_s, 2),
        "rss_mib_before": before.rss_mib,
        "rss_mib_growth": round(after.rss_mib - before.rss_mib, 1),
        "hammering": {
            "calls": flood.calls - calls,
            "given": flood.given - given,
            "cpu_of_one_core": round((at_last.cpu_s - after.cpu_s) / HAMMERS_S, 3),
        },
        "rss_mib_growth_at_last": round(at_last.rss_mib - before.rss_mib, 1),
        "refused_listed": status["refused"],
    }
