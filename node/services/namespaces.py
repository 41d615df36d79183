"""Making, joining and leaving namespaces, and keeping the capabilities that others give.

A grant goes to an author's root key, which hands on to this device what the device needs: to write
`pub`, `rate` and `_ck`, and to read all of it. The root key is opened for that and not kept.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from crdt.area import Area
from crdt.capability import READ, WRITE, Capability, delegate, encode_capability, own
from crdt.change import device_capabilities
from crdt.did import decode_did_key, encode_did_key
from crdt.ed25519 import SigningKey
from crdt.entry import tai_from_unix_us
from crdt.keys import COMMONS, AuthorKey, DeviceKey, NamespaceKey, is_communal
from crdt.path import CHECKPOINT, PUBLIC, RATING, escape
from node.errors import BadRequest, Conflict, NotAllowed, NotFound
from node.home import Home
from node.identity import Entropy, Identity, make_namespace_key, open_author
from registry.names import is_did, parse_petname
from storage.errors import OverQuota
from storage.namespaces import COMMONS_NAME, JOINED_MAX, HeldCapability, Joined
from storage.store import Store

OWN = "own"
"""How what this node made itself came."""


@dataclass(frozen=True, slots=True)
class Keeper:
    """What handling keys and capabilities needs of the node."""

    home: Home
    identity: Identity
    store: Store
    entropy: Entropy


async def create_namespace(node: Keeper, name: str, passphrase: str | None) -> Joined:
    """A new owned namespace, joined under `name`; its key lies in the home.

    Raises `InvalidName`, `Conflict` where the name is taken, `OverQuota`, `BadIdentity` where the
    author's key is sealed and `passphrase` does not open it.
    """
    await _check_free(node.store, name)
    author = await asyncio.to_thread(open_author, node.home, passphrase)
    key = await asyncio.to_thread(make_namespace_key, node.home, node.entropy, passphrase)
    for mode in (WRITE, READ):
        granted = own(key, mode, author.public)
        await node.store.keep_capability(encode_capability(granted), OWN)
        await _hand_on(node, granted, author)
    return await node.store.join(NamespaceKey(key.public), name)


async def join_namespace(node: Keeper, text: str, name: str, passphrase: str | None) -> Joined:
    """Takes part in the namespace of this did:key: a communal one, or one we were let into.

    A communal one is for whoever knows its name, so this device gets the capabilities at once.
    Raises `NotAllowed` (`no-capability`) where nobody gave this node one of an owned one.
    """
    if not is_did(text):
        detail = f"{text!r} is no did:key. A code is for: panspermia accept CODE"
        raise BadRequest(detail, code="not-a-did")
    namespace = NamespaceKey(decode_did_key(text))
    if namespace == COMMONS:
        raise Conflict("commons is always joined", code="name-taken")
    await _check_free(node.store, name, namespace)
    if not is_communal(namespace) and not await _is_usable(node, namespace):
        detail = (
            f"nobody let this node into {text}. Ask whoever owns it for a capability for your"
            f" author, {node.identity.did}"
        )
        raise NotAllowed(detail, code="no-capability")
    if is_communal(namespace):
        author = await asyncio.to_thread(open_author, node.home, passphrase)
        device = DeviceKey(node.identity.device.public)
        for encoded in device_capabilities(author, device, namespace).values():
            await node.store.keep_capability(encoded, OWN)
    return await node.store.join(namespace, name)


async def leave_namespace(node: Keeper, text: str) -> Joined:
    """Takes part no longer. Raises `NotFound`, or `BadRequest` for commons."""
    if text == COMMONS_NAME:
        raise BadRequest("commons is never left", code="bad-request")
    for joined in await node.store.joined():
        if text in (joined.name, encode_did_key(joined.namespace)):
            left = await node.store.leave_namespace(joined.name)
            if left is not None:
                return left
    raise NotFound(f"no namespace {text!r} is joined here", code="unknown-namespace")


async def keep_given(
    node: Keeper, encoded: bytes, origin: str, passphrase: str | None = None
) -> Sequence[HeldCapability]:
    """Keeps a capability that somebody gave to this author or device; what was made of it follows.

    Where it is the author's, the root key hands it on to this device, if it can be opened. Raises
    `CrdtError` where it is not valid, `NotAllowed` where it is another's, `BadIdentity` (`sealed`).
    """
    held = await node.store.keep_capability(encoded, origin)
    if held.receiver == node.identity.device.public:
        return [held]
    if held.receiver != node.identity.author:
        await node.store.forget_capability(held.digest)
        detail = f"this capability is for {encode_did_key(held.receiver)}, not for this node"
        raise NotAllowed(detail, code="not-the-receiver")
    author = await asyncio.to_thread(open_author, node.home, passphrase)
    return [held, *await _hand_on(node, held.capability, author)]


async def _hand_on(
    node: Keeper, granted: Capability, author: SigningKey
) -> Sequence[HeldCapability]:
    device = node.identity.device.public
    return [
        await node.store.keep_capability(
            encode_capability(delegate(granted, author, area, device)), OWN
        )
        for area in areas_for_device(granted, node.identity.author)
    ]


def areas_for_device(granted: Capability, author: AuthorKey) -> Iterator[Area]:
    """What of `granted` the author's device needs: never `/_auth`, which root keys sign."""
    whole = granted.granted_area
    if granted.mode == READ:
        yield whole
        return
    subspace = whole.subspace or author
    for cls in (PUBLIC, RATING, CHECKPOINT):
        if area := whole.intersection(Area(subspace, (cls.encode(),))):
            yield area


