"""The channel against the public vector of Noise_XX_25519_ChaChaPoly_SHA256, and against liars."""

import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st
from noise.connection import Keypair  # pyright: ignore[reportMissingTypeStubs]  it has none

from p2p.protocol.errors import RemoteProtocolError
from p2p.transport.noise import PLAINTEXT_BYTES_MAX, NoiseCipher, NoiseHandshake

# The vector that most implementations share: keys count up, payloads say test_msg_0 to 2.
ALICE_STATIC = bytes(range(0x20))
BOB_STATIC = bytes(range(0x01, 0x21))
ALICE_EPHEMERAL = bytes(range(0x20, 0x40))
BOB_EPHEMERAL = bytes(range(0x41, 0x61))
MESSAGES = (
    (
        b"test_msg_0",
        "358072d6365880d1aeea329adf9121383851ed21a28e3b75e965d0d2cd166254746573745f6d73675f30",
    ),
    (
        b"test_msg_1",
        "64b101b1d0be5a8704bd078f9895001fc03e8e9f9522f188dd128d9846d48466"
        "3414af878d3e46a2f58911a816d6e8346d4ea17a6f2a0bb4ef4ed56c133cff45"
        "72e7a2ba5123ac30618b3d205f5c2d17f50cbca216483ac56bcc78e33bf52030"
        "3278db641e5e731b2e3a",
    ),
    (
        b"test_msg_2",
        "87f864c11ba449f46a0a4f4e2eacbb7b0457784f4fca1937f572c93603e9c4d9"
        "f27e318e43ba630594c4d08eeb3b36d97c7377a2f4f9144b2f0c8095ad921405"
        "05b2ab53eff244b14138",
    ),
)


def handshake(static: bytes, *, is_initiator: bool, ephemeral: bytes) -> NoiseHandshake:
    made = NoiseHandshake(static, is_initiator=is_initiator)
    connection = made._connection  # pyright: ignore[reportPrivateUsage]  the vector fixes the dice
    connection.set_keypair_from_private_bytes(Keypair.EPHEMERAL, ephemeral)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "ephemeral keypairs is already set": meant for testing
        connection.start_handshake()
    # The handshake of the vectors, with their keys, which no node may choose.
    made._state = connection.noise_protocol.handshake_state  # pyright: ignore[reportPrivateUsage]
    return made


def meet() -> tuple[NoiseCipher, NoiseCipher]:
    alice = NoiseHandshake(ALICE_STATIC, is_initiator=True)
    bob = NoiseHandshake(BOB_STATIC, is_initiator=False)
    bob.read(alice.write())
    alice.read(bob.write(b"bob"))
    bob.read(alice.write(b"alice"))
    return alice.cipher(), bob.cipher()


def test_the_public_vector() -> None:
    alice = handshake(ALICE_STATIC, is_initiator=True, ephemeral=ALICE_EPHEMERAL)
    bob = handshake(BOB_STATIC, is_initiator=False, ephemeral=BOB_EPHEMERAL)
    writer, reader = alice, bob
    for payload, expected in MESSAGES:
        message = writer.write(payload)
        assert message.hex() == expected
        assert reader.read(message) == payload
        writer, reader = reader, writer
    first = alice.cipher().encrypt(b"yellowsubmarine")
    assert first.hex() == "a52ef02ba60e12696d1d6b9ef4245c88fca757b6134ad6e76b56e310a6adf6"
    second = bob.cipher().encrypt(b"submarineyellow")
    assert second.hex() == "2445aa438ebd649281c636cc7269ca82f1d9023d72520943aeabf909cdf521"


def test_both_sides_know_the_channel_and_each_other() -> None:
    alice, bob = meet()
    assert alice.handshake_hash == bob.handshake_hash
    expected = NoiseHandshake(BOB_STATIC, is_initiator=True).static_public
    assert alice.remote_static == expected
    whole = bytes(PLAINTEXT_BYTES_MAX)
    assert bob.decrypt(alice.encrypt(whole)) == whole


def test_a_replayed_or_changed_message_is_the_peers_fault() -> None:
    alice, bob = meet()
    message = alice.encrypt(b"once")
    assert bob.decrypt(message) == b"once"
    with pytest.raises(RemoteProtocolError):
        bob.decrypt(message)
    changed = bytearray(alice.encrypt(b"twice"))
    changed[3] ^= 1
    with pytest.raises(RemoteProtocolError):
        bob.decrypt(bytes(changed))


def test_an_all_zero_key_is_refused() -> None:
    bob = NoiseHandshake(BOB_STATIC, is_initiator=False)
    bob.read(bytes(32))
    with pytest.raises(RemoteProtocolError):
        bob.write(b"never sent")


@given(st.binary(max_size=200))
def test_garbage_in_the_handshake_is_the_peers_fault(garbage: bytes) -> None:
    alice = NoiseHandshake(ALICE_STATIC, is_initiator=True)
    alice.write()
    with pytest.raises(RemoteProtocolError):
        alice.read(garbage)
