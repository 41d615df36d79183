"""Meadowcap with Willow'25's parameters: who may read or write which area, from bytes alone.

A capability is *communal*, and then its first user owns the subspace of their name, or *owned*, and
then the namespace's key granted everything to its first user. Each delegation hands a smaller area
to another user, signed by the one before. No clock and no state: the verdict is a pure function.

    2 bits (owned · write) + 6-bit tag of the count ‖ namespace 32 ‖ user 32 ‖
    [initial authorisation 64] ‖ bytes of the count ‖ per delegation: area in area ‖ user 32 ‖
    signature 64

The relations allow several encodings of one capability; only the canonical one is taken, or else a
hash of it would name nothing. Source: willowprotocol.org, "Meadowcap".
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from crdt.area import Area, encode_area_in_area, read_area_in_area
from crdt.digest import payload_digest
from crdt.ed25519 import SIGNATURE_BYTES, SigningKey, verify_strict
from crdt.encoding import Reader, c64, read_c64
from crdt.entry import Entry, encode_entry
from crdt.errors import Malformed, Unauthorised
from crdt.keys import KEY_BYTES, AuthorKey, NamespaceKey, is_communal
from crdt.path import DEPTH

READ: Final = 0
WRITE: Final = 1

DELEGATIONS_MAX = 16
"""Each costs a signature check, and an organisation is not deeper."""
CAPABILITY_BYTES_MAX = 8 << 10
"""Sixteen delegations and a path of 4,096 bytes, short of one that is split into every byte."""

_OWNED_BIT: Final = 0x80


@dataclass(frozen=True, slots=True)
class Delegation:
    """One hand-over: `user` gets `area`, signed by the receiver before."""

    area: Area
    user: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Capability:
    """Communal without an initial authorisation, owned with one. Not necessarily valid."""

    mode: int
    namespace: NamespaceKey
    user: bytes
    initial_authorisation: bytes | None = None
    delegations: tuple[Delegation, ...] = ()

    @property
    def receiver(self) -> bytes:
        """The key that may use it."""
        return self.delegations[-1].user if self.delegations else self.user

    @property
    def granted_area(self) -> Area:
        """Where its receiver may read or write."""
        return self.delegations[-1].area if self.delegations else self.first_area

    @property
    def first_area(self) -> Area:
        """What the first user has, before any delegation."""
        return Area(AuthorKey(self.user)) if self.initial_authorisation is None else Area()

    @property
    def chain(self) -> tuple[bytes, ...]:
        """The keys the right came through: the namespace's where it is owned, user, delegates."""
        keys = (self.user, *(delegation.user for delegation in self.delegations))
        if self.initial_authorisation is None or self.user == self.namespace:
            return keys
        return (self.namespace, *keys)

    def prefixes(self) -> "Iterator[Capability]":
        """The capabilities it was delegated from, the first one first, itself last."""
        for count in range(len(self.delegations) + 1):
            yield replace(self, delegations=self.delegations[:count])


def own(namespace: SigningKey, mode: int, user: bytes) -> Capability:
    """Everything in the namespace of this key, for `user`."""
    signature = namespace.sign(_first_grant(mode, user))
    return Capability(mode, NamespaceKey(namespace.public), user, signature)


def delegate(capability: Capability, secret: SigningKey, area: Area, user: bytes) -> Capability:
    """`capability` handed on by its receiver, whose key `secret` is, limited to `area`.

    Raises `Unauthorised` where it is another's, does not reach so far, or was handed on too often,
    and `Malformed` where nobody would take the result: an empty time range, a path over the limits.
    """
    if secret.public != capability.receiver:
        raise Unauthorised("not-the-receiver", "only its receiver can hand a capability on")
    if not capability.granted_area.includes(area):
        raise Unauthorised("wider-than-parent", "the area handed on is wider than the one held")
    if len(capability.delegations) >= DELEGATIONS_MAX:
        raise Unauthorised("too-many-delegations", f"handed on {DELEGATIONS_MAX} times already")
    new = Delegation(area, user, secret.sign(handover(capability, area, user)))
    handed_on = replace(capability, delegations=(*capability.delegations, new))
    decode_capability(encode_capability(handed_on))
    return handed_on


def handover(previous: Capability, area: Area, user: bytes) -> bytes:
    """What the receiver of `previous` signs to hand `area` of it to `user`."""
    link = encode_area_in_area(area, previous.granted_area)
    if previous.delegations:
        return link + previous.delegations[-1].signature + user
    if previous.initial_authorisation is not None:
        return link + previous.initial_authorisation + user
    return bytes([previous.mode]) + previous.namespace + link + user


def check_valid(capability: Capability) -> None:
    """Raises `Unauthorised` and names the first link that does not hold."""
    authorisation = capability.initial_authorisation
    if is_communal(capability.namespace) != (authorisation is None):
        raise Unauthorised("wrong-namespace-kind", "communal and owned are mixed up")
    if len(capability.delegations) > DELEGATIONS_MAX:
        raise Unauthorised("too-many-delegations", f"{len(capability.delegations)} delegations")
    if authorisation is not None:
        message = _first_grant(capability.mode, capability.user)
        if not verify_strict(capability.namespace, authorisation, message):
            raise Unauthorised("bad-authorisation", "not signed by the key of the namespace")
    for number, (grant, new) in enumerate(
        zip(capability.prefixes(), capability.delegations, strict=False), start=1
    ):
        if not grant.granted_area.includes(new.area):
            raise Unauthorised("wider-than-parent", f"delegation {number} widens its area")
        if not verify_strict(grant.receiver, new.signature, handover(grant, new.area, new.user)):
            raise Unauthorised("bad-delegation", f"delegation {number} is not signed by its giver")


