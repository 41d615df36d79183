"""Fetching a blob: only what is missing, every piece verified, and other peers' pieces welcome."""

from typing import Any

import pytest

from crdt import cbor
from crdt.blob import CHUNK_BYTES, PAGE_CHUNKS_MAX, BlobId, Manifest, chunks_of, manifest_of
from crdt.digest import payload_digest
from p2p.protocol import limits
from p2p.protocol.effects import BlobFailed, BlobFetched, BlobProgress, Unstored
from p2p.protocol.errors import PeerTimeout
from p2p.protocol.frames import Frame, Get, Part, Pong
from p2p.protocol.serve import CHUNK, PAGE, ROOT
from p2p.protocol.states import State
from tests.p2p.protocol.conversation import Line, Talk, asked, at_once

SIZE = 20 * CHUNK_BYTES + 5
DATA = bytes(i * 7 % 251 for i in range(CHUNK_BYTES)) * 20 + b"12345"
MANIFEST = manifest_of(DATA)
CHUNKS = list(chunks_of(DATA))


def fetch(line: Line, blob: BlobId = MANIFEST.id, **options: Any) -> list[Get]:  # noqa: ANN401 - Session.fetch has them
    before = len(line.sent)
    line.do(line.session.fetch(blob, now_s=line.now_s, **options))
    return gets(line.sent[before:])


def gets(frames: list[Frame]) -> list[Get]:
    return [frame for frame in frames if isinstance(frame, Get)]


def piece_of(get: Get) -> bytes:
    return {ROOT: [MANIFEST.root], PAGE: MANIFEST.pages, CHUNK: CHUNKS}[get.piece][get.index]


def give(line: Line, get: Get) -> list[Get]:
    return gets(line.say(Part(get.number, piece_of(get))))


def until_chunks(line: Line) -> list[Get]:
    """Root and pages have come; the chunks that are asked for."""
    (root,) = fetch(line)
    (page,) = give(line, root)
    return give(line, page)


def begun(line: Line, chunks: list[int]) -> None:
    """Some chunks are held from an earlier attempt."""
    at_once(line.store.begin_blob(MANIFEST.id, MANIFEST.root))
    at_once(line.store.add_page(MANIFEST.id, 0, MANIFEST.pages[0]))
    for index in chunks:
        at_once(line.store.add_chunk(MANIFEST.id, index, CHUNKS[index]))


def test_root_then_pages_then_chunks_eight_at_a_time() -> None:
    line = Line()
    (root,) = fetch(line)
    assert (root.piece, root.index, root.blob) == (ROOT, 0, MANIFEST.id)
    (page,) = give(line, root)
    assert (page.piece, page.index) == (PAGE, 0)
    queue = give(line, page)
    assert len(queue) == limits.BLOB_WINDOW
    order: list[int] = []
    while queue:
        get = queue.pop(0)
        order.append(get.index)
        queue += give(line, get)
        assert len(queue) <= limits.BLOB_WINDOW
    assert order == list(range(21))
    assert line.store.blob(MANIFEST.id) == DATA
    assert line.events[-1] == BlobFetched(MANIFEST.id, SIZE)
    progress = [event.chunks for event in line.events if isinstance(event, BlobProgress)]
    assert progress == list(range(1, 22))


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES, CHUNK_BYTES + 1])
def test_small_blobs_from_a_peer(size: int) -> None:
    talk = Talk().settle()
    blob = talk.bob.store.put_blob(bytes(size))
    talk.do(talk.alice, talk.alice.session.fetch(blob, now_s=0.0))
    talk.settle()
    assert talk.alice.heard(BlobFetched) == [BlobFetched(blob, size)]
    assert talk.alice.store.blob(blob) == bytes(size)


def test_a_blob_of_two_pages() -> None:
    """Chunks of one kind, so that only the manifest is long."""
    chunk = bytes(CHUNK_BYTES)
    count = PAGE_CHUNKS_MAX + 2
    hashes = payload_digest(chunk) * count
    pages = (hashes[: 32 * PAGE_CHUNKS_MAX], hashes[32 * PAGE_CHUNKS_MAX :])
    size = count * CHUNK_BYTES
    root = cbor.encode([1, size, CHUNK_BYTES, [payload_digest(page) for page in pages]])
    line = Line()
    (get,) = fetch(line, BlobId(payload_digest(root)))
    first, second = gets(line.say(Part(get.number, root)))
    assert gets(line.say(Part(second.number, pages[1]))) == []
    chunks = gets(line.say(Part(first.number, pages[0])))
    assert {each.piece for each in chunks} == {CHUNK}


