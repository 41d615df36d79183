"""Codes: made for others, and accepted."""

import os
from collections.abc import Sequence
from typing import Annotated, Literal

from msgspec import Meta, Struct

from crdt.did import decode_did_key, encode_did_key
from crdt.errors import CrdtError
from crdt.keys import DeviceKey
from node.api.endpoint import Call, writes
from node.api.models import Did, NoQuery, Place, Request
from node.api.routes.namespaces import Passphrase
from node.errors import NodeError
from node.invites import (
    CODE_ADDRESSES_MAX,
    CODE_BYTES_MAX,
    DEVICE,
    NOTE_CHARACTERS_MAX,
    Code,
    code_words,
    write_code,
)
from node.services.called import names_here
from node.services.granting import check_ahead, stand
from node.services.invites import (
    Accepted,
    Wish,
    accept_device,
    accept_grant,
    make_invite,
    read_for_here,
)
from node.services.names import all_petnames, author_meant
from node.services.namespaces import Keeper
from node.services.places import place_meant
from node.wiring import Node
from node.words import AREA_CHARACTERS_MAX, Names, capability_words, parse_area, parse_moment
from p2p.discovery.mdns import local_addresses
from p2p.protocol.errors import SyncError
from p2p.transport.address import Address
from storage.address_book import KnownPeer

AREAS_MAX = 32
"""In one invite; more are several."""
MOMENT_CHARACTERS_MAX = 40

Addresses = Annotated[
    tuple[Annotated[str, Meta(max_length=300)], ...], Meta(max_length=CODE_ADDRESSES_MAX)
]
Moment = Annotated[str, Meta(min_length=1, max_length=MOMENT_CHARACTERS_MAX)]
CodeText = Annotated[str, Meta(min_length=1, max_length=2 * CODE_BYTES_MAX)]


class NewInvite(Request, frozen=True):
    receiver: Did
    """The author it is for: a did:key, or a petname."""
    namespace: Place = "commons"
    level: Literal["read", "write", "admin"] = "read"
    areas: Annotated[
        tuple[Annotated[str, Meta(max_length=AREA_CHARACTERS_MAX)], ...], Meta(max_length=AREAS_MAX)
    ] = ()
    """Instead of what is usual at this level: `me/pub/mod/io.x@..2027-01-01`."""
    until: Moment | None = None
    note: Annotated[str, Meta(max_length=NOTE_CHARACTERS_MAX)] = ""
    addresses: Addresses | None = None
    """Where to reach this node; its own, where none are given."""
    passphrase: Passphrase | None = None


class CodeMade(Struct, frozen=True):
    code: str
    words: tuple[str, ...]
    """What it gives, a sentence each."""


class GivenCode(Request, frozen=True):
    code: CodeText
    dry_run: bool = False
    """Only say what it would do."""
    name: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    """What to call its namespace here, instead of what it proposes."""
    replace: bool = False
    """Become somebody's device, though this home published as another author."""
    passphrase: Passphrase | None = None


class Reached(Struct, frozen=True):
    address: str
    connected: bool
    detail: str
    """Why not; empty where it is."""


class AcceptedCode(Struct, frozen=True):
    type: Literal["grant", "device"]
    giver: str
    receiver: str
    words: tuple[str, ...]
    dry_run: bool
    kept: int
    """Capabilities that are kept now, with those handed on to this device."""
    namespaces: tuple[str, ...]
    addresses: tuple[Reached, ...]
    starts_again: bool
    """The node starts again now, as another author's device."""
    set_aside: str | None
    """Where the key of the former author lies."""


async def create_invite(node: Node, call: Call[NoQuery, NewInvite]) -> CodeMade:
    """A code that lets somebody in, to be sent by any channel: nobody else can use it."""
    body = call.body
    petnames = await all_petnames(node.store) | {"me": node.identity.did}
    receiver = await author_meant(node.store, body.receiver)
    check_ahead(body.until, body.areas, node.clock_us())
    wish = Wish(
        decode_did_key(receiver),
        await place_meant(node.store, body.namespace),
        body.level,
        tuple(parse_area(area, petnames) for area in body.areas),
        parse_moment(body.until) if body.until else None,
        addresses_of(node) if body.addresses is None else body.addresses,
        body.note,
    )
    return await shown_code(node, await make_invite(keeper(node), wish, body.passphrase))


