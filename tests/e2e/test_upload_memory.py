"""A state of a world comes in over a socket, far larger than what its node may hold of it.

Each way of sending one: as it is, as gzip or zstd, and in JSON, plain or packed, as games send it.
The node is a process of its own, and the kernel says how much memory it had at most.
"""

import base64
import json
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection

import pytest
import zstandard
from blake3 import blake3

from node.commands.nodes import LocalNode, start_node, stop_all
from node.failure import Json
from tests.e2e.story import ARRIVE_S
from tests.e2e.test_hostile_peer import memory_bytes

pytestmark = [
    pytest.mark.nodes,
    pytest.mark.xdist_group("upload-memory"),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc"),
]

PIECE = 1 << 20
SMALL = 16
LARGE = 192
"""Pieces of a state, so many MiB. The small one fills all that is bounded: threads, caches and the
batches of the store."""
GROWTH_BYTES_MAX = 80 << 20
"""From a small one to a large one: it is 10 to 25 MiB, and some 200 where a body is collected."""
THIN = 16 << 10

Pieces = Iterable[bytes]
RAW = "?tick=7"
IN_JSON = {"content-type": "application/json"}


def noise(count: int) -> Iterator[bytes]:
    """Nothing that could be packed, found to be the same, or guessed."""
    hasher = blake3(b"a world")
    for at in range(count):
        yield hasher.digest(length=PIECE, seek=at * PIECE)


def thin(count: int) -> Iterator[bytes]:
    """A hundredth of it is noise, so that it comes in few bytes."""
    for piece in noise(count):
        starts = range(0, PIECE, THIN)
        yield b"".join(piece[at : at + 160] + bytes(THIN - 160) for at in starts)


def entities(count: int) -> Iterator[bytes]:
    """The JSON of a world, as compact as it is kept."""
    yield b'{"genomes":['
    for at, piece in enumerate(noise(count)):
        yield (b',"' if at else b'"') + piece[: PIECE // 2].hex().encode() + b'"'
    yield b"]}"


def in_gzip(pieces: Pieces, level: int) -> Iterator[bytes]:
    packer = zlib.compressobj(level, wbits=31)
    for piece in pieces:
        yield packer.compress(piece)
    yield packer.flush()


def in_zstd(pieces: Pieces) -> Iterator[bytes]:
    packer = zstandard.ZstdCompressor(level=1).compressobj()
    for piece in pieces:
        yield packer.compress(piece)
    yield packer.flush()


def wrapped(pieces: Pieces) -> Iterator[bytes]:
    yield b'{"snapshot":'
    yield from pieces
    yield b',"tick":7}'


def packed(pieces: Pieces) -> Iterator[bytes]:
    yield b'{"compressedSnapshot":"'
    rest = b""
    for piece in in_gzip(pieces, 0):
        data = rest + piece
        whole = len(data) - len(data) % 3
        yield base64.b64encode(data[:whole])
        rest = data[whole:]
    yield base64.b64encode(rest) + b'","tick":7}'


@dataclass(frozen=True, slots=True)
class Way:
    """Of sending a state: what it is, and what of it goes over the line."""

    name: str
    state: Callable[[int], Iterator[bytes]]
    sent: Callable[[Pieces], Iterator[bytes]]
    headers: Mapping[str, str]
    query: str = RAW


WAYS = (
    Way("as-it-is", noise, iter, {}),
    Way("gzip", noise, lambda state: in_gzip(state, 0), {"content-encoding": "gzip"}),
    Way("zstd", noise, in_zstd, {"content-encoding": "zstd"}),
    Way("few-bytes-of-gzip", thin, lambda state: in_gzip(state, 9), {"content-encoding": "gzip"}),
    Way("json", entities, wrapped, IN_JSON, query=""),
    Way("packed-json", entities, packed, IN_JSON, query=""),
)


@pytest.fixture(scope="module")
def alice(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalNode]:
    """Games are let in without a token, as they come."""
    alice = start_node("alice", tmp_path_factory.mktemp("memory"), "--no-mdns", "--compat")
    yield alice
    stop_all([alice])


def send(alice: LocalNode, id: str, way: Way, count: int, **headers: str) -> bool:
    """What was kept is what went into it; whether that was known before."""
    hasher, size = blake3(), 0

    def counted() -> Iterator[bytes]:
        nonlocal size
        for piece in way.state(count):
            hasher.update(piece)
            size += len(piece)
            yield piece

    with closing(HTTPConnection(alice.client.host, alice.client.port, timeout=ARRIVE_S)) as line:
        path, body = f"/api/universe/{id}/snapshot{way.query}", way.sent(counted())
        line.request("POST", path, filter(None, body), {**way.headers, **headers})
        answer = line.getresponse()
        done: Json = json.loads(answer.read())
    assert answer.status == 201, done
    assert (done["fileSize"], done["checksum"]) == (size, hasher.hexdigest())
    assert size >= count * PIECE
    return answer.getheader("idempotent-replay") == "true"


def send_new(alice: LocalNode, id: str, way: Way, count: int, **headers: str) -> None:
    """Into a universe of its own: else the state before it would be written anew meanwhile."""
    alice.client.post("/api/universe", {"id": id, "name": way.name, "isPublic": True})
    assert not send(alice, id, way, count, **headers)


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_a_large_upload_takes_the_memory_of_a_small_one(alice: LocalNode, way: Way) -> None:
    send_new(alice, f"universe:small-{way.name}", way, SMALL)
    before = memory_bytes(alice, "VmHWM")
    assert before
    send_new(alice, f"universe:large-{way.name}", way, LARGE)
    assert memory_bytes(alice, "VmHWM") - before < GROWTH_BYTES_MAX


def test_so_does_one_that_is_sent_again_and_is_known(alice: LocalNode) -> None:
    """Its body is read all the same: with another one it is refused."""
    way, key = WAYS[0], {"Idempotency-Key": "the-same-again"}
    send_new(alice, "universe:again", way, LARGE, **key)
    before = memory_bytes(alice, "VmHWM")
    assert send(alice, "universe:again", way, LARGE, **key)
    assert memory_bytes(alice, "VmHWM") - before < GROWTH_BYTES_MAX
