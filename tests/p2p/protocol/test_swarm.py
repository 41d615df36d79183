"""Blobs from several peers: whole or with a reason, nothing twice, nothing unverified."""

import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import TypeAlias, cast, overload

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crdt import cbor
from crdt.blob import (
    CHUNK_BYTES,
    BlobId,
    ChunkName,
    Manifest,
    build_content_manifest,
    chunks_of,
    manifest_of,
)
from crdt.digest import payload_digest
from p2p.protocol import limits, looking
from p2p.protocol.bandwidth import Rates
from p2p.protocol.effects import (
    AddChunks,
    BlobFailed,
    BlobFetched,
    BlobProgress,
    MayKnowBlob,
    Notify,
    Query,
    Unstored,
)
from p2p.protocol.frames import Get, Holding, Part
from p2p.protocol.orders import Ask
from p2p.protocol.pieces import CHUNK, PAGE, ROOT, Rank, Urgency
from p2p.protocol.swarm import Swarm
from p2p.protocol.wanted import PeerNumber, overlaps
from tests.p2p.protocol.conversation import at_once
from tests.p2p.protocol.crowd import Crowd, Giver, places
from tests.simulation.memory_store import MemoryStore

DATA = Random(1).randbytes(20 * CHUNK_BYTES + 5)
MANIFEST = manifest_of(DATA)
CHUNKS = list(chunks_of(DATA))
BLOB = MANIFEST.id
SIZE = len(DATA)

Ranges: TypeAlias = list[tuple[int, int]]
RUNS = st.lists(st.tuples(st.integers(0, 40), st.integers(1, 9)), max_size=6)


def apart(pairs: Ranges) -> Ranges:
    """Runs in order, from gaps and lengths."""
    runs, end = Ranges(), 0
    for gap, length in pairs:
        runs.append((end + gap, length))
        end += gap + length
    return runs


HELD = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), max_size=6).map(apart)


