"""Memory of a daemon that holds 100,000 modules and has nothing to do."""

import tempfile
import time
from pathlib import Path
from typing import Any, Final

from node.commands.nodes import start_node
from scripts.benchmarks._population import copy_home, large_home
from scripts.benchmarks._usage import usage_of

RECORDS: Final = 100_000
OWN: Final = 5
SETTLED_S: Final = 5.0
RSS_MIB_MAX: Final = 190.7  # 200 MB


def main() -> dict[str, Any]:
    """Resident memory, child processes included, of a node just started and after some reading."""
    with tempfile.TemporaryDirectory() as name:
        home = copy_home(Path(name) / "alice", large_home(RECORDS - OWN), RECORDS - OWN, RECORDS)
        node = start_node("alice", home.path.parent, "--no-mdns")
        try:
            time.sleep(SETTLED_S)
            started, cpu_s = usage_of(node.process.pid), 0.0
            time.sleep(SETTLED_S)
            cpu_s = usage_of(node.process.pid).cpu_s - started.cpu_s
            node.client.get("/api/status")
            node.client.get("/api/modules", {"limit": 100})
            node.client.get("/api/search", {"q": "small", "limit": 100})
            time.sleep(SETTLED_S)
            used = usage_of(node.process.pid)
        finally:
            node.stop()
    return {
        "records": RECORDS,
        "rss_mib": started.rss_mib,
        "rss_mib_after_reading": used.rss_mib,
        "rss_peak_mib": used.rss_peak_mib,
        "cpu_of_one_core": round(cpu_s / SETTLED_S, 3),
        "rss_mib_max": RSS_MIB_MAX,
        "held": max(started.rss_mib, used.rss_mib) < RSS_MIB_MAX,
    }
