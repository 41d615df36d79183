"""Nodes in child processes: none is left behind, whatever became of it."""

import subprocess
import sys
from pathlib import Path

from node.commands.nodes import LocalNode, start_node, stop_all

SOON_S = 0.2  # what never ends has not ended by then either
NEVER_ENDS = (sys.executable, "-c", "import time; time.sleep(600)")


def test_one_that_hangs_when_it_is_told_to_stop_does_not_keep_the_others(tmp_path: Path) -> None:
    alice, bob = start_node("alice", tmp_path, "--no-mdns"), start_node("bob", tmp_path)
    try:
        with subprocess.Popen(NEVER_ENDS) as hanging:
            stop_all([LocalNode("alice", alice.home, hanging, alice.ready), bob], SOON_S)
            assert hanging.returncode is not None
        assert bob.process.poll() is not None
    finally:
        alice.kill()
        bob.kill()


def test_one_that_was_killed_is_no_hindrance(tmp_path: Path) -> None:
    alice, bob = start_node("alice", tmp_path, "--no-mdns"), start_node("bob", tmp_path)
    try:
        alice.kill()
        stop_all([alice, bob])
        assert bob.process.poll() == 0
    finally:
        bob.kill()
