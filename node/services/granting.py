"""Giving rights to others, passing on what one holds, and how what was given stands.

What was given is kept in the wallet, so that it is listed though its receiver has not used it yet.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from crdt.area import Area
from crdt.capability import (
    READ,
    WRITE,
    Capability,
    capability_digest,
    decode_capability,
    delegate,
    encode_capability,
    own,
)
from crdt.did import decode_did_key, encode_did_key
from crdt.ed25519 import SigningKey
from crdt.entry import tai_from_unix_us
from crdt.keys import COMMONS, AuthorKey, NamespaceKey, is_communal
from crdt.statement import Revoke
from node.errors import BadRequest, Conflict, NotAllowed, NotFound
from node.invites import GRANT, Code, write_code
from node.services.names import all_petnames, author_meant
from node.services.namespaces import Keeper
from node.services.records import record_meant, record_text
from node.services.rights import check_stand, give, voice
from node.services.roots import GIVEN, holds_namespace_key, open_key
from node.words import moment_text, parse_area, parse_moment, read_area
from storage.authority import place_of
from storage.explaining import Said

Right: TypeAlias = Literal["read", "write", "admin"]
State: TypeAlias = Literal["valid", "revoked", "cut", "expired", "early"]
"""`cut`: revoked in a part of its area; `early`: its time has not begun."""

DIGITS_MIN: Final = 8
"""Of a digest or an id, to find something by how it begins."""


@dataclass(frozen=True, slots=True)
class Place:
    """What of a namespace is meant: a record or an area, as a person wrote it, or neither."""

    namespace: NamespaceKey = COMMONS
    area: str | None = None
    record: str | None = None
    until: str | None = None


@dataclass(frozen=True, slots=True)
class Granted:
    """What was given, and the code to hand over."""

    capabilities: tuple[bytes, ...]
    code: str


@dataclass(frozen=True, slots=True)
class Standing:
    """A capability, and how it stands now by all that is known here."""

    encoded: bytes
    capability: Capability
    state: State
    cuts: tuple[Said, ...]
    """The revocations in force that end all of it or a part."""
    origin: str
    """How it came into the wallet; empty for one that was only seen in use."""
    noted_us: int | None

    @property
    def digest(self) -> bytes:
        return capability_digest(self.encoded)


async def grant(
    node: Keeper, to: str, rights: Sequence[Right], place: Place, *, passphrase: str | None
) -> Granted:
    """Gives `rights` to an author (or any key), each as one capability, and a code for them all.

    Whoever is given a part of a group only is given a voice there too, if this home can.
    Raises `BadRequest` for what means nothing there, `NotAllowed` (`no-capability`) where this home
    may not give so much, `BadIdentity` (`sealed`).
    """
    receiver = await key_meant(node, to)
    wanted = [await _wanted(node, right, place, receiver) for right in dict.fromkeys(rights)]
    made = [await _give(node, place.namespace, *one, receiver, passphrase) for one in wanted]
    if own := voice(place.namespace, wanted, receiver):
        with suppress(NotAllowed):
            made.append(await _give(node, place.namespace, WRITE, own, receiver, passphrase))
    return await handed_over(node, receiver, place.namespace, made)


async def hand_on(
    node: Keeper, digest: str, to: str, place: Place, *, now_us: int, passphrase: str | None
) -> Granted:
    """Passes on a capability of the wallet, narrowed to `place`.

    Raises `NotFound`, `NotAllowed` (`expired`), `Unauthorised` (`wider-than-parent`,
    `too-many-delegations`, `not-the-receiver`), `BadIdentity`.
    """
    receiver = await key_meant(node, to)
    held = await _held(node, digest)
    whole = held.granted_area
    if whole.end is not None and whole.end <= tai_from_unix_us(now_us):
        raise NotAllowed("it has expired, and so would what is made of it", code="expired")
    place = replace(place, namespace=held.namespace)
    area = await area_meant(node, place) or replace(whole, end=_end(place))
    if area.subspace is None:  # nobody in particular: as far as it is held
        area = replace(area, subspace=whole.subspace)
    area = replace(
        area,
        start=max(area.start, whole.start),
        end=min((one for one in (area.end, whole.end) if one is not None), default=None),
    )
    secret = await _secret_of(node, held, passphrase)
    return await handed_over(
        node, receiver, held.namespace, [encode_capability(delegate(held, secret, area, receiver))]
    )


async def handed_over(
    node: Keeper, receiver: bytes, namespace: NamespaceKey, made: Sequence[bytes]
) -> Granted:
    """Remembers them, and writes the code for their receiver.

    Raises `Conflict` (`receiver-revoked`) where the receiver was cut off.
    """
    await check_stand(node, made)
    for encoded in made:
        await node.store.keep_capability(encoded, GIVEN)
    givers = {decode_capability(one).chain[-2] for one in made}
    names = {one.namespace: one.name for one in await node.store.joined()}
    named = {} if namespace == COMMONS else {namespace: names.get(namespace, "namespace")}
    codes = [
        Code(GRANT, receiver, giver, named, tuple(one for one in made if _is_from(one, giver)))
        for giver in sorted(givers)
    ]
    return Granted(tuple(made), "\n".join(map(write_code, codes)))


async def standing(
    node: Keeper, namespace: NamespaceKey | None = None, *, now_us: int
) -> tuple[list[Standing], list[Standing]]:
    """(what this node holds, what was given from here), each as it stands now."""
    keys = {node.identity.author, node.identity.device.public}
    wallet = await node.store.capabilities_held(namespace)
    seen = {one.digest for one in wallet}
    held: list[Standing] = []
    given: list[Standing] = []
    for one in wallet:
        if one.receiver == one.namespace:  # the namespace's own key, which speaks for itself
            continue
        is_own = one.receiver in keys
        stands = await stand(node, one.capability, now_us=now_us)
        stands = replace(stands, origin=one.origin, noted_us=one.noted_us)
        (held if is_own else given).append(stands)
    for right in await node.store.rights_through(node.identity.author):
        is_wanted = namespace in (None, right.namespace) and right.receiver not in keys
        encoded = encode_capability(right)
        if is_wanted and right.chain[-2:-1] == (node.identity.author,):
            digest = capability_digest(encoded)
            if digest not in seen:
                given.append(await stand(node, right, now_us=now_us))
    return held, given


async def stand(node: Keeper, capability: Capability, *, now_us: int) -> Standing:
    """How it stands now, by what is held here."""
    area, now = capability.granted_area, tai_from_unix_us(now_us)
    cuts = [
        one
        for one in await node.store.cuts_through(capability.namespace, capability.chain)
        if isinstance(one.statement, Revoke) and one.statement.area.intersection(_timeless(area))
    ]
    is_whole = any(
        isinstance(one.statement, Revoke) and one.statement.area.includes(_timeless(area))
        for one in cuts
    )
    state: State = "valid"
    if cuts:
        state = "revoked" if is_whole else "cut"
    elif area.end is not None and area.end <= now:
        state = "expired"
    elif area.start > now:
        state = "early"
    return Standing(encode_capability(capability), capability, state, tuple(cuts), "", None)


def check_ahead(until: str | None, areas: Sequence[str], now_us: int) -> None:
    """Raises `BadRequest` (`bad-date`) for an end that has passed: of use to nobody.

    An area may have one of its own.
    """
    now = tai_from_unix_us(now_us)
    if until is not None and parse_moment(until) <= now:
        raise BadRequest(f"{until[:40]} has passed: what ends then is over", code="bad-date")
    for area in areas:
        end = read_area(area).end
        if end is not None and end <= now:
            detail = (
                f"the area {area!r} ends on {moment_text(end)}, which has passed: what ends then"
                " is over"
            )
            raise BadRequest(detail, code="bad-date")


async def overlooked(node: Keeper, place: Place) -> str:
    """What a giver may have mistyped: nothing is held here of the record. Else nothing."""
    if place.record is None:
        return ""
    document = await record_meant(node, place.record, place.namespace)
    if await node.store.tallies(document):
        return ""
    return (
        f"Nothing is held here of {record_text(document)}: the right holds all the same, for a"
        " record that is called just so."
    )


async def key_meant(node: Keeper, text: str) -> bytes:
    """The key of a did:key, or of whom this person calls so."""
    return decode_did_key(await author_meant(node.store, text))


async def area_meant(node: Keeper, place: Place) -> Area | None:
    """The area that is written; None where none is. In a communal namespace it is one's own.

    Raises `BadRequest`, `NotFound`, `InvalidName`.
    """
    end = _end(place)
    if place.area is not None and place.record is not None:
        raise BadRequest("give an area or a record, not both", code="bad-area")
    if place.record is not None:
        return replace(place_of(await record_meant(node, place.record, place.namespace)), end=end)
    if place.area is None:
        return None
    known = await all_petnames(node.store) | {"me": node.identity.did}
    area = parse_area(place.area, known)
    if area.subspace is None and is_communal(place.namespace):
        area = replace(area, subspace=node.identity.author)
    if end is not None:
        if area.end is not None:
            raise BadRequest("give one end: in the area, or apart", code="bad-area")
        area = replace(area, end=end)
    return area


async def _wanted(node: Keeper, right: Right, place: Place, receiver: bytes) -> tuple[int, Area]:
    """Mode and area of one right, as usual where nothing else is said."""
    area = await area_meant(node, place)
    mode = READ if right == "read" else WRITE
    if is_communal(place.namespace):
        if mode == READ:
            detail = "everybody who knows a communal namespace may read it: nothing to give"
            raise BadRequest(detail, code="bad-grant")
        if area is None:
            detail = "say what of yours: --record NAME, or --area (see panspermia cap grant --help)"
            raise BadRequest(detail, code="bad-grant")
    if area is None:
        area = Area(AuthorKey(receiver) if right == "write" else None, (), 0, _end(place))
    return mode, area


async def _give(
    node: Keeper,
    namespace: NamespaceKey,
    mode: int,
    area: Area,
    receiver: bytes,
    passphrase: str | None,
) -> bytes:
    """By the author where it may, so that it can take it back too; else by the namespace's key."""
    if receiver == node.identity.author:
        raise BadRequest("that is you: nobody gives rights to themselves", code="bad-grant")
    author = await open_key(node.home, node.identity.author, namespace, passphrase)
    try:
        return await give(node.store, author, namespace, mode, area, receiver)
    except NotAllowed:
        if is_communal(namespace) or not holds_namespace_key(node.home, namespace):
            raise
    key = await open_key(node.home, namespace, namespace, passphrase)
    whole = own(key, mode, key.public)
    return encode_capability(await asyncio.to_thread(delegate, whole, key, area, receiver))


