"""Giving: one answer a question, only what may be read, and not too many at once."""

from random import Random

from crdt.blob import CHUNK_BYTES, build_manifest, chunks_of, manifest_of
from crdt.change import SignedEntry
from crdt.keys import COMMONS, NamespaceKey
from p2p.protocol import limits
from p2p.protocol.frames import (
    FRAME_BYTES_MAX,
    Entries,
    Frame,
    Get,
    Holding,
    Part,
    Want,
    encode_frame,
)
from p2p.protocol.pieces import CHUNK, PAGE, ROOT
from p2p.protocol.serve import pack_entries
from tests.p2p.protocol.conversation import Line, at_once, entries_of

SOME = entries_of(1, 250)
GARDEN = NamespaceKey(b"g" * 31 + b"\1")


def want(entries: list[SignedEntry], number: int = 1, namespace: NamespaceKey = COMMONS) -> Want:
    return Want(number, namespace, b"".join(signed.id[:16] for signed in entries))


def only(frames: list[Frame]) -> Entries:
    (frame,) = frames
    assert isinstance(frame, Entries)
    return frame


def test_what_is_held_is_given_in_the_order_asked_and_the_rest_is_named_missing() -> None:
    line = Line(entries=SOME[:3])
    answer = only(line.say(want([SOME[2], SOME[9], SOME[0]], number=7)))
    assert answer.number == 7
    assert [one.signature for one in answer.entries] == [SOME[2].signature, SOME[0].signature]
    assert answer.missing == SOME[9].id[:16]
    assert line.session.report.entries_sent == 2


def test_capabilities_are_sent_once() -> None:
    of_one_author = entries_of(2, 9, subspace=b"s" * 32)
    answer = only(Line(entries=of_one_author).say(want(of_one_author)))
    assert answer.capabilities == (of_one_author[0].capability,)


def test_a_private_namespace_looks_the_same_whether_held_or_not() -> None:
    private = entries_of(3, 2, namespace=GARDEN)
    held, empty = Line(entries=private), Line()
    asked = want(private, namespace=GARDEN)
    assert held.say(asked) == empty.say(asked) == [Entries(1, (), (), asked.ids)]
    assert held.say(want(private, number=2)) == [Entries(2, (), (), asked.ids)]  # as if public


def test_an_answer_stops_in_time() -> None:
    """ENTRIES_BYTES: the longest payloads that there are."""
    long = entries_of(4, 30, payload_bytes=64 << 10)
    answer = only(Line(entries=long).say(want(long)))
    assert 0 < len(answer.entries) < 13
    size = len(encode_frame(answer))
    assert size < limits.ENTRIES_BYTES + (66 << 10) < FRAME_BYTES_MAX


def test_at_least_one_is_settled_however_long_it_is() -> None:
    (signed,) = entries_of(5, 1, payload_bytes=limits.ENTRIES_BYTES)
    id = signed.id[:16]
    assert len(pack_entries(1, [id, b"x" * 16], {id: signed}).entries) == 1


def test_more_wants_than_may_be_open_are_refused() -> None:
    line = Line(entries=SOME, is_answering=False)
    for number in range(limits.WANTS_OUTSTANDING_MAX):
        line.say(want(SOME[:1], number))
    assert line.fault == ""
    line.say(want(SOME[:1], 99))
    assert line.fault == "want-count"


def test_an_answered_want_makes_room_for_the_next() -> None:
    line = Line(entries=SOME)
    for number in range(3 * limits.WANTS_OUTSTANDING_MAX):
        line.say(want(SOME[:1], number))
    assert line.fault == ""


def test_ids_that_are_cut_are_refused() -> None:
    line = Line()
    line.say(Want(1, COMMONS, b"x" * 17))
    assert line.fault == "ids"


NOISE = Random(1).randbytes(3 * CHUNK_BYTES + 5)


