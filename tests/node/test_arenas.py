"""What is freed goes back to the system, when nobody works."""

import platform
import subprocess
import sys

import pytest

from node.arenas import GROWN_BYTES, LOOK_S, RESTING, Resting

MIB = 1 << 20
WORK_S = RESTING * LOOK_S
# Of 16 KiB each as chunks are, and one in sixteen is kept: so nothing of it is at an end.
FREED = """
from node.arenas import give_back, resident_bytes, share_arenas
share_arenas()
made = [bytes(16_000) for _ in range(6_000)]
kept = made[::16]
del made
before = resident_bytes()
give_back()
print(before - resident_bytes())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of others nothing is known")
def test_what_is_free_between_what_is_in_use_is_given_back() -> None:
    said = subprocess.run(
        [sys.executable, "-c", FREED], capture_output=True, check=True, text=True
    ).stdout
    assert int(said) > 48 * MIB


def test_a_node_gives_back_once_when_it_rests_after_it_grew() -> None:
    resting = Resting()
    assert resting.is_time(110 * MIB, 0.1), "of its start some is free"
    resting.kept_bytes = 100 * MIB

    assert not resting.is_time(250 * MIB, 0.1 + WORK_S), "somebody works"
    assert not resting.is_time(260 * MIB, 0.1 + 3 * WORK_S)
    assert resting.is_time(260 * MIB, 0.2 + 3 * WORK_S)
    resting.kept_bytes = 170 * MIB

    assert not resting.is_time(170 * MIB, 0.2 + 3 * WORK_S), "there is nothing more"
    assert not resting.is_time(170 * MIB + GROWN_BYTES - 1, 0.3 + 3 * WORK_S)
    assert not resting.is_time(120 * MIB, 0.3 + 3 * WORK_S)
    assert resting.is_time(120 * MIB + GROWN_BYTES, 0.3 + 3 * WORK_S), "since it was smallest"
