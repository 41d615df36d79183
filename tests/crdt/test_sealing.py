import pytest

from crdt.errors import Malformed, Unauthorised
from crdt.sealing import NONCE_BYTES, SALT_BYTES, SECRET_BYTES_MAX, is_sealed, seal, unseal
from tests.crdt.strategies import flipped

SECRET = bytes(range(32))
SALT, NONCE = b"s" * SALT_BYTES, b"n" * NONCE_BYTES


@pytest.fixture(scope="module")
def sealed() -> bytes:
    return seal(SECRET, "caffè 1", salt=SALT, nonce=NONCE)


def test_the_passphrase_opens_it_however_it_was_typed(sealed: bytes) -> None:
    assert SECRET not in sealed
    assert is_sealed(sealed)
    # the accent as a character of its own, and a digit of full width
    assert unseal(sealed, "caffe\u0300 \uff11") == SECRET


def test_another_passphrase_does_not_open_it(sealed: bytes) -> None:
    with pytest.raises(Unauthorised, match="passphrase is wrong") as refusal:
        unseal(sealed, "caffè 2")
    assert refusal.value.code == "wrong-passphrase"


@pytest.mark.parametrize("byte", [4, 20, 44, -1], ids=["salt", "nonce", "mac", "secret"])
def test_altered_bytes_do_not_open(sealed: bytes, byte: int) -> None:
    with pytest.raises(Unauthorised):
        unseal(flipped(sealed, 8 * (byte % len(sealed))), "caffè 1")


def test_what_was_never_sealed_is_refused_before_any_hashing(sealed: bytes) -> None:
    for data in (b"", SECRET, sealed[:59], b"X" + sealed[1:], sealed + bytes(SECRET_BYTES_MAX)):
        with pytest.raises(Malformed, match="not-sealed"):
            unseal(data, "caffè 1")
    assert not is_sealed(SECRET)


def test_a_salt_of_another_size_is_our_own_mistake() -> None:
    with pytest.raises(ValueError, match="sealing takes"):
        seal(SECRET, "", salt=b"", nonce=NONCE)
