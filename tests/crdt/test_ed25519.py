"""Keys and signatures over which libraries disagree, made by hand with a curve of our own."""

import hashlib
import pickle

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from crdt.ed25519 import SigningKey, is_sound_point, verify_strict
from tests.crdt.strategies import ALICE, BOB, flipped

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
Point = tuple[int, int]

IDENTITY = (1).to_bytes(32, "little")
Y_ORDER_8 = 0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826
Y_SMALL_ORDER = (0, 1, P - 1, Y_ORDER_8, P - Y_ORDER_8)
MESSAGE = b"a message"


def add(left: Point, right: Point) -> Point:
    (x1, y1), (x2, y2) = left, right
    k = D * x1 * x2 * y1 * y2 % P
    x = (x1 * y2 + x2 * y1) * pow(1 + k, -1, P) % P
    return x, (y1 * y2 + x1 * x2) * pow(1 - k, -1, P) % P


def multiply(scalar: int, point: Point) -> Point:
    total: Point = (0, 1)
    while scalar:
        if scalar & 1:
            total = add(total, point)
        point = add(point, point)
        scalar >>= 1
    return total


def point_at(y: int, sign: int = 0) -> Point:
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    x = x if x * x % P == square else x * pow(2, (P - 1) // 4, P) % P
    assert x * x % P == square, "not on the curve"
    return (x if x & 1 == sign else -x % P), y


def encoded(point: Point) -> bytes:
    return (point[1] | (point[0] & 1) << 255).to_bytes(32, "little")


def challenge(r: bytes, key: bytes, message: bytes) -> int:
    return int.from_bytes(hashlib.sha512(r + key + message).digest(), "little") % L


def secret_scalar(key: SigningKey) -> int:
    number = int.from_bytes(hashlib.sha512(key.seed).digest()[:32], "little")
    return number & (1 << 254) - 8 | 1 << 254


BASE = point_at(4 * pow(5, -1, P) % P)


@given(st.binary(max_size=200))
def test_two_libraries_agree_on_honest_signatures(message: bytes) -> None:
    signature = ALICE.sign(message)

    assert Ed25519PrivateKey.from_private_bytes(ALICE.seed).sign(message) == signature
    assert verify_strict(ALICE.public, signature, message)
    assert not verify_strict(ALICE.public, signature, message + b"!")
    assert not verify_strict(BOB.public, signature, message)


def test_no_flipped_bit_leaves_a_signature_good() -> None:
    signature = ALICE.sign(MESSAGE)
    for bit in range(8 * len(signature)):
        assert not verify_strict(ALICE.public, flipped(signature, bit), MESSAGE)
    for bit in range(8 * len(ALICE.public)):
        assert not verify_strict(flipped(ALICE.public, bit), signature, MESSAGE)


def test_the_five_y_are_those_of_the_eight_points_of_small_order() -> None:
    points = {point_at(y, sign) for y in Y_SMALL_ORDER for sign in (0, 1) if y not in (1, P - 1)}
    points |= {(0, 1), (0, P - 1)}

    assert len(points) == 8
    for point in points:
        assert multiply(8, point) == (0, 1)
        assert not is_sound_point(encoded(point))


@pytest.mark.parametrize("sign", [0, 1])
@pytest.mark.parametrize("y", [*Y_SMALL_ORDER, P, P + 1])
def test_a_small_order_key_signs_nothing(y: int, sign: int) -> None:
    key = (y | sign << 255).to_bytes(32, "little")
    for r in (IDENTITY, key):
        assert not verify_strict(key, r + bytes(32), MESSAGE)


@pytest.mark.parametrize("y", range(P, 2**255))
def test_a_key_with_a_y_that_is_not_reduced_is_refused(y: int) -> None:
    """All nineteen of them, either sign: each is a second spelling of another key."""
    for sign in (0, 1):
        assert not is_sound_point((y | sign << 255).to_bytes(32, "little"))


def test_a_nonce_that_is_not_reduced_is_refused() -> None:
    r = (P + 3).to_bytes(32, "little")
    assert not verify_strict(ALICE.public, r + ALICE.sign(MESSAGE)[32:], MESSAGE)


def test_s_of_the_order_of_the_group_or_more_is_refused() -> None:
    signature = ALICE.sign(MESSAGE)
    s = int.from_bytes(signature[32:], "little")
    for multiple in range(1, (2**256 - s) // L + 1):
        malleable = signature[:32] + (s + multiple * L).to_bytes(32, "little")
        assert not verify_strict(ALICE.public, malleable, MESSAGE)
    assert not verify_strict(ALICE.public, signature[:32] + L.to_bytes(32, "little"), MESSAGE)


def test_an_honest_key_that_signs_with_the_identity_as_nonce_is_refused() -> None:
    """The equation holds and OpenSSL accepts it; dalek's strict verification does not."""
    s = challenge(IDENTITY, ALICE.public, MESSAGE) * secret_scalar(ALICE) % L
    crafted = IDENTITY + s.to_bytes(32, "little")
    openssl = Ed25519PrivateKey.from_private_bytes(ALICE.seed).public_key()

    openssl.verify(crafted, MESSAGE)  # raises where it does not accept
    assert not verify_strict(ALICE.public, crafted, MESSAGE)


def test_a_key_of_mixed_order_is_judged_without_the_cofactor() -> None:
    """Alice's point and one of order eight: good where eight divides the challenge, and only there.

    Case 3 of "Taming the many EdDSAs", the only one of its twelve that strict verifiers accept.
    """
    mixed = encoded(add(multiply(secret_scalar(ALICE), BASE), point_at(Y_ORDER_8)))
    assert is_sound_point(mixed)
    verdicts: set[bool] = set()
    for number in range(40):
        message = f"message {number}".encode()
        r = encoded(multiply(number + 1, BASE))
        k = challenge(r, mixed, message)
        s = (number + 1 + k * secret_scalar(ALICE)) % L
        verdict = verify_strict(mixed, r + s.to_bytes(32, "little"), message)
        assert verdict == (k % 8 == 0)
        verdicts.add(verdict)
    assert verdicts == {True, False}


def test_a_key_off_the_curve_is_refused() -> None:
    off = next(
        y for y in range(2, 99) if pow((y * y - 1) * (D * y * y + 1), (P - 1) // 2, P) == P - 1
    )
    key = off.to_bytes(32, "little")
    assert is_sound_point(key)
    assert not verify_strict(key, ALICE.sign(MESSAGE), MESSAGE)


@given(st.binary(max_size=70), st.binary(max_size=70))
def test_bytes_of_any_length_are_refused_not_raised(key: bytes, signature: bytes) -> None:
    assert not verify_strict(key, signature, MESSAGE)
    assert not verify_strict(ALICE.public, signature, MESSAGE)
    assert not verify_strict(key, ALICE.sign(MESSAGE), MESSAGE)


def test_a_signing_key_shows_only_its_public_half() -> None:
    assert ALICE.seed.hex() not in repr(ALICE)
    assert ALICE.public.hex() in repr(ALICE)
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(ALICE)


def test_a_signing_key_is_its_seed() -> None:
    again = SigningKey.from_seed(ALICE.seed)
    assert again == ALICE != BOB
    assert len({again, ALICE, BOB}) == 2
    with pytest.raises(ValueError, match="32 bytes"):
        SigningKey.from_seed(b"short")
