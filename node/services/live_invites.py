"""Making live invites: a short code for whoever gets to know it, once, for a short time.

The root key is needed now, and not when the invite is redeemed: what is offered is given to a key
of the invite's own, which hands it on. An invite for a device holds the key that the device gets.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from crdt.area import Area
from crdt.capability import WRITE, Capability, decode_capability
from crdt.ed25519 import SEED_BYTES, SigningKey
from crdt.keys import COMMONS, AuthorKey, DeviceKey, NamespaceKey, is_communal
from node.errors import Conflict, NotAllowed, NotFound, Unverified
from node.identity import open_author
from node.invites import DEVICE, Code, write_code
from node.services.invites import Level, Wish, wanted_rights
from node.services.namespaces import Keeper
from node.services.rights import check_stand, give, rights_of_device, voice
from node.terms import PAIR, Terms, read_terms, write_terms
from p2p.protocol.invites.code import SECRET_BITS, SECRET_BYTES
from p2p.protocol.invites.keys import stretch, tag_of
from storage.invites import Invite

ID_BYTES: Final = 8
LIFE_S: Final = 900
LIFE_S_MIN: Final = 10
LIFE_S_MAX: Final = 7 * 86_400
"""The secret of one that nobody uses lies in the home so long."""
SECOND_US: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class LiveWish:
    """What to give to whoever uses it. `areas` empty: what is usual at this level."""

    namespace: NamespaceKey = COMMONS
    level: Level | None = None
    """None: to read; in a communal namespace, where everybody may, to write the areas."""
    areas: tuple[Area, ...] = ()
    until: int | None = None
    """In timestamps of entries."""
    note: str = ""
    name: str = ""
    """What to be called by whoever uses it; empty: nothing is proposed."""
    life_s: int = LIFE_S
    is_device: bool = False
    addresses: tuple[str, ...] = ()
    """Where this node is called; a device keeps them."""


@dataclass(frozen=True, slots=True)
class LiveInvite:
    """An invite just made. Its secret is shown now and never again."""

    invite: Invite
    terms: Terms
    secret: bytes

    def __repr__(self) -> str:
        return f"LiveInvite({self.invite.id.hex()})"


async def make_live_invite(
    node: Keeper, wish: LiveWish, passphrase: str | None, *, now_us: int
) -> LiveInvite:
    """Kept in the store from now on.

    Raises `NotAllowed` (`no-capability`) where this author cannot give so much, `BadIdentity`
    (`sealed`), `OverQuota` where too many are open.
    """
    number = int.from_bytes(node.entropy(SECRET_BYTES), "big") >> 8 * SECRET_BYTES - SECRET_BITS
    secret = number.to_bytes(SECRET_BYTES, "big")
    own = SigningKey.from_seed(node.entropy(SEED_BYTES))
    terms = await (_for_device if wish.is_device else _for_pair)(node, wish, own, passphrase)
    encoded = write_terms(terms)
    key = await asyncio.to_thread(stretch, secret)
    invite = Invite(
        id=node.entropy(ID_BYTES),
        tag=tag_of(key),
        key=key,
        seed=own.seed,
        terms=encoded,
        state="open",
        wrong=0,
        made_us=now_us,
        expires_us=now_us + wish.life_s * SECOND_US,
    )
    await node.store.add_invite(invite)
    return LiveInvite(invite, terms, secret)


async def _for_pair(node: Keeper, wish: LiveWish, own: SigningKey, passphrase: str | None) -> Terms:
    names = {one.namespace: one.name for one in await node.store.joined()}
    places = {wish.namespace: names[wish.namespace]} if wish.namespace != COMMONS else {}
    wanted = list(wanted_rights(_as_if_for(wish, own.public)))
    rights: list[tuple[Capability, bool]] = []
    if wanted:
        author = await asyncio.to_thread(open_author, node.home, passphrase)
        for mode, area in wanted:
            rights.append(await _give(node, author, wish.namespace, mode, area, own.public))
        if log := voice(wish.namespace, wanted, own.public):
            with suppress(NotAllowed):
                rights.append(await _give(node, author, wish.namespace, WRITE, log, own.public))
    return Terms(
        PAIR,
        node.identity.author,
        own.public,
        places,
        tuple(rights),
        note=wish.note,
        name=wish.name,
    )


def _as_if_for(wish: LiveWish, own: bytes) -> Wish:
    """For the invite key: what would be its own subspace is that of whoever comes."""
    level = wish.level or ("write" if wish.areas and is_communal(wish.namespace) else "read")
    return Wish(own, wish.namespace, level, wish.areas, wish.until)


async def _give(
    node: Keeper, author: SigningKey, namespace: NamespaceKey, mode: int, area: Area, own: bytes
) -> tuple[Capability, bool]:
    is_theirs = area.subspace == own
    wide = replace(area, subspace=None) if is_theirs else area
    try:
        given = await give(node.store, author, namespace, mode, wide, own)
    except NotAllowed as error:
        if not is_theirs:
            raise
        detail = (
            "only who may write everything there can let in somebody who is not known yet, to write"
            " what is theirs; for somebody whose did:key you know: --for DID"
        )
        raise NotAllowed(detail, code="no-capability") from error
    await check_stand(node, [given])
    return decode_capability(given), is_theirs


async def _for_device(
    node: Keeper, wish: LiveWish, own: SigningKey, passphrase: str | None
) -> Terms:
    """`own` becomes the key of the device: its rights are the author's own word, as every device's.

    A right that came through a key in between would make it a stranger to all peers.
    """
    author = await asyncio.to_thread(open_author, node.home, passphrase)
    given, joined = await rights_of_device(node.store, author, DeviceKey(own.public))
    code = Code(
        DEVICE,
        own.public,
        node.identity.author,
        {one.namespace: one.name for one in joined},
        tuple(dict.fromkeys(given)),
        wish.addresses,
    )
    text = write_code(code)
    return Terms(
        DEVICE, AuthorKey(node.identity.author), own.public, device_text=text, note=wish.note
    )


async def cancel(node: Keeper, digits: str) -> Invite:
    """The invite whose id begins so; it can be used no more. One that cannot be read is forgotten.

    Raises `NotFound` (`unknown-invite`), `Conflict` (`ambiguous-id`, `invite-over`).
    """
    found = [one for one in await invites_of(node) if one.id.hex().startswith(digits.lower())]
    if not found or not digits:
        detail = f"no invite {digits[:32]!r} is known here; see: panspermia invite --list"
        raise NotFound(detail, code="unknown-invite")
    if len(found) > 1:
        ids = tuple(one.id.hex() for one in found)
        detail = f"several invites begin with {digits[:32]}: give more of it"
        raise Conflict(detail, code="ambiguous-id", candidates=ids)
    if terms_of(node, found[0]) is None:
        await node.store.forget_invite(found[0].id)
        return found[0]
    was = await node.store.cancel_invite(found[0].id)
    if was is None or was.state != "open":
        state = "gone" if was is None else "used" if was.state == "claimed" else was.state
        detail = f"the invite {found[0].id.hex()} is {state}: there is nothing to cancel"
        raise Conflict(detail, code="invite-over")
    return was


def terms_of(node: Keeper, invite: Invite) -> Terms | None:
    """What is offered; None where another version stored it, in a form that is not known here."""
    try:
        return read_terms(invite.terms, node.identity.author)
    except Unverified:
        return None


async def invites_of(node: Keeper) -> Sequence[Invite]:
    """All that are remembered, the newest first; those whose time is over have ended."""
    await node.store.expire_invites()
    return await node.store.invites()
