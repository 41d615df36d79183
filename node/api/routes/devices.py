"""The devices of this node's author: added, listed, removed."""

from typing import Annotated

from msgspec import Meta, Struct

from crdt.did import encode_did_key
from crdt.path import shown
from crdt.statement import REASON_CHARACTERS_MAX
from node.api.endpoint import Call, reads, writes
from node.api.invite_models import Addresses, CodeMade, Moment
from node.api.models import Did, NoQuery, Request
from node.api.routes.invites import addresses_of, device_key, shown_code
from node.api.routes.live_invites import keeper
from node.api.routes.namespaces import Passphrase
from node.services.devices import OwnDevice, Removal, add_device, own_devices, remove_device
from node.services.names import all_petnames, author_meant, set_name
from node.services.places import place_text
from node.told_addresses import told_addresses
from node.wiring import Node
from node.words import parse_moment
from registry.listed import rfc3339
from registry.names import parse_petname
from storage.authorities import Concerned

CONCERNED_MAX = 1_000
"""Listed of one kind; their number is told in any case."""


class DeviceItem(Struct, frozen=True):
    did: str
    name: str | None
    """What this person calls it."""
    is_this_node: bool
    entries: int
    last_signed_at: str | None
    """By its own claim; None where nothing that it signed is here."""
    namespaces: tuple[str, ...]
    """Where the author delegated to it."""
    revoked: tuple[str, ...]
    """Where that has ended."""


class DeviceList(Struct, frozen=True):
    devices: tuple[DeviceItem, ...]


class NewDevice(Request, frozen=True):
    device: Did
    """As `panspermia id` shows it on the other machine."""
    name: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    addresses: Addresses | None = None
    passphrase: Passphrase | None = None


class LostDevice(Request, frozen=True):
    device: Did
    """A did:key, or a name."""
    since: Moment | None = None
    """Take out also what it signed from then on, with all that was built on it."""
    reason: Annotated[str, Meta(max_length=REASON_CHARACTERS_MAX)] = ""
    dry_run: bool = False
    passphrase: Passphrase | None = None


class Affected(Struct, frozen=True):
    namespace: str
    path: str
    device: str
    signed_at: str
    code: str


class RemovedDevice(Struct, frozen=True):
    device: str
    dry_run: bool
    namespaces: tuple[str, ...]
    """Where its rights end."""
    silent: tuple[str, ...]
    """Where they do not: this author may not take them back there."""
    gone_count: int
    """How many changes do not count any more."""
    gone: tuple[Affected, ...]


async def list_devices(node: Node, call: Call[NoQuery, None]) -> DeviceList:
    """This author's devices, as far as they are known here: this one, then by when they signed."""
    names = {did: name for name, did in (await all_petnames(node.store)).items()}
    devices = await own_devices(node.store, node.identity)
    return DeviceList(tuple(_shown(one, names.get(encode_did_key(one.key))) for one in devices))


async def create_device(node: Node, call: Call[NoQuery, NewDevice]) -> CodeMade:
    """A code that makes another node a device of this author."""
    body = call.body
    device = device_key(body.device)
    if body.name is not None:
        parse_petname(body.name)
    named = body.addresses
    addresses = addresses_of(node) if named is None else told_addresses(named)
    code = await add_device(keeper(node), device, addresses, body.passphrase)
    if body.name is not None:
        await set_name(node.store, body.name, body.device, replaces=False)
    return await shown_code(node, code)


async def revoke_device(node: Node, call: Call[NoQuery, LostDevice]) -> RemovedDevice:
    """Take back what this author gave to a device; or say what that would do."""
    body = call.body
    removal = await remove_device(
        keeper(node),
        device_key(await author_meant(node.store, body.device)),
        since=parse_moment(body.since) if body.since else None,
        reason=body.reason,
        is_dry_run=body.dry_run,
        passphrase=body.passphrase,
    )
    return _shown_removal(removal, is_dry_run=body.dry_run)


def _shown(one: OwnDevice, name: str | None) -> DeviceItem:
    return DeviceItem(
        encode_did_key(one.key),
        name,
        one.is_this_node,
        one.entries,
        rfc3339(one.last_us) if one.last_us else None,
        tuple(map(place_text, one.namespaces)),
        tuple(map(place_text, one.revoked)),
    )


def _shown_removal(removal: Removal, *, is_dry_run: bool) -> RemovedDevice:
    gone = [one for effect in removal.effects.values() for one in effect.gone]
    return RemovedDevice(
        device=encode_did_key(removal.device),
        dry_run=is_dry_run,
        namespaces=tuple(map(place_text, removal.effects)),
        silent=tuple(map(place_text, removal.silent)),
        gone_count=len(gone),
        gone=tuple(map(_affected, gone[:CONCERNED_MAX])),
    )


def _affected(one: Concerned) -> Affected:
    document = one.document
    path = (document.cls.encode(), document.kind.encode(), document.record)
    return Affected(
        place_text(document.namespace),
        shown(path),
        encode_did_key(one.device),
        rfc3339(one.signed_us),
        one.code,
    )


ENDPOINTS = (
    reads("/api/devices", list_devices, DeviceList),
    writes("/api/devices", create_device, CodeMade, body=NewDevice, status=201),
    writes(
        "/api/devices/revoke", revoke_device, RemovedDevice, body=LostDevice, problems=(404, 507)
    ),
)