def test_only_what_is_missing_is_asked_for() -> None:
    line = Line()
    held = [0, 1, 2, 5, 20]
    begun(line, held)
    queue = fetch(line)
    assert {get.piece for get in queue} == {CHUNK}
    order: list[int] = []
    while queue:
        get = queue.pop(0)
        order.append(get.index)
        queue += give(line, get)
    assert order == [index for index in range(21) if index not in held]
    assert line.events[-1] == BlobFetched(MANIFEST.id, SIZE)


def test_a_blob_that_is_whole_is_not_fetched() -> None:
    line = Line()
    line.store.put_blob(DATA)
    assert fetch(line) == []
    assert line.events == [*line.events[:-1], BlobFetched(MANIFEST.id, SIZE)]


@pytest.mark.parametrize(
    ("stage", "data", "code"),
    [
        (0, MANIFEST.root[:-1], "blob-hash"),
        (0, bytes(400_000), "blob-root"),
        (1, MANIFEST.pages[0][:-32], "blob-page"),
        (1, bytes(len(MANIFEST.pages[0])), "blob-hash"),
        (2, CHUNKS[1], "blob-hash"),
        (2, CHUNKS[0][:-1], "blob-chunk"),
        (2, CHUNKS[0] + b"\0", "blob-chunk"),
        (2, b"", "blob-chunk"),
    ],
)
def test_a_wrong_piece_is_the_peers_fault_and_is_not_kept(
    stage: int, data: bytes, code: str
) -> None:
    if stage == 2 and data == CHUNKS[1]:
        data = b"\1" + CHUNKS[0][1:]  # of the right length
    line = Line()
    queue = fetch(line)
    for _ in range(stage):
        queue = give(line, queue[0])
    line.say(Part(queue[0].number, data))
    assert line.fault == code
    assert BlobFailed in {type(event) for event in line.events}
    if stage == 2:
        assert len(at_once(line.store.missing_chunks(MANIFEST.id))) == 21


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
        (root_that(version=2), "blob-root"),
        (root_that(chunk=1), "blob-root"),
        (root_that(size=(1 << 40) + 1), "blob-too-large"),
        (root_that(size=0), "blob-root"),
        (root_that(pages=[]), "blob-root"),
        (root_that(pages=[b"short"]), "blob-root"),
        (root_that(size=-1), "blob-too-large"),
        (cbor.encode("root"), "blob-root"),
        (b"\xff", "cbor-indefinite"),
    ],
)
def test_a_root_that_makes_no_sense(root: bytes, code: str) -> None:
    """Its hash is the blob's id; nothing else of it is right."""
    line = Line()
    (get,) = fetch(line, BlobId(payload_digest(root)))
    line.say(Part(get.number, root))
    assert line.fault
    assert line.fault == code or code.startswith("cbor-")


def test_what_was_not_asked_for_is_refused() -> None:
    line = Line()
    line.say(Part(1, b"x"))
    assert line.fault == "part"


def test_a_piece_comes_only_once() -> None:
    line = Line()
    (root,) = fetch(line)
    give(line, root)
    line.say(Part(root.number, MANIFEST.root))
    assert line.fault == "part"


@pytest.mark.parametrize("is_begun", [False, True])
def test_a_blob_that_is_too_large_is_given_up_at_its_root(is_begun: bool) -> None:
    line = Line()
    if is_begun:
        begun(line, [0])
    for get in fetch(line, size_bytes_max=SIZE - 1):
        assert give(line, get) == []
    (failed,) = [event for event in line.events if isinstance(event, BlobFailed)]
    assert failed.code == "too-large"
    assert line.fault == ""


@pytest.mark.parametrize("stage", [0, 1, 2])
def test_a_peer_that_has_not_got_it_is_not_to_blame(stage: int) -> None:
    line = Line()
    queue = fetch(line)
    for _ in range(stage):
        queue = give(line, queue[0])
    assert line.say(Part(queue[0].number, None)) == []
    (failed,) = [event for event in line.events if isinstance(event, BlobFailed)]
    assert failed.code == "not-held"
    for get in queue[1:]:
        assert give(line, get) == []  # what was under way is dropped
    assert line.fault == ""


def test_a_fetch_that_is_begun_anew_does_not_mix_with_the_old_one() -> None:
    """Of the first attempt seven answers are still to come; they belong to nobody."""
    line = Line()
    old = until_chunks(line)
    line.say(Part(old[0].number, None))
    new = fetch(line)
    assert len(new) == limits.BLOB_WINDOW
    for get in old[1:]:
        assert give(line, get) == []
    queue, order = new, list[int]()
    while queue:
        get = queue.pop(0)
        order.append(get.index)
        queue += give(line, get)
        assert len(queue) <= limits.BLOB_WINDOW
    assert sorted(order) == list(range(21))
    assert line.store.blob(MANIFEST.id) == DATA


