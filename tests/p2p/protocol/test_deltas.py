"""Asking for what differs: much less comes, and what comes is right whoever gives it, and how."""

from collections.abc import Callable, Sequence
from functools import partial
from random import Random

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from crdt.blob import BlobId, Chunking, Manifest
from crdt.chunking import content_manifest_of, cut
from p2p.protocol import limits
from p2p.protocol.delta_questions import ReadBase
from p2p.protocol.effects import BlobFetched, Unstored
from p2p.protocol.frames import Base, Delta, Get, Part
from p2p.protocol.pieces import CHUNK, PAGE, ROOT, pack_against
from tests.p2p.protocol.conversation import at_once
from tests.p2p.protocol.crowd import Crowd, Giver
from tests.simulation.memory_store import MemoryStore


def edited(data: bytes, seed: int, edits: int) -> bytes:
    """As a tick leaves a world: bytes change in places, some go, some come."""
    random, found = Random(seed), bytearray(data)
    for _ in range(edits):
        at = random.randrange(len(found) + 1)
        found[at : at + random.choice((0, 8, 60))] = random.randbytes(random.choice((0, 8, 60)))
    return bytes(found)


OLDER = Random(1).randbytes(1_500_000)
NEWER = edited(OLDER, 2, 60)
OLD, NEW = content_manifest_of(OLDER), content_manifest_of(NEWER)


def store_of(*blobs: bytes) -> MemoryStore:
    store = MemoryStore()
    for data in blobs:
        store.put_blob(data, Chunking.CONTENT)
    return store


def crowd_of(*held: bytes) -> Crowd:
    """Who holds these fetches from whoever comes."""
    crowd = Crowd()
    crowd.store = store_of(*held)
    return crowd


def bases(giver: Giver) -> list[Base | None]:
    """What each piece but the root was asked against."""
    return [get.base for get in giver.all_asked if get.piece != ROOT]


def until(crowd: Crowd, giver: Giver, piece: int) -> Get:
    """The first question for such a piece."""
    while giver.asked[0].piece != piece:
        crowd.give(giver)
    return giver.asked[0]


def fetch(crowd: Crowd, relative_to: Sequence[BlobId] = (OLD.id,), data: bytes = NEWER) -> None:
    """To its end, which is a good one."""
    blob = content_manifest_of(data).id
    crowd.want(blob, relative_to=relative_to)
    crowd.wait(60.0)
    assert crowd.end(blob) == BlobFetched(blob, len(data))
    assert crowd.store.blob(blob) == data


# ── what is asked ────────────────────────────────────────────────────────────────────────────────


def test_what_differs_from_a_blob_that_is_here_is_asked_for() -> None:
    crowd = crowd_of(OLDER)
    giver = crowd.giver(store_of(OLDER, NEWER))
    fetch(crowd)
    assert not crowd.blamed
    assert {base.blob for base in bases(giver) if base} == {OLD.id}
    assert all(base is not None for base in bases(giver)), "pages and chunks"
    given = [giver.answer(get) for get in giver.all_asked]
    sizes = [len(frame.data) for frame in given if isinstance(frame, Part | Delta)]
    plain = sum(
        NEW.chunk_size(get.index + at)
        for get in giver.all_asked
        if get.piece == CHUNK
        for at in range(get.count)
    )
    assert sum(sizes) < plain / 20, (sum(sizes), plain)


@pytest.mark.parametrize(
    ("held", "relative_to"),
    [
        ((), [OLD.id]),
        ((OLDER,), []),
        ((OLDER,), [BlobId(b"?" * 32), NEW.id]),
    ],
    ids=["not here", "not named", "another"],
)
def test_without_such_a_blob_all_is_asked_for_as_it_is(
    held: Sequence[bytes], relative_to: Sequence[BlobId]
) -> None:
    crowd = crowd_of(*held)
    giver = crowd.giver(store_of(OLDER, NEWER))
    fetch(crowd, relative_to)
    assert set(bases(giver)) == {None}


