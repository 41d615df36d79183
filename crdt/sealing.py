"""A secret under a passphrase: argon2id makes the key, secretbox encrypts and authenticates.

    sealed = "PSK1" ‖ salt 16 ‖ nonce 24 ‖ secretbox(secret)

The name of the format fixes the costs, so a hostile file cannot ask for more memory than ours.
"""

import unicodedata

from nacl.bindings import (
    crypto_pwhash_alg,
    crypto_pwhash_ALG_ARGON2ID13,
    crypto_secretbox,
    crypto_secretbox_open,
)
from nacl.exceptions import CryptoError

from crdt.errors import Malformed, Unauthorised

SALT_BYTES = 16
NONCE_BYTES = 24
SECRET_BYTES_MAX = 4096
"""A key or a short token; nothing larger is sealed."""

ARGON2ID_OPS = 3
ARGON2ID_MEMORY_BYTES = 256 << 20
"""libsodium's MODERATE: about 0.5 s and 256 MiB a guess, and once a start for the owner."""

_MAGIC = b"PSK1"
_MAC_BYTES = 16
_HEAD_BYTES = len(_MAGIC) + SALT_BYTES + NONCE_BYTES


def seal(secret: bytes, passphrase: str, *, salt: bytes, nonce: bytes) -> bytes:
    """`secret` encrypted. `salt` and `nonce` are random and used once."""
    if len(salt) != SALT_BYTES or len(nonce) != NONCE_BYTES or len(secret) > SECRET_BYTES_MAX:
        raise ValueError(
            f"sealing takes {SALT_BYTES}, {NONCE_BYTES} and ≤ {SECRET_BYTES_MAX} bytes"
        )
    box = crypto_secretbox(secret, nonce, derive_key(passphrase, salt))
    return _MAGIC + salt + nonce + box


def unseal(sealed: bytes, passphrase: str) -> bytes:
    """The secret again.

    Raises `Malformed` where this was never sealed, `Unauthorised` where the passphrase is wrong or
    the bytes were altered: nobody can tell these two apart.
    """
    box_bytes = len(sealed) - _HEAD_BYTES
    if (
        not sealed.startswith(_MAGIC)
        or not _MAC_BYTES <= box_bytes <= _MAC_BYTES + SECRET_BYTES_MAX
    ):
        raise Malformed("not-sealed", "these bytes are no secret sealed under a passphrase")
    salt = sealed[len(_MAGIC) : len(_MAGIC) + SALT_BYTES]
    nonce = sealed[len(_MAGIC) + SALT_BYTES : _HEAD_BYTES]
    try:
        return crypto_secretbox_open(sealed[_HEAD_BYTES:], nonce, derive_key(passphrase, salt))
    except CryptoError as error:
        detail = "the passphrase is wrong, or the sealed key was altered"
        raise Unauthorised("wrong-passphrase", detail) from error


def is_sealed(data: bytes) -> bool:
    """Whether `data` wants a passphrase."""
    return data.startswith(_MAGIC)


def derive_key(passphrase: str, salt: bytes) -> bytes:
    """The same key for the same passphrase and salt, at the costs above."""
    # one passphrase, however a keyboard composes its letters
    typed = unicodedata.normalize("NFKC", passphrase).encode()
    return crypto_pwhash_alg(
        32, typed, salt, ARGON2ID_OPS, ARGON2ID_MEMORY_BYTES, crypto_pwhash_ALG_ARGON2ID13
    )
