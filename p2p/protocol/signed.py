"""What a device signs apart from entries: cards, letters, signals.

CBOR [body, signature 64]   the signature over prefix ‖ body; a prefix is of one kind alone
"""

from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec
from msgspec import Struct

from crdt import cbor
from crdt.ed25519 import SigningKey, verify_strict
from p2p.protocol.frames import Signature

B = TypeVar("B", bound=Struct)


class _Signed(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    body: bytes
    signature: Signature


@dataclass(frozen=True, slots=True)
class SignedBody(Generic[B]):
    """A body that was read. Nothing says yet who signed it."""

    body: B
    encoded: bytes
    signature: bytes

    def is_signed_by(self, device: bytes, prefix: bytes) -> bool:
        return verify_strict(device, self.signature, prefix + self.encoded)


def sign_body(body: Struct, device: SigningKey, prefix: bytes) -> bytes:
    encoded = cbor.encode(msgspec.to_builtins(body, builtin_types=(bytes,)))
    return cbor.encode([encoded, device.sign(prefix + encoded)])


def read_body(
    data: bytes, kind: type[B], *, bytes_max: int, items_max: int, depth_max: int
) -> SignedBody[B]:
    """The bounds are of the body; what is around it is no more. Raises `Malformed` or
    `msgspec.ValidationError`."""
    outer: object = cbor.decode(data, bytes_max=bytes_max, items_max=3, depth_max=1)
    signed = msgspec.convert(outer, _Signed, builtin_types=(bytes,))
    inner: object = cbor.decode(
        signed.body, bytes_max=bytes_max, items_max=items_max, depth_max=depth_max
    )
    body = msgspec.convert(inner, kind, builtin_types=(bytes,))
    return SignedBody(body, signed.body, signed.signature)
