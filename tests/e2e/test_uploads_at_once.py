"""Many send states at the same time: all are kept, and the node holds a little of each."""

import socket
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from http.client import HTTPConnection
from pathlib import Path

import pytest
import zstandard
from blake3 import blake3

from node.commands.nodes import LocalNode, start_node, stop_all
from tests.e2e.story import ARRIVE_S
from tests.e2e.test_hostile_peer import memory_bytes

pytestmark = [
    pytest.mark.nodes,
    pytest.mark.xdist_group("upload-memory"),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc"),
]

MIB = 1 << 20
PLACE = "/api/universe/universe:main/snapshot"
SIZES = [4 * MIB] * 60 + [24 * MIB] * 4
MEMORY_BYTES_MAX = 286 * MIB
"""300 MB; it is some 210 MiB, and 600 and more where each is gathered as if it came alone."""


@pytest.fixture
def alice(tmp_path: Path) -> Iterator[LocalNode]:
    made = start_node("alice", tmp_path, "--no-mdns")
    made.client.post("/api/universe", {"id": "universe:main", "name": "Main"})
    yield made
    stop_all([made])


def asked(
    node: LocalNode, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, bytes]:
    said = {name.replace("_", "-"): value for name, value in headers.items()}
    line = HTTPConnection(node.client.host, node.client.port, timeout=4 * ARRIVE_S)
    with closing(line):
        line.request(method, path, body, {"authorization": f"Bearer {node.client.token}", **said})
        answer = line.getresponse()
        return answer.status, answer.read()


def state(tick: int) -> bytes:
    """Nothing that could be packed, or that another one has."""
    return blake3(b"world %d" % tick).digest(length=SIZES[tick])


def in_json(tick: int) -> bytes:
    """As long as it, and what it comes to when it is kept."""
    return b'{"dna":"%s"}' % state(tick)[: SIZES[tick] // 2].hex().encode()


def test_many_states_at_once_are_all_kept_in_bounded_memory(alice: LocalNode) -> None:
    def sent(tick: int) -> int:
        return asked(alice, "POST", f"{PLACE}?tick={tick}", state(tick))[0]

    with ThreadPoolExecutor(len(SIZES)) as senders:
        assert [*senders.map(sent, range(len(SIZES)))] == [201] * len(SIZES)
    at_most = memory_bytes(alice, "VmHWM")
    assert at_most, "the kernel says so"
    assert at_most < MEMORY_BYTES_MAX
    for tick in range(len(SIZES)):
        assert asked(alice, "GET", f"{PLACE}/{tick}") == (200, state(tick)), tick


def test_so_are_they_inside_of_json_as_zstd_and_as_blobs(alice: LocalNode) -> None:
    def blob(tick: int) -> int:
        how = "content" if tick % 2 else "fixed"
        return asked(alice, "POST", f"/api/blobs?chunks={how}&name={tick}", state(tick))[0]

    def wrapped(tick: int) -> int:
        body = b'{"tick":%d,"snapshot":%s}' % (tick, in_json(tick))
        return asked(alice, "POST", PLACE, body, content_type="application/json")[0]

    def packed(tick: int) -> int:
        body = zstandard.ZstdCompressor(level=3).compress(in_json(tick))
        return asked(alice, "POST", f"{PLACE}?tick={tick}", body, content_encoding="zstd")[0]

    ways = (blob, wrapped, packed)
    with ThreadPoolExecutor(60) as senders:
        begun = [senders.submit(ways[tick % 3], tick) for tick in range(60)]
        assert [one.result() for one in begun] == [201] * 60
    assert (memory_bytes(alice, "VmHWM") or MEMORY_BYTES_MAX) < MEMORY_BYTES_MAX
    for tick in range(60):
        if tick % 3:
            status, body = asked(alice, "GET", f"{PLACE}/{tick}")
            assert (status, in_json(tick) in body) == (200, True), tick  # back as it came


def test_nobody_waits_for_senders_that_fall_silent(alice: LocalNode) -> None:
    """They have sent more than all that is held at once, and neither go on nor go away."""
    with ExitStack() as lines:
        for tick in range(60):
            line = lines.enter_context(
                socket.create_connection((alice.client.host, alice.client.port), 4 * ARRIVE_S)
            )
            head = (
                f"POST {PLACE}?tick={tick} HTTP/1.1",
                f"Host: {alice.client.host}:{alice.client.port}",
                f"Authorization: Bearer {alice.client.token}",
                f"Content-Length: {50 * MIB}",
            )
            line.sendall("\r\n".join((*head, "", "")).encode() + state(0))
        assert asked(alice, "POST", f"{PLACE}?tick=100", state(1))[0] == 201
        assert asked(alice, "GET", f"{PLACE}/100") == (200, state(1))
        assert (memory_bytes(alice, "VmHWM") or MEMORY_BYTES_MAX) < MEMORY_BYTES_MAX
