"""How much work a peer can have done: deltas as long as that is paid for, then runs as they are."""

from random import Random

from crdt.blob import Chunking
from crdt.chunking import content_manifest_of
from p2p.protocol import limits
from p2p.protocol.bandwidth import Bandwidth
from p2p.protocol.delta_questions import ReadDelta
from p2p.protocol.effects import GivenRun, Query, ReadRun
from p2p.protocol.frames import Base, Delta
from p2p.protocol.pieces import CHUNK, unpack_against
from p2p.transport.giving import Giving, delta_work
from tests.simulation.memory_store import MemoryStore

OLDER = Random(1).randbytes(400_000)
NEWER = OLDER[:200_000] + b"a tick later" + OLDER[200_000:]
STORE = MemoryStore()
OLD, NEW = (STORE.put_blob(data, Chunking.CONTENT) for data in (OLDER, NEWER))
ALL = content_manifest_of(NEWER).chunk_count
BASE = Base(OLD, 0, content_manifest_of(OLDER).chunk_count)
ASKED = Query(1, ReadDelta(NEW, CHUNK, 0, ALL, 3, BASE))
COST = len(OLDER) + len(NEWER)


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


async def not_asked(query: Query) -> object:
    raise AssertionError("a delta needs nothing of what reads runs")


def giving_to(peer: str, deltas: Bandwidth, clock: Clock) -> Giving:
    return Giving(peer, STORE, deltas=deltas, clock=clock)


async def made(giving: Giving) -> int:
    """How many deltas in a row."""
    count = 0
    while isinstance(run := await giving.answer(ASKED, not_asked), GivenRun):
        assert unpack_against(Delta(1, run.data, run.plain_bytes), OLDER) == NEWER
        count += 1
    return count


async def test_one_peer_has_no_more_deltas_made_than_its_share() -> None:
    """DELTA_PEER_BYTES_PER_S: an answer of a few bytes may be the work of 1.5 MiB."""
    clock = Clock()
    deltas = delta_work(now_s=0.0)
    mallory = giving_to("mallory", deltas, clock)
    share = limits.DELTA_PEER_BYTES_PER_S
    assert await made(mallory) - 1 == share * limits.DELTA_BURST_S // COST
    assert await made(mallory) == 0
    bob = giving_to("bob", deltas, clock)
    assert await bob.answer(ASKED, not_asked) is not None, "others are given theirs"
    clock.now_s = 3.0
    assert await made(mallory) in range(int(2 * share / COST), int(4 * share / COST))


async def test_all_peers_together_have_no_more_made_than_a_core_does() -> None:
    """DELTA_BYTES_PER_S, and whoever comes again has not paid: the bucket of all is one."""
    clock = Clock()
    deltas = delta_work(now_s=0.0)
    total = 0
    for _ in range(20):
        giving = giving_to("mallory", deltas, clock)
        total += await made(giving)
        giving.end()
    assert total - 1 <= limits.DELTA_BYTES_PER_S * limits.DELTA_BURST_S // COST < total + 20


async def test_runs_as_they_are_cost_nothing_of_it() -> None:
    clock = Clock()
    giving = giving_to("bob", delta_work(now_s=0.0), clock)
    await made(giving)

    async def read(query: Query) -> object:
        return GivenRun(b"\0" * 100, 0, 1)

    run = await giving.answer(Query(2, ReadRun(NEW, 0, 1, 3)), read)
    assert isinstance(run, GivenRun)
    assert run.plain_bytes == 100, "packed as always"
