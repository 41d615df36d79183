"""Programs of others to measure by. Their scripts lie beside the checkout, or nowhere."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

PEERS_VARIABLE: Final = "PANSPERMIA_BENCH_PEERS"
PEERS_FOLDER: Final = Path(__file__).parents[3] / "shared" / "bench"


class Skipped(Exception):
    """Why there are no figures of it."""


def all_held(goals: Iterable[bool | None]) -> bool | None:
    """What `held` says of them; a goal is None where what it compares with is not here.

    False where one is missed; else None where one was not compared, which is no word that it holds.
    """
    found = {*goals}
    if False in found:
        return False
    return None if None in found else True


def syncthing(*args: str) -> Any:  # noqa: ANN401 - its script's own JSON
    """What its script says of a run with these arguments. Raises `Skipped`."""
    with tempfile.TemporaryDirectory() as folder:
        work = str(Path(folder) / "work")
        return json.loads(_run("syncthing", sys.executable, "baseline_syncthing.py", work, *args))


def verdaccio() -> str:
    """The lines of its script. Raises `Skipped`."""
    return _run("npm", "bash", "baseline_verdaccio.sh")


def snapshots(form: str, size_mb: int, count: int) -> dict[str, Any]:
    """How its script keeps `count` states of a world of its own, by program: how many times less
    that takes than the bytes, and MB/s into it. Raises `Skipped`.

    `form`: "json" or "bin". The script wants NumPy besides.
    """
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "told.json"
        pattern = "mixed" if form == "json" else "uniform"
        _run(
            "restic", sys.executable, "baseline_snapshots.py", "--fmt", form, "--mb", str(size_mb),
            "--n", str(count), "--pattern", pattern, "--designs", "zfull,restic,borg",
            "--wd", folder, "--out", str(told),
        )  # fmt: skip
        designs: dict[str, Any] = json.loads(told.read_text())["designs"]
    return {
        name: {"ratio": round(one["ratio"], 1), "mb_s": round(one["mb_s"], 1)}
        for name, one in designs.items()
    }


def _run(program: str, shell: str, name: str, *args: str) -> str:
    script = Path(os.environ.get(PEERS_VARIABLE, PEERS_FOLDER)) / name
    if shutil.which(program) is None:
        raise Skipped(f"{program} is not installed")
    if not script.exists():
        raise Skipped(f"no {name} where {PEERS_VARIABLE} says")
    done = subprocess.run([shell, str(script), *args], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Skipped(f"it failed: {done.stderr.strip()[-200:]}")
    return done.stdout
