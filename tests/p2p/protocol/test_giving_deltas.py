"""Giving what differs: only against what the asker may read, and never more than was asked for."""

from collections.abc import Sequence
from random import Random

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from crdt.blob import BlobId, Chunking
from crdt.chunking import content_manifest_of
from crdt.keys import NamespaceKey
from p2p.protocol import limits
from p2p.protocol.errors import RemoteProtocolError
from p2p.protocol.frames import Base, Delta, Frame, Get, Holding, Part
from p2p.protocol.limits import RUN_BYTES_MAX
from p2p.protocol.pieces import CHUNK, PAGE, ROOT, pack_against, unpack_against
from tests.p2p.protocol.conversation import Line

OLDER = Random(1).randbytes(600_000)
NEWER = OLDER[:300_000] + b"a tick later" + OLDER[300_000:]
OLD, NEW = content_manifest_of(OLDER), content_manifest_of(NEWER)
GARDEN = NamespaceKey(b"g" * 31 + b"\1")


def line_of(*blobs: bytes) -> Line:
    """Alice's session, of whom Bob asks; she holds these."""
    line = Line()
    for data in blobs:
        line.store.put_blob(data, Chunking.CONTENT)
    return line


def base_of(blob: BlobId = OLD.id, first: int = 0, count: int = OLD.chunk_count) -> Base:
    return Base(blob, first, count)


def chunks(manifest_bytes: bytes, first: int, count: int) -> bytes:
    manifest = content_manifest_of(manifest_bytes)
    start = manifest.chunk_offset(first)
    sizes = [manifest.chunk_size(first + place) for place in range(count)]
    return manifest_bytes[start : start + sum(sizes)]


def get(number: int = 1, *, first: int = 0, base: Base | None = None, piece: int = CHUNK) -> Get:
    count = NEW.chunk_count - first if piece == CHUNK else 1
    return Get(number, NEW.id, piece, first, count, 3, base)


def only(frames: Sequence[Frame]) -> Frame:
    (frame,) = frames
    return frame


def test_a_run_is_given_as_what_it_differs_in_from_the_chunks_that_the_asker_names() -> None:
    line = line_of(OLDER, NEWER)
    delta = only(line.say(get(7, base=base_of())))
    assert isinstance(delta, Delta)
    assert delta.number == 7
    assert delta.plain_bytes <= RUN_BYTES_MAX
    given = unpack_against(delta, OLDER)
    assert NEWER.startswith(given)
    assert len(given) > RUN_BYTES_MAX - limits.RUN_BYTES_MIN, "as much as fits an answer"
    assert len(delta.data) < 1_000
    assert line.session.report.blob_bytes_sent == len(delta.data)


def test_a_page_is_given_against_pages() -> None:
    line = line_of(OLDER, NEWER)
    delta = only(line.say(get(piece=PAGE, base=base_of(count=1))))
    assert isinstance(delta, Delta)
    assert unpack_against(delta, OLD.pages[0]) == NEW.pages[0]
    assert len(delta.data) < len(NEW.pages[0]) / 4
    root = only(line.say(get(2, piece=ROOT, base=base_of())))
    assert root == Part(2, NEW.root, 0), "nothing comes before a root that it could differ from"


def test_against_what_is_not_held_a_run_is_given_as_it_is() -> None:
    line = line_of(NEWER)
    asked = get(base=base_of())
    assert only(line.say(asked)) == only(line.say(get()))
    for base in (
        base_of(NEW.id, NEW.chunk_count - 1, 2),
        base_of(BlobId(b"?" * 32)),
        base_of(NEW.id, 1 << 40, 1),
    ):
        part = only(line.say(get(base=base)))
        assert isinstance(part, Part)


def test_what_is_not_held_is_not_held_whatever_it_is_asked_against() -> None:
    line = line_of(OLDER)
    assert only(line.say(get(base=base_of()))) == Holding(1, False, ())
    line = line_of(OLDER, NEWER)
    beyond = Get(1, NEW.id, CHUNK, NEW.chunk_count, 1, 3, base_of())
    assert only(line.say(beyond)) == Holding(1, True, (0, NEW.chunk_count))


def test_against_what_the_asker_may_not_read_a_run_is_given_as_it_is() -> None:
    """Else the length of the answer would tell how much the two have in common."""
    line = line_of(OLDER, NEWER)
    line.store.named_in[OLD.id] = {GARDEN}
    assert isinstance(only(line.say(get(base=base_of()))), Part)
    line.store.named_in[NEW.id] = {GARDEN}
    del line.store.named_in[OLD.id]
    line.session.report.blob_bytes_sent = 0
    other = line_of(OLDER, NEWER)
    other.store.named_in[NEW.id] = {GARDEN}
    assert only(other.say(get(base=base_of()))) == Holding(1, False, ())