def test_the_first_that_is_whole_is_taken_and_only_so_many_are_looked_at() -> None:
    """RELATIVE_TO_MAX."""
    others = [edited(OLDER, seed, 9) for seed in range(3, 4 + limits.RELATIVE_TO_MAX)]
    ids = [content_manifest_of(data).id for data in others]
    crowd = crowd_of(*others[2:])
    giver = crowd.giver(store_of(NEWER, *others))
    fetch(crowd, ids)
    assert {base.blob for base in bases(giver) if base} == {ids[2]}
    crowd = crowd_of(others[-1])
    giver = crowd.giver(store_of(NEWER, *others))
    fetch(crowd, ids)
    assert set(bases(giver)) == {None}


def test_blobs_with_chunks_of_one_size_are_asked_for_as_they_are() -> None:
    crowd = crowd_of(OLDER)
    fixed = crowd.store.put_blob(OLDER)
    giver = crowd.giver(store_of(OLDER, NEWER))
    giver.store.put_blob(OLDER)
    fetch(crowd, [fixed])
    assert set(bases(giver)) == {None}
    crowd = crowd_of(OLDER)
    giver = crowd.giver()
    blob = giver.store.put_blob(NEWER)
    crowd.want(blob, relative_to=[OLD.id])
    crowd.settle()
    assert crowd.end(blob) == BlobFetched(blob, len(NEWER))
    assert set(bases(giver)) == {None}


def test_who_may_not_know_of_a_blob_does_not_hear_that_it_is_here() -> None:
    crowd = crowd_of(OLDER)
    stranger, friend = crowd.giver(store_of(NEWER)), crowd.giver(store_of(OLDER, NEWER))
    stranger.may_not_know.add(OLD.id)
    crowd.do(crowd.swarm.came(stranger.number, now_s=0.0))
    fetch(crowd)
    assert set(bases(stranger)) == {None}
    assert {base.blob for base in bases(friend) if base} == {OLD.id}


def test_who_knows_nothing_of_deltas_gives_all_as_it_is() -> None:
    crowd = crowd_of(OLDER)
    crowd.giver(store_of(OLDER, NEWER)).knows_deltas = False
    fetch(crowd)
    assert not crowd.blamed


def test_who_does_not_hold_the_other_gives_all_as_it_is() -> None:
    crowd = crowd_of(OLDER)
    crowd.giver(store_of(NEWER))
    fetch(crowd)
    assert not crowd.blamed


def test_the_other_may_go_meanwhile() -> None:
    """Nobody is at fault, and the rest is asked for as it is."""
    crowd = crowd_of(OLDER)
    giver = crowd.giver(store_of(OLDER, NEWER))
    crowd.want(NEW.id, relative_to=[OLD.id])
    until(crowd, giver, CHUNK)
    crowd.give(giver)
    crowd.store.drop_blob(OLD.id)
    asked = len(giver.all_asked)
    crowd.settle()
    assert crowd.end(NEW.id) == BlobFetched(NEW.id, len(NEWER))
    assert crowd.store.blob(NEW.id) == NEWER
    assert not crowd.blamed
    assert {get.base for get in giver.all_asked[asked:]} == {None}


@pytest.mark.parametrize("fault", [None, Unstored("The disk is gone.")])
def test_a_base_that_cannot_be_read_is_done_without(fault: object) -> None:
    crowd = crowd_of(OLDER)
    giver = crowd.giver(store_of(OLDER, NEWER))
    crowd.want(NEW.id, relative_to=[OLD.id])
    until(crowd, giver, CHUNK)
    crowd.is_storing = False
    crowd.give(giver)
    (query,) = crowd.questions
    assert isinstance(query.question, ReadBase)
    crowd.questions.clear()
    crowd.is_storing = True
    crowd.do(crowd.swarm.answered(query.id, fault, now_s=0.0))
    crowd.settle()
    assert crowd.end(NEW.id) == BlobFetched(NEW.id, len(NEWER))
    assert crowd.store.blob(NEW.id) == NEWER


