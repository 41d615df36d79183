"""Two daemons with 100,000 entries each, which differ in 10: how soon and how cheaply they agree.

From the moment bob is told alice's address until bob says that both hold the same: TCP, handshake,
greeting, comparison, entries, and the last comparison of everything.
"""

import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Final

from node.commands.nodes import LocalNode, start_node, stop_all
from scripts.benchmarks._population import copy_home, large_home

ENTRIES: Final = 100_000
OWN: Final = 5  # that each has and the other lacks
AGREED_S_MAX: Final = 1.0
BYTES_MAX: Final = 64 * 1024
ROUND_TRIPS_MAX: Final = 4
TIMEOUT_S: Final = 60.0
SUBSCRIBED_S: Final = 0.5  # for the stream of events to be open


def main() -> dict[str, Any]:
    """Seconds, bytes both ways, and round trips of range comparison."""
    common = ENTRIES - OWN
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copy_home(folder / "alice", large_home(common), common, ENTRIES)
        copy_home(folder / "bob", large_home(common), ENTRIES, ENTRIES + OWN)
        started: list[LocalNode] = []
        try:
            alice = start_node("alice", folder, "--no-mdns")
            started.append(alice)
            bob = start_node("bob", folder, "--no-mdns")
            started.append(bob)
            agreed_s = agree(bob, str(alice.ready["p2p"]))
            (shown,) = bob.client.get("/api/peers")["peers"]
            for node in started:
                entries = node.client.get("/api/status")["entries"]
                assert entries == ENTRIES + OWN, f"{node.name} has {entries} entries"
        finally:
            stop_all(started)
    size = int(shown["bytes_in"]) + int(shown["bytes_out"])
    # Each frame of ranges is half a round trip, whoever sent it.
    round_trips = int(shown["rounds"]) / 2
    return {
        "entries_of_each": ENTRIES,
        "different": 2 * OWN,
        "agreed_s": round(agreed_s, 3),
        "bytes_both_ways": size,
        "round_trips_of_ranges": round_trips,
        "agreed_s_max": AGREED_S_MAX,
        "bytes_max": BYTES_MAX,
        "round_trips_max": ROUND_TRIPS_MAX,
        "held": agreed_s <= AGREED_S_MAX and size <= BYTES_MAX and round_trips <= ROUND_TRIPS_MAX,
    }


def agree(node: LocalNode, address: str) -> float:
    """Connects to `address`; seconds until `node` tells that the comparison ended."""
    heard_s: list[float] = []

    def listen() -> None:
        for _ in node.client.events({"types": "sync"}, timeout_s=TIMEOUT_S):
            heard_s.append(time.perf_counter())
            return

    listener = threading.Thread(target=listen, name="events")
    listener.start()
    time.sleep(SUBSCRIBED_S)
    started_s = time.perf_counter()
    node.client.post("/api/peers", {"address": address})
    listener.join(TIMEOUT_S)
    if not heard_s:
        raise TimeoutError(f"the nodes did not agree within {TIMEOUT_S:g} s")
    return heard_s[0] - started_s
