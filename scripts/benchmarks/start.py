"""How long `panspermia status` takes, against `python -c "import click"`, both with bytecode.

Bare Python is no measure: one .pth file in the environment doubles it.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from node.commands.nodes import start_node

ROOT = Path(__file__).parents[2]
ROUNDS = 21
RATIO_MAX = 1.5


def main() -> dict[str, Any]:
    """Milliseconds of each, and their ratio; rounds are interleaved."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}

    def once_s(*command: str) -> float:
        started_s = time.perf_counter()
        subprocess.run([sys.executable, *command], env=environment, check=True, capture_output=True)
        return time.perf_counter() - started_s

    with tempfile.TemporaryDirectory() as folder:
        node = start_node("alice", Path(folder), "--no-mdns")
        try:
            status = (str(ROOT / "scripts" / "checkout.py"), "--home", str(node.home), "status")
            click = ("-c", "import click")
            once_s(*status)
            once_s(*click)
            rounds = [(once_s(*status), once_s(*click)) for _ in range(ROUNDS)]
        finally:
            node.stop()
    ours_s, theirs_s = (median(column) for column in zip(*rounds, strict=True))
    ratio = ours_s / theirs_s
    return {
        "status_ms": round(ours_s * 1000, 1),
        "import_click_ms": round(theirs_s * 1000, 1),
        "ratio": round(ratio, 2),
        "ratio_max": RATIO_MAX,
        "held": ratio <= RATIO_MAX,
    }
