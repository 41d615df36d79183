"""What a node's threads freed is not kept for each of them alone."""

import http.client
import platform
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from blake3 import blake3

from node.arenas import ARENAS_MAX
from node.commands.nodes import LocalNode, start_node, stop_all
from tests.e2e.story import ARRIVE_S

pytestmark = [
    pytest.mark.nodes,
    pytest.mark.skipif(
        platform.libc_ver()[0] != "glibc" or platform.architecture()[0] != "64bit",
        reason="looks for the arenas of glibc, which lie otherwise with 32 bits",
    ),
]

ARENA_BYTES = 64 << 20
"""Of addresses, from a multiple of it on: as much of them as is not in use yet, nobody may read."""
READERS = 8
PLACE = "/api/universe/universe:main/snapshot"


@pytest.fixture
def alice(tmp_path: Path) -> Iterator[LocalNode]:
    made = start_node("alice", tmp_path, "--no-mdns")
    yield made
    stop_all([made])


def arenas(node: LocalNode) -> int:
    """How many there are beside the one that each process has."""
    count = 0
    for line in Path(f"/proc/{node.process.pid}/maps").read_text().splitlines():
        span, rights, _, _, _, *name = line.split()
        end = int(span.partition("-")[2], 16)
        count += rights == "---p" and not name and end % ARENA_BYTES == 0
    return count


def asked(node: LocalNode, method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
    client = node.client
    headers = {"authorization": f"Bearer {client.token}"}
    with closing(http.client.HTTPConnection(client.host, client.port, timeout=ARRIVE_S)) as line:
        line.request(method, path, body, headers)
        answer = line.getresponse()
        return answer.status, answer.read()


def test_the_threads_of_a_node_share_what_they_free(alice: LocalNode) -> None:
    alice.client.post("/api/universe", {"id": "universe:main", "name": "Main"})
    state = blake3(b"a world").digest(length=4 << 20)
    assert asked(alice, "POST", f"{PLACE}?tick=1", state)[0] == 201
    with ThreadPoolExecutor(READERS) as readers:
        read = [readers.submit(asked, alice, "GET", f"{PLACE}/1?raw=true") for _ in range(READERS)]
        assert [one.result() for one in read] == [(200, state)] * READERS
    assert arenas(alice) < ARENAS_MAX
