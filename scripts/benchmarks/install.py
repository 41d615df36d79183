"""A tree of 30 modules of 20 KB by the command line, and the same from a local Verdaccio by npm.

cold      the blobs come from another node, each is checked, compiled once, and all are installed
again     uninstalled and installed anew by the lock file: everything is here

npm's figures are those of `baseline_verdaccio.sh`, in the same run: its cold install has nothing
cached either. It checks hashes, no signature, and compiles nothing.
"""

import base64
import re
import subprocess
import tempfile
import time
from functools import partial
from pathlib import Path
from random import Random
from statistics import median
from typing import Any, Final

import wasmtime

from node.commands.nodes import (
    COMMAND,
    LocalNode,
    clean_environment,
    start_node,
    stop_all,
    wait_for,
)
from scripts.benchmarks._others import Skipped, verdaccio

MODULES: Final = 30
PAYLOAD_BYTES: Final = 20_000
ROUNDS: Final = 3
TIMEOUT_S: Final = 60.0
LINE: Final = re.compile(r"npm (install|ci)([^:]*): (\d+) ms")


def main() -> dict[str, Any]:
    """Milliseconds of wall time, start of the command included: the median of some homes."""
    with tempfile.TemporaryDirectory() as name:
        cold_ms, again_ms = ours(Path(name))
    theirs = npm()
    npm_ms = theirs.get("nothing cached")
    return {
        "modules": MODULES,
        "cold_ms": round(median(cold_ms)),
        "again_ms": round(median(again_ms)),
        "verdaccio": theirs,
        "ratio_cold": npm_ms and round(npm_ms / median(cold_ms), 2),
        "held": None if npm_ms is None else median(cold_ms) < npm_ms,
    }


def ours(folder: Path) -> tuple[list[float], list[float]]:
    """Of fresh nodes that know the modules and have none of their bytes."""
    started: list[LocalNode] = []
    cold_ms: list[float] = []
    again_ms: list[float] = []
    try:
        alice = start_node("alice", folder, "--no-mdns")
        started.append(alice)
        publish(alice)
        for number in range(ROUNDS):
            bob = start_node(f"bob{number}", folder, "--no-mdns", "--peer", str(alice.ready["p2p"]))
            started.append(bob)
            wait_for("bob to know the modules", TIMEOUT_S, partial(knows_all, bob))
            work = folder / f"work{number}"
            work.mkdir()
            cold_ms.append(installed_ms(bob, work, "io.bench.tree0"))
            run(bob, work, "uninstall", "io.bench.tree0", "--lock", str(work / "none"))
            again_ms.append(installed_ms(bob, work, "--frozen"))
    finally:
        stop_all(started)
    return cold_ms, again_ms


def publish(alice: LocalNode) -> None:
    """tree0 needs tree1 and tree2, tree1 needs tree3 and tree4, … as npm's do."""
    random = Random(1)
    for number in reversed(range(MODULES)):
        noise = "".join(f"\\{byte:02x}" for byte in random.randbytes(PAYLOAD_BYTES))
        text = f'(module (memory 1) (data (i32.const 0) "{noise}"))'
        below = [one for one in (2 * number + 1, 2 * number + 2) if one < MODULES]
        lines = [
            f'[module]\nid = "io.bench.tree{number}"\nversion = "1.0.0"',
            'description = "a small module for tests"\nlicense = "MIT"\nwasm = "m.wasm"',
            "[dependencies]",
            *(f'"io.bench.tree{one}" = "^1.0.0"' for one in below),
        ]
        wasm = base64.b64encode(bytes(wasmtime.wat2wasm(text))).decode()
        alice.client.post("/api/modules", {"manifest": "\n".join(lines), "wasm": wasm})


def knows_all(bob: LocalNode) -> bool | None:
    return len(bob.client.get("/api/modules")["modules"]) == MODULES or None


def installed_ms(bob: LocalNode, work: Path, *wanted: str) -> float:
    started_s = time.perf_counter()
    run(bob, work, "install", *wanted, "--yes")
    took_ms = (time.perf_counter() - started_s) * 1000
    count = len(bob.client.get("/api/installed")["installed"])
    assert count == MODULES, f"{count} modules are installed"
    return took_ms


def run(bob: LocalNode, work: Path, *command: str) -> None:
    subprocess.run(
        [*COMMAND, "--home", str(bob.home), *command],
        cwd=work,
        env=clean_environment(),
        stdout=subprocess.DEVNULL,
        check=True,
    )


def npm() -> dict[str, Any]:
    """npm's milliseconds by what was cached, or why there are none."""
    try:
        told = verdaccio()
    except Skipped as why:
        return {"skipped": str(why)}
    return {
        (found[2].rpartition(", ")[2].strip() or found[1]): int(found[3])
        for found in LINE.finditer(told)
    }