class ListedStore(MemoryStore):
    """How many pages each manifest had that was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.manifests: list[int] = []

    async def blob_manifest(self, blob: BlobId, first_page: int, pages: int) -> Manifest | None:
        manifest = await super().blob_manifest(blob, first_page, pages)
        if manifest is not None:
            self.manifests.append(len(manifest.pages))
        return manifest


def full() -> MemoryStore:
    store = MemoryStore()
    assert store.put_blob(DATA) == BLOB
    return store


def partly(*chunks: int) -> MemoryStore:
    """Root, page, and some chunks."""
    store = MemoryStore()
    begin(store, MANIFEST)
    for index in chunks:
        at_once(store.add_chunks(BLOB, [(index, CHUNKS[index])]))
    return store


def begin(store: MemoryStore, manifest: Manifest) -> None:
    at_once(store.begin_blob(manifest.id, manifest.root))
    for page, data in enumerate(manifest.pages):
        at_once(store.add_page(manifest.id, page, data))


def until_chunks(crowd: Crowd, giver: Giver) -> None:
    """Root and page have come."""
    while giver.asked[0].piece != CHUNK:
        crowd.give(giver)


def in_flight(*givers: Giver) -> int:
    return sum(MANIFEST.chunk_size(index) for giver in givers for _, index in places(giver.asked))


# ── one peer ─────────────────────────────────────────────────────────────────────────────────────


def test_root_then_pages_then_chunks_within_the_window() -> None:
    crowd = Crowd()
    giver = crowd.giver(full())
    crowd.want(BLOB)
    assert [get.piece for get in giver.asked] == [ROOT]
    crowd.give(giver)
    assert [get.piece for get in giver.asked] == [PAGE]
    crowd.give(giver)
    while giver.asked:
        assert {get.piece for get in giver.asked} == {CHUNK}
        assert in_flight(giver) <= limits.WINDOW_BYTES_FIRST
        crowd.give(giver)
    assert crowd.end(BLOB) == BlobFetched(BLOB, SIZE)
    assert crowd.store.blob(BLOB) == DATA
    assert places(giver.all_asked) == [(ROOT, 0), (PAGE, 0), *((CHUNK, i) for i in range(21))]


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES, CHUNK_BYTES + 1])
def test_small_blobs(size: int) -> None:
    crowd = Crowd()
    giver = crowd.giver()
    blob = giver.store.put_blob(bytes(size))
    crowd.want(blob)
    crowd.settle()
    assert crowd.end(blob) == BlobFetched(blob, size)
    assert crowd.store.blob(blob) == bytes(size)


def test_only_what_is_missing_is_asked_for() -> None:
    crowd = Crowd()
    crowd.store = partly(0, 1, 2, 5, 20)
    giver = crowd.giver(full())
    crowd.want(BLOB)
    crowd.settle()
    asked = places(giver.all_asked)
    assert asked == [(CHUNK, i) for i in range(21) if i not in (0, 1, 2, 5, 20)]
    assert crowd.end(BLOB) == BlobFetched(BLOB, SIZE)


def test_pages_that_are_held_are_not_asked_for_again() -> None:
    crowd = Crowd()
    at_once(crowd.store.begin_blob(BLOB, MANIFEST.root))
    giver = crowd.giver(full())
    crowd.want(BLOB)
    assert [get.piece for get in giver.asked] == [PAGE]


def test_what_is_whole_is_not_fetched() -> None:
    crowd = Crowd()
    crowd.store = full()
    giver = crowd.giver(full())
    crowd.want(BLOB)
    assert not giver.all_asked
    assert crowd.end(BLOB) == BlobFetched(BLOB, SIZE)


def test_a_chunk_that_stands_in_many_places_comes_once() -> None:
    crowd = Crowd()
    giver = crowd.giver()
    blob = giver.store.put_blob(bytes(9 * CHUNK_BYTES))
    crowd.want(blob)
    until_chunks(crowd, giver)
    assert places(giver.asked) == [(CHUNK, 0)]


def test_a_blob_that_is_too_large_is_given_up_at_its_root() -> None:
    crowd = Crowd()
    giver = crowd.giver(full())
    crowd.want(BLOB, SIZE - 1)
    crowd.settle()
    end = crowd.end(BLOB)
    assert isinstance(end, BlobFailed)
    assert end.code == "too-large"
    assert places(giver.all_asked) == [(ROOT, 0)]
    assert at_once(crowd.store.blob_root(BLOB)) is None, "nothing of it is kept"
    assert not crowd.blamed


@pytest.mark.parametrize("pages", [1, 2])
def test_what_is_looked_at_of_a_blob_does_not_grow_with_it(
    pages: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looking, "MANIFEST_PAGES", pages)
    chunks = [Random(index).randbytes(4096) for index in range(2_500)]
    manifest = build_content_manifest([ChunkName(payload_digest(one), 4096) for one in chunks])
    assert manifest.parsed.page_count > 2 * pages
    crowd, store = Crowd(), ListedStore()
    crowd.store = store
    giver = crowd.giver()
    begin(giver.store, manifest)
    at_once(giver.store.add_chunks(manifest.id, list(enumerate(chunks))))
    at_once(store.begin_blob(manifest.id, manifest.root))
    for late in (400, 1_900):  # what is held already, in one page and in another
        at_once(store.add_chunks(manifest.id, [(late, chunks[late])]))
    crowd.want(manifest.id)
    crowd.settle()
    assert crowd.end(manifest.id) == BlobFetched(manifest.id, 2_500 * 4096)
    assert store.blob(manifest.id) == b"".join(chunks)
    asked = [index for piece, index in places(giver.all_asked) if piece == CHUNK]
    assert asked == [index for index in range(2_500) if index not in (400, 1_900)]
    assert store.manifests == [pages] * (manifest.parsed.page_count // pages) + (
        [1] if manifest.parsed.page_count % pages else []
    )
    held = [event.size_bytes for event in crowd.events if isinstance(event, BlobProgress)]
    assert held == sorted(held)
    assert held[-1] == 2_500 * 4096


def test_a_run_that_waits_for_the_store_is_kept_once() -> None:
    """As chunks: not as the piece in which they came, too."""
    chunks = [Random(index).randbytes(4096) for index in range(40)]
    manifest = build_content_manifest([ChunkName(payload_digest(one), 4096) for one in chunks])
    crowd = Crowd()
    giver = crowd.giver()
    begin(giver.store, manifest)
    at_once(giver.store.add_chunks(manifest.id, list(enumerate(chunks))))
    crowd.want(manifest.id)
    until_chunks(crowd, giver)
    crowd.is_storing = False
    part = giver.answer(giver.asked[0])
    assert isinstance(part, Part)
    data = part.data
    crowd.say(giver, part)
    del part
    question = crowd.questions[0].question
    assert isinstance(question, AddChunks)
    assert len(question.chunks) > 1
    assert b"".join(question.chunks) == data
    assert sys.getrefcount(data) == 2, "nobody but this test has it"


def test_a_record_that_lies_about_the_size_spoils_no_other_wish() -> None:
    crowd = Crowd()
    giver = crowd.giver(full())
    crowd.want(BLOB, 1)
    crowd.want(BLOB, SIZE)
    crowd.settle()
    assert crowd.end(BLOB) == BlobFetched(BLOB, SIZE)
    assert len(places(giver.all_asked)) == 23


def test_what_nobody_wants_any_more_is_not_asked_for() -> None:
    crowd = Crowd()
    giver = crowd.giver(full())
    crowd.want(BLOB)
    until_chunks(crowd, giver)
    before = len(giver.all_asked)
    crowd.do(crowd.swarm.forget(BLOB, now_s=0.0))
    crowd.settle()
    assert len(giver.all_asked) == before
    assert crowd.end(BLOB) is None
    crowd.want(BLOB)  # and what came before is of use
    crowd.settle()
    assert crowd.end(BLOB) == BlobFetched(BLOB, SIZE)


# ── nobody has it ────────────────────────────────────────────────────────────────────────────────


def test_with_no_peer_it_fails_at_once() -> None:
    crowd = Crowd()
    crowd.want(BLOB)
    assert crowd.end(BLOB) == BlobFailed(BLOB, "not-held", "no peer is connected")


@pytest.mark.parametrize("wanted", ["before", "between"])
def test_a_peer_whose_session_makes_way_for_another_is_waited_for(wanted: str) -> None:
    crowd = Crowd()
    alice = crowd.giver(full())
    if wanted == "before":
        crowd.want(BLOB)  # she was asked, and gave nothing yet
    crowd.gone(alice, is_replaced=True)
    if wanted == "between":
        crowd.want(BLOB)
    crowd.tick(limits.REPLACED_S * 0.9)
    assert crowd.end(BLOB) is None
    assert crowd.swarm.wake_s is not None, "or nobody would look whether she is back"
    crowd.back(alice)
    crowd.settle()
    assert crowd.end(BLOB) == BlobFetched(BLOB, SIZE)


def test_a_peer_whose_next_session_does_not_come_is_waited_for_so_long() -> None:
    crowd = Crowd()
    crowd.gone(crowd.giver(full()), is_replaced=True)
    crowd.want(BLOB)
    crowd.tick(limits.REPLACED_S)
    assert crowd.end(BLOB) == BlobFailed(BLOB, "not-held", "no peer is connected")
    crowd.want(other := BlobId(bytes(32)))
    assert crowd.end(other) is not None, "nobody is waited for any more"


def test_nobody_is_waited_for_who_is_back_or_whose_session_just_ended() -> None:
    crowd = Crowd()
    alice, bob = crowd.giver(), crowd.giver(full())
    crowd.gone(alice, is_replaced=True)
    crowd.gone(bob)
    crowd.back(alice)
    crowd.want(BLOB)
    crowd.settle()
    assert crowd.end(BLOB) == BlobFailed(BLOB, "not-held", "1 connected peer does not hold it")


def waits(crowd: Crowd) -> list[str]:
    """What each word of progress said of whom it waits for."""
    return [one.waits_for for one in crowd.events if isinstance(one, BlobProgress)]


@pytest.mark.parametrize("others", [0, 1])
def test_a_giver_that_starts_again_is_waited_for_and_the_fetch_goes_on(others: int) -> None:
    crowd = Crowd()
    alice = crowd.giver(full())
    for _ in range(others):
        crowd.giver()
    crowd.want(BLOB)
    until_chunks(crowd, alice)
    crowd.give(alice)
    crowd.gone(alice)
    crowd.wait(limits.NOTHING_CAME_S * 0.9)
    assert crowd.end(BLOB) is None
    why = ("no peer is connected", "1 connected peer does not hold it")[others]
    assert waits(crowd)[-1] == why, "and it says so"
    assert crowd.events[-1] == replace(cast(BlobProgress, crowd.events[-1]), rate=0.0)
    crowd.giver(alice.store)
    assert waits(crowd)[-1] == ""
    crowd.wait(1.0)
    assert crowd.end(BLOB) == BlobFetched(BLOB, SIZE)


@pytest.mark.parametrize("others", [0, 1])
def test_a_giver_that_never_comes_back_is_waited_for_so_long(others: int) -> None:
    crowd = Crowd()
    alice = crowd.giver(full())
    crowd.want(BLOB)
    until_chunks(crowd, alice)
    crowd.give(alice)
    crowd.gone(alice)
    for _ in range(10):  # whoever gives nothing and goes again makes it no longer
        crowd.tick(limits.NOTHING_CAME_S * 0.09)
        mallory = crowd.giver(full())
        crowd.gone(mallory)
    for _ in range(others):
        crowd.giver()
        crowd.settle()
    assert crowd.end(BLOB) is None
    crowd.tick(limits.NOTHING_CAME_S * 0.11)
    crowd.settle()
    assert isinstance(crowd.end(BLOB), BlobFailed)


def left(crowd: Crowd) -> int | None:
    """Who is told of as gone."""
    return [one.left for one in crowd.events if isinstance(one, BlobProgress)][-1]


def test_while_the_only_giver_has_no_channel_that_is_told_and_it_goes_on_over_the_next() -> None:
    crowd = Crowd()
    alice = crowd.giver(full())
    crowd.want(BLOB)
    until_chunks(crowd, alice)
    crowd.give(alice)
    assert left(crowd) is None
    crowd.adrift.add(alice.number)
    crowd.tick(0.5)
    assert (waits(crowd)[-1], left(crowd)) == ("no peer is connected", alice.number)
    crowd.tick(limits.NOTHING_CAME_S * 0.9)
    assert crowd.end(BLOB) is None, "she may come back"
    crowd.adrift.clear()
    crowd.tick(0.5)
    assert (waits(crowd)[-1], left(crowd)) == ("", None)
    crowd.wait(1.0)
    assert crowd.end(BLOB) == BlobFetched(BLOB, SIZE)


def test_also_before_anything_of_it_came() -> None:
    crowd = Crowd()
    alice = crowd.giver(full())
    crowd.want(BLOB)
    crowd.adrift.add(alice.number)
    crowd.tick(0.5)
    waiting = crowd.events[-1]
    assert isinstance(waiting, BlobProgress)
    assert (waiting.waits_for, waiting.total_bytes) == ("no peer is connected", 0)
    assert waiting.left is None, "she gave nothing"
    crowd.adrift.clear()
    crowd.wait(1.0)
    assert crowd.end(BLOB) == BlobFetched(BLOB, SIZE)


@pytest.mark.parametrize("has_it", [False, True])
def test_whoever_has_a_channel_is_asked_in_the_place_of_one_who_has_none(*, has_it: bool) -> None:
    crowd = Crowd()
    alice = crowd.giver(full())
    crowd.want(BLOB)
    until_chunks(crowd, alice)
    crowd.give(alice)
    kept, alice.asked = alice.asked, deque()  # nothing of it comes any more
    crowd.adrift.add(alice.number)
    crowd.giver(full() if has_it else None)
    crowd.wait(2 * limits.RUN_PATIENCE_S)
    if has_it:
        assert crowd.end(BLOB) == BlobFetched(BLOB, SIZE)
        return
    assert waits(crowd)[-1] == "1 connected peer does not hold it"
    crowd.adrift.clear()
    alice.asked.extend(kept)
    crowd.wait(1.0)
    assert crowd.end(BLOB) == BlobFetched(BLOB, SIZE)


def test_whoever_lied_is_not_waited_for() -> None:
    crowd = Crowd()
    mallory = crowd.giver(full())
    crowd.want(BLOB)
    until_chunks(crowd, mallory)
    crowd.give(mallory)
    get = mallory.asked[0]
    crowd.say(mallory, Part(get.number, bytes(CHUNK_BYTES), 0))
    assert [one[0] for one in crowd.blamed] == [mallory.number]
    assert isinstance(crowd.end(BLOB), BlobFailed)


def test_whose_session_is_about_to_open_is_waited_for() -> None:
    crowd = Crowd()
    for number in (7, 8):
        crowd.swarm.expect(PeerNumber(number))
    crowd.want(BLOB)
    assert crowd.end(BLOB) is None
    crowd.do(crowd.swarm.went(PeerNumber(7), now_s=0.0))
    assert crowd.end(BLOB) is None
    crowd.do(crowd.swarm.went(PeerNumber(8), now_s=0.0))
    assert isinstance(crowd.end(BLOB), BlobFailed)


def test_where_nobody_holds_it_it_fails() -> None:
    crowd = Crowd()
    crowd.giver()
    crowd.giver()
    crowd.want(BLOB)
    crowd.settle()
    assert crowd.end(BLOB) == BlobFailed(BLOB, "not-held", "2 connected peers do not hold it")


def test_who_may_not_know_of_it_is_not_asked() -> None:
    crowd = Crowd()
    stranger = crowd.giver(full(), may_know=False)
    crowd.want(BLOB)
    assert not stranger.all_asked
    end = crowd.end(BLOB)
    assert isinstance(end, BlobFailed)
    assert end.sentence == "no connected peer may read what names it"


def test_who_may_know_of_it_later_is_asked_then() -> None:
    crowd = Crowd()
    crowd.giver(partly())
    friend = crowd.giver(full(), may_know=False)
    crowd.want(BLOB)
    crowd.settle()
    friend.may_know = True
    crowd.do(crowd.swarm.came(friend.number, now_s=0.0))
    crowd.wait(3.0)
    assert crowd.end(BLOB) == BlobFetched(BLOB, SIZE)


def test_a_peer_with_a_part_is_polled_for_the_rest_and_given_up_at_last() -> None:
    crowd = Crowd()
    giver = crowd.giver(partly(3, 4, 5))
    crowd.want(BLOB)
    crowd.wait(10.0)
    assert crowd.end(BLOB) is None
    held = set(range(21)) - set(at_once(crowd.store.missing_chunks(BLOB)))
    assert held == {3, 4, 5}
    at_once(giver.store.add_chunks(BLOB, [(6, CHUNKS[6])]))
    crowd.wait(20.0)
    assert 6 not in at_once(crowd.store.missing_chunks(BLOB))
    crowd.wait(120.0)
    end = crowd.end(BLOB)
    assert isinstance(end, BlobFailed)
    assert end.code == "not-held"
    why = "1 connected peer holds some of it, but not what is missing here"
    assert end.sentence == why
    assert len(giver.all_asked) < 40


def test_who_lacks_one_chunk_of_many_is_not_said_to_hold_nothing() -> None:
    """As one whose disk damaged it."""
    crowd = Crowd()
    crowd.giver(partly(*range(20)))
    crowd.giver()
    crowd.want(BLOB)
    crowd.wait(200.0)
    end = crowd.end(BLOB)
    assert isinstance(end, BlobFailed)
    some = "1 connected peer holds some of it, but not what is missing here"
    assert end.sentence == f"{some}; 1 connected peer does not hold it"


def test_it_is_asked_again_after_a_while_and_never_more_than_a_few_times() -> None:
    """POLL_FIRST_S, then twice as long each time, POLLS_MAX times."""
    crowd = Crowd()
    giver = crowd.giver(partly(3))
    crowd.want(BLOB)
    crowd.settle()
    rounds = asked = 0
    while crowd.end(BLOB) is None:
        before = len(giver.all_asked)
        crowd.wait(limits.POLL_FIRST_S)
        rounds += 1
        asked += len(giver.all_asked) > before
    assert rounds >= 2 ** (limits.POLLS_MAX - 2)
    assert asked <= limits.POLLS_MAX + 1


def test_who_may_not_know_of_it_is_judged_again_while_others_give() -> None:
    """JUDGE_S: a record that names the blob may have come meanwhile."""
    crowd = Crowd()
    silent = crowd.giver(full())
    friend = crowd.giver(full(), may_know=False)
    crowd.want(BLOB)
    assert silent.asked
    friend.may_know = True
    crowd.tick(limits.JUDGE_S / 2)
    assert not friend.all_asked
    for _ in range(8):
        crowd.tick(limits.JUDGE_S / 4)
    assert friend.all_asked


def test_progress_is_told_a_few_times_a_second() -> None:
    """PROGRESS_S, and at the end."""
    crowd = Crowd()
    giver = crowd.giver(full())
    crowd.want(BLOB)
    while giver.asked:
        crowd.give(giver)
        crowd.tick(limits.PROGRESS_S / 2)
    told = [event for event in crowd.events if isinstance(event, BlobProgress)]
    assert 6 <= len(told) <= 12
    assert [one.size_bytes for one in told] == sorted(one.size_bytes for one in told)
    assert told[-1].size_bytes == told[-1].total_bytes == SIZE
    assert CHUNK_BYTES / limits.PROGRESS_S < told[-1].rate < 9 * CHUNK_BYTES / limits.PROGRESS_S


def test_a_run_has_no_more_chunks_than_a_question_may_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """RUN_CHUNKS_MAX, and RUN_BYTES_MAX of bytes, also where the window would take more."""
    monkeypatch.setattr(limits, "WINDOW_BYTES_FIRST", 2 << 20)
    sizes = dict.fromkeys(range(5_000), 4_096)
    names = [ChunkName(index.to_bytes(32, "big"), size) for index, size in sizes.items()]
    manifest = build_content_manifest(names)
    crowd = Crowd()
    begin(crowd.store, manifest)
    giver = crowd.giver()
    crowd.want(manifest.id)
    assert all(get.count <= limits.RUN_CHUNKS_MAX for get in giver.asked)
    assert [get.count for get in giver.asked] == [128] * 4


# ── several peers ────────────────────────────────────────────────────────────────────────────────


def test_several_give_at_once_each_at_its_own_pace() -> None:
    crowd = Crowd()
    quick, slow = crowd.giver(full()), crowd.giver(full())
    crowd.want(BLOB)
    while crowd.end(BLOB) is None:
        for _ in range(4):
            if quick.asked:
                crowd.give(quick)
        if slow.asked:
            crowd.give(slow)
        crowd.tick(0.25)
    asked = [len(places(giver.all_asked)) for giver in (quick, slow)]
    assert asked[0] > 2 * asked[1] > 0
    assert crowd.store.blob(BLOB) == DATA
    last = [event for event in crowd.events if isinstance(event, BlobProgress)][-1]
    assert (last.peers, last.size_bytes, last.chunks) == (2, SIZE, 21)


def test_two_halves_make_a_whole() -> None:
    crowd = Crowd()
    one, other = crowd.giver(partly(*range(11))), crowd.giver(partly(*range(9, 21)))
    crowd.want(BLOB)
    crowd.wait(5.0)
    assert crowd.end(BLOB) == BlobFetched(BLOB, SIZE)
    given = [place for giver in (one, other) for place in places(giver.all_asked)]
    assert len(given) < 2 * 23


def test_who_leaves_gives_back_what_it_was_asked_for() -> None:
    crowd = Crowd()
    one, other = crowd.giver(full()), crowd.giver(full())
    crowd.want(BLOB)
    while not (one.asked and one.asked[0].piece == CHUNK):
        crowd.give(one if one.asked else other)
    owed = set(places(one.asked))
    assert owed
    crowd.gone(one)
    crowd.settle()
    assert crowd.end(BLOB) == BlobFetched(BLOB, SIZE)
    assert owed <= set(places(other.all_asked))


def test_who_comes_meanwhile_helps() -> None:
    crowd = Crowd()
    one = crowd.giver(full())
    crowd.want(BLOB)
    until_chunks(crowd, one)
    other = crowd.giver(full())
    assert other.asked
    crowd.settle()
    assert crowd.end(BLOB) == BlobFetched(BLOB, SIZE)
    twice = [place for place in places(one.all_asked) if place in places(other.all_asked)]
    assert not twice


def test_the_last_runs_are_asked_of_somebody_quicker() -> None:
    crowd = Crowd()
    slow, quick = crowd.giver(full()), crowd.giver(full())
    crowd.want(BLOB)
    while slow.asked[0].piece != CHUNK if slow.asked else True:
        crowd.give(slow if slow.asked else quick)
    while quick.asked:
        crowd.give(quick)
    assert crowd.end(BLOB) is None
    owed = set(places(slow.asked))
    crowd.tick(limits.LATE_S / 2)
    assert not quick.asked
    crowd.tick(2 * limits.LATE_S)
    asked: set[tuple[int, int]] = set()
    while quick.asked:
        asked.update(places(quick.asked))
        crowd.give(quick)
    assert asked == owed
    crowd.settle()
    assert crowd.end(BLOB) == BlobFetched(BLOB, SIZE)
    assert not crowd.blamed


def test_a_peer_that_gives_nothing_keeps_nothing_from_us() -> None:
    """It answers nothing, not even that it holds nothing; another one comes after a while."""
    crowd = Crowd()
    silent = crowd.giver(full())
    crowd.want(BLOB)
    crowd.tick(1.0)
    helper = crowd.giver(full())
    for _ in range(40):
        crowd.tick(0.25)
        while helper.asked:
            crowd.give(helper)
    assert crowd.end(BLOB) == BlobFetched(BLOB, SIZE)
    assert len(silent.asked) <= 1 + limits.WINDOW_BYTES_FIRST // CHUNK_BYTES


def test_an_answer_that_is_late_is_no_fault_and_is_not_stored_twice() -> None:
    crowd = Crowd()
    silent = crowd.giver(full())
    crowd.want(BLOB)
    crowd.tick(limits.RUN_PATIENCE_S + 1)
    other = crowd.giver(full())
    while other.asked:
        crowd.give(other)
    late = len(silent.asked)
    while silent.asked:
        crowd.give(silent)
    assert late
    assert not crowd.blamed
    assert crowd.swarm.pieces_twice <= late
    crowd.settle()
    assert crowd.store.blob(BLOB) == DATA


# ── lies ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("stage", "data", "code"),
    [
        (ROOT, MANIFEST.root[:-1], "blob-hash"),
        (ROOT, bytes(400_000), "blob-root"),
        (PAGE, MANIFEST.pages[0][:-32], "blob-page"),
        (PAGE, bytes(len(MANIFEST.pages[0])), "blob-hash"),
        (CHUNK, b"\1" + CHUNKS[0][1:], "blob-hash"),
        (CHUNK, CHUNKS[0][:-1], "blob-chunk"),
        (CHUNK, CHUNKS[0] + b"\0", "blob-chunk"),
        (CHUNK, b"", "blob-chunk"),
    ],
)
def test_who_lies_is_blamed_and_left_out(stage: int, data: bytes, code: str) -> None:
    crowd = Crowd()
    liar = crowd.giver(full())
    crowd.want(BLOB)
    while liar.asked[0].piece != stage:
        crowd.give(liar)
    honest = crowd.giver(full())
    crowd.say(liar, Part(liar.asked[0].number, data, 0))
    assert crowd.blamed == [(liar.number, code)]
    crowd.settle()
    assert crowd.end(BLOB) == BlobFetched(BLOB, SIZE)
    assert crowd.store.blob(BLOB) == DATA
    assert honest.all_asked


def test_what_was_not_asked_for_is_blamed() -> None:
    crowd = Crowd()
    giver = crowd.giver(full())
    crowd.say(giver, Part(7, b"x", 0))
    other = crowd.giver(full())
    crowd.want(BLOB)
    crowd.say(other, Holding(99, True, ()))
    assert [code for _, code in crowd.blamed] == ["part", "part"]


def test_a_list_of_runs_that_is_cut_is_blamed() -> None:
    crowd = Crowd()
    giver = crowd.giver(partly(1))
    crowd.want(BLOB)
    until_chunks(crowd, giver)
    crowd.say(giver, Holding(giver.asked[0].number, True, (1,)))
    assert [code for _, code in crowd.blamed] == ["holding"]


def test_runs_that_nobody_can_hold_harm_nothing() -> None:
    crowd = Crowd()
    giver = crowd.giver(full())
    crowd.want(BLOB)
    until_chunks(crowd, giver)
    lie = (1 << 40, 1 << 40, 5, 1 << 40, 0, 0)
    crowd.say(giver, Holding(giver.asked[0].number, True, lie))
    crowd.wait(30.0)
    assert crowd.end(BLOB) == BlobFetched(BLOB, SIZE)


class Counted(Sequence[tuple[int, int]]):
    """Counts how many of them are looked at."""

    def __init__(self, runs: Ranges) -> None:
        self.runs = runs
        self.seen = 0

    def __len__(self) -> int:
        return len(self.runs)

    @overload
    def __getitem__(self, at: int) -> tuple[int, int]: ...
    @overload
    def __getitem__(self, at: slice) -> Ranges: ...
    def __getitem__(self, at: int | slice) -> tuple[int, int] | Ranges:
        self.seen += 1 if isinstance(at, int) else len(self.runs[at])
        return self.runs[at]


def test_a_list_of_runs_that_are_nowhere_costs_little() -> None:
    """Half of the chunks are missing, every other one; a peer names runs beyond them or between."""
    missing = [(place, 1) for place in range(0, 65_536, 2)]
    for first in (1 << 39, 65_536, 1):
        holds = Counted([(first + 256 * place, 1) for place in range(256)])
        assert next(overlaps(missing, holds), None) is None
        assert holds.seen <= 12 * len(missing)


@given(RUNS, HELD)
def test_what_is_missing_and_held_is_found(missing: Ranges, held: Ranges) -> None:
    found = {at: list(range(first, first + count)) for at, first, count in overlaps(missing, held)}
    for at, (first, count) in enumerate(missing):
        both = [
            [place for place in range(start, start + length) if first <= place < first + count]
            for start, length in held
        ]
        assert found.get(at) == next(filter(None, both), None)


def root_that(**wrong: object) -> bytes:
    fields: dict[str, object] = {
        "version": 1,
        "size": 5,
        "chunk": CHUNK_BYTES,
        "pages": [b"h" * 32],
    }
    return cbor.encode(list({**fields, **wrong}.values()))


@pytest.mark.parametrize(
    ("root", "code"),
    [
        (root_that(version=3), "blob-root"),
        (root_that(size=(1 << 40) + 1), "blob-too-large"),
        (root_that(pages=[b"short"]), "blob-root"),
        (cbor.encode("root"), "blob-root"),
        (b"\xff", "cbor-simple"),
    ],
)
def test_a_root_that_makes_no_sense(root: bytes, code: str) -> None:
    """Its hash is the blob's id; nothing else of it is right, and nobody honest holds such."""
    crowd = Crowd()
    liar = crowd.giver()
    crowd.want(BlobId(payload_digest(root)))
    crowd.say(liar, Part(liar.asked[0].number, root, 0))
    assert [told for _, told in crowd.blamed] == [code]