async def _held(node: Keeper, digest: str) -> Capability:
    """The one of the wallet whose digest begins so."""
    wanted = digest.lower()
    found = [
        one
        for one in await node.store.capabilities_held()
        if len(wanted) >= DIGITS_MIN and one.digest.hex().startswith(wanted)
    ]
    if len(found) > 1:
        detail = f"several capabilities begin with {digest}: give more of it"
        raise Conflict(detail, code="ambiguous-id", candidates=tuple(f.digest.hex() for f in found))
    if not found:
        detail = f"no capability {digest[:64]!r} is held here; see `panspermia cap list --held`"
        raise NotFound(detail, code="unknown-capability")
    return found[0].capability


async def _secret_of(node: Keeper, held: Capability, passphrase: str | None) -> SigningKey:
    if held.receiver == node.identity.device.public:
        return node.identity.device
    if held.receiver not in (node.identity.author, held.namespace):
        detail = f"it is {encode_did_key(held.receiver)}'s: only they can pass it on"
        raise NotAllowed(detail, code="not-the-receiver")
    return await open_key(node.home, held.receiver, held.namespace, passphrase)


def _end(place: Place) -> int | None:
    return parse_moment(place.until) if place.until else None


def _is_from(encoded: bytes, giver: bytes) -> bool:
    return decode_capability(encoded).chain[-2] == giver


def _timeless(area: Area) -> Area:
    return replace(area, start=0, end=None)
