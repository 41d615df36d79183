"""Passing on what this node's author holds: to people, and to devices of the author's own."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from crdt.area import Area
from crdt.capability import (
    READ,
    WRITE,
    Capability,
    decode_capability,
    delegate,
    encode_capability,
)
from crdt.change import device_capabilities
from crdt.ed25519 import SigningKey
from crdt.keys import COMMONS, AuthorKey, DeviceKey, NamespaceKey, is_communal
from crdt.path import AUTHORITY
from crdt.statement import Revoke
from node.errors import Conflict, NotAllowed
from node.services.called import names_here
from node.services.namespaces import Keeper, areas_for_device
from node.words import area_words, key_words
from storage.namespaces import Joined
from storage.store import Store


async def rights_of_device(
    store: Store, author: SigningKey, device: DeviceKey
) -> tuple[list[bytes], list[Joined]]:
    """What a device of this author needs, wherever the author takes part; and where that is.

    What the author holds comes along: of use once the device holds the author's key too.
    """
    joined = [one for one in await store.joined() if one.namespace != COMMONS]
    given = list(device_capabilities(author, device).values())
    for one in joined:
        if is_communal(one.namespace):
            given += device_capabilities(author, device, one.namespace).values()
    places = {one.namespace for one in joined} | {COMMONS}
    for held in await store.capabilities_held(receiver=author.public):
        if held.namespace in places:
            given.append(held.encoded)
            given += delegated(held.capability, author, device)
    return given, joined


def delegated(right: Capability, author: SigningKey, device: DeviceKey) -> Iterator[bytes]:
    """What of the author's right the device gets."""
    for area in areas_for_device(right, AuthorKey(author.public)):
        yield encode_capability(delegate(right, author, area, device))


async def give(
    store: Store, author: SigningKey, namespace: NamespaceKey, mode: int, area: Area, to: bytes
) -> bytes:
    """A capability for `to`, of the shortest that the author holds and that reaches so far.

    It ends where that one ends. Raises `NotAllowed` (`no-capability`), also for what counts
    nowhere: in a communal namespace statements are by the key of their author alone.
    """
    if mode == WRITE and is_communal(namespace) and area.path[:1] == (AUTHORITY.encode(),):
        detail = (
            f"{AUTHORITY} cannot be given: there everybody's own statements are signed by the key"
            " of their author, and by nobody else's"
        )
        raise NotAllowed(detail, code="no-capability")
    for right in await rights_of_author(store, AuthorKey(author.public), namespace, mode):
        common = right.granted_area.intersection(area)
        if common and replace(common, start=area.start, end=area.end) == area:
            return encode_capability(delegate(right, author, common, to))
    verb = "read" if mode == READ else "write"
    names: dict[bytes, str] = {one.namespace: one.name for one in await store.joined()}
    detail = (
        f"you may not {verb} {area_words(area, {author.public: 'yours'})} in the namespace"
        f" {key_words(namespace, names)} yourself, so you cannot give it to others"
    )
    raise NotAllowed(detail, code="no-capability")


async def check_stand(node: Keeper, given: Iterable[bytes]) -> None:
    """Raises `Conflict` (`receiver-revoked`) where one of these, just made, is of no use.

    A revocation ends all that comes through a key, whenever that was given.
    """
    for right in map(decode_capability, given):
        timeless = replace(right.granted_area, start=0, end=None)
        for one in await node.store.cuts_through(right.namespace, right.chain):
            revoke = one.statement
            if not isinstance(revoke, Revoke) or not revoke.area.includes(timeless):
                continue
            names = await names_here(node.store, node.identity)
            detail = (
                f"what is given to {key_words(right.receiver, names)} there counts nowhere:"
                f" {key_words(revoke.key, names)} was cut off by {key_words(one.issuer, names)}"
                f" [{one.id.hex()[:12]}]. Who said so has to take that back first:"
                f" panspermia cap unrevoke {one.id.hex()[:12]}"
            )
            raise Conflict(detail, code="receiver-revoked")


def voice(
    namespace: NamespaceKey, given: Iterable[tuple[int, Area]], receiver: bytes
) -> Area | None:
    """What `receiver` needs beside what it is `given` to take back what it passes on, as to a
    device that is lost: its own `/_auth`. None where it has that already.
    """
    log = Area(AuthorKey(receiver), (AUTHORITY.encode(),))
    areas = [area for mode, area in given if mode == WRITE]
    speaks = any(replace(area, start=0, end=None).includes(log) for area in areas)
    if is_communal(namespace) or speaks or not areas:
        return None
    ends = [area.end for area in areas if area.end is not None]
    return replace(log, end=max(ends) if len(ends) == len(areas) else None)


async def right_to_speak(store: Store, author: AuthorKey, namespace: NamespaceKey) -> bytes | None:
    """Under which the author's root key writes its `/_auth` there; None where it may not."""
    log = Area(author, (AUTHORITY.encode(),))
    for right in await rights_of_author(store, author, namespace, WRITE):
        timeless = replace(right.granted_area, start=0, end=None)
        is_plain = not is_communal(namespace) or not right.delegations
        if is_plain and timeless.includes(log) and len(set(right.chain)) == len(right.chain):
            return encode_capability(right)
    return None


async def rights_of_author(
    store: Store, author: AuthorKey, namespace: NamespaceKey, mode: int
) -> list[Capability]:
    """Valid, not revoked, the shortest first; in a communal namespace one's own by right."""
    rights = [Capability(mode, namespace, author)] if is_communal(namespace) else []
    held = await store.capabilities_held(namespace, receiver=author, mode=mode)
    rights += [decode_capability(one.encoded) for one in held]
    return [right for right in rights if not await store.is_cut(right)]
