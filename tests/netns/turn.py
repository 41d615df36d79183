"""A real TURN server on a host of a bed: Debian's coturn."""

import os
import shutil
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from node.commands.nodes import wait_for
from p2p.transport.address import Address
from p2p.transport.webrtc.servers import Turn
from tests.netns.bed import Bed, Host

PORT = 3_478
READY_S = 60.0
USER, SECRET = "somebody", "a-secret-of-turn"


def turnserver() -> str:
    """Where it is; a person may do without it, CI may not."""
    found = shutil.which("turnserver")
    if found is None and os.environ.get("CI") == "true":
        pytest.fail("turnserver is not installed")
    if found is None:
        pytest.skip("turnserver is not installed: apt-get install coturn")
    return found


@contextmanager
def serving_turn(bed: Bed, host: Host, folder: Path) -> Generator[Turn]:
    """It answers and relays at the address of `host` alone, until it is left."""
    command = [
        turnserver(), "--no-cli", "--no-tls", "--no-dtls", "--lt-cred-mech", "--fingerprint",
        f"--listening-ip={host.address}", f"--listening-port={PORT}", f"--relay-ip={host.address}",
        "--realm=test", f"--user={USER}:{SECRET}", f"--pidfile={folder / 'turn.pid'}",
        f"--userdb={folder / 'turn.db'}", "--log-file=stdout", "--verbose", "-c", os.devnull,
    ]  # fmt: skip
    log = folder / "turn.log"
    with log.open("wb") as out, bed.inside(host):
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)

    def is_ready() -> bool | None:
        assert process.poll() is None, log.read_text()[-2_000:]
        table = Path(f"/proc/{process.pid}/net/udp").read_text()
        return f":{PORT:04X} " in table or None

    try:
        wait_for("the TURN server", READY_S, is_ready)
        yield Turn(Address(host.address, PORT), USER, SECRET)
    finally:
        process.kill()
        process.wait()


def wait_for_allocations(folder: Path) -> None:
    """Until its log says that it lent somebody an address."""

    def look() -> bool | None:
        return "ALLOCATE processed, success" in (folder / "turn.log").read_text() or None

    wait_for("somebody to use the TURN server", READY_S, look)
