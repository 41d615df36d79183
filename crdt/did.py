"""did:key for Ed25519: 32 key bytes to `did:key:z6Mk…` and back.

`did:key:z` ‖ base58btc(ed 01 ‖ key). Source: W3C CCG, "The did:key Method". Other kinds of key are
refused: an identity here signs.
"""

import functools

import base58

from crdt.errors import Malformed
from crdt.keys import KEY_BYTES

DID_CHARACTERS_MAX = 64
"""Ours have 56. Checked before base58, whose cost grows with the square of the length."""

CACHED_MAX = 4_096
"""Authors of whom records come in batches; with their keys about 1 MB."""

_PREFIX = "did:key:z"
_ED25519 = b"\xed\x01"
"""The multicodec number of an Ed25519 public key, as a varint."""


@functools.lru_cache(CACHED_MAX)  # 15 µs without, twice for every module that is listed
def encode_did_key(key: bytes) -> str:
    """The `did:key:z6Mk…` of an Ed25519 public key."""
    assert len(key) == KEY_BYTES
    return _PREFIX + base58.b58encode(_ED25519 + key).decode()


@functools.lru_cache(CACHED_MAX)  # four times for each universe that is made; errors are not kept
def decode_did_key(did: str) -> bytes:
    """The 32 key bytes that only `did` stands for; `Malformed` for anything else."""
    if len(did) > DID_CHARACTERS_MAX or not did.startswith(_PREFIX):
        raise Malformed("not-a-did", f"not a did:key of an Ed25519 key: {did[:80]!r}")
    try:
        data = base58.b58decode(did.removeprefix(_PREFIX))
    except ValueError as error:
        raise Malformed("not-a-did", f"not base58 after did:key:z: {did!r}") from error
    key = data[len(_ED25519) :]
    if not data.startswith(_ED25519) or len(key) != KEY_BYTES or encode_did_key(key) != did:
        raise Malformed("not-ed25519", f"a did:key, but not of an Ed25519 key: {did!r}")
    return key


def short_did(did: str) -> str:
    """For tables and log lines: `z6Mk…` and the last six characters. Not an identifier."""
    return f"z6Mk…{did[-6:]}"