def test_who_leaves_while_a_base_is_read_has_given_all_the_same() -> None:
    crowd = crowd_of(OLDER)
    giver, other = (crowd.giver(store_of(OLDER, NEWER)) for _ in range(2))
    crowd.want(NEW.id, relative_to=[OLD.id])
    asked = until(crowd, giver, CHUNK) if giver.asked else until(crowd, other, CHUNK)
    asker = giver if asked in giver.asked else other
    crowd.is_storing = False
    crowd.give(asker)
    crowd.gone(asker)
    crowd.is_storing = True
    while crowd.questions:
        crowd.answer_next()
    crowd.settle()
    assert crowd.store.blob(NEW.id) == NEWER
    left = giver if asker is other else other
    assert asked.index not in [get.index for get in left.all_asked if get.piece == CHUNK]


def test_a_liar_who_left_is_blamed_no_more() -> None:
    crowd = crowd_of(OLDER)
    liar = crowd.giver(store_of(OLDER, NEWER))
    crowd.want(NEW.id, relative_to=[OLD.id])
    get = until(crowd, liar, CHUNK)
    crowd.is_storing = False
    crowd.say(liar, Delta(get.number, b"no zstd", 4_096))
    crowd.gone(liar)
    crowd.is_storing = True
    while crowd.questions:
        crowd.answer_next()
    assert not crowd.blamed
    crowd.giver(store_of(OLDER, NEWER))
    crowd.settle()
    assert crowd.store.blob(NEW.id) == NEWER


# ── lies ─────────────────────────────────────────────────────────────────────────────────────────


def run_of(get: Get, manifest: Manifest = NEW, data: bytes = NEWER) -> bytes:
    start, end = (manifest.chunk_offset(get.index + at) for at in (0, get.count - 1))
    return data[start : end + manifest.chunk_size(get.index + get.count - 1)]


def base_bytes(get: Get) -> bytes:
    assert get.base is not None
    return run_of(replace_get(get), OLD, OLDER)


def replace_get(get: Get) -> Get:
    assert get.base is not None
    return Get(0, OLD.id, CHUNK, get.base.first, get.base.count, 3)


def flipped(data: bytes) -> bytes:
    return bytes([data[0] ^ 1]) + data[1:]


