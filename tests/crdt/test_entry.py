import json
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt.ed25519 import SigningKey
from crdt.encoding import U64_MAX
from crdt.entry import (
    ENTRY_BYTES_MAX,
    Entry,
    decode_entry,
    encode_entry,
    tai_from_unix_us,
    unix_us_from_tai,
)
from crdt.errors import Malformed
from crdt.keys import AuthorKey, NamespaceKey
from tests.crdt.strategies import ALICE, MEADOW, entries, flipped

ENTRY = Entry(NamespaceKey(MEADOW.public), AuthorKey(ALICE.public), (b"a",), 1, 2, bytes(32))


def test_the_public_entries_of_willow_go(vectors: Path) -> None:
    cases = json.loads((vectors / "willow_go" / "entries" / "basic.json").read_text())["cases"]

    assert len(cases) == 10
    for case in cases:
        entry = Entry(
            NamespaceKey(bytes.fromhex(case["namespace_id_hex"])),
            AuthorKey(bytes.fromhex(case["subspace_id_hex"])),
            tuple(map(bytes.fromhex, case["path_components_hex"])),
            case["timestamp"],
            case["payload_length"],
            bytes.fromhex(case["payload_digest_hex"]),
        )
        assert encode_entry(entry).hex() == case["encoded_hex"], case["name"]
        assert decode_entry(encode_entry(entry)) == entry


def test_the_default_entry_that_the_specification_prints() -> None:
    """99 bytes, with the key of the printed seed and the printed signature."""
    seed = "5e14ace4d2c8028fc89a8f04765b19d2cd752d91bb373c0c9ed476276b5c4541"
    digest = "96d34c5478458231e364767952aaea02a31d2203c66f4365692ef91f351068d2"
    signature = (
        "2ac93ad2c13fedb696345dbac6e71254e99cb444e5e81b916fca0878f0a8a993"
        "2bd1a4e846e1ca83377b740a29b8570a85038d50662ba8af66e5683c93521401"
    )
    secret = SigningKey.from_seed(bytes.fromhex(seed))
    namespace, subspace = NamespaceKey(secret.public), AuthorKey(secret.public)
    encoded = encode_entry(Entry(namespace, subspace, (), 0, 0, bytes.fromhex(digest)))

    assert len(encoded) == 99
    assert secret.sign(encoded).hex() == signature


@given(entries())
def test_decoding_undoes_encoding(entry: Entry) -> None:
    encoded = encode_entry(entry)
    assert len(encoded) <= ENTRY_BYTES_MAX
    assert decode_entry(encoded) == entry


def test_an_entry_that_was_read_and_changed_is_encoded_anew() -> None:
    read = decode_entry(encode_entry(ENTRY))
    later = replace(ENTRY, timestamp=2)
    assert (read, hash(read), repr(read)) == (ENTRY, hash(ENTRY), repr(ENTRY))
    assert encode_entry(replace(read, timestamp=2)) == encode_entry(later) != encode_entry(read)


@given(entries(), st.data())
def test_a_flipped_bit_is_refused_or_another_entry(entry: Entry, data: st.DataObject) -> None:
    encoded = encode_entry(entry)
    changed = flipped(encoded, data.draw(st.integers(0, 8 * len(encoded) - 1)))
    with suppress(Malformed):
        assert encode_entry(replace(decode_entry(changed))) == changed  # a copy, encoded anew


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_or_canonical(data: bytes) -> None:
    with suppress(Malformed):
        assert encode_entry(replace(decode_entry(data))) == data


def test_the_longest_path_of_all_fits() -> None:
    entry = replace(ENTRY, path=(b"x",) * 4096, timestamp=U64_MAX, payload_length=U64_MAX)
    assert len(encode_entry(entry)) == 8310 < ENTRY_BYTES_MAX
    assert decode_entry(encode_entry(entry)) == entry


def test_a_longer_number_than_needed_is_refused() -> None:
    encoded = encode_entry(ENTRY)
    longer = encoded.replace(b"a\x01\x02", b"a\xfc\x01\x02")  # 1 as a tag and a byte
    assert len(longer) == len(encoded) + 1
    with pytest.raises(Malformed) as refusal:
        decode_entry(longer)
    assert refusal.value.code == "not-canonical"


def test_oversize_truncated_and_trailing_bytes_are_refused() -> None:
    encoded = encode_entry(ENTRY)
    for data, code in (
        (encoded + b"\0", "trailing-bytes"),
        (encoded[:-1], "truncated"),
        (encoded[:64], "truncated"),
        (b"", "truncated"),
        (bytes(ENTRY_BYTES_MAX + 1), "entry-too-long"),
    ):
        with pytest.raises(Malformed) as refusal:
            decode_entry(data)
        assert refusal.value.code == code


def unix_us(moment: str) -> int:
    return int(datetime.fromisoformat(f"{moment}+00:00").timestamp()) * 1_000_000


def test_timestamps_count_from_noon_of_j2000_on_a_clock_without_leaps() -> None:
    """Noon UTC came 32 leap seconds after noon TAI."""
    assert tai_from_unix_us(unix_us("2000-01-01T12:00:00")) == 32_000_000
    assert unix_us_from_tai(0) == unix_us("2000-01-01T11:59:28")


@pytest.mark.parametrize(
    "day", ["2006-01-01", "2009-01-01", "2012-07-01", "2015-07-01", "2017-01-01"]
)
def test_a_leap_second_passes_on_the_authors_clock(day: str) -> None:
    midnight = unix_us(f"{day}T00:00:00")
    before, after = tai_from_unix_us(midnight - 1), tai_from_unix_us(midnight)
    assert after - before == 1_000_001
    assert unix_us_from_tai(before) == midnight - 1
    assert unix_us_from_tai(after) == midnight


def test_a_clock_that_stands_at_1970_gives_the_first_moment() -> None:
    assert tai_from_unix_us(0) == tai_from_unix_us(-1) == 0


def test_any_timestamp_an_author_claims_can_be_shown() -> None:
    assert unix_us_from_tai(U64_MAX) > 1 << 63


@given(st.integers(unix_us("2000-01-01T12:00:00"), 1 << 62), st.integers(0, 1 << 40))
def test_time_converts_there_and_back_and_keeps_its_order(moment: int, later: int) -> None:
    assert unix_us_from_tai(tai_from_unix_us(moment)) == moment
    assert tai_from_unix_us(moment) <= tai_from_unix_us(moment + later)
