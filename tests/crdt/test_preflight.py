"""What reaches the Rust library is bounded, and its header agrees with what the library says."""

import time
from pathlib import Path

import pytest
from automerge.core import ROOT, Message, ObjType, ScalarType, SyncState
from automerge.core import Document as Library
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crdt.errors import Malformed
from crdt.preflight import (
    CHUNK_ROWS_MAX,
    check_chunks,
    check_sync,
    read_change,
)
from tests.crdt import bombs

ALICE = b"\xaa" * 32
REFUSAL_S_MAX = 0.5  # of the processor; the dearest inflates 8 MiB in 20 ms


def alices_changes() -> Library:
    document = Library()
    document.set_actor(ALICE)
    with document.transaction() as tx:
        versions = tx.put_object(ROOT, "versions", ObjType.Map)
        tx.put(versions, "ü" * 100, ScalarType.Bytes, bytes(200))
    for number in range(300):
        with document.transaction() as tx:
            tx.put(versions, f"1.{number % 7}.0", ScalarType.Str, "fixed something " * number)
            tx.put(versions, "size", ScalarType.Int, -(7**number) if number < 20 else number)
            if number % 5 == 0:
                tx.delete(versions, "1.0.0")
    return document


def test_headers_agree_with_the_library() -> None:
    for change in alices_changes().get_changes([]):
        header = read_change(change.raw_bytes)
        assert header.hash == change.hash
        assert header.actor == change.actor_id == ALICE
        assert (header.seq, header.start_op, header.max_op) == (
            change.seq,
            change.start_op,
            change.max_op,
        )
        assert list(header.dependencies) == change.deps


def next_message(document: Library, state: SyncState) -> Message | None:
    """None once both sides agree; the library's stub says it never is."""
    return document.generate_sync_message(state)


def test_sync_traffic_of_the_library_passes() -> None:
    alice, bob = alices_changes(), Library()
    alices_state, bobs_state = SyncState(), SyncState()
    while (message := next_message(alice, alices_state)) is not None:
        check_sync(message.encode())
        bob.receive_sync_message(bobs_state, Message.decode(message.encode()))
        if (answer := next_message(bob, bobs_state)) is not None:
            check_sync(answer.encode())
            alice.receive_sync_message(alices_state, Message.decode(answer.encode()))
    assert bob.get_heads() == alice.get_heads()


def test_saved_documents_and_rows_of_chunks_pass() -> None:
    document = alices_changes()
    assert check_chunks(document.save()) == ()
    changes = document.get_changes([])
    headers = check_chunks(b"".join(change.bytes for change in changes))
    assert [header.hash for header in headers] == [change.hash for change in changes]


def test_a_sync_message_lists_its_changes() -> None:
    raws = [change.raw_bytes for change in alices_changes().get_changes([])]
    assert [header.seq for header in check_sync(bombs.sync(*raws))] == list(range(1, 302))


def test_a_small_list_is_no_bomb() -> None:
    assert read_change(bombs.long_list(1000)).rows == 1001
    assert read_change(bombs.long_list(CHUNK_ROWS_MAX - 1)).ops == CHUNK_ROWS_MAX


@pytest.mark.parametrize("name", bombs.changes())
def test_hostile_changes_are_refused_at_once(name: str) -> None:
    chunk = bombs.changes()[name]
    start_s = time.process_time()
    with pytest.raises(Malformed):
        read_change(chunk)
    assert time.process_time() - start_s < REFUSAL_S_MAX


@pytest.mark.parametrize("name", bombs.messages())
def test_hostile_sync_messages_are_refused_at_once(name: str) -> None:
    message = bombs.messages()[name]
    start_s = time.process_time()
    with pytest.raises(Malformed):
        check_sync(message)
    assert time.process_time() - start_s < REFUSAL_S_MAX


def test_a_change_has_one_encoding() -> None:
    raw = bombs.set_root()
    size = raw[9]
    assert size < 0x80
    overlong = raw[:9] + bytes([size | 0x80, 0]) + raw[10:]
    with pytest.raises(Malformed):
        read_change(overlong)
    for padded in (raw + b"\0", raw + raw, b"\0" + raw):
        with pytest.raises(Malformed):
            read_change(padded)


def test_every_truncation_and_flipped_bit_is_refused() -> None:
    raw = bombs.set_root()
    for size in range(len(raw)):
        with pytest.raises(Malformed):
            read_change(raw[:size])
    for bit in range(8 * len(raw)):
        flipped = bytearray(raw)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Malformed):
            read_change(bytes(flipped))


@settings(deadline=None)
@given(st.binary(max_size=300))
@example(b"")
def test_noise_raises_only_malformed(noise: bytes) -> None:
    for check in (read_change, check_chunks, check_sync):
        try:
            check(noise)
        except Malformed:
            continue


@settings(deadline=None)
@given(st.data())
def test_mutations_with_repaired_checksums_raise_only_malformed(data: st.DataObject) -> None:
    body = bytearray(bombs.body([(0x15, b"\x7f\x01k"), (0x42, b"\x7f\x01"), (0x56, b"\x7f\x02")]))
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(body) - 1))
        body[place] = data.draw(st.integers(0, 255))
    for chunk in (bombs.chunk(bytes(body)), bombs.chunk(bytes(body), compressed=True)):
        for check in (read_change, check_chunks):
            try:
                check(chunk)
            except Malformed:
                continue
        try:
            check_sync(bombs.sync(chunk))
        except Malformed:
            continue


# What the bounds alone refuse; of the rest the library refuses some (see test_document).
REFUSED = {
    "fixtures/64bit_obj_id_change.automerge",
    "fuzz-crashers/action-is-48.automerge",
    "fuzz-crashers/crash-da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "fuzz-crashers/invalid_deflate_stream.automerge",
    "fuzz-crashers/missing_actor.automerge",
    "fuzz-crashers/overflow_in_length.automerge",
    "fuzz-crashers/too_many_deps.automerge",
}


def test_public_crashers_and_fixtures_are_bounded(vectors: Path) -> None:
    files = sorted((vectors / "automerge").glob("*/*"))
    assert len(files) >= 17
    refused = set[str]()
    for file in files:
        try:
            check_chunks(file.read_bytes())
        except Malformed:
            refused.add(file.parent.name + "/" + file.name)
    assert refused == REFUSED