# ── the store ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("stage", [ROOT, PAGE, CHUNK])
def test_a_store_that_takes_no_more_ends_the_fetch_and_blames_nobody(stage: int) -> None:
    crowd = Crowd()
    giver = crowd.giver(full())
    crowd.want(BLOB)
    while giver.asked[0].piece != stage:
        crowd.give(giver)
    crowd.is_storing = False
    while giver.asked:
        crowd.give(giver)
    while crowd.questions:
        query = crowd.questions.popleft()
        unstored = Unstored("The disk is full.")
        crowd.do(crowd.swarm.answered(query.id, unstored, now_s=0.0))
    assert crowd.end(BLOB) == BlobFailed(BLOB, "not-stored", "The disk is full.")
    assert not crowd.blamed
    crowd.events.clear()
    crowd.is_storing = True
    crowd.want(BLOB)
    crowd.settle()
    assert crowd.end(BLOB) == BlobFetched(BLOB, SIZE)


def test_three_runs_fill_the_window() -> None:
    """One is made ready, one is on its way, one is verified and stored."""
    crowd = Crowd()
    giver = crowd.giver(full())
    crowd.want(BLOB)
    until_chunks(crowd, giver)
    while sum(get.count for get in giver.all_asked[2:]) < 20:
        assert [get.count for get in giver.asked] == [1, 1, 1]
        assert in_flight(giver) == limits.WINDOW_BYTES_FIRST
        crowd.give(giver)