def test_a_peer_is_never_asked_for_more_pieces_than_it_must_answer() -> None:
    """Four blobs fail while eight pieces of each are under way, and four others begin."""
    line = Line()
    blobs: list[Manifest] = []
    for number in range(2 * limits.FETCHES_MAX):
        data = bytes([number]) * 9 + DATA
        manifest = manifest_of(data)
        at_once(line.store.begin_blob(manifest.id, manifest.root))
        at_once(line.store.add_page(manifest.id, 0, manifest.pages[0]))
        blobs.append(manifest)
    asked_for: list[Get] = []
    for manifest in blobs:
        asked_for += fetch(line, manifest.id)
    assert len(asked_for) == limits.BLOB_REQUESTS_MAX == 4 * limits.BLOB_WINDOW
    failing = [asked_for[8 * i] for i in range(4)]
    open_gets = len(asked_for)
    for get in failing:
        open_gets += len(gets(line.say(Part(get.number, None)))) - 1
        assert open_gets <= limits.BLOB_REQUESTS_MAX
    for get in asked_for:
        if get not in failing:
            open_gets += len(gets(line.say(Part(get.number, None)))) - 1
            assert open_gets <= limits.BLOB_REQUESTS_MAX
    assert open_gets == 4 * limits.BLOB_WINDOW  # the four others, in full


def test_no_more_than_four_blobs_at_once() -> None:
    line = Line()
    ids = [BlobId(bytes([number]) * 32) for number in range(limits.FETCHES_MAX + 1)]
    asked_for = [get for blob in ids for get in fetch(line, blob)]
    assert len(asked_for) == limits.FETCHES_MAX
    (fifth,) = gets(line.say(Part(asked_for[0].number, None)))
    assert fifth.blob == ids[-1]


def test_the_same_blob_is_not_fetched_twice_at_once() -> None:
    line = Line()
    assert len(fetch(line)) == 1
    assert fetch(line) == []


def test_a_record_that_lies_about_the_size_spoils_no_other_fetch() -> None:
    """Mallory's record names Bob's blob, and one byte; both are wanted at the same time."""
    line = Line()
    (root,) = fetch(line, size_bytes_max=1)
    assert fetch(line, size_bytes_max=SIZE) == []
    assert give(line, root)
    assert not [event for event in line.events if isinstance(event, BlobFailed)]


def test_a_fetch_waits_until_the_session_is_open_and_ends_with_it() -> None:
    line = Line(State.AGREEING)
    assert fetch(line) == []
    line.do(line.session.leave("stopping", "Good night.", now_s=0.0))
    assert [event.code for event in line.events if isinstance(event, BlobFailed)] == [
        "session-closed"
    ]


def test_a_fetch_from_a_session_that_has_ended_fails_at_once() -> None:
    line = Line(State.CLOSED)
    assert fetch(line) == []
    assert line.events[-1] == BlobFailed(MANIFEST.id, "session-closed", "the session has ended")


def test_a_peer_that_does_not_answer_is_left_at_last() -> None:
    line = Line()
    fetch(line)
    for _ in range(int(limits.ANSWER_S)):
        assert line.reason is None
        line.say(Pong(0))
        line.tick(1.0)
    assert isinstance(line.reason, PeerTimeout)


def test_questions_of_a_closed_session_are_answered_into_the_void() -> None:
    line = Line(is_answering=False)
    fetch(line)
    query = line.questions[0]
    line.do(line.session.leave("stopping", "", now_s=0.0))
    assert line.session.answered(query.id, asked(line.store, query.question), now_s=1.0) == []


@pytest.mark.parametrize("stage", [0, 1, 2])
def test_a_store_that_takes_no_more_ends_the_fetch_and_nothing_else(stage: int) -> None:
    """Eight chunks are in flight where it says so: they are dropped as they come."""
    line = Line()
    queue = fetch(line)
    for _ in range(stage):
        queue = give(line, queue[0])
    line.is_answering = False
    for get in queue:
        assert give(line, get) == []
    for query in line.questions:
        line.do(line.session.answered(query.id, Unstored("The disk is full."), now_s=0.0))
    failed = [event for event in line.events if isinstance(event, BlobFailed)]
    assert failed == [BlobFailed(MANIFEST.id, "not-stored", "The disk is full.")]
    assert (line.fault, line.reason) == ("", None)
    line.is_answering = True
    line.questions.clear()
    assert len(fetch(line)) == len(queue)
