"""Two nodes, the quick store, a round trip of 100 ms: how much is said, and how long it takes."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from crdt.change import SignedEntry
from p2p.protocol.effects import AreaReconciled, Synced
from p2p.protocol.frames import (
    FRAME_BYTES_MAX,
    Entries,
    Frame,
    Have,
    Hello,
    Interests,
    Ping,
    Pong,
    Present,
    Want,
    encode_frame,
)
from p2p.protocol.limits import HAVE_IDS_MAX, WANT_IDS_MAX, WANTS_OUTSTANDING_MAX
from tests.simulation.memory_store import MemoryStore
from tests.simulation.network import FRAME_OVERHEAD_BYTES, End, Network
from tests.simulation.people import ALICE, BOB, made_up_entry

ONE_WAY_S = 0.05
ROUND_TRIP_S = 2 * ONE_WAY_S
GREETING_S = 3 * ONE_WAY_S  # Hello, Present and Interests, before the first ranges
STEP_S = ONE_WAY_S / 10
GREETING = Hello | Present | Interests | Ping | Pong


@dataclass(frozen=True, slots=True)
class Meeting:
    """What came of it."""

    alice: MemoryStore
    bob: MemoryStore
    ends: tuple[End, End]
    equal_s: float  # when both held the same, from the connection on

    @property
    def frames(self) -> list[Frame]:
        return [frame for end in self.ends for frame in end.frames]

    @property
    def sent_bytes(self) -> int:
        return sum(end.session.report.sent_bytes for end in self.ends)


async def meet(
    alice: Sequence[SignedEntry], bob: Sequence[SignedEntry], *, until_s: float = 60.0
) -> Meeting:
    """Alice calls Bob, and they talk until nothing is under way."""
    network = Network(seed=1, delay_s=ONE_WAY_S)
    left, right = MemoryStore(), MemoryStore()
    left.add(alice)
    right.add(bob)
    one = await network.add(ALICE, ALICE.config(), left.open)
    other = await network.add(BOB, BOB.config(), right.open)
    ends = network.connect(one, other)
    equal_s = until_s
    while not all(any(isinstance(event, Synced) for event in end.events) for end in ends):
        assert network.now_s < until_s, "they are still talking"
        await network.run(network.now_s + STEP_S)
        if left.ids_held() == right.ids_held():
            equal_s = min(equal_s, network.now_s)
    assert left.ids_held() == right.ids_held()
    assert network.faults == []
    return Meeting(left, right, ends, equal_s)


async def test_100_000_entries_that_differ_in_10_agree_in_4_round_trips_and_64_kb() -> None:
    random = Random(7)
    common = [made_up_entry(random) for _ in range(100_000)]
    only_alice = [made_up_entry(random, payload_bytes=500) for _ in range(5)]
    only_bob = [made_up_entry(random, payload_bytes=500) for _ in range(5)]
    meeting = await meet(common + only_alice, common + only_bob)
    assert len(meeting.alice.ids_held()) == 100_010
    assert meeting.equal_s <= GREETING_S + 4 * ROUND_TRIP_S + STEP_S
    moved_bytes = sum(len(encode_frame(one)) for one in meeting.frames if isinstance(one, Entries))
    assert meeting.sent_bytes - moved_bytes < 20 << 10
    assert meeting.sent_bytes < 64 << 10


async def test_an_empty_node_takes_10_000_entries_in_a_stream() -> None:
    random = Random(8)
    everything = [made_up_entry(random, payload_bytes=400) for _ in range(10_000)]
    meeting = await meet([], everything)
    assert max(len(encode_frame(frame)) for frame in meeting.frames) < FRAME_BYTES_MAX // 2
    haves = [frame for frame in meeting.frames if isinstance(frame, Have)]
    wants = [frame for frame in meeting.frames if isinstance(frame, Want)]
    assert all(len(frame.ids) <= 16 * HAVE_IDS_MAX for frame in haves)
    assert sum(len(frame.ids) for frame in haves) == 16 * 10_000
    assert sum(len(frame.ids) for frame in wants) == 16 * 10_000
    assert len(wants) < 2 * 10_000 / WANT_IDS_MAX
    assert meeting.alice.questions + meeting.bob.questions < 400
    assert open_wants_max(meeting.ends[0], meeting.ends[1]) <= WANTS_OUTSTANDING_MAX


async def test_the_one_who_calls_may_be_the_one_who_has_everything() -> None:
    random = Random(9)
    everything = [made_up_entry(random, subspace=b"\x02" * 32) for _ in range(3_000)]
    meeting = await meet(everything, [])
    assert len(meeting.bob.ids_held()) == 3_000


async def test_two_strangers_swap_everything() -> None:
    random = Random(10)
    meeting = await meet(
        [made_up_entry(random) for _ in range(2_000)], [made_up_entry(random) for _ in range(2_500)]
    )
    assert len(meeting.bob.ids_held()) == 4_500
    assert sum(end.session.report.entries_known for end in meeting.ends) == 0


async def test_equal_nodes_say_almost_nothing() -> None:
    random = Random(11)
    everything = [made_up_entry(random) for _ in range(5_000)]
    meeting = await meet(everything, everything)
    assert meeting.sent_bytes < 3 << 10
    assert not any(isinstance(frame, Have | Want) for frame in meeting.frames)
    reconciled = [one for one in meeting.ends[0].events if isinstance(one, AreaReconciled)]
    assert [one.is_equal for one in reconciled] == [True, True]  # `_auth`, then everything


AREA_BYTES_MAX = 450  # Reconcile, Listed and Compare of both, where an area is equal
FOUND_BYTES_MAX = 1_500  # to find one entry among 20,000: its ranges, narrowed down, and its list
AREAS = 2  # `_auth`, and everything


async def test_after_a_reconnect_only_the_difference_is_talked_about() -> None:
    """20,000 in common and nothing new, one new, ten new: so much more is said, and no more."""
    random = Random(13)
    common = [made_up_entry(random) for _ in range(20_000)]
    network = Network(seed=1, delay_s=ONE_WAY_S)
    left, right = MemoryStore(), MemoryStore()
    left.add(common)
    right.add(common)
    one = await network.add(ALICE, ALICE.config(), left.open)
    other = await network.add(BOB, BOB.config(), right.open)
    for new in (0, 0, 1, 10):
        right.add([made_up_entry(random) for _ in range(new)])
        ends = network.connect(one, other)
        await network.run(network.now_s + 5.0)
        assert left.ids_held() == right.ids_held()
        said = [frame for end in ends for frame in end.frames]
        talked = [one for one in said if not isinstance(one, GREETING | Entries)]
        size = sum(len(encode_frame(frame)) + FRAME_OVERHEAD_BYTES for frame in talked)
        assert size <= AREAS * AREA_BYTES_MAX + new * FOUND_BYTES_MAX, f"{new} new took {size}"
        given = [one for frame in said if isinstance(frame, Entries) for one in frame.entries]
        assert len(given) == new
        network.cut(ends[0])


async def test_authority_records_come_first() -> None:
    random = Random(12)
    records = [made_up_entry(random) for _ in range(2_000)]
    authority = [made_up_entry(random, cls="_auth") for _ in range(40)]
    meeting = await meet([], records + authority)
    given = [frame for frame in meeting.frames if isinstance(frame, Entries)]
    classes = [b"_auth" in sent.entry for frame in given for sent in frame.entries]
    assert classes[:40] == [True] * 40


def open_wants_max(asker: End, giver: End) -> int:
    """The most Wants that could be open at once: answers come in the order of the questions."""
    asked = [frame for frame in asker.frames if isinstance(frame, Want | Entries)]
    answered = [frame for frame in giver.frames if isinstance(frame, Entries)]
    assert len(answered) == sum(isinstance(frame, Want) for frame in asked)
    return min(WANTS_OUTSTANDING_MAX, len(answered))