def test_what_is_not_stored_yet_counts_as_in_flight() -> None:
    """So a crash loses no more than the window, and a slow disk holds up who gives."""
    crowd = Crowd()
    giver = crowd.giver(full())
    crowd.want(BLOB)
    until_chunks(crowd, giver)
    crowd.is_storing = False
    while giver.asked:
        crowd.give(giver)
    sent = [query.question for query in crowd.questions if isinstance(query.question, AddChunks)]
    assert sum(len(chunk) for one in sent for chunk in one.chunks) <= limits.WINDOW_BYTES_FIRST


# ── what goes first ──────────────────────────────────────────────────────────────────────────────


def test_authority_goes_before_all_and_past_a_full_window() -> None:
    crowd = Crowd()
    giver = crowd.giver(full())
    frontier = giver.store.put_blob(b"frontier")
    crowd.want(BLOB)
    until_chunks(crowd, giver)
    crowd.want(frontier, urgency=Urgency.AUTHORITY)
    assert giver.asked[-1].blob == frontier
    for _ in range(3):
        assert giver.asked[-1].rank == Rank.AUTHORITY
        crowd.give(giver, -1)
    assert crowd.end(frontier) == BlobFetched(frontier, 8)
    assert crowd.end(BLOB) is None


def test_small_blobs_go_before_large_ones_and_metadata_before_both() -> None:
    crowd = Crowd()
    giver = crowd.giver(full())
    small = [manifest_of(bytes([n]) * 9) for n in range(3)]
    for manifest in small:
        begin(crowd.store, manifest)
    unknown = BlobId(b"u" * 32)
    crowd.want(BLOB)
    until_chunks(crowd, giver)
    for manifest in small:
        crowd.want(manifest.id)
    crowd.want(unknown)
    before = len(giver.all_asked)
    crowd.give(giver)
    fresh = giver.all_asked[before:]
    assert fresh[0].blob == unknown
    assert {get.blob for get in fresh[1:4]} == {manifest.id for manifest in small}
    assert [get.rank for get in fresh[:4]] == [Rank.METADATA, *[Rank.SMALL] * 3]


