"""Telling a service manager, where there is one."""

import os
import socket
from pathlib import Path

import pytest

from node.notify import sd_notify


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_the_message_arrives(kind: str, tmp_path: Path) -> None:
    name = str(tmp_path / "notify") if kind == "path" else f"@panspermia-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(name.replace("@", "\0", 1))
        assert sd_notify(name, "READY=1\nSTATUS=3 peers")
        assert manager.recv(99) == b"READY=1\nSTATUS=3 peers"


def test_alone() -> None:
    assert not sd_notify(None, "READY=1")
