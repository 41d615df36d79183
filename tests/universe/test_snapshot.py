"""What alice signs of a state of her universe, and what bob makes of it."""

from dataclasses import replace
from typing import Any

import pytest
from blake3 import blake3
from hypothesis import example, given
from hypothesis import strategies as st

from crdt import cbor
from registry.errors import InvalidName, InvalidStatement
from tests.registry.people import ALICE_DID, ALICE_LAPTOP, BOB_PHONE
from tests.universe.worlds import FULL, PLAIN
from universe.names import ID_BYTES_MAX, made_id, parse_full_name, parse_new_id, parse_universe_id
from universe.snapshot import (
    AUTO_AS_MANUAL,
    KINDS,
    MEDIA_CHARACTERS_MAX,
    REASON_CHARACTERS_MAX,
    SIGNED_BYTES_MAX,
    STATEMENT_BYTES_MAX,
    TICK_MAX,
    Decay,
    Snapshot,
    decode_signed,
    decode_snapshot,
    encode_signed,
    encode_snapshot,
    sign_snapshot,
    signed_in,
    verify_snapshot,
)


def fields_of(snapshot: Snapshot) -> dict[str, Any]:
    return dict(cbor.decode(encode_snapshot(snapshot), bytes_max=STATEMENT_BYTES_MAX))


HEAD = encode_signed(sign_snapshot(FULL, ALICE_LAPTOP))[:5]


@given(st.binary(max_size=40), st.binary(max_size=5))
@example(HEAD, HEAD)
@example(HEAD[:1], HEAD[:3])
@example(b"", b"\x83\x58\x02\xa9\xa9")
def test_each_is_found_in_a_change_whatever_stands_beside_it(before: bytes, between: bytes) -> None:
    each = [sign_snapshot(one, ALICE_LAPTOP) for one in (PLAIN, FULL)]
    short = sign_snapshot(replace(PLAIN, media="a/b", universe=f"{ALICE_DID}/x"), ALICE_LAPTOP)
    each.append(short)
    raw = before + between.join(map(encode_signed, each)) + between
    assert [one for one in signed_in(raw) if one in each] == each
    assert [*signed_in(encode_signed(short)[:-1])] == []


@pytest.mark.parametrize("snapshot", [PLAIN, FULL])
def test_a_statement_comes_back_as_it_was_signed(snapshot: Snapshot) -> None:
    signed = sign_snapshot(snapshot, ALICE_LAPTOP)
    assert verify_snapshot(signed) == snapshot
    assert decode_signed(encode_signed(signed)) == signed
    assert signed.id == blake3(signed.statement).digest()


def test_the_same_state_said_again_is_the_same_snapshot_and_another_tick_is_another() -> None:
    first, again = (sign_snapshot(PLAIN, ALICE_LAPTOP) for _ in range(2))
    assert first == again
    ids = {sign_snapshot(replace(PLAIN, tick=tick), ALICE_LAPTOP).id for tick in range(5)}
    assert len(ids) == 5


def test_whoever_did_not_sign_it_is_found_out() -> None:
    """Also where the same statement was found good just before, and again after it."""
    signed = sign_snapshot(PLAIN, ALICE_LAPTOP)
    assert verify_snapshot(signed) == PLAIN
    for forged in (
        replace(signed, device=BOB_PHONE.public),
        replace(signed, statement=encode_snapshot(replace(PLAIN, tick=1))),
        replace(signed, signature=bytes(64)),
    ):
        for _ in range(2):
            with pytest.raises(InvalidStatement):
                verify_snapshot(forged)
    assert verify_snapshot(signed) == PLAIN