def test_what_is_only_kept_comes_after_all_that_somebody_waits_for() -> None:
    crowd = Crowd()
    giver = crowd.giver(full())
    kept, unknown = giver.store.put_blob(b"kept"), BlobId(b"u" * 32)
    crowd.want(BLOB)
    until_chunks(crowd, giver)
    crowd.want(kept, urgency=Urgency.KEPT)
    crowd.want(unknown, urgency=Urgency.KEPT)
    while all(get.blob == BLOB for get in giver.all_asked):
        crowd.give(giver)
    before = [get for get in giver.all_asked if get.blob == BLOB]
    assert {index for _, index in places(before) if index >= 0} == set(range(MANIFEST.chunk_count))
    crowd.settle()
    assert crowd.end(kept) == BlobFetched(kept, 4)


@pytest.mark.parametrize("size", [4, limits.SMALL_BLOB_BYTES + 1])
def test_whoever_is_asked_cannot_tell_what_is_only_kept(size: int) -> None:
    """Else every peer would learn whom one named: nobody else's blobs are kept."""
    said: list[list[tuple[int, int]]] = []
    for urgency in (Urgency.ASKED, Urgency.KEPT):
        crowd = Crowd()
        giver = crowd.giver()
        blob = giver.store.put_blob(Random(2).randbytes(size))
        crowd.want(blob, urgency=urgency)
        crowd.settle()
        assert crowd.end(blob) == BlobFetched(blob, size)
        said.append([(get.piece, get.rank) for get in giver.all_asked])
    assert said[0] == said[1]


