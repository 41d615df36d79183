"""A run of objects is all of their bytes, joined, or nothing: wherever they lie and whatever lies
there."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random
from threading import Lock

import pytest
import zstandard

from crdt.digest import payload_digest
from storage.vault.rows import encode, put
from storage.vault.runs import run_of
from storage.vault.unpacking import PACKED, PLAIN, PlainCache
from tests.storage.vault.worlds import World, objects_of, open_vault, store_all

SERIES = World(entities=1_500).series(4)
NOISE = Random(1).randbytes(5_000)
TEXTS = [b"what is said in world %d, again and again. " % number * 200 for number in range(9)]
OBJECTS = {payload_digest(data): data for data in [*TEXTS, NOISE]}
HASHES = [*OBJECTS]
IN_TURN = Lock()


def run(vault: sqlite3.Connection, *hashes: bytes) -> bytes | None:
    return run_of(vault, hashes, PlainCache(), IN_TURN)


def packed(data: bytes) -> bytes:
    return PACKED + zstandard.ZstdCompressor(write_checksum=False).compress(data)


def sizeless(data: bytes) -> bytes:
    packer = zstandard.ZstdCompressor(write_content_size=False).compressobj()
    return PACKED + packer.compress(data) + packer.flush()


@pytest.fixture
def full(vault: sqlite3.Connection) -> sqlite3.Connection:
    """A vault of `OBJECTS`, packed but for the noise."""
    put(vault, encode(OBJECTS.items()))
    return vault


def overwrite(vault: sqlite3.Connection, hash: bytes, data: bytes) -> None:
    of_it = "(SELECT id FROM vault.name WHERE key = ?)"
    vault.execute(f"UPDATE vault.whole SET data = ? WHERE id = {of_it}", (data, hash))


def test_objects_come_in_the_order_asked_as_often_as_they_were(full: sqlite3.Connection) -> None:
    asked = [*reversed(HASHES), *HASHES, HASHES[3], HASHES[3]]
    assert run(full, *asked) == b"".join(OBJECTS[hash] for hash in asked)
    assert run(full, payload_digest(NOISE)) == NOISE
    assert run(full) == b""


def test_of_more_than_one_statement_asks_for(vault: sqlite3.Connection) -> None:
    many = {payload_digest(data): data for data in (b"object %d" % one * 9 for one in range(700))}
    put(vault, encode(many.items()))
    assert run(vault, *many) == b"".join(many.values())


def test_newest_and_older_states_come_as_they_were(vault: sqlite3.Connection) -> None:
    for data, root in zip(SERIES, store_all(vault, SERIES), strict=True):
        assert run(vault, *objects_of(vault, root)[root.page_count :]) == data


def test_where_one_is_missing_there_is_no_run(full: sqlite3.Connection) -> None:
    assert run(full, *HASHES, payload_digest(b"another one")) is None
    assert run(full, payload_digest(b"another one")) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        PLAIN,
        PACKED,
        b"\2" + TEXTS[4],
        PLAIN + TEXTS[4][:-1],
        PLAIN + TEXTS[4][:-1] + b"!",
        PLAIN + bytes(50_000_000),
        packed(b""),
        packed(TEXTS[4])[:-1],
        packed(TEXTS[4][:-1] + b"!"),
        packed(TEXTS[3]),
        packed(bytes(50_000_000)),
        PACKED + bytes.fromhex("28b52ffde06c06060663636363"),  # says it holds a terabyte
        PACKED + bytes.fromhex("502a4d1804000000") + b"skip",
        sizeless(bytes(50_000_000)),
    ],
    ids=[
        "nothing",
        "plain of no bytes",
        "packed of no bytes",
        "of no kind",
        "short",
        "other bytes",
        "far too long",
        "a frame of nothing",
        "cut short",
        "other bytes packed",
        "those of another one",
        "bomb",
        "a terabyte",
        "to be skipped",
        "bomb that names no size",
    ],
)
def test_where_one_is_not_what_it_was_there_is_no_run(
    full: sqlite3.Connection, data: bytes
) -> None:
    overwrite(full, HASHES[4], data)
    assert run(full, *HASHES) is None
    assert run(full, HASHES[4]) is None
    others = [hash for hash in HASHES if hash != HASHES[4]]
    assert run(full, *others) == b"".join(OBJECTS[hash] for hash in others)


def test_frames_that_all_hold_nothing_are_no_run(full: sqlite3.Connection) -> None:
    for hash in HASHES:
        overwrite(full, hash, packed(b""))
    assert run(full, *HASHES) is None


def test_frames_that_rotted_give_their_own_bytes_or_no_run(full: sqlite3.Connection) -> None:
    random, frame = Random(6), packed(TEXTS[2])
    outcomes = set[bool]()
    for _ in range(300):
        rotten = bytearray(frame)
        rotten[random.randrange(len(rotten))] ^= 1 << random.randrange(8)
        overwrite(full, HASHES[2], bytes(rotten[: random.choice((None, None, -1, -9))]))
        found = run(full, *HASHES)
        assert found in (None, b"".join(OBJECTS.values()))
        outcomes.add(found is None)
    assert True in outcomes


def test_threads_that_read_at_the_same_time_get_each_its_own(tmp_path: Path) -> None:
    path = tmp_path / "snapshots.db"
    with open_vault(path) as vault:
        put(vault, encode(OBJECTS.items()))

    def read_often(seed: int) -> bool:
        random = Random(seed)
        with open_vault(path) as mine:
            for _ in range(50):
                asked = random.choices(HASHES, k=40)
                if run(mine, *asked) != b"".join(OBJECTS[hash] for hash in asked):
                    return False
        return True

    with ThreadPoolExecutor(4) as threads:
        assert all(threads.map(read_often, range(4)))
