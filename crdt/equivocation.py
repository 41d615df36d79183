"""Proof that a key was used in two places: two signed entries that contradict each other.

    proof = "PSE1" ‖ canonical CBOR [entry, entry], each as `crdt.change.encode_signed` has it

Both are of one device (or root key), in one document, with one number, and hold different changes
(or statements). Whoever goes on from their own last act never signs both. Nothing else is needed to
check it: no node, no clock, no other entry. It says nothing of which of the two counts, nor whether
a right was revoked since.
"""

from dataclasses import dataclass
from typing import Final

from crdt import cbor
from crdt.capability import CapabilityCache
from crdt.change import (
    CheckedEntry,
    DocumentId,
    SignedEntry,
    check_entry,
    decode_signed,
    encode_signed,
)
from crdt.errors import Malformed, Unauthorised

MAGIC: Final = b"PSE1"
PROOF_BYTES_MAX = 167_000
"""Two signed entries of the greatest length, and what joins them."""


@dataclass(frozen=True, slots=True)
class Equivocation:
    """What was proved. The entries are ordered by their ids."""

    entries: tuple[CheckedEntry, CheckedEntry]

    @property
    def key(self) -> bytes:
        """Who signed both: a device, or a root key under `/_auth`."""
        return self.entries[0].device

    @property
    def document(self) -> DocumentId:
        return self.entries[0].document

    @property
    def seq(self) -> int:
        return self.entries[0].seq


def encode_proof(one: SignedEntry, other: SignedEntry) -> bytes:
    """The one encoding of these two, in whichever order they are given. Nothing is verified."""
    first, second = sorted((one, other), key=lambda signed: signed.id)
    return MAGIC + cbor.encode([encode_signed(first), encode_signed(second)])


def decode_proof(data: bytes) -> tuple[SignedEntry, SignedEntry]:
    """What `encode_proof` gave; `Malformed` for anything else. Nothing is verified."""
    if data[: len(MAGIC)] != MAGIC:
        raise Malformed("not-a-proof", "it does not begin as a proof of this version does")
    parts: object = cbor.decode(
        data[len(MAGIC) :], bytes_max=PROOF_BYTES_MAX - len(MAGIC), items_max=4, depth_max=1
    )
    match parts:
        case [bytes() as one, bytes() as other]:
            first, second = decode_signed(one), decode_signed(other)
        case _:
            raise Malformed("not-a-proof", "not the two byte strings of a proof")
    if first.id >= second.id:
        raise Malformed("not-a-proof", "its entries are one, or not in the order of their ids")
    return first, second


def check_proof(data: bytes, cache: CapabilityCache) -> Equivocation:
    """Verifies all of it: what comes back, the owner of the key did sign.

    Raises `Malformed`, or `Unauthorised` where an entry was not signed under a right that reaches
    there, or the two do not contradict each other (`no-equivocation`).
    """
    one, other = decode_proof(data)
    first, second = check_entry(one, cache), check_entry(other, cache)
    if (first.device, first.document) != (second.device, second.document):
        raise Unauthorised("no-equivocation", "they are of two keys, or of two documents")
    if first.seq != second.seq:
        detail = f"they have two numbers, {first.seq} and {second.seq}"
        raise Unauthorised("no-equivocation", detail)
    if first.change.hash == second.change.hash:
        raise Unauthorised("no-equivocation", "both carry the same change, signed again")
    return Equivocation((first, second))
