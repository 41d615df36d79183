"""What each side says inside the Noise handshake, so that the channel is bound to its device key.

The payload is the canonical CBOR array `[1, "willow25+blake3", device key, signature]`, the
signature being the device key's over "panspermia-noise-static:" ‖ the sender's Noise static key.
Elements after these are ignored. docs/protocol/channel.md describes the rest.
"""

from typing import Annotated

from msgspec import Meta, Struct, ValidationError, convert, to_builtins

from crdt import cbor
from crdt.digest import PARAMETERS
from crdt.ed25519 import SigningKey, verify_strict
from crdt.errors import Malformed
from crdt.keys import DeviceKey
from p2p.protocol.errors import RemoteProtocolError

PAYLOAD_VERSION = 1
PAYLOAD_BYTES_MAX = 1_024  # 120 bytes today; the rest is room for later elements
SIGNED_PREFIX = b"panspermia-noise-static:"
NOISE_KEY_BYTES = 32


class Payload(Struct, frozen=True, array_like=True):
    """What is said; elements after these are ignored."""

    version: int
    parameters: str
    device: Annotated[bytes, Meta(min_length=32, max_length=32)]
    signature: Annotated[bytes, Meta(min_length=64, max_length=64)]


def make_payload(device: SigningKey, noise_static: bytes) -> bytes:
    """The payload that vouches for our own Noise static key."""
    assert len(noise_static) == NOISE_KEY_BYTES
    signature = device.sign(SIGNED_PREFIX + noise_static)
    payload = Payload(PAYLOAD_VERSION, PARAMETERS, device.public, signature)
    return cbor.encode(to_builtins(payload, builtin_types=(bytes,)))


def check_payload(payload: bytes, noise_static: bytes) -> DeviceKey:
    """The device at the other end, whose Noise static key is `noise_static`.

    Raises `RemoteProtocolError` where it is not proven, or speaks another version or parameter set.
    """
    try:
        value: object = cbor.decode(payload, bytes_max=PAYLOAD_BYTES_MAX, items_max=64, depth_max=4)
        said = convert(value, Payload, builtin_types=(bytes,))
    except (Malformed, ValidationError) as error:
        sentence = f"a handshake payload is wrong: {error}"
        raise RemoteProtocolError("handshake-payload", sentence) from error
    if said.version != PAYLOAD_VERSION:
        sentence = f"the peer speaks version {said.version} of the handshake, not {PAYLOAD_VERSION}"
        raise RemoteProtocolError("handshake-version", sentence)
    if said.parameters != PARAMETERS:
        sentence = f"the peer's parameter set is not {PARAMETERS}"
        raise RemoteProtocolError("handshake-parameters", sentence)
    if not verify_strict(said.device, said.signature, SIGNED_PREFIX + noise_static):
        raise RemoteProtocolError("handshake-signature", "the channel is not the peer's")
    return DeviceKey(said.device)
