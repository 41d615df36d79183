"""Who the peer is, and what it may read: made and checked inside the channel.

    Hello     author, and the capability by which the author lets this device write
    Present   read capabilities, each signed over this channel and the peer's fresh challenge

Signatures hold for one channel and one challenge, so nothing shown here can be shown elsewhere. A
private namespace is never named to a peer that does not know it: Hello carries salted hashes of the
sender's private namespaces, and Present shows capabilities only for those the peer's Hello had too.
How many the sender has is not told: fillers that mean nothing make the list as long as any other's.

A communal namespace has no owner who could let anybody in: who knows its name may read it, and a
salted hash proves that.
"""

from collections.abc import Container, Iterable
from dataclasses import dataclass
from itertools import accumulate

from blake3 import blake3

from crdt.capability import READ, WRITE, Capability, CapabilityCache, capability_digest
from crdt.ed25519 import SigningKey, verify_strict
from crdt.errors import CrdtError
from crdt.keys import COMMONS, AuthorKey, DeviceKey, NamespaceKey, is_communal
from p2p.protocol import limits
from p2p.protocol.config import SessionConfig
from p2p.protocol.errors import RemoteProtocolError
from p2p.protocol.frames import Hello, Present, Presented
from p2p.protocol.grants import FULL, PUBLIC, Claim
from p2p.protocol.limits import (
    INTERESTS_MAX,
    PRESENTED_BYTES_MAX,
    PRESENTED_MAX,
)

PRESENT_PREFIX = b"panspermia-present:"
OVERLAP_PREFIX = b"panspermia-overlap:"
FILLER_PREFIX = b"panspermia-filler:"
SALTED_BYTES = 16
OVERLAP_LENGTHS = (16, INTERESTS_MAX)  # names with fillers: 256 bytes, hardly ever 1 KiB


@dataclass(frozen=True, slots=True)
class Held:
    """A read capability of ours, as bytes and as what they mean."""

    encoded: bytes
    capability: Capability


def make_hello(
    config: SessionConfig,
    *,
    version: int,
    challenge: bytes,
    wall_us: int,
    overlap: tuple[bytes, ...],
) -> Hello:
    """The first frame of a session."""
    return Hello(
        version=version,
        agent=config.agent[: limits.AGENT_CHARACTERS_MAX],
        author=config.author,
        capability=config.capability,
        challenge=challenge,
        addresses=config.addresses[: limits.ADDRESSES_MAX],
        wall_us=wall_us,
        overlap=overlap,
    )


def salted_name(namespace: bytes, *, handshake_hash: bytes, device: bytes) -> bytes:
    """How `device` names a private namespace on this channel to those who know it anyway.

    The sender's key is part of it, so a peer that sends our own names back is not believed.
    """
    return blake3(OVERLAP_PREFIX + handshake_hash + device + namespace).digest()[:SALTED_BYTES]


def salted_names(
    namespaces: Iterable[bytes], device: SigningKey, *, handshake_hash: bytes
) -> tuple[bytes, ...]:
    """The names of the private ones among `namespaces`, at most `INTERESTS_MAX`, and fillers.

    Nobody without the secret of `device` can tell a filler from the name of something unknown.
    """
    private = sorted(set(namespaces) - {COMMONS})[:INTERESTS_MAX]
    names = [
        salted_name(one, handshake_hash=handshake_hash, device=device.public) for one in private
    ]
    length = next(most for most in OVERLAP_LENGTHS if len(names) <= most)
    for number in range(length - len(names)):
        told = FILLER_PREFIX + handshake_hash + bytes([number])
        names.append(blake3(told, key=device.seed).digest()[:SALTED_BYTES])
    return tuple(sorted(names))


def check_hello(hello: Hello, device: DeviceKey, cache: CapabilityCache) -> AuthorKey:
    """The author for whom `device` speaks; raises `RemoteProtocolError` where it is not proven."""
    capability = _open(hello.capability, cache)
    if not speaks_for(capability, hello.author):
        raise RemoteProtocolError("hello-author", "the peer's author did not delegate to a device")
    if capability.receiver != device:
        raise RemoteProtocolError("hello-device", "the peer's author delegated to another device")
    return AuthorKey(hello.author)