def test_the_pieces_of_a_blob() -> None:
    line = Line()
    blob = line.store.put_blob(NOISE)
    for number, (piece, index, count, length) in enumerate(
        [
            (ROOT, 0, 1, None),
            (PAGE, 0, 1, 4 * 32),
            (CHUNK, 0, 1, CHUNK_BYTES),
            (CHUNK, 0, 4, 2 * CHUNK_BYTES),  # no more fits an answer
            (CHUNK, 3, 9, 5),  # there are no more
        ]
    ):
        (part,) = line.say(Get(number, blob, piece, index, count, 3))
        assert isinstance(part, Part)
        assert (part.number, part.plain_bytes) == (number, 0)
        assert length in (None, len(part.data))
    assert line.session.report.blob_bytes_sent > 3 * CHUNK_BYTES


def test_a_piece_that_is_not_held_is_answered_with_what_is() -> None:
    line = Line()
    blob = line.store.put_blob(b"genome")
    assert line.say(Get(1, b"?" * 32, ROOT, 0, 1, 3)) == [Holding(1, False, ())]
    assert line.say(Get(1, b"?" * 32, CHUNK, 0, 1, 3)) == [Holding(1, False, ())]
    for piece, index in ((PAGE, 1), (CHUNK, 1), (CHUNK, 1 << 40)):
        assert line.say(Get(1, blob, piece, index, 1, 3)) == [Holding(1, True, (0, 1))]
    assert line.session.report.blob_bytes_sent == 0


def test_who_holds_a_part_says_which_beginning_with_what_was_asked() -> None:
    line, manifest = Line(), manifest_of(NOISE)
    at_once(line.store.begin_blob(manifest.id, manifest.root))
    assert line.say(Get(1, manifest.id, CHUNK, 0, 1, 3)) == [Holding(1, True, ())]  # no page yet
    at_once(line.store.add_page(manifest.id, 0, manifest.pages[0]))
    for index in (0, 3):
        at_once(line.store.add_chunks(manifest.id, [(index, list(chunks_of(NOISE))[index])]))
    assert line.say(Get(1, manifest.id, CHUNK, 1, 2, 3)) == [Holding(1, True, (3, 1, 0, 1))]
    (part,) = line.say(Get(1, manifest.id, CHUNK, 0, 2, 3))
    assert isinstance(part, Part)
    assert len(part.data) == CHUNK_BYTES  # the first of the two


def test_more_requests_than_may_be_open_are_refused() -> None:
    line = Line(is_answering=False)
    blob = line.store.put_blob(b"genome")
    for number in range(limits.BLOB_REQUESTS_MAX):
        line.say(Get(number, blob, CHUNK, 0, 1, 3))
    assert line.fault == ""
    line.say(Get(99, blob, CHUNK, 0, 1, 3))
    assert line.fault == "get-count"


def test_a_list_of_runs_is_bounded() -> None:
    """HOLDING_RUNS_MAX: whoever holds every second chunk names so many of them."""
    line, count = Line(), 2 * limits.HOLDING_RUNS_MAX + 9
    manifest = build_manifest([bytes(32)] * count, count * CHUNK_BYTES)
    at_once(line.store.begin_blob(manifest.id, manifest.root))
    for page, data in enumerate(manifest.pages):
        at_once(line.store.add_page(manifest.id, page, data))
    for index in range(0, count, 2):
        at_once(line.store.add_chunks(manifest.id, [(index, b"")]))
    (holding,) = line.say(Get(1, manifest.id, CHUNK, 3, 1, 3))
    assert isinstance(holding, Holding)
    assert holding.runs[:4] == (4, 1, 6, 1)
    assert len(holding.runs) == 2 * limits.HOLDING_RUNS_MAX


def test_who_may_read_a_blob_is_judged_once_for_many_pieces() -> None:
    """GIVEN_MAX: as many blobs as are fetched at once."""
    line = Line()
    line.is_answering = False
    blob = line.store.put_blob(b"genome")

    def questions() -> list[str]:
        asked: list[str] = []
        line.say(Get(1, blob, ROOT, 0, 1, 3))
        while line.questions:
            asked.append(type(line.answer_next()).__name__)
        return asked

    assert questions() == ["MayReadBlob", "FindRoot"]
    assert questions() == ["FindRoot"]
    for number in range(limits.GIVEN_MAX):
        line.say(Get(1, number.to_bytes(32, "big"), ROOT, 0, 1, 3))
        while line.questions:
            line.answer_next()
    assert questions() == ["MayReadBlob", "FindRoot"]
