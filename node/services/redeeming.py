"""Accepting a live invite: found, shown in words, confirmed, kept.

    code or link ─▸ key ─▸ found (node.finding) ─▸ terms in words
                              ├─ only to look: goodbye
                              └─ confirmed ─▸ given ─▸ kept here ─▸ "taken" ─▸ connected

All that this side can know to stand against it is checked before it confirms, so that a single-use
invite is not spent in vain. What broke off later is done again with the same code.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

from crdt.did import encode_did_key
from crdt.ed25519 import SigningKey
from crdt.keys import is_communal
from node.errors import Conflict, Unverified
from node.finding import ANSWER_S, Found, Tell, Ways, found, leave, refusal_of
from node.identity import open_author
from node.invites import DEVICE, GRANT, Code
from node.inviting import TAKEN
from node.services.called import names_here
from node.services.invites import (
    Accepted,
    accept_device,
    accept_grant,
    check_may_become,
    names_for,
)
from node.services.names import set_name
from node.services.namespaces import Keeper
from node.terms import Terms, check_given, read_terms, terms_words
from node.words import Names
from p2p.protocol.card import Card
from p2p.protocol.check_digits import check_digits
from p2p.protocol.errors import PeerLeft, RemoteProtocolError
from p2p.protocol.invites.accepting import Accepting
from p2p.protocol.invites.code import may_be_code, read_code
from p2p.protocol.invites.frames import Given, encode_invite_frame
from p2p.protocol.invites.keys import Whereabouts, stretch
from p2p.protocol.invites.link import is_link, read_link
from p2p.transport.place import may_call
from registry.names import parse_petname

GIVEN_BYTES_MAX: Final = 640 << 10
ME: Final = "me"
"""In an area: oneself."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What a person said to it."""

    is_dry_run: bool = False
    offer: str | None = None
    """The digest of what they were shown, in hex: nothing else is taken then."""
    name: str | None = None
    """What to call the inviter here; None: as they propose."""
    is_unnamed: bool = False
    """Not as they propose."""
    called: str = ""
    """What to be called there, as a proposal; empty: nothing is proposed."""
    namespace: str | None = None
    """What to call the namespace here."""
    replaces: bool = False
    passphrase: str | None = None


@dataclass(frozen=True, slots=True)
class Redeemed:
    """What was offered, and what became of it; `accepted` is None where nothing was taken."""

    card: Card
    terms: Terms
    words: tuple[str, ...]
    offer: str
    place: str
    digits: str
    name: str | None = None
    """What the inviter is called here, then or since; None: nothing."""
    relays: tuple[str, ...] = field(default=(), repr=False)
    """Those that a link names, with their tokens."""
    accepted: Accepted | None = None

    @property
    def places(self) -> tuple[str, ...]:
        """Where the inviter is called from now on, the one that answered first."""
        others = [place for place in self.card.places if may_call(place, (self.place,))]
        return tuple(dict.fromkeys((self.place, *others)))


def is_live(text: str) -> bool:
    """Whether it is a short code or a link, not a long code."""
    return is_link(text) or may_be_code(text)


async def redeem(node: Keeper, ways: Ways, text: str, choice: Choice, tell: Tell) -> Redeemed:
    """Raises `LocalProtocolError` for what is no code, and as `node.finding.found`; `Unverified`
    where the offer is forged, `Conflict` (`own-invite`, `name-taken`, `has-published`,
    `offer-changed`), `BadIdentity` (`sealed`)."""
    secret, told = _read(text)
    key = await asyncio.to_thread(stretch, secret)
    async with found(ways, key, told, tell) as one:
        card, offered = one.offered.card, one.offered
        terms = read_terms(offered.terms, card.author)
        names = await names_here(node.store, node.identity)
        name, said = called(terms, names, choice)
        seen = Redeemed(
            card,
            terms,
            (*terms_words(terms, names, node.identity.author), *said, *_told_words(terms, choice)),
            offered.digest.hex(),
            one.place,
            check_digits(node.identity.device.public, card.device),
            name,
            told.relays if told else (),
        )
        if choice.is_dry_run:
            await leave(one, "looked", "Only to look.")
            return seen
        try:
            await _check(node, seen, choice)
        except Exception:
            await leave(one, "declined", "Not now.")
            raise
        called_there = choice.called if terms.type != DEVICE else ""
        given = await _confirm(ways, key, one, called_there)
        accepted = await _keep(node, seen, given, choice)
        await leave(one, TAKEN, "It is kept.")
    if name is not None and name != names.get(card.author):
        await set_name(node.store, name, encode_did_key(card.author), replaces=False)
    return replace(seen, accepted=accepted)


