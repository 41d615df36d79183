"""The doors of `universe`: statements and names that strangers wrote."""

from collections.abc import Sequence

from tests.registry.people import ALICE_LAPTOP
from tests.universe.worlds import FULL, PLAIN
from universe.names import parse_full_name, parse_universe_id
from universe.snapshot import (
    decode_signed,
    decode_snapshot,
    encode_signed,
    encode_snapshot,
    sign_snapshot,
)


def read_snapshot(data: bytes) -> None:
    assert encode_snapshot(decode_snapshot(data)) == data


def snapshot_seeds() -> Sequence[bytes]:
    return [encode_snapshot(one) for one in (PLAIN, FULL)]


def read_signed_snapshot(data: bytes) -> None:
    signed = decode_signed(data)
    assert encode_signed(signed) == data
    decode_snapshot(signed.statement)


def signed_snapshot_seeds() -> Sequence[bytes]:
    return [encode_signed(sign_snapshot(one, ALICE_LAPTOP)) for one in (PLAIN, FULL)]


def read_universe_name(data: bytes) -> None:
    text = data.decode("utf-8", "surrogateescape")
    (parse_full_name if "/" in text else parse_universe_id)(text)


def universe_name_seeds() -> Sequence[bytes]:
    return [b"universe:main", PLAIN.universe.encode()]
