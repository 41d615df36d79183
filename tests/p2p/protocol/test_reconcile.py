"""Two sets, two cores: in the end each knows what it lacks, in few rounds and short frames."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crdt.area import Area
from crdt.change import SignedEntry
from crdt.keys import COMMONS
from crdt.order import Bounds
from p2p.protocol.effects import ListIds, Question
from p2p.protocol.errors import RemoteProtocolError
from p2p.protocol.frames import (
    FRAME_BYTES_MAX,
    Listing,
    RangeItem,
    Ranges,
    Skip,
    Summary,
    Upper,
    encode_frame,
)
from p2p.protocol.limits import LIST_IDS_MAX, RANGE_ITEMS_MAX, RANGES_BYTES, SPLIT_PARTS
from p2p.protocol.outbox import Steps
from p2p.protocol.ranges import read_ranges
from p2p.protocol.reconcile import Answer, Offer, Reconciliation
from tests.p2p.protocol.conversation import asked, entries_of
from tests.simulation.memory_store import MemoryStore

POOL = entries_of(1, 400)
MANY = entries_of(2, 6_000)


def done(steps: Steps[Answer], store: MemoryStore) -> Answer:
    """Runs `steps` with the answers of this store."""
    answer: object = None
    try:
        while True:
            question: Question = steps.send(answer)
            answer = asked(store, question)
    except StopIteration as stop:
        result: Answer = stop.value
        return result


def store_with(entries: Sequence[SignedEntry]) -> MemoryStore:
    store = MemoryStore()
    store.add(entries)
    return store


def offered(offer: Offer, store: MemoryStore) -> set[bytes]:
    question = ListIds(COMMONS, Area(), (offer.bounds,), 1 << 20)
    (listed,) = cast("list[list[bytes]]", asked(store, question))
    return set(listed) - offer.besides


@dataclass
class Outcome:
    """What each side learned, and how it was said."""

    found: list[set[bytes]]  # what side 0, and side 1, learned to be missing here
    frames: list[tuple[RangeItem, ...]] = field(default_factory=list[tuple[RangeItem, ...]])


def compare(
    alice: Sequence[SignedEntry],
    bob: Sequence[SignedEntry],
    answer_bytes: tuple[int, int] = (RANGES_BYTES, RANGES_BYTES),
) -> Outcome:
    stores = (store_with(alice), store_with(bob))
    cores = [Reconciliation(COMMONS, Area(), size) for size in answer_bytes]
    outcome = Outcome([set(), set()])
    items = done(cores[0].begin(), stores[0]).items
    turn = 1
    while items:
        outcome.frames.append(items)
        assert len(outcome.frames) < 20_000, "it does not end"
        answer = done(cores[turn].answer(items), stores[turn])
        outcome.found[turn] |= set(answer.lacking)
        for offer in answer.offers:
            outcome.found[1 - turn] |= offered(offer, stores[turn])
        items, turn = answer.items, 1 - turn
    return outcome


def ids(entries: Sequence[SignedEntry]) -> set[bytes]:
    return {signed.id[:16] for signed in entries}


def check(outcome: Outcome, alice: Sequence[SignedEntry], bob: Sequence[SignedEntry]) -> None:
    assert outcome.found == [ids(bob) - ids(alice), ids(alice) - ids(bob)]
    for items in outcome.frames:
        assert 0 < len(items) <= RANGE_ITEMS_MAX
        assert len(encode_frame(Ranges(1, items))) <= FRAME_BYTES_MAX


members = st.sets(st.integers(0, len(POOL) - 1))
sizes = st.sampled_from([0, 1, 500, 4 << 10, RANGES_BYTES, 1 << 20, 1 << 30])


@settings(deadline=None, max_examples=150)
@given(members, members, sizes, sizes)
def test_any_two_sets_at_any_frame_size(
    left: set[int], right: set[int], alices_bytes: int, bobs_bytes: int
) -> None:
    alice, bob = [POOL[i] for i in left], [POOL[i] for i in right]
    outcome = compare(alice, bob, (alices_bytes, bobs_bytes))
    check(outcome, alice, bob)
    # Each answer settles or splits a range, and a range is split only where 64 are held.
    assert len(outcome.frames) <= 8 + (len(left) + len(right)) // 4


@pytest.mark.parametrize(
    ("alice", "bob", "rounds"),
    [
        ([], [], 1),
        (POOL[:1], POOL[:1], 1),
        (POOL, POOL, 1),
        (POOL, POOL[:-1], 3),
        (POOL[:60], POOL[200:], 1),
        (POOL[200:], POOL[:60], 3),
        (MANY, MANY[5:], 4),
        (MANY, [], 2),
        ([], MANY, 1),
    ],
)
def test_how_many_frames_it_takes(
    alice: list[SignedEntry], bob: list[SignedEntry], rounds: int
) -> None:
    outcome = compare(alice, bob)
    check(outcome, alice, bob)
    assert len(outcome.frames) <= rounds


def test_two_strangers_with_thousands_take_few_rounds() -> None:
    outcome = compare(MANY[:3_000], MANY[3_000:])
    check(outcome, MANY[:3_000], MANY[3_000:])
    assert len(outcome.frames) < 20
    sent = sum(len(encode_frame(Ranges(1, items))) for items in outcome.frames)
    assert sent < 40 * 6_000


def test_every_second_entry_differs_and_frames_hold_no_more_than_they_may() -> None:
    """Every range beside an equal one: as many Skips as ranges, in frames as long as they come."""
    outcome = compare(MANY, MANY[::2], (1 << 30, 1 << 30))
    check(outcome, MANY, MANY[::2])


def longest_frame() -> tuple[RangeItem, ...]:
    """As many ranges as a frame holds, with gaps, and in the last one nearly all we have."""
    items: list[RangeItem] = []
    for number in range(RANGE_ITEMS_MAX // 2):
        bound = number.to_bytes(4, "big")
        items += [Skip(Upper(0, bound + b"\1")), Summary(Upper(0, bound + b"\2"), 9, b"?" * 16)]
    return (*items[:-1], Summary(None, 9, b"?" * 16))


@pytest.mark.parametrize("answer_bytes", [0, RANGES_BYTES, 1 << 30])
def test_as_many_ranges_as_a_frame_holds_are_answered_in_one(answer_bytes: int) -> None:
    """The last of them become one range; what is in them is compared again, and nothing is lost."""
    items = longest_frame()
    assert len(items) == RANGE_ITEMS_MAX
    answer = done(Reconciliation(COMMONS, Area(), answer_bytes).answer(items), store_with(MANY))
    assert len(answer.items) <= RANGE_ITEMS_MAX
    covered = read_ranges(answer.items, Bounds())
    assert covered[0].bounds.lower == read_ranges(items, Bounds())[0].bounds.lower
    assert covered[-1].bounds.upper is None


@pytest.mark.parametrize("extra", [0, 1])
def test_a_range_of_64_is_listed_and_a_longer_one_is_split(extra: int) -> None:
    store = store_with(POOL[: LIST_IDS_MAX + extra])
    items = done(Reconciliation(COMMONS, Area()).begin(), store).items
    if extra:
        assert len(items) == SPLIT_PARTS
    else:
        (listing,) = items
        assert isinstance(listing, Listing)
        assert len(listing.ids) == 16 * LIST_IDS_MAX


def test_an_answer_needs_few_questions() -> None:
    """One query for all ranges of a frame, not one each."""
    store = store_with(MANY)
    first = done(Reconciliation(COMMONS, Area()).begin(), store_with(MANY[::3])).items
    before = store.questions
    done(Reconciliation(COMMONS, Area()).answer(first), store)
    assert store.questions - before <= 4


def test_wrong_ranges_are_the_peers_fault() -> None:
    area = Area(MANY[0].entry.subspace)
    core = Reconciliation(COMMONS, area)
    assert core.bounds != Bounds()
    with pytest.raises(RemoteProtocolError):
        done(core.answer((Skip(Upper(0, b"")),)), store_with(MANY))