def called(terms: Terms, names: Names, choice: Choice) -> tuple[str | None, tuple[str, ...]]:
    """What the inviter is called from now on, and what is said of that before it is taken.

    A name that this person gave, to them or to anybody else, stays as it is.
    """
    own, proposed = names.get(terms.author), terms.name
    if terms.type == DEVICE:
        return None, ()
    if choice.name is not None:
        return choice.name, (f"You will call them {choice.name}",)
    if own is not None or not proposed or choice.is_unnamed:
        return own, ()
    if proposed in {*names.values(), ME}:
        return None, (
            f"They call themselves {proposed}, which is your word for somebody or something else:"
            " --name gives them another",
        )
    return proposed, (
        f"They call themselves {proposed}, and so will you: --name for another word, --no-name for"
        " none",
    )


def _told_words(terms: Terms, choice: Choice) -> tuple[str, ...]:
    """What the inviter is told of this person's name; a device of theirs has none of its own."""
    if terms.type == DEVICE or not choice.called:
        return ()
    return (f"They are told that you call yourself {choice.called}: --as for another word",)


def _read(text: str) -> tuple[bytes, Whereabouts | None]:
    """The secret, and where a link says to call."""
    if is_link(text):
        link = read_link(text)
        return link.secret, Whereabouts(link.device, link.places, link.relays)
    return read_code(text), None


async def _check(node: Keeper, seen: Redeemed, choice: Choice) -> None:
    """All that could be in the way here, before anything is spent."""
    terms, author = seen.terms, seen.card.author
    if author == node.identity.author:
        detail = "the invite is of this node's own author: it is for others, and their machines"
        raise Conflict(detail, code="own-invite")
    if choice.offer is not None and choice.offer != seen.offer:
        detail = "something else is offered now than was shown: look at it again"
        raise Conflict(detail, code="offer-changed")
    if terms.type == DEVICE:
        await check_may_become(node, author, replaces=choice.replaces)
        return
    code = _code_of(node, seen, ())
    called = await names_for(node, code, choice.namespace)
    if choice.name is not None:
        taken = await node.store.petname(parse_petname(choice.name))
        if taken is not None and taken.author != encode_did_key(author):
            detail = f"you call {taken.author} {choice.name}: choose another --name"
            raise Conflict(detail, code="name-taken")
    if terms.rights or any(map(is_communal, called)):
        await asyncio.to_thread(open_author, node.home, choice.passphrase)


async def _confirm(ways: Ways, key: bytes, one: Found, called: str) -> Given:
    """Raises `PeerLeft` where somebody else was first, or the line broke."""
    accepting = Accepting(key, one.stream.handshake_hash, ways.device, one.stream.device)
    confirm = accepting.confirm(one.offered, ways.card(), called)
    try:
        async with asyncio.timeout(ANSWER_S):
            await one.stream.write([encode_invite_frame(confirm)])
            return accepting.hear_given(await one.stream.read(GIVEN_BYTES_MAX))
    except TimeoutError as error:
        sentence = "The answer did not come; try again with the same code."
        raise PeerLeft("no-answer", sentence) from error
    except PeerLeft as error:
        raise refusal_of(error) from error


async def _keep(node: Keeper, seen: Redeemed, given: Given, choice: Choice) -> Accepted:
    terms = seen.terms
    if terms.type == DEVICE:
        device = SigningKey.from_seed(given.secret or bytes(32))
        if device.public != terms.key:
            detail = "the key that came is not that of the device which was offered"
            raise Unverified(detail, code="code-forged")
        code = terms.device_code
        return await accept_device(node, code, replaces=choice.replaces, device=device)
    check_given(terms, given.capabilities, node.identity.author)
    code = _code_of(node, seen, given.capabilities)
    return await accept_grant(node, code, choice.namespace, choice.passphrase)


def _code_of(node: Keeper, seen: Redeemed, capabilities: tuple[bytes, ...]) -> Code:
    """As if it had come as a long code, which is kept in the same way."""
    return Code(
        GRANT,
        node.identity.author,
        seen.card.author,
        seen.terms.namespaces,
        capabilities,
        seen.card.places,
        seen.terms.note,
    )


async def reach(seen: Redeemed, connect: Callable[[str], Awaitable[object]]) -> str | None:
    """Connects to the inviter, at the first place that answers; None where none does."""
    for place in seen.places:
        with suppress(PeerLeft, RemoteProtocolError):
            await connect(place)
            return place
    return None
