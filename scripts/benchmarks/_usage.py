"""What a process and its children used, as the kernel counts it."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

TICKS_PER_S = os.sysconf("SC_CLK_TCK")
KIB_PER_MIB = 1024


@dataclass(frozen=True, slots=True)
class Usage:
    """Of one process and those it started: CPU seconds so far, memory in MiB."""

    cpu_s: float
    rss_mib: float
    rss_peak_mib: float


def usage_of(pid: int) -> Usage:
    """Memory that processes share is counted in each."""
    all = [_usage_of_one(each) for each in _family(pid)]
    return Usage(
        round(sum(one.cpu_s for one in all), 2),
        round(sum(one.rss_mib for one in all), 1),
        round(sum(one.rss_peak_mib for one in all), 1),
    )


def pss_mib_of(pid: int) -> float:
    """Memory in MiB, children included; what is shared is counted once, in parts."""
    kib = 0
    for each in _family(pid):
        for line in Path(f"/proc/{each}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                kib += int(line.split()[1])
    return round(kib / KIB_PER_MIB, 1)


def _family(pid: int) -> list[int]:
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that has just ended
            children = (task / "children").read_text().split()
            for child in children:
                found += _family(int(child))
    return found


def _usage_of_one(pid: int) -> Usage:
    # The name, in brackets, may hold anything; user and system time are fields 14 and 15.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    status = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    return Usage(
        (int(fields[11]) + int(fields[12])) / TICKS_PER_S,
        int(status["VmRSS"].split()[0]) / KIB_PER_MIB,
        int(status["VmHWM"].split()[0]) / KIB_PER_MIB,
    )