def test_what_was_only_kept_is_as_urgent_as_anything_once_somebody_asks_for_it() -> None:
    crowd = Crowd()
    giver = crowd.giver(full())
    kept = giver.store.put_blob(b"kept")
    crowd.want(BLOB)
    until_chunks(crowd, giver)
    for urgency in (Urgency.KEPT, Urgency.ASKED, Urgency.KEPT):
        crowd.want(kept, urgency=urgency)
    crowd.give(giver)
    assert kept in {get.blob for get in giver.asked}


@pytest.mark.parametrize(
    ("size", "rank"),
    [(limits.SMALL_BLOB_BYTES, Rank.SMALL), (limits.SMALL_BLOB_BYTES + 1, Rank.LARGE)],
)
def test_how_large_a_small_one_is(size: int, rank: Rank) -> None:
    crowd = Crowd()
    giver = crowd.giver()
    crowd.want(giver.store.put_blob(Random(2).randbytes(size)))
    until_chunks(crowd, giver)
    assert giver.asked[0].rank == rank


def test_two_large_ones_share() -> None:
    crowd = Crowd()
    giver = crowd.giver(full())
    other = giver.store.put_blob(DATA[::-1])
    crowd.want(BLOB)
    crowd.want(other)
    while len(giver.all_asked) < 20:
        crowd.give(giver)
    chunks = [get.blob for get in giver.all_asked if get.piece == CHUNK]
    assert abs(chunks.count(BLOB) - chunks.count(other)) <= 3


