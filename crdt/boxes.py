"""Sealed boxes: bytes that only the owner of an X25519 key reads, from a sender who leaves no name.

    box = libsodium's crypto_box_seal: ephemeral key 32 ‖ authenticated ciphertext (16 bytes longer)

Who sealed a box it does not say: whoever must know signs what is inside. The ephemeral key is made
by libsodium itself, the one randomness here that is no argument.
"""

from nacl.bindings import crypto_scalarmult_base
from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox

from crdt.errors import Malformed, Unauthorised
from crdt.keys import KEY_BYTES

SEALED_MORE_BYTES = 48
"""By which a box is longer than what is in it."""


def sealing_key(private: bytes) -> bytes:
    """The public key, 32 bytes, to which others seal for the owner of `private`."""
    return crypto_scalarmult_base(private)


def seal_to(key: bytes, data: bytes) -> bytes:
    """`data` for the owner of the public `key`.

    Raises `Malformed` for a key that is none: of another length, or a point of low order, which
    anybody could read along with.
    """
    if len(key) != KEY_BYTES:
        raise Malformed("sealing-key", f"a sealing key has {KEY_BYTES} bytes, not {len(key)}")
    try:
        return SealedBox(PublicKey(key)).encrypt(data)
    except (CryptoError, RuntimeError) as error:  # pynacl's word where libsodium says no
        raise Malformed("sealing-key", "this is no key that anything can be sealed to") from error


def open_sealed(private: bytes, box: bytes) -> bytes:
    """What is in `box`, sealed to the key of `private`.

    Raises `Malformed` where it is too short for a box, `Unauthorised` where it is for somebody
    else or was altered: nobody can tell these two apart.
    """
    if len(box) < SEALED_MORE_BYTES:
        detail = f"a sealed box has at least {SEALED_MORE_BYTES} bytes, not {len(box)}"
        raise Malformed("sealed-box", detail)
    try:
        return SealedBox(PrivateKey(private)).decrypt(box)
    except (CryptoError, RuntimeError) as error:
        detail = "the box was sealed for another key, or altered"
        raise Unauthorised("sealed-box", detail) from error