async def _over(node: Node, code: Code, names: Names) -> list[str]:
    """Which of its rights are of no use any more, by what is known here."""
    stands = [await stand(keeper(node), one, now_us=node.clock_us()) for one in code.rights]
    return [
        f"This has {'ended' if one.state == 'expired' else 'been taken back'} already:"
        f" {capability_words(one.capability, names)}"
        for one in stands
        if one.state in ("expired", "revoked")
    ]


async def accept_code(node: Node, call: Call[NoQuery, GivenCode]) -> AcceptedCode:
    """Take what a code gives: say it in words, keep it, take part, and call its addresses.

    A code of type `device` makes this node a device of its giver; the node starts again for that.
    """
    body = call.body
    code = await read_for_here(keeper(node), body.code)
    names = await names_here(node.store, node.identity)
    words = (*code_words(code, names), *await _over(node, code, names))
    if body.dry_run:
        return _shown(Accepted(code, 0, ()), words, (), is_dry_run=True)
    if code.type == DEVICE:
        became = await accept_device(keeper(node), code, replaces=body.replace)
        await _remember(node, code)
        node.start_again()
        return _shown(became, words, ())
    became = await accept_grant(keeper(node), code, body.name, body.passphrase)
    await _remember(node, code)
    return _shown(became, words, [await _reach(node, one) for one in code.addresses])


def _shown(
    became: Accepted,
    words: tuple[str, ...],
    reached: Sequence[Reached],
    *,
    is_dry_run: bool = False,
) -> AcceptedCode:
    code = became.code
    return AcceptedCode(
        type=code.type,
        giver=encode_did_key(code.giver),
        receiver=encode_did_key(code.receiver),
        words=words,
        dry_run=is_dry_run,
        kept=became.kept,
        namespaces=became.namespaces,
        addresses=tuple(reached),
        starts_again=became.is_new_author,
        set_aside=str(became.set_aside) if became.set_aside else None,
    )


async def _remember(node: Node, code: Code) -> None:
    """So that the next start calls them, whoever answers today."""
    for address in code.addresses:
        known = KnownPeer(address, None, encode_did_key(code.giver), "static", node.clock_us())
        await node.store.remember_peer(known)


async def _reach(node: Node, address: str) -> Reached:
    try:
        await node.network.connect(address)
    except (SyncError, NodeError, CrdtError) as error:
        why = getattr(error, "sentence", None) or getattr(error, "detail", "")
        return Reached(address, connected=False, detail=str(why))
    return Reached(address, connected=True, detail="")


async def shown_code(node: Node, code: Code) -> CodeMade:
    """The text, and what it says, in this person's words."""
    words = code_words(code, await names_here(node.store, node.identity))
    return CodeMade(write_code(code), tuple(words))


def addresses_of(node: Node) -> tuple[str, ...]:
    """At which others reach this node, as far as it knows."""
    own = Address.parse(node.network.address)
    hosts = local_addresses(own.host)[:CODE_ADDRESSES_MAX]
    return tuple(str(Address(host, own.port)) for host in hosts)


def keeper(node: Node) -> Keeper:
    """What keys and capabilities are handled with."""
    return Keeper(node.home, node.identity, node.store, os.urandom)


def device_key(text: str) -> DeviceKey:
    """Of a did:key. Raises `Malformed`."""
    return DeviceKey(decode_did_key(text))


ENDPOINTS = (
    writes("/api/invites", create_invite, CodeMade, body=NewInvite, status=201, problems=(404,)),
    writes(
        "/api/invites/accept", accept_code, AcceptedCode, body=GivenCode,
        body_bytes_max=1 << 20, problems=(507,), is_replayable=False,
    ),
)  # fmt: skip
