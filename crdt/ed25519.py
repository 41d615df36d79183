"""Ed25519 signatures under which all implementations agree, as ed25519-dalek's `verify_strict`.

Libraries differ over keys and nonces of small order, over coordinates that are not reduced, and
over S ≥ L; some accept one signature for every message. Two nodes that differ over one entry would
show different records, so three checks of our own come first. With them the verdicts are those that
"Taming the many EdDSAs" (2020) prints for `verify_strict`, whatever library checks the equation.
"""

from typing import Final

from nacl.bindings import crypto_sign, crypto_sign_open, crypto_sign_seed_keypair
from nacl.exceptions import BadSignatureError

from crdt.keys import KEY_BYTES

SEED_BYTES = 32
SIGNATURE_BYTES = 64

_P: Final = 2**255 - 19
"""The field."""
_L: Final = 2**252 + 27742317777372353535851937790883648493
"""The order of the group."""
_Y_MASK: Final = (1 << 255) - 1
"""All but the topmost bit, which is the sign of x."""
_Y_ORDER_8: Final = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
_Y_SMALL_ORDER: Final = frozenset({0, 1, _P - 1, _Y_ORDER_8, _P - _Y_ORDER_8})
"""The y of the eight points whose order divides eight, either sign of x."""


def is_sound_point(encoded: bytes) -> bool:
    """Canonical and not of small order. Whether it lies on the curve is left to the library."""
    y = int.from_bytes(encoded, "little") & _Y_MASK
    return len(encoded) == KEY_BYTES and y < _P and y not in _Y_SMALL_ORDER


def verify_strict(key: bytes, signature: bytes, message: bytes) -> bool:
    """Whether `signature` is `key`'s over `message`, by the strict rules; never raises.

    libsodium is called through cffi, which frees the interpreter lock meanwhile.
    """
    if len(signature) != SIGNATURE_BYTES or not is_sound_point(key):
        return False
    if not is_sound_point(signature[:32]) or int.from_bytes(signature[32:], "little") >= _L:
        return False
    try:
        crypto_sign_open(signature + message, key)
    except BadSignatureError:
        return False
    return True


class SigningKey:
    """A secret key. Shown only by its public half."""

    __slots__ = ("_secret", "public")

    public: bytes

    def __init__(self, seed: bytes) -> None:
        if len(seed) != SEED_BYTES:
            raise ValueError(f"a seed has {SEED_BYTES} bytes, not {len(seed)}")
        self.public, self._secret = crypto_sign_seed_keypair(seed)

    @classmethod
    def from_seed(cls, seed: bytes) -> "SigningKey":
        """The key of 32 secret random bytes."""
        return cls(seed)

    @property
    def seed(self) -> bytes:
        """The 32 secret bytes."""
        return self._secret[:SEED_BYTES]

    def sign(self, message: bytes) -> bytes:
        """The 64-byte signature; the same for the same message."""
        return crypto_sign(message, self._secret)[:SIGNATURE_BYTES]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SigningKey) and self.public == other.public

    def __hash__(self) -> int:
        return hash(self.public)

    def __repr__(self) -> str:
        return f"SigningKey(public={self.public.hex()})"

    def __reduce__(self) -> str:
        # pickling would write the secret wherever a traceback, a queue or a worker takes it
        raise TypeError("a signing key is not pickled: hand over its seed on purpose")