def packed(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


Lie = Callable[[Get], Delta]
LIES: list[tuple[str, Lie]] = [
    # What it says of itself.
    ("delta", lambda get: Delta(get.number, b"x" * len(run_of(get)), len(run_of(get)))),
    ("delta", lambda get: Delta(get.number, b"x", len(run_of(get)) + 1)),
    ("delta", lambda get: Delta(get.number, b"", limits.RUN_BYTES_MAX)),
    # What it is.
    ("delta-packed", lambda get: Delta(get.number, b"", len(run_of(get)))),
    ("delta-packed", lambda get: Delta(get.number, packed(bytes(200_000_000)), len(run_of(get)))),
    ("delta-packed", lambda get: Delta(get.number, packed(b"x" * 5_000), len(run_of(get)))),
    # What comes out: other bytes, bytes against another base, and a run that ends amid a chunk.
    ("blob-hash", lambda get: Delta(get.number, packed(bytes(len(run_of(get)))), len(run_of(get)))),
    (
        "blob-hash",
        lambda get: Delta(
            get.number, pack_against(flipped(run_of(get)), base_bytes(get)), len(run_of(get))
        ),
    ),
    (
        "blob-chunk",
        lambda get: Delta(
            get.number, pack_against(run_of(get)[:-1], base_bytes(get)), len(run_of(get)) - 1
        ),
    ),
]


@pytest.mark.parametrize(("code", "lie"), LIES)
def test_who_lies_is_blamed_and_left_out(code: str, lie: Lie) -> None:
    crowd = crowd_of(OLDER)
    liar = crowd.giver(store_of(OLDER, NEWER))
    crowd.want(NEW.id, relative_to=[OLD.id])
    get = until(crowd, liar, CHUNK)
    honest = crowd.giver(store_of(OLDER, NEWER))
    crowd.say(liar, lie(get))
    assert crowd.blamed == [(liar.number, code)]
    crowd.settle()
    assert crowd.end(NEW.id) == BlobFetched(NEW.id, len(NEWER))
    assert crowd.store.blob(NEW.id) == NEWER
    assert honest.all_asked


def test_a_delta_against_another_base_than_was_named_is_found_out() -> None:
    crowd = crowd_of(OLDER)
    liar = crowd.giver(store_of(OLDER, NEWER))
    crowd.want(NEW.id, relative_to=[OLD.id])
    get = until(crowd, liar, CHUNK)
    data = pack_against(run_of(get), base_bytes(get)[:-1])
    crowd.say(liar, Delta(get.number, data, len(run_of(get))))
    assert [code for _, code in crowd.blamed] in (["blob-hash"], ["delta-packed"])


def test_a_page_that_is_another_is_found_out() -> None:
    crowd = crowd_of(OLDER)
    liar = crowd.giver(store_of(OLDER, NEWER))
    crowd.want(NEW.id, relative_to=[OLD.id])
    get = until(crowd, liar, PAGE)
    assert get.base == Base(OLD.id, 0, 1)
    data = OLD.pages[0].ljust(len(NEW.pages[0]), b"\0")[: len(NEW.pages[0])]
    crowd.say(liar, Delta(get.number, pack_against(data, OLD.pages[0]), len(data)))
    assert [code for _, code in crowd.blamed] == ["blob-hash"]


def test_a_delta_that_nobody_asked_for_is_blamed() -> None:
    crowd = crowd_of()
    giver = crowd.giver(store_of(NEWER))
    crowd.want(NEW.id)
    crowd.say(giver, Delta(giver.asked[0].number, b"x", 9))
    other = crowd.giver(store_of(NEWER))
    crowd.say(other, Delta(99, b"x", 9))
    assert [code for _, code in crowd.blamed] == ["delta", "part"]


# ── any two blobs ────────────────────────────────────────────────────────────────────────────────


def put_part(store: MemoryStore, data: bytes, held: Callable[[int], bool]) -> None:
    """A blob of which these chunks are here."""
    manifest = content_manifest_of(data)
    at_once(store.begin_blob(manifest.id, manifest.root))
    for page, page_data in enumerate(manifest.pages):
        at_once(store.add_page(manifest.id, page, page_data))
    for index, chunk in enumerate(cut([data], Chunking.CONTENT)):
        if held(index):
            at_once(store.add_chunks(manifest.id, [(index, chunk)]))


def is_under(random: Random, share: float, _: int) -> bool:
    return random.random() < share


@settings(max_examples=60, deadline=None)
@given(
    older=st.integers(0, 300_000),
    edits=st.integers(0, 30),
    more=st.sampled_from((-250_000, 0, 200_000)),
    seed=st.integers(0, 1 << 30),
    data=st.data(),
)
def test_whatever_is_like_whatever_and_held_by_whomever_what_arrives_is_right(
    older: int, edits: int, more: int, seed: int, data: st.DataObject
) -> None:
    random = Random(seed)
    old = random.randbytes(older) * 2
    new = edited(old, seed, edits)
    at = random.randrange(len(new) + 1)
    new = new[:at] + random.randbytes(more) + new[at:] if more > 0 else new[:at] + new[at - more :]
    blob, like = content_manifest_of(new).id, content_manifest_of(old).id
    crowd = Crowd(seed=seed)
    if data.draw(st.booleans(), "is the other here"):
        crowd.store = store_of(old)
    share = data.draw(st.sampled_from((0.0, 0.3)), "of it here")
    put_part(crowd.store, new, lambda _: random.random() < share)
    crowd.giver(store_of(new))  # so that it can be whole
    for _ in range(data.draw(st.integers(0, 2), "more givers")):
        giver = crowd.giver()
        holds = data.draw(st.sampled_from((0.0, 0.5, 1.0)), "of the other there")
        put_part(giver.store, old, partial(is_under, random, holds))
        put_part(giver.store, new, lambda _: random.random() < 0.7)
        giver.knows_deltas = data.draw(st.booleans(), "knows deltas")
    crowd.want(blob, relative_to=[like])
    crowd.wait(90.0)
    assert not crowd.blamed
    assert crowd.end(blob) == BlobFetched(blob, len(new))
    assert crowd.store.blob(blob) == new
