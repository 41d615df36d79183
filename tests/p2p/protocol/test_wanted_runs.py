"""What one peer is asked for: all that is missing here and held there, once, and nothing else."""

from hypothesis import given
from hypothesis import strategies as st

from crdt.blob import CHUNK_BYTES, BlobId, build_manifest
from p2p.protocol.pieces import Urgency
from p2p.protocol.wanted import PeerNumber, Stage, Standing, Wanted

COUNT = 60
MANIFEST = build_manifest([bytes([number]) * 32 for number in range(COUNT)], COUNT * CHUNK_BYTES)
PEER = PeerNumber(1)
PLACES = st.sets(st.integers(0, COUNT - 1))


@given(missing=PLACES, held=PLACES, start=st.integers(0, COUNT), turn=st.integers(0, COUNT))
def test_a_peer_that_holds_a_part_is_asked_for_what_is_missing_of_it(
    missing: set[int], held: set[int], start: int, turn: int
) -> None:
    wanted = Wanted(BlobId(MANIFEST.id), 1 << 40, urgency=Urgency.ASKED)
    wanted.stage, wanted.manifest = Stage.CHUNKS, MANIFEST
    standing = wanted.standings[PEER] = Standing(may_know=True)
    standing.lack(True, runs_of(held, turn), now_s=0.0)
    wanted.missing(sorted(missing), start=start)
    asked: list[int] = []
    while held and (run := wanted.take_run(PEER, 3 * CHUNK_BYTES, now_s=0.0)) is not None:
        assert 1 <= run.count <= 3
        asked += range(run.first, run.first + run.count)
    assert sorted(asked) == sorted(missing & held)


def runs_of(held: set[int], turn: int) -> list[int]:
    """As a Holding has them: those from `turn` on, and then those before."""
    runs: list[tuple[int, int]] = []
    for index in sorted(held):
        if runs and sum(runs[-1]) == index:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((index, 1))
    turned = [*[run for run in runs if run[0] >= turn], *[run for run in runs if run[0] < turn]]
    return [number for run in turned for number in run]