def speaks_for(capability: Capability, author: bytes) -> bool:
    """Whether its receiver is a device of `author`.

    Only a delegation of a whole class by the root key itself makes a device the author's own: a
    co-author of one record, or whoever such a one delegated to, speaks for itself.
    """
    area = capability.granted_area
    return (
        capability.mode == WRITE
        and is_communal(capability.namespace)
        and capability.user == author
        and len(capability.delegations) <= 1
        and len(area.path) <= 1
    )


def open_held(encoded: Iterable[bytes], cache: CapabilityCache) -> tuple[Held, ...]:
    """Our own read capabilities; raises `CrdtError` where one of them is not valid."""
    return tuple(Held(one, cache.get(one)) for one in encoded)


def present(
    held: Iterable[Held],
    device: SigningKey,
    *,
    handshake_hash: bytes,
    challenge: bytes,
    known: Container[bytes],
) -> tuple[Present, tuple[Claim, ...]]:
    """What we show to a peer that knows these namespaces, and what that lets us read of it."""
    fitting = [one for one in held if one.capability.namespace in known][:PRESENTED_MAX]
    ends = accumulate(len(one.encoded) for one in fitting)
    shown = [one for one, end in zip(fitting, ends, strict=True) if end <= PRESENTED_BYTES_MAX]
    signed = tuple(
        Presented(one.encoded, device.sign(_signed(handshake_hash, challenge, one.encoded)))
        for one in shown
    )
    return Present(signed), tuple(claim_of(one.capability) for one in shown)


def known_to(
    namespaces: Iterable[NamespaceKey],
    overlap: Iterable[bytes],
    *,
    handshake_hash: bytes,
    peer: DeviceKey,
) -> frozenset[NamespaceKey]:
    """Those of our `namespaces` that the peer knows too, by the salted names it sent."""
    names = frozenset(overlap)
    return frozenset(
        one
        for one in namespaces
        if salted_name(one, handshake_hash=handshake_hash, device=peer) in names
    )


def open_to_all(known: Iterable[NamespaceKey]) -> tuple[Claim, ...]:
    """What either of two may read of the other because both know it: communal namespaces, whole."""
    return (*PUBLIC, *((one, FULL) for one in sorted(known) if is_communal(one)))


def check_present(
    frame: Present,
    device: DeviceKey,
    *,
    handshake_hash: bytes,
    challenge: bytes,
    cache: CapabilityCache,
) -> tuple[Capability, ...]:
    """The rights to read that the peer showed; `challenge` is the one that our Hello carried.

    Raises `RemoteProtocolError` where a capability is not valid, or not the peer's to show.
    """
    if sum(len(shown.capability) for shown in frame.capabilities) > PRESENTED_BYTES_MAX:
        raise RemoteProtocolError(
            "present-length", f"more than {PRESENTED_BYTES_MAX:,} bytes of capabilities were shown"
        )
    rights: list[Capability] = []
    for shown in frame.capabilities:
        capability = _open(shown.capability, cache)
        message = _signed(handshake_hash, challenge, shown.capability)
        if capability.mode != READ:
            raise RemoteProtocolError("present-mode", "a capability to write was shown")
        if capability.receiver != device:
            raise RemoteProtocolError("present-receiver", "another device's capability was shown")
        if not verify_strict(device, shown.signature, message):
            raise RemoteProtocolError(
                "present-signature", "a capability was shown without a signature over this channel"
            )
        rights.append(capability)
    return tuple(rights)


def _open(encoded: bytes, cache: CapabilityCache) -> Capability:
    try:
        return cache.get(encoded)
    except CrdtError as error:
        raise RemoteProtocolError(error.code, f"a capability is refused: {error.detail}") from error


def claim_of(capability: Capability) -> Claim:
    """What its receiver may read."""
    return NamespaceKey(capability.namespace), capability.granted_area


def _signed(handshake_hash: bytes, challenge: bytes, capability: bytes) -> bytes:
    return PRESENT_PREFIX + handshake_hash + challenge + capability_digest(capability)