def test_no_more_than_so_many_at_once_but_authority() -> None:
    crowd = Crowd()
    crowd.giver()
    wanted = [BlobId(number.to_bytes(32, "big")) for number in range(limits.BLOBS_MAX + 5)]
    for _ in range(2):
        crowd.giver()
    for blob in wanted:
        crowd.want(blob)
    asked = {get.blob for one in crowd.givers.values() for get in one.all_asked}
    assert len(asked) == limits.BLOBS_MAX
    crowd.want(BlobId(b"f" * 32), urgency=Urgency.AUTHORITY)
    asked = {get.blob for one in crowd.givers.values() for get in one.all_asked}
    assert b"f" * 32 in asked
    crowd.settle()
    assert all(isinstance(crowd.end(blob), BlobFailed) for blob in wanted)


# ── bandwidth ────────────────────────────────────────────────────────────────────────────────────


def limited_of(crowd: Crowd) -> list[bool]:
    return [one.is_limited for one in crowd.events if isinstance(one, BlobProgress)]


@pytest.mark.parametrize("rates", [Rates(all=CHUNK_BYTES), Rates(peer=CHUNK_BYTES)])
def test_a_limit_of_bandwidth_is_kept(rates: Rates) -> None:
    crowd = Crowd(rates=rates)
    giver = crowd.giver(full())
    crowd.want(BLOB)
    crowd.wait(10.0)
    came = 21 - len(at_once(crowd.store.missing_chunks(BLOB)))
    assert 9 <= came <= 12
    assert crowd.swarm.wake_s is not None
    assert not giver.asked
    assert limited_of(crowd)[-1], "it could come faster"
    crowd.wait(15.0)
    assert crowd.end(BLOB) == BlobFetched(BLOB, SIZE)


def test_without_a_limit_none_is_said_to_hold_it_up() -> None:
    crowd = Crowd(rates=Rates(all=1_000 * CHUNK_BYTES))
    crowd.giver(full())
    crowd.want(BLOB)
    crowd.wait(10.0)
    assert crowd.end(BLOB) == BlobFetched(BLOB, SIZE)
    assert not any(limited_of(crowd))