@pytest.mark.parametrize(
    "wrong",
    [
        {"tick": -1}, {"tick": TICK_MAX + 1}, {"day": -1}, {"at_us": 1 << 62}, {"kind": "daily"},
        {"kind": "auto:"}, {"kind": "manual:auto"}, {"kind": "auto:canonical"},
        {"size": 0}, {"size": 1 << 60}, {"checksum": bytes(31)}, {"parent": bytes(33)},
        {"parent": b""}, {"event": b""},
        {"event": bytes(32)}, {"media": "no type"}, {"media": "text/\n"},
        {"media": "text/" + "x" * MEDIA_CHARACTERS_MAX}, {"universe": "universe:main"},
        {"universe": f"{ALICE_DID}/a/b"}, {"universe": f"{ALICE_DID}/"}, {"tick": "4"},
        {"universe": f"{ALICE_DID}/a\nb"}, {"type": "panspermia.snapshot/2"}, {"more": 1},
        {"decay": {}}, {"decay": {"after": -1}}, {"decay": {"reason": "a\nb"}},
        {"decay": {"reason": "x" * (REASON_CHARACTERS_MAX + 1)}}, {"wrapped": 1},
        {"wrapped": False}, {"day": None}, {"decay": {"never": False, "after": 1}},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_statement_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidStatement):
        decode_snapshot(cbor.encode({**fields_of(PLAIN), **wrong}))


def test_what_nobody_would_read_is_not_signed() -> None:
    long = f"{ALICE_DID}/{'x' * ID_BYTES_MAX}"
    largest = replace(
        FULL,
        universe=long,
        kind=AUTO_AS_MANUAL,
        tick=TICK_MAX,
        day=TICK_MAX,
        media="application/" + "x" * (MEDIA_CHARACTERS_MAX - 12),
        decay=Decay(TICK_MAX, is_never=True, reason="ü" * REASON_CHARACTERS_MAX),
    )
    signed = sign_snapshot(largest, ALICE_LAPTOP)
    assert verify_snapshot(signed) == largest
    assert len(encode_signed(signed)) <= SIGNED_BYTES_MAX
    for wrong in (
        replace(PLAIN, tick=-1),
        replace(PLAIN, kind="canon"),
        replace(PLAIN, media="text/plain\r\nx: y"),
        replace(PLAIN, decay=Decay()),
        replace(PLAIN, universe="main"),
    ):
        with pytest.raises(InvalidStatement):
            sign_snapshot(wrong, ALICE_LAPTOP)


@given(st.binary(max_size=80))
def test_bytes_of_any_kind_are_a_statement_or_refused(data: bytes) -> None:
    for read in (decode_snapshot, decode_signed):
        with pytest.raises(InvalidStatement):
            read(data)


@given(
    tick=st.integers(0, TICK_MAX),
    kind=st.sampled_from(KINDS),
    size=st.integers(1, 1 << 40),
    day=st.none() | st.integers(0, TICK_MAX),
    wrapped=st.booleans(),
)
def test_encode_and_decode_are_inverse(
    tick: int, kind: str, size: int, day: int | None, wrapped: bool
) -> None:
    one = replace(PLAIN, tick=tick, kind=kind, size=size, day=day, wrapped=wrapped)
    assert decode_snapshot(encode_snapshot(one)) == one


@pytest.mark.parametrize("id", ["universe:main", "Mine own", "ü", made_id(bytes(16)), "x" * 128])
def test_ids_that_are_taken(id: str) -> None:
    assert parse_universe_id(id) == id
    assert parse_full_name(f"{ALICE_DID}/{id}") == (ALICE_DID, id)


@pytest.mark.parametrize(
    "id", ["", " ", "a/b", "x" * 129, "ü" * 65, "a\nb", "a\u202eb", ALICE_DID, "\ud800"]
)
def test_ids_that_are_not(id: str) -> None:
    for parse in (parse_universe_id, parse_new_id):
        with pytest.raises(InvalidName):
            parse(id)


@pytest.mark.parametrize("id", [".", ".."])
def test_what_addresses_leave_out_is_read_and_no_new_id(id: str) -> None:
    assert parse_universe_id(id) == id
    with pytest.raises(InvalidName):
        parse_new_id(id)