def is_valid(capability: Capability) -> bool:
    """Whether every link holds. A pure function of the bytes: no clock, no state."""
    try:
        check_valid(capability)
    except Unauthorised:
        return False
    return True


def check_write(capability: Capability, signature: bytes, entry: Entry) -> None:
    """Raises `Unauthorised` unless this *valid* capability allows `entry`, so signed.

    Meadowcap's `is_authorised_write` leaves the namespace out; by the letter the owner of any
    namespace could then write into every other one.
    """
    if capability.mode != WRITE:
        raise Unauthorised("read-only", "a capability to read does not allow writing")
    if capability.namespace != entry.namespace:
        raise Unauthorised("wrong-namespace", "a capability for another namespace")
    if not capability.granted_area.includes_entry(entry):
        raise Unauthorised("outside-area", "the capability does not reach this path or time")
    if not verify_strict(capability.receiver, signature, encode_entry(entry)):
        raise Unauthorised("bad-signature", "the entry is not signed by the capability's receiver")


def authorises_write(capability: Capability, signature: bytes, entry: Entry) -> bool:
    """Whether the capability is valid and allows `entry`, so signed."""
    try:
        check_valid(capability)
        check_write(capability, signature, entry)
    except Unauthorised:
        return False
    return True


def authorises_read(capability: Capability, namespace: NamespaceKey, area: Area) -> bool:
    """Whether this *valid* capability lets its receiver read all of `area`."""
    return (
        capability.mode == READ
        and capability.namespace == namespace
        and capability.granted_area.includes(area)
    )


def encode_capability(capability: Capability, *, willow_rs: bool = False) -> bytes:
    """The one encoding of a capability. `willow_rs` as in `encode_area_in_area`."""
    tag, count = c64(len(capability.delegations), 6)
    owned = 0 if capability.initial_authorisation is None else _OWNED_BIT
    out = bytearray([owned | capability.mode << 6 | tag])
    out += capability.namespace + capability.user
    out += (capability.initial_authorisation or b"") + count
    outer = capability.first_area
    for new in capability.delegations:
        out += encode_area_in_area(new.area, outer, willow_rs=willow_rs) + new.user + new.signature
        outer = new.area
    return bytes(out)


def read_capability(
    reader: Reader, *, delegations_max: int = DELEGATIONS_MAX, willow_rs: bool = False
) -> Capability:
    """A capability, canonical or not, valid or not."""
    header = reader.byte()
    namespace, user = NamespaceKey(reader.take(KEY_BYTES)), reader.take(KEY_BYTES)
    initial_authorisation = reader.take(SIGNATURE_BYTES) if header & _OWNED_BIT else None
    count = read_c64(reader, header & 63, 6)
    if count > delegations_max:
        raise Malformed("too-many-delegations", f"{count} delegations, at most {delegations_max}")
    capability = Capability(header >> 6 & 1, namespace, user, initial_authorisation)
    area = capability.first_area
    delegations: list[Delegation] = []
    for _ in range(count):
        area = read_area_in_area(reader, area, willow_rs=willow_rs)
        delegations.append(Delegation(area, reader.take(KEY_BYTES), reader.take(SIGNATURE_BYTES)))
    return replace(capability, delegations=tuple(delegations))


def decode_capability(data: bytes) -> Capability:
    """The capability whose one encoding is `data`; `Malformed` for anything else. Not verified."""
    if len(data) > CAPABILITY_BYTES_MAX:
        raise Malformed("capability-too-long", f"a capability of {len(data)} bytes")
    reader = Reader(data)
    capability = read_capability(reader)
    reader.finish()
    if encode_capability(capability) != data:
        raise Malformed("not-canonical", "a capability that could be written shorter")
    return capability


def capability_digest(encoded: bytes) -> bytes:
    """The 32-byte name of a capability, by its encoding."""
    return payload_digest(encoded)


class CapabilityCache:
    """Capabilities decoded and verified once; the least recently used are forgotten.

    Only the valid are kept, so a flood of invalid ones evicts nothing; and none for paths that are
    deeper than any of ours, whose areas could take half a megabyte each. Threads may share one:
    each step is atomic, and at worst two of them verify the same capability.
    """

    def __init__(self, size_max: int = 4096) -> None:
        self._size_max = size_max
        self._held: OrderedDict[bytes, Capability] = OrderedDict()

    def get(self, encoded: bytes) -> Capability:
        """The valid capability of these bytes; raises `Malformed` or `Unauthorised`."""
        capability = self._held.pop(encoded, None)
        if capability is None:
            capability = decode_capability(encoded)
            check_valid(capability)
        if len(capability.granted_area.path) > DEPTH:
            return capability
        self._held[encoded] = capability
        if len(self._held) > self._size_max:
            self._held.popitem(last=False)
        return capability

    def __len__(self) -> int:
        return len(self._held)


def _first_grant(mode: int, user: bytes) -> bytes:
    """What the key of an owned namespace signs."""
    return bytes([2 | mode]) + user