def test_what_else_comes_counts() -> None:
    crowd = Crowd(rates=Rates(all=CHUNK_BYTES))
    giver = crowd.giver(full())
    crowd.want(BLOB)
    for _ in range(10):
        crowd.swarm.spend(giver.number, CHUNK_BYTES // 2, now_s=crowd.now_s)
        crowd.wait(1.0)
    assert 4 <= 21 - len(at_once(crowd.store.missing_chunks(BLOB))) <= 7


def test_two_peers_with_a_limit_each_give_twice_as_much() -> None:
    crowd = Crowd(rates=Rates(peer=CHUNK_BYTES))
    crowd.giver(full())
    crowd.giver(full())
    crowd.want(BLOB)
    crowd.wait(11.0)
    assert crowd.end(BLOB) == BlobFetched(BLOB, SIZE)


def test_authority_waits_for_no_limit() -> None:
    crowd = Crowd(rates=Rates(all=1_000))
    giver = crowd.giver(full())
    frontier = giver.store.put_blob(b"frontier")
    crowd.want(BLOB)
    crowd.settle()
    crowd.want(frontier, urgency=Urgency.AUTHORITY)
    crowd.settle()
    assert crowd.end(frontier) == BlobFetched(frontier, 8)


# ── any order ────────────────────────────────────────────────────────────────────────────────────


class Storm:
    """Peers that come, go, lie, lack, are silent and are late, in an order by a seed."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.crowd = Crowd(seed=seed)
        self.honest = self.crowd.giver(full())
        self.stored: list[tuple[int, int]] = []

    def step(self) -> None:
        crowd, random = self.crowd, self.random
        asked = [one for one in crowd.givers.values() if one.asked]
        match random.randrange(9):
            case 0 if len(crowd.givers) < 6:
                held = sorted(random.sample(range(21), random.randrange(22)))
                crowd.giver(partly(*held) if random.random() < 0.7 else MemoryStore())
            case 1 if len(crowd.givers) > 1:
                leaver = random.choice(list(crowd.givers.values()))
                if leaver is not self.honest:
                    crowd.gone(leaver)
            case 2 if asked and random.random() < 0.3:
                self._lie(random.choice(asked))
            case 3:
                crowd.tick(random.random() * 2)
            case 4:
                crowd.is_storing = not crowd.is_storing
                crowd.do([])
            case _ if asked:
                one = random.choice(asked)
                crowd.give(one, random.randrange(len(one.asked)))
            case _:
                crowd.tick(0.1)

    def _lie(self, liar: Giver) -> None:
        if liar is self.honest:
            return
        get: Get = self.random.choice(list(liar.asked))
        data = self.random.choice([b"", b"lie", bytes(CHUNK_BYTES), MANIFEST.root])
        self.crowd.say(liar, Part(get.number, data, self.random.choice([0, len(data)])))


@given(st.integers(min_value=0))
@settings(deadline=None, max_examples=60)
def test_whatever_happens_it_comes_whole_or_with_a_reason(seed: int) -> None:
    storm = Storm(seed)
    crowd = storm.crowd
    crowd.want(BLOB)
    for _ in range(150):
        storm.step()
    crowd.is_storing = True
    crowd.do([])
    crowd.wait(60.0)
    assert crowd.end(BLOB) == BlobFetched(BLOB, SIZE), "one who is honest holds all of it"
    assert crowd.store.blob(BLOB) == DATA
    assert storm.honest.number not in [number for number, _ in crowd.blamed]


@given(st.integers(min_value=0))
@settings(deadline=None, max_examples=30)
def test_where_nobody_holds_all_it_ends_with_a_reason(seed: int) -> None:
    storm = Storm(seed)
    crowd = storm.crowd
    crowd.gone(storm.honest)
    crowd.giver(partly(0, 1))
    crowd.want(BLOB)
    for _ in range(100):
        storm.step()
    crowd.is_storing = True
    crowd.do([])
    crowd.wait(200.0)
    assert crowd.end(BLOB) is not None


# ── a store that cannot be read ──────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("before", [0, 1])
def test_a_store_that_cannot_be_read_ends_the_fetch_and_nothing_else(before: int) -> None:
    swarm = Swarm(random=Random(1), now_s=0.0)
    (query,) = swarm.want(BLOB, size_bytes_max=SIZE, now_s=0.0)
    for _ in range(before):  # there is a root; is there a page?
        assert isinstance(query, Query)
        (query,) = swarm.answered(query.id, MANIFEST.root, now_s=0.0)
    assert isinstance(query, Query)
    failed = BlobFailed(BLOB, "not-stored", "The disk cannot be read.")
    told = swarm.answered(query.id, Unstored(failed.sentence), now_s=0.0)
    assert told == [Notify(failed)]


def test_a_root_that_the_disk_changed_ends_the_fetch_and_nothing_else() -> None:
    swarm = Swarm(random=Random(1), now_s=0.0)
    (query,) = swarm.want(BLOB, size_bytes_max=SIZE, now_s=0.0)
    assert isinstance(query, Query)
    (told,) = swarm.answered(query.id, MANIFEST.root[:-1] + b"\x00", now_s=0.0)
    assert isinstance(told, Notify)
    assert isinstance(told.event, BlobFailed)
    assert told.event.code == "not-stored"
    assert told.event.sentence.startswith("What is held of it is damaged: ")


def test_where_the_store_cannot_say_who_may_know_of_it_nobody_is_asked() -> None:
    swarm = Swarm(random=Random(1), now_s=0.0)
    swarm.came(PeerNumber(1), now_s=0.0)
    effects = list(swarm.want(BLOB, size_bytes_max=SIZE, now_s=0.0))
    for query in effects:
        assert isinstance(query, Query)
        judges = isinstance(query.question, MayKnowBlob)
        answer = Unstored("The disk cannot be read.") if judges else None
        effects += swarm.answered(query.id, answer, now_s=0.0)
        if isinstance(effects[-1], Notify):
            break
    assert isinstance(effects[-1], Notify)
    assert isinstance(effects[-1].event, BlobFailed)
    assert not any(isinstance(one, Ask) for one in effects)


def test_two_who_hold_back_one_run_and_give_another_blob_keep_it_from_nobody() -> None:
    """They are heard all the time: each gives a piece of a large blob now and then."""
    small, crowd = b"a small one", Crowd()
    store = MemoryStore()
    blob, large = store.put_blob(small), store.put_blob(Random(2).randbytes(80 * CHUNK_BYTES))
    mean = [crowd.giver(store), crowd.giver(store)]
    crowd.want(large)
    until_chunks(crowd, mean[0])
    crowd.want(blob)
    honest = MemoryStore()
    honest.put_blob(small)
    helper: Giver | None = None
    while crowd.end(blob) is None and crowd.now_s < 3 * limits.RUN_LONGEST_S:
        turn = mean[round(crowd.now_s) % 2]
        given = next((get for get in turn.asked if may_be_given(get, blob)), None)
        if given is not None and (given.blob == blob or crowd.now_s % 4 < 2):
            crowd.say(turn, turn.answer(given))
        if helper is None and all(holds_back(one, blob) for one in mean):
            helper = crowd.giver(honest)
        while helper is not None and helper.asked:
            crowd.give(helper)
        crowd.tick(1.0)
    assert helper is not None
    assert crowd.end(large) is None, "they had more to give all the time"
    assert crowd.end(blob) == BlobFetched(blob, len(small))


@pytest.mark.parametrize("chunks", [0, 3])
def test_one_who_owes_it_and_is_there_all_the_time_holds_it_up_for_so_long(chunks: int) -> None:
    """Its session lives, and lets the swarm know again and again that it may read."""
    crowd = Crowd()
    mean = crowd.giver(full())
    crowd.want(BLOB)
    until_chunks(crowd, mean)
    for _ in range(chunks):  # it begins well, and slowly
        crowd.tick(limits.NOTHING_CAME_S * 0.9)
        crowd.give(mean)
    assert crowd.end(BLOB) is None
    crowd.tick(limits.NOTHING_CAME_S * 0.9)
    crowd.do(crowd.swarm.came(mean.number, now_s=crowd.now_s))
    assert crowd.end(BLOB) is None
    crowd.tick(limits.NOTHING_CAME_S * 0.2)
    end = crowd.end(BLOB)
    assert isinstance(end, BlobFailed)
    assert (end.code, "gave nothing of it in 120 s" in end.sentence) == ("not-held", True)
    crowd.give(mean)  # too late, and no fault
    assert not crowd.blamed
    crowd.events.clear()
    crowd.want(BLOB)
    crowd.wait(10.0)
    assert crowd.end(BLOB) == BlobFetched(BLOB, SIZE)


def may_be_given(get: Get, blob: BlobId) -> bool:
    return get.blob != blob or get.piece != CHUNK


def holds_back(giver: Giver, blob: BlobId) -> bool:
    return any(not may_be_given(get, blob) for get in giver.asked)
