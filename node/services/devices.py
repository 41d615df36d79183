"""The devices of this node's author: added by a code, listed, and removed when one is lost.

What a device was given ends with a revocation under `/_auth` of the author's own subspace, in each
namespace in which the author takes part: of what it was given and never used few know. Its usual
frontier is all that is held here: nothing published before goes, and what the device writes from
then on counts nowhere.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from crdt.capability import READ, decode_capability
from crdt.change import DocumentId, Signer
from crdt.did import encode_did_key
from crdt.ed25519 import SigningKey
from crdt.held import Revocation
from crdt.keys import COMMONS, AuthorKey, DeviceKey, NamespaceKey
from crdt.path import AUTHORITY
from crdt.statement import KIND, RECORDS, Frontier, Revoke, frontier_of
from node.errors import BadRequest, Conflict, NotFound
from node.identity import Identity, open_author
from node.invites import DEVICE, Code, write_code
from node.services.namespaces import Keeper
from node.services.rights import right_to_speak, rights_of_device
from storage.authorities import Effect
from storage.store import Store

GIVEN = "device"
"""How the wallet calls what was given to another device of the author's: kept to know of it."""


@dataclass(frozen=True, slots=True)
class OwnDevice:
    """One device of the author's, as far as it is known here."""

    key: DeviceKey
    is_this_node: bool
    entries: int
    last_us: int | None
    """When it last signed, by its own claim; None where nothing of it is here."""
    namespaces: tuple[NamespaceKey, ...]
    """Where the author delegated to it."""
    revoked: tuple[NamespaceKey, ...]
    """Where that has ended."""


@dataclass(frozen=True, slots=True)
class Removal:
    """What taking a device's rights back did, or would do."""

    device: DeviceKey
    effects: Mapping[NamespaceKey, Effect] = field(default_factory=dict[NamespaceKey, Effect])
    silent: tuple[NamespaceKey, ...] = ()
    """Where this author may not say so: whoever let them in has to."""


async def add_device(
    node: Keeper, device: bytes, addresses: tuple[str, ...], passphrase: str | None
) -> Code:
    """A code that makes the node of this device key one of this author's.

    Raises `Conflict` (`device-revoked`) for a key that was removed, `BadIdentity` (`sealed`,
    `no-key`).
    """
    identity = node.identity
    if device in (identity.author, identity.device.public):
        raise BadRequest("that is this very node; name the other one's device", code="own-device")
    if any(end.key == device for end in await node.store.ended_by(identity.author)):
        detail = (
            f"{encode_did_key(device)} was removed, and a key that was in other hands stays out."
            " Start that machine with a new --home, and add the device that it has then"
        )
        raise Conflict(detail, code="device-revoked")
    author = await asyncio.to_thread(open_author, node.home, passphrase)
    given, joined = await rights_of_device(node.store, author, DeviceKey(device))
    code = Code(
        DEVICE,
        device,
        identity.author,
        {one.namespace: one.name for one in joined},
        tuple(dict.fromkeys(given)),
        addresses,
    )
    write_code(code)
    for encoded in code.capabilities:
        if decode_capability(encoded).receiver == device:
            await node.store.keep_capability(encoded, GIVEN)
    return code


async def own_devices(store: Store, identity: Identity) -> list[OwnDevice]:
    """This one first, then those that signed last."""
    this = DeviceKey(identity.device.public)
    devices = {this: OwnDevice(this, True, 0, None, (COMMONS,), ())}
    for use in await store.uses_of_devices(identity.author):
        known = devices.get(use.device) or OwnDevice(use.device, False, 0, None, (), ())
        devices[use.device] = replace(
            known,
            entries=known.entries + use.entries,
            last_us=max(use.last_us, known.last_us or 0),
            namespaces=(*known.namespaces, use.namespace),
        )
    for held in await store.capabilities_held():
        if held.capability.chain[-2:-1] == (identity.author,) and _is_device(held.origin):
            key = DeviceKey(held.receiver)
            known = devices.get(key) or OwnDevice(key, key == this, 0, None, (), ())
            devices[key] = replace(known, namespaces=(*known.namespaces, held.namespace))
    ended = await store.ended_by(identity.author)
    for key, one in devices.items():
        gone = {end.namespace for end in ended if end.key == key}
        places = tuple(sorted(set(one.namespaces)))
        devices[key] = replace(one, namespaces=places, revoked=tuple(sorted(gone)))
    return sorted(devices.values(), key=lambda one: (not one.is_this_node, -(one.last_us or 0)))