async def rights_in(node: Keeper, namespace: NamespaceKey, *, now_us: int) -> str:
    """In words: what this device may do there, as far as that was not taken back and not over."""
    if is_communal(namespace):
        return "read everything, write what is yours"
    valid = await _valid(node, namespace, now_us)
    reads = [one.granted_area for one in valid if one.mode == READ]
    writes = [one.granted_area for one in valid if one.mode == WRITE]
    words = [_words("read", reads, node.identity), _words("write", writes, node.identity)]
    if await is_admin(node, namespace):
        words.append("administer")
    return ", ".join(filter(None, words)) or "nothing"


async def may_publish(node: Keeper, namespace: NamespaceKey, *, now_us: int) -> bool:
    """Whether this device may write of its author there what everybody who reads it is to find."""
    if is_communal(namespace):
        return True
    areas = [
        one.granted_area
        for one in await _valid(node, namespace, now_us)
        if one.mode == WRITE and one.granted_area.subspace in (None, node.identity.author)
    ]
    return any(not area.path or escape(area.path[0]) == PUBLIC for area in areas)


async def _valid(node: Keeper, namespace: NamespaceKey, now_us: int) -> list[Capability]:
    """What this device was given there, as far as that was not taken back and not over."""
    device, now = node.identity.device.public, tai_from_unix_us(now_us)
    held = [
        one.capability
        for one in await node.store.capabilities_held(namespace, receiver=device)
        if (end := one.capability.granted_area.end) is None or end > now
    ]
    return [one for one in held if not await node.store.is_cut(one)]


async def is_admin(node: Keeper, namespace: NamespaceKey) -> bool:
    """Whether the author's root key may write all of it, and so grant it to others."""
    author = node.identity.author
    held = await node.store.capabilities_held(namespace, receiver=author, mode=WRITE)
    whole = [one.capability for one in held if one.capability.granted_area.includes(Area())]
    return any([not await node.store.is_cut(one) for one in whole])


def _words(verb: str, areas: Sequence[Area], identity: Identity) -> str:
    if not areas:
        return ""
    if any(area.subspace is None and not area.path for area in areas):
        return f"{verb} everything"
    owners = {area.subspace for area in areas}
    whose = "what is yours" if owners == {identity.author} else "a part"
    classes = sorted({escape(area.path[0]) for area in areas if area.path})
    is_usual = not classes or {PUBLIC, RATING} <= set(classes)
    return f"{verb} {whose}" if is_usual else f"{verb} {whose} under /{', /'.join(classes)}"


async def _is_usable(node: Keeper, namespace: NamespaceKey) -> bool:
    keys = (node.identity.device.public, node.identity.author)
    return any([await node.store.capabilities_held(namespace, receiver=key) for key in keys])


async def _check_free(store: Store, name: str, namespace: NamespaceKey | None = None) -> None:
    """Before a key or a capability is made for it; the store has the last word."""
    parse_petname(name)
    here = [joined for joined in await store.joined() if joined.namespace != COMMONS]
    if len(here) >= JOINED_MAX and namespace not in {joined.namespace for joined in here}:
        raise OverQuota(f"{JOINED_MAX} namespaces are joined: leave one first.")
    for joined in await store.joined():
        if joined.name == name and joined.namespace != namespace:
            detail = f"another namespace is called {name} here: choose another name"
            raise Conflict(detail, code="name-taken")
