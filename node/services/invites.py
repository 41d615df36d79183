"""Inviting somebody, and accepting what was given.

invite ─▸ code ─▸ (any channel) ─▸ shown in words ─▸ accepted: capabilities kept and handed on to
this device, namespaces joined; its addresses are called by whoever asked.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from crdt.area import Area
from crdt.capability import READ, WRITE
from crdt.did import encode_did_key
from crdt.ed25519 import SigningKey
from crdt.keys import COMMONS, AuthorKey, DeviceKey, NamespaceKey, is_communal
from node.errors import BadRequest, Conflict, NotAllowed
from node.identity import become_device, open_author, write_device
from node.invites import DEVICE, GRANT, Code, device_rights, read_code, write_code
from node.services.namespaces import Keeper, join_namespace, keep_given
from node.services.rights import check_stand, give, voice
from node.services.roots import GIVEN
from storage.namespaces import COMMONS_NAME

Level = Literal["read", "write", "admin"]

INVITE = "invite"
"""How what a code brought came."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What to give to whom. `areas` empty: what is usual at this level."""

    receiver: bytes
    namespace: NamespaceKey
    level: Level
    areas: tuple[Area, ...] = ()
    until: int | None = None
    """In timestamps of entries."""
    addresses: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of a code."""

    code: Code
    kept: int
    namespaces: tuple[str, ...]
    """As they are called here."""
    is_new_author: bool = False
    """This home becomes a device of somebody with its next start."""
    set_aside: Path | None = None
    """Where the key of the author lies that this home spoke for before."""


async def make_invite(node: Keeper, wish: Wish, passphrase: str | None) -> Code:
    """A code for `wish.receiver`.

    Raises `NotAllowed` (`no-capability`), `Conflict` (`receiver-revoked`), `BadIdentity`.
    """
    if wish.receiver in (node.identity.author, node.identity.device.public):
        detail = "an invite is for somebody else; a device of yours: panspermia device add"
        raise BadRequest(detail, code="bad-request")
    given: list[bytes] = []
    wanted = list(wanted_rights(wish))
    if wanted:
        author = await asyncio.to_thread(open_author, node.home, passphrase)
        for mode, area in wanted:
            right = await give(node.store, author, wish.namespace, mode, area, wish.receiver)
            given.append(right)
        if own := voice(wish.namespace, wanted, wish.receiver):
            with suppress(NotAllowed):
                right = await give(node.store, author, wish.namespace, WRITE, own, wish.receiver)
                given.append(right)
    await check_stand(node, given)
    names = {one.namespace: one.name for one in await node.store.joined()}
    places = {wish.namespace: names[wish.namespace]} if wish.namespace != COMMONS else {}
    code = Code(
        GRANT,
        wish.receiver,
        node.identity.author,
        places,
        tuple(dict.fromkeys(given)),
        wish.addresses,
        wish.note,
    )
    write_code(code)  # raises where nobody would take it
    for encoded in code.capabilities:
        await node.store.keep_capability(encoded, GIVEN)
    return code


def wanted_rights(wish: Wish) -> Sequence[tuple[int, Area]]:
    """The capabilities of the three usual levels, or those for the areas that were named."""
    areas = [replace(area, end=_earlier(area.end, wish.until)) for area in wish.areas]
    everything = Area(end=wish.until)
    theirs = Area(AuthorKey(wish.receiver), (), 0, wish.until)
    is_open = is_communal(wish.namespace)  # everybody may read it
    if areas:
        modes = [WRITE] if wish.level != "read" else []
        modes += [] if is_open else [READ]
        return [(mode, area) for mode in modes for area in areas]
    if is_open:
        return []
    writing = {"write": theirs, "admin": everything}.get(wish.level)
    return [*([(WRITE, writing)] if writing else []), (READ, everything)]


def _earlier(end: int | None, until: int | None) -> int | None:
    return min((one for one in (end, until) if one is not None), default=None)


async def read_for_here(node: Keeper, text: str) -> Code:
    """The code, if it is for this node. Raises as `read_code`, or `NotAllowed`."""
    code = read_code(text)
    device, author = node.identity.device.public, node.identity.author
    if code.giver == author and code.type == GRANT:
        raise NotAllowed("this code is from you: give it to others", code="code-for-another")
    if code.receiver != device and (code.type == DEVICE or code.receiver != author):
        who = encode_did_key(device if code.type == DEVICE else author)
        whom = "the device" if code.type == DEVICE else "the author"
        detail = (
            f"this code is for {whom} {encode_did_key(code.receiver)}, and this node is {who}:"
            " ask for one that is for it"
        )
        raise NotAllowed(detail, code="code-for-another")
    return code


async def accept_grant(
    node: Keeper, code: Code, name: str | None, passphrase: str | None
) -> Accepted:
    """Keeps what the code gives, and joins its namespace, called `name` or as it proposes.

    Can be done again where it broke off. Raises `Conflict` (`name-taken`), `BadIdentity`.
    """
    called = await names_for(node, code, name)
    kept = 0
    for encoded in code.capabilities:
        kept += len(await keep_given(node, encoded, INVITE, passphrase))
    for key, word in called.items():
        if is_communal(key):
            await join_namespace(node, encode_did_key(key), word, passphrase)
        else:
            await node.store.join(key, word)
    return Accepted(code, kept, tuple(called.values()))


async def accept_device(
    node: Keeper, code: Code, *, replaces: bool, device: SigningKey | None = None
) -> Accepted:
    """This home becomes a device of the code's giver: with the next start, which has to come now.

    `device`: the key that the code is for, where it is not this device's. Raises `Conflict`
    (`has-published`) where this home has an author that published, unless `replaces`: then that
    author's key is kept aside.
    """
    identity = node.identity
    is_same = identity.author == code.giver
    await check_may_become(node, AuthorKey(code.giver), replaces=replaces)
    called = await names_for(node, code, None)
    for encoded in code.capabilities:
        await node.store.keep_capability(encoded, INVITE)
    for key, word in called.items():
        await node.store.join(key, word)
    rights = device_rights(code)
    aside = None
    if is_same:  # the root key, where it lies here, stays in use
        await asyncio.to_thread(write_device, node.home, identity.author, identity.device, rights)
    else:
        aside = await asyncio.to_thread(
            become_device, node.home, AuthorKey(code.giver), device or identity.device, rights
        )
    return Accepted(code, len(code.capabilities), tuple(called.values()), True, aside)


async def check_may_become(node: Keeper, author: AuthorKey, *, replaces: bool) -> None:
    """Raises `Conflict` (`has-published`): it would not speak for its own author any more."""
    identity = node.identity
    has_signed = await node.store.has_signed(identity.author, DeviceKey(identity.device.public))
    if has_signed and identity.author != author and not replaces:
        detail = (
            f"this home has published as {identity.did}, and would not any more. Use a new --home"
            " for the device; or say --replace, which keeps that author's key aside"
        )
        raise Conflict(detail, code="has-published")


async def names_for(node: Keeper, code: Code, name: str | None) -> dict[NamespaceKey, str]:
    """What each of the code's namespaces is called here. Raises `Conflict` (`name-taken`)."""
    joined = {one.namespace: one.name for one in await node.store.joined()}
    called: dict[NamespaceKey, str] = {}
    for key, proposed in code.namespaces.items():
        word = name or joined.get(key) or proposed
        taken = {word for other, word in (joined | called).items() if other != key}
        if word in taken or word == COMMONS_NAME:
            if code.type == GRANT:
                detail = f"another namespace is called {word} here: give --name"
                raise Conflict(detail, code="name-taken")
            word = f"{word}-{encode_did_key(key)[-6:].lower()}"
        called[key] = word
    return called
