"""From an entry published on one daemon until another one lists it, over loopback.

Alice publishes one small module after the other. Published is what she acknowledged: on her disk.
Visible is what bob tells by his `record` event, which he does once the record is in his lists.
"""

import base64
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Final

from node.client import Client
from node.commands.nodes import start_node, stop_all
from scripts.benchmarks._population import WASM
from scripts.benchmarks._usage import usage_of

PUBLISHED: Final = 200
WARM_UP: Final = 5  # not counted: what is loaded on first use
P95_MS_MAX: Final = 50.0
PAUSE_S: Final = 0.05  # one after the other, as people do
ARRIVE_S: Final = 30.0
CONNECTED_S: Final = 10.0
SUBSCRIBED_S: Final = 0.5  # for the stream of events to be open


class Seen(threading.Thread):
    """When a daemon told of each module, by its id."""

    def __init__(self, client: Client) -> None:
        super().__init__(name="events", daemon=True)
        self._client = client
        self._changed = threading.Condition()
        self.at_s: dict[str, float] = {}

    def run(self) -> None:
        for event in self._client.events({"types": "record"}, timeout_s=ARRIVE_S):
            now_s = time.perf_counter()
            with self._changed:
                self.at_s[str(event["data"]["id"])] = now_s
                self._changed.notify_all()

    def wait_for(self, id: str) -> float:
        """When it was told. Raises `TimeoutError`."""
        with self._changed:
            if not self._changed.wait_for(lambda: id in self.at_s, ARRIVE_S):
                raise TimeoutError(f"{id} did not come within {ARRIVE_S:g} s")
            return self.at_s[id]


def main() -> dict[str, Any]:
    """Milliseconds from the acknowledgement, and from the call, until it is listed elsewhere."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        alice = start_node("alice", folder, "--no-mdns")
        started = [alice]
        try:
            bob = start_node("bob", folder, "--no-mdns", "--peer", str(alice.ready["p2p"]))
            started.append(bob)
            wait_until_connected(bob.client)
            seen = Seen(bob.client)
            seen.start()
            time.sleep(SUBSCRIBED_S)
            before = [usage_of(node.process.pid).cpu_s for node in started]
            times = [publish(alice.client, seen, number) for number in range(WARM_UP + PUBLISHED)]
            after = [usage_of(node.process.pid).cpu_s for node in started]
            listed = bob.client.get("/api/modules", {"limit": 1000})["modules"]
            assert len(listed) == WARM_UP + PUBLISHED, f"{len(listed)} modules are listed"
            (peer,) = bob.client.get("/api/peers")["peers"]
        finally:
            stop_all(started)
    counted = times[WARM_UP:]
    from_answer = sorted(max(0.0, seen_s - done_s) * 1000 for _, done_s, seen_s in counted)
    from_call = sorted((seen_s - began_s) * 1000 for began_s, _, seen_s in counted)
    p95_ms = quantile(from_answer, 0.95)
    return {
        "published": PUBLISHED,
        "from_acknowledged_ms": show(from_answer),
        "from_call_ms": show(from_call),
        "cpu_ms_of_each": {
            node.name: round((end - start) * 1000 / len(times), 1)
            for node, start, end in zip(started, before, after, strict=True)
        },
        "received_bytes_of_each": round(int(peer["bytes_in"]) / len(times)),
        "p95_ms_max": P95_MS_MAX,
        "held": p95_ms < P95_MS_MAX,
    }


def wait_until_connected(client: Client) -> None:
    deadline = time.monotonic() + CONNECTED_S
    while not any(peer["rtt_ms"] for peer in client.get("/api/peers")["peers"]):
        if time.monotonic() > deadline:
            raise TimeoutError(f"the nodes did not meet within {CONNECTED_S:g} s")
        time.sleep(0.05)


def publish(client: Client, seen: Seen, number: int) -> tuple[float, float, float]:
    """When it was asked for, acknowledged, and seen."""
    id = f"io.example.live{number:04}"
    manifest = (
        f'[module]\nid = "{id}"\nname = "live"\nversion = "1.0.0"\n'
        'description = "For a benchmark"\nlicense = "MIT"\nwasm = "m.wasm"\n'
    )
    body = {"manifest": manifest, "wasm": base64.b64encode(WASM).decode()}
    began_s = time.perf_counter()
    client.post("/api/modules", body)
    done_s = time.perf_counter()
    seen_s = seen.wait_for(id)
    time.sleep(PAUSE_S)
    return began_s, done_s, seen_s


def quantile(ascending: list[float], part: float) -> float:
    return ascending[min(len(ascending) - 1, int(len(ascending) * part))]


def show(ascending: list[float]) -> dict[str, float]:
    parts = {"p50": 0.5, "p95": 0.95, "max": 1.0}
    return {name: round(quantile(ascending, part), 1) for name, part in parts.items()}