def test_a_base_that_is_longer_than_it_may_be_is_not_read() -> None:
    """DELTA_BASE_BYTES_MAX: what is held in memory beside a run."""
    long = Random(2).randbytes(3 << 20)
    line = line_of(long, NEWER)
    manifest = content_manifest_of(long)
    count = next(
        count
        for count in range(1, 129)
        if manifest.chunk_offset(count) > limits.DELTA_BASE_BYTES_MAX
    )
    asked = [get(number, base=Base(manifest.id, 0, count - number)) for number in (0, 1)]
    assert [type(only(line.say(one))) for one in asked] == [Part, Part], "noise has no delta"
    similar = line_of(long, long + b"more")
    blob = content_manifest_of(long + b"more").id
    answers = [
        only(similar.say(Get(1, blob, CHUNK, 0, 9, 3, Base(manifest.id, 0, count - less))))
        for less in (0, 1)
    ]
    assert [type(answer) for answer in answers] == [Part, Delta]


def test_who_may_read_a_base_is_judged_once_for_many_runs() -> None:
    line = line_of(OLDER, NEWER)
    line.is_answering = False

    def questions() -> list[str]:
        asked: list[str] = []
        line.say(get(base=base_of()))
        while line.questions:
            asked.append(type(line.answer_next()).__name__)
        return asked

    assert questions() == ["MayReadBlob", "MayReadBlob", "FindRoot", "ReadDelta"]
    assert questions() == ["ReadDelta"]


# ── the bytes ────────────────────────────────────────────────────────────────────────────────────


@given(st.binary(max_size=3_000), st.binary(max_size=3_000), st.integers(0, 3_000))
def test_what_was_packed_against_a_base_comes_back(data: bytes, base: bytes, at: int) -> None:
    data = base[:at] + data + base[at:] or b"x"
    delta = Delta(1, pack_against(data, base), len(data))
    assert unpack_against(delta, base) == data


def test_the_longest_of_both() -> None:
    base = Random(3).randbytes(limits.DELTA_BASE_BYTES_MAX)
    for data in (base[-RUN_BYTES_MAX:], base[:RUN_BYTES_MAX], base[::2]):
        delta = Delta(1, pack_against(data, base), len(data))
        assert unpack_against(delta, base) == data
    assert len(pack_against(base[-RUN_BYTES_MAX:], base)) < 1_000, (
        "it reaches to the end of the base"
    )
    assert len(pack_against(base[:RUN_BYTES_MAX], base)) < 1_000, "and to its beginning"


def frame_of(data: bytes, *, is_sized: bool = True) -> bytes:
    return zstandard.ZstdCompressor(write_content_size=is_sized).compress(data)


@pytest.mark.parametrize(
    ("data", "plain_bytes"),
    [
        (frame_of(bytes(200_000_000)), RUN_BYTES_MAX),  # 18 KB that would be 200 MB
        (frame_of(bytes(200_000)), 100_000),
        (frame_of(bytes(100_000)), 200_000),
        (frame_of(bytes(100_000), is_sized=False), 100_000),
        (frame_of(OLDER)[:-3], len(OLDER)),
        (frame_of(NEWER[:9]) + b"more", 9),
        (pack_against(OLDER[:5_000], OLDER)[:-1], 5_000),
        (b"", 5),
        (b"no zstd at all", 5),
    ],
)
def test_what_is_not_what_it_says_is_the_peers_fault(data: bytes, plain_bytes: int) -> None:
    with pytest.raises(RemoteProtocolError, match="delta-packed"):
        unpack_against(Delta(1, data, plain_bytes), OLDER)


def code_of(delta: Delta, base: bytes) -> str:
    """Why it is refused; empty where it unpacks to as much as it says."""
    try:
        assert len(unpack_against(delta, base)) == delta.plain_bytes
    except RemoteProtocolError as error:
        return error.code
    return ""


@given(st.integers(0, 200), st.binary(min_size=1, max_size=8), st.binary(max_size=100))
def test_bytes_laid_over_an_honest_delta(at: int, over: bytes, base: bytes) -> None:
    data = NEWER[:9_000]
    honest = pack_against(data, OLDER[:20_000])
    laid = honest[:at] + over + honest[at + len(over) :]
    for against in (OLDER[:20_000], base):
        assert code_of(Delta(1, laid, len(data)), against) in ("", "delta-packed")
