"""The Noise_XX_25519_ChaChaPoly_SHA256 channel, bytes in and bytes out.

    initiator                         responder
        -> e                                        message 1, empty payload
        <- e, ee, s, es    + payload                message 2
        -> s, se           + payload                message 3
        <=> ChaCha20-Poly1305 messages, each at most 65,535 bytes

The payloads bind the channel to an identity; `p2p.protocol.handshake` makes and checks them.
Source: The Noise Protocol Framework, revision 34; checked against its public test vectors.
"""

from struct import Struct
from typing import Protocol, cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

# The package ships no types: what is used of it is written down below.
from noise.connection import Keypair, NoiseConnection  # pyright: ignore[reportMissingTypeStubs]
from noise.exceptions import (  # pyright: ignore[reportMissingTypeStubs]
    NoiseHandshakeError,
    NoiseInvalidMessage,
    NoiseMaxNonceError,
)

from p2p.protocol.errors import RemoteProtocolError

PROTOCOL = b"Noise_XX_25519_ChaChaPoly_SHA256"
MESSAGE_BYTES_MAX = 65_535  # Noise, section 3
TAG_BYTES = 16
PLAINTEXT_BYTES_MAX = MESSAGE_BYTES_MAX - TAG_BYTES
_NONCE = Struct("<4xQ")  # of a message, by its number (Noise, section 12.3)

# What the library and the primitives under it raise on bytes that are not what they should be.
BAD_MESSAGE = (NoiseInvalidMessage, NoiseHandshakeError, NoiseMaxNonceError, ValueError, IndexError)


class _KeyPair(Protocol):
    public_bytes: bytes


class _State(Protocol):
    s: _KeyPair
    rs: _KeyPair


class _CipherState(Protocol):
    k: bytes


class _Machine(Protocol):
    handshake_state: _State
    cipher_state_encrypt: _CipherState
    cipher_state_decrypt: _CipherState


class _Connection(Protocol):
    noise_protocol: _Machine
    handshake_finished: bool

    def set_as_initiator(self) -> None: ...
    def set_as_responder(self) -> None: ...
    def set_keypair_from_private_bytes(self, keypair: Keypair, private_bytes: bytes) -> None: ...
    def start_handshake(self) -> None: ...
    def write_message(self, payload: bytes) -> bytearray: ...
    def read_message(self, data: bytes) -> bytearray: ...
    def get_handshake_hash(self) -> bytes: ...


class NoiseCipher:
    """One established channel: encrypts and decrypts whole messages, in order.

    The library's own loop costs as much as the cipher does for a short message, and takes no views.
    """

    def __init__(self, connection: _Connection, remote_static: bytes) -> None:
        machine = connection.noise_protocol
        self._ours = ChaCha20Poly1305(machine.cipher_state_encrypt.k)
        self._theirs = ChaCha20Poly1305(machine.cipher_state_decrypt.k)
        self._sent = self._received = 0  # messages
        self.remote_static = remote_static
        self.handshake_hash = bytes(connection.get_handshake_hash())

    def encrypt(self, plaintext: bytes | memoryview) -> bytes:
        """One message; `plaintext` is at most `PLAINTEXT_BYTES_MAX`."""
        message = bytearray(len(plaintext) + TAG_BYTES)
        self.encrypt_into(plaintext, memoryview(message))
        return bytes(message)

    def encrypt_into(self, plaintext: bytes | memoryview, message: memoryview) -> None:
        """The same, where there is room for it: `TAG_BYTES` more than the plaintext has."""
        assert len(plaintext) <= PLAINTEXT_BYTES_MAX
        self._ours.encrypt_into(_NONCE.pack(self._sent), plaintext, None, message)
        self._sent += 1

    def decrypt(self, message: bytes | memoryview) -> bytes:
        """Raises `RemoteProtocolError` where the message was not made by the peer, or not next."""
        try:
            plaintext = self._theirs.decrypt(_NONCE.pack(self._received), message, None)
        except InvalidTag as error:
            raise RemoteProtocolError("noise-message", "a message does not authenticate") from error
        self._received += 1
        return plaintext


class NoiseHandshake:
    """Three messages, in turn; then `cipher()`."""

    def __init__(self, static_private: bytes, *, is_initiator: bool) -> None:
        self.is_initiator = is_initiator
        self._connection = cast(_Connection, NoiseConnection.from_name(PROTOCOL))
        if is_initiator:
            self._connection.set_as_initiator()
        else:
            self._connection.set_as_responder()
        self._connection.set_keypair_from_private_bytes(Keypair.STATIC, static_private)
        self._connection.start_handshake()
        # Kept here because the library drops it, and the peer's static key with it, at the end.
        self._state = self._connection.noise_protocol.handshake_state

    @property
    def static_public(self) -> bytes:
        """Our own static key, which the handshake payload signs."""
        return bytes(self._state.s.public_bytes)

    @property
    def remote_static(self) -> bytes:
        """The peer's static key; known to the initiator after message 2, else after message 3."""
        return bytes(self._state.rs.public_bytes)

    def write(self, payload: bytes = b"") -> bytes:
        """The next message, which is ours to send."""
        try:
            return bytes(self._connection.write_message(payload))
        except BAD_MESSAGE as error:  # the peer's ephemeral key has no honest shared secret
            raise RemoteProtocolError("noise-handshake", "a key is of small order") from error

    def read(self, message: bytes) -> bytes:
        """The payload of the peer's next message; raises `RemoteProtocolError`."""
        try:
            return bytes(self._connection.read_message(message))
        except Exception as error:
            # The library lets InvalidTag and others through here, whatever its documentation says.
            raise RemoteProtocolError("noise-handshake", "a handshake message is wrong") from error

    def cipher(self) -> NoiseCipher:
        """The channel, once the third message was written or read."""
        assert self._connection.handshake_finished
        return NoiseCipher(self._connection, self.remote_static)
