"""`scripts/nightly`: see there for what it takes, and docs/FUZZING.md for the rest."""

import argparse
import datetime
import os
import re
import subprocess
import sys
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from scripts.fuzzing.plan import Cache, share_out
from tests.fuzz.target import Target
from tests.fuzz.targets import BY_NAME

INPUTS = 10_000_000
SEEDS = 1_000
NODES = 50  # of a hostile world, at most; by day 12
LINES_KEPT = 60
PROGRESS_S = 30.0
HANG_S = 60  # by the clock; the limit of processor time is the target's own
RSS_MIB_MAX = 2_048

_DONE = re.compile(r"^#(\d+)\s.*?corp: (\d+)/")
_WRITTEN = re.compile(r"Test unit written to (\S+)")


@dataclass(slots=True)
class Progress:
    """One target while it is fuzzed. `inputs` in a line of libFuzzer's, which come ever rarer."""

    target: Target
    inputs_wanted: int
    inputs: int = 0
    corpus: int = 0
    took_s: float = 0.0
    lines: deque[str] = field(default_factory=lambda: deque[str](maxlen=LINES_KEPT))
    crash: Path | None = None
    code: int = 0

    def hear(self, line: str) -> None:
        self.lines.append(line)
        if done := _DONE.match(line):
            self.inputs, self.corpus = int(done[1]), int(done[2])
        if written := _WRITTEN.search(line):
            self.crash = Path(written[1])

    def __str__(self) -> str:
        rate = self.inputs / self.took_s if self.took_s else 0.0
        verdict = "ok" if self.code == 0 else "FOUND SOMETHING"
        return (
            f"{self.target.name:20} {self.inputs:>11,} inputs {rate:>9,.0f}/s"
            f" {self.corpus:>6,} in the corpus  {verdict}"
        )


def main(arguments: Sequence[str]) -> int:
    """0: nothing found. 1: something is, or a seed of the simulator fails. 2: wrong arguments."""
    options = read_arguments(arguments)
    if options.list:
        print(
            "\n".join(f"{name:20} {target.size_max:>9,} bytes" for name, target in BY_NAME.items())
        )
        return 0
    targets = wanted(options)
    if options.input:
        return repeat(targets, options.input)
    is_good = fuzz(targets, options.inputs, Cache(options.cache), options.processes)
    if options.seeds:
        is_good = simulate(options.seeds, options.first) and is_good
    return 0 if is_good else 1


def read_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("scripts/nightly", description="Fuzzing and simulation.")
    count = argparse.ArgumentDefaultsHelpFormatter
    parser.formatter_class = count
    parser.add_argument("--inputs", type=int, default=INPUTS, help="over all targets")
    parser.add_argument("--target", action="append", choices=BY_NAME, metavar="NAME", help="only")
    parser.add_argument("--list", action="store_true", help="name the targets")
    parser.add_argument("--input", type=Path, metavar="FILE", help="run one input once more")
    parser.add_argument("--seeds", type=int, help=f"of the simulator; {SEEDS}, or 0 with --target")
    parser.add_argument("--first", type=int, default=tonight(), help="seed of the simulator")
    parser.add_argument("--cache", type=Path, default=Cache.default().root, help="kept folder")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="at a time")
    options = parser.parse_args(arguments)
    if options.seeds is None:
        options.seeds = 0 if options.target else SEEDS
    if options.input and len(options.target or ()) != 1:
        parser.error("--input wants the one --target that it is for")
    return options


def wanted(options: argparse.Namespace) -> list[Target]:
    """Those that were named, else all."""
    return [BY_NAME[name] for name in options.target or BY_NAME]


def tonight() -> int:
    """Other seeds every night."""
    return datetime.date.today().toordinal() * SEEDS


def repeat(targets: Sequence[Target], file: Path) -> int:
    """One input, without the fuzzer; what it raises is shown whole."""
    (target,) = targets
    data = file.read_bytes()
    target.measure(data)
    print(f"{target.name}: {'taken' if target.call(data) else 'refused'}, as it should be")
    return 0


# ── fuzzing ──────────────────────────────────────────────────────────────────────────────────────


def fuzz(targets: Sequence[Target], inputs: int, cache: Cache, processes: int) -> bool:
    """Whether nothing was found. A few targets at a time, the longest first."""
    plan = share_out(targets, inputs)
    running = [Progress(BY_NAME[name], count) for name, count in plan.items()]
    print(
        f"{sum(plan.values()):,} inputs over {len(plan)} targets; kept in {cache.root}", flush=True
    )
    started_s = time.monotonic()
    with ThreadPoolExecutor(processes) as pool:
        work: list[Future[Progress]] = [pool.submit(run, one, cache) for one in running]
        for done in as_completed(work):
            print(done.result(), flush=True)
    took_s = time.monotonic() - started_s
    found = [one for one in running if one.code]
    print(f"{sum(one.inputs for one in running):,} inputs in {took_s / 60:.1f} min", flush=True)
    for one in found:
        print("\n".join(one.lines), file=sys.stderr)
        print(note(one, cache), flush=True)
    return not found


def run(progress: Progress, cache: Cache) -> Progress:
    """One target in a process of its own, to its end."""
    name = progress.target.name
    options = [
        *(f"-runs={progress.inputs_wanted}", f"-artifact_prefix={cache.crashes(name)}/"),
        *(f"-timeout={HANG_S}", f"-rss_limit_mb={RSS_MIB_MAX}", "-print_final_stats=1"),
    ]
    command = [sys.executable, "-m", "scripts.fuzzing.worker", name, str(cache.corpus(name))]
    # A panic of a Rust library is refused as it should be, but tells of itself at length.
    environment = {**os.environ, "RUST_BACKTRACE": "0"}
    started_s = time.monotonic()
    shown_s = started_s
    with subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, errors="replace", env=environment,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        for line in process.stdout:
            progress.hear(line.rstrip())
            progress.took_s = time.monotonic() - started_s
            if time.monotonic() - shown_s > PROGRESS_S:
                shown_s = time.monotonic()
                print(f"  … {progress}", flush=True)
    progress.code = process.returncode
    progress.took_s = time.monotonic() - started_s
    return progress


NOTING = Lock()


def note(progress: Progress, cache: Cache) -> str:
    """Writes down what was found, with the command that repeats it."""
    name = progress.target.name
    raised = next((line for line in progress.lines if "Error" in line or "ERROR" in line), "died")
    again = f"scripts/nightly --target {name} --input {progress.crash}"
    when = datetime.datetime.now().astimezone().isoformat(timespec="seconds")
    line = f"{when}  {name}  {raised[:300]}  {again if progress.crash else 'no input was kept'}"
    with NOTING, cache.findings.open("a") as file:
        file.write(line + "\n")
    return f"{line}\n  written to {cache.findings}"


# ── the simulator ────────────────────────────────────────────────────────────────────────────────


def simulate(seeds: int, first: int) -> bool:
    """Whether every seed holds; one that does not is named by the test that fails."""
    print(f"simulator: {seeds:,} seeds from {first}", flush=True)
    command, variables = simulation(seeds, first)
    return subprocess.run(command, env={**os.environ, **variables}, check=False).returncode == 0


def simulation(seeds: int, first: int) -> tuple[list[str], dict[str, str]]:
    """The command, and what it finds in its environment."""
    command = [sys.executable, "-m", "pytest", "tests/simulation", "-q", "-n", "auto"]
    return command, {
        "PANSPERMIA_SIMULATION_SEEDS": str(seeds),
        "PANSPERMIA_SIMULATION_FIRST": str(first),
        "PANSPERMIA_SIMULATION_NODES": str(NODES),
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