def _is_device(origin: str) -> bool:
    """Of the author's own, not of people they invited: those have keys of their own."""
    return origin in (GIVEN, "own")


async def remove_device(
    node: Keeper,
    device: bytes,
    *,
    since: int | None,
    reason: str,
    is_dry_run: bool,
    passphrase: str | None,
) -> Removal:
    """Takes back all that this author gave to the device, wherever that was.

    `since` (a timestamp of entries): nothing that it signed from then on counts either, nor what
    was built on it. Raises `NotFound` (`unknown-device`), `Conflict` (`device-revoked`),
    `BadRequest` (`own-device`), `BadIdentity`.
    """
    identity = node.identity
    places = await _places_of(node.store, identity, device, since)
    author = None if is_dry_run else await asyncio.to_thread(open_author, node.home, passphrase)
    effects: dict[NamespaceKey, Effect] = {}
    silent: list[NamespaceKey] = []
    for namespace in places:
        right = await right_to_speak(node.store, identity.author, namespace)
        if right is None:
            silent.append(namespace)
            continue
        statement = await _revocation(node.store, identity.author, namespace, device, since)
        log = log_of(namespace, identity.author)
        plain = replace(statement, reason=reason)
        effects[namespace] = await node.store.effect_of(plain, log, right)
        if author is not None:
            await _say(node.store, plain, log, author, right)
    if author is not None:
        await node.store.settle()
    return Removal(DeviceKey(device), effects, tuple(silent))


async def _places_of(
    store: Store, identity: Identity, device: bytes, since: int | None
) -> Sequence[NamespaceKey]:
    """Where there may be something to take back: every device is let in wherever the author is."""
    if device == identity.device.public:
        detail = "this is the device in your hands: remove it from another one"
        raise BadRequest(detail, code="own-device")
    one = next((one for one in await own_devices(store, identity) if one.key == device), None)
    if one is None:
        detail = (
            f"{encode_did_key(device)} is no device of yours, as far as is known here;"
            " see: panspermia device list"
        )
        raise NotFound(detail, code="unknown-device")
    joined = (place.namespace for place in await store.joined())
    # With `since` once more: a second, stricter cut where the first kept too much.
    places = [
        place
        for place in dict.fromkeys((*one.namespaces, *joined))
        if since is not None or place not in one.revoked
    ]
    if not places:
        raise Conflict(f"{encode_did_key(device)} was removed already", code="device-revoked")
    return places


async def _revocation(
    store: Store, author: AuthorKey, namespace: NamespaceKey, device: bytes, since: int | None
) -> Revoke:
    heads = await store.frontier_now(namespace, Revocation(author, device), before=since)
    frontier, blob = frontier_of(heads)
    if blob is not None:
        frontier = Frontier(blob=await store.put_blob(blob))
    return Revoke(device, frontier)


async def _say(
    store: Store, statement: Revoke, log: DocumentId, author: SigningKey, right: bytes
) -> None:
    signer = Signer(author, log.subspace, {AUTHORITY: right})
    await store.declare(statement, log, signer)


def log_of(namespace: NamespaceKey, author: AuthorKey) -> DocumentId:
    """Where an author's root key speaks."""
    return DocumentId(namespace, author, AUTHORITY, KIND, RECORDS[AUTHORITY])


async def ends_of_this_device(store: Store, identity: Identity) -> list[NamespaceKey]:
    """Where this very device may write what is its author's no more, or read nothing any more.

    By its author's word, or by somebody's above; commons first. A publisher who was dismissed has
    lost a record of somebody else's and no device.
    """
    rights = [decode_capability(one) for one in identity.capabilities.values()]
    held = await store.capabilities_held(receiver=identity.device.public)
    rights += [one.capability for one in held]
    cut: set[tuple[NamespaceKey, int]] = set()
    valid: set[tuple[NamespaceKey, int]] = set()
    for one in rights:
        if one.mode == READ or one.granted_area.subspace in (None, identity.author):
            (cut if await store.is_cut(one) else valid).add((one.namespace, one.mode))
    ended = {namespace for namespace, _ in cut - valid}
    return sorted(ended, key=lambda one: (one != COMMONS, one))
