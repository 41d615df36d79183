"""Short codes and links: made, listed, cancelled, and accepted from whoever made them."""

import os
from dataclasses import replace
from functools import partial

import msgspec
from starlette.exceptions import HTTPException
from starlette.responses import Response

from crdt.did import encode_did_key
from node.api.endpoint import Call, deletes, reads
from node.api.invite_models import (
    AcceptedCode,
    CodeMade,
    GivenCode,
    InviteItem,
    InviteList,
    NewInvite,
    Progressed,
    Reached,
)
from node.api.models import NoQuery
from node.api.story import TellLine, Work, told
from node.errors import BadRequest
from node.finding import Tell
from node.pairing import likely
from node.qr import qr_rows
from node.services.called import names_here
from node.services.granting import check_ahead
from node.services.live_invites import LiveWish, cancel, invites_of, make_live_invite, terms_of
from node.services.names import all_petnames
from node.services.namespaces import Keeper
from node.services.places import place_meant
from node.services.redeeming import Choice, Redeemed, reach, redeem
from node.terms import offer_words
from node.told_addresses import told_addresses
from node.wiring import Node
from node.words import Names, parse_area, parse_moment
from p2p.protocol.check_digits import check_digits
from p2p.protocol.errors import LocalProtocolError
from p2p.protocol.invites.code import write_code
from p2p.protocol.invites.link import Link, write_link
from p2p.transport.relay.url import RelayUrl
from registry.listed import rfc3339
from registry.names import parse_petname
from storage.address_book import KnownPeer
from storage.invites import Invite

ENCODER = msgspec.json.Encoder()
ACCEPT = "accept"
UNREADABLE = ("It was stored by another version and cannot be read here: cancel it, and it goes",)


async def make_live(node: Node, body: NewInvite, addresses: tuple[str, ...]) -> CodeMade:
    """A short code and a link for whoever gets to know one of them, once."""
    petnames = await all_petnames(node.store) | {"me": node.identity.did}
    check_ahead(body.until, body.areas, node.clock_us())
    named = None if body.addresses is None else told_addresses(body.addresses)
    if body.device and (body.areas or body.level or body.until or body.namespace != "commons"):
        detail = "a device of yours gets all that you have: no area, level, end or namespace"
        raise BadRequest(detail, code="bad-request")
    called = node.config.p2p.name if body.called is None else body.called
    wish = LiveWish(
        namespace=await place_meant(node.store, body.namespace),
        level=body.level,
        areas=tuple(parse_area(area, petnames) for area in body.areas),
        until=parse_moment(body.until) if body.until else None,
        note=body.note,
        name=parse_petname(called) if called and not body.device else "",
        life_s=body.expires_s,
        is_device=body.device,
        addresses=addresses if named is None else named,
    )
    made = await make_live_invite(keeper(node), wish, body.passphrase, now_us=node.clock_us())
    node.pairing.changed()
    names = await names_here(node.store, node.identity)
    places = node.pairing.places() if named is None else named
    relays = node.pairing.relays()
    link = Link(made.secret, node.pairing.ways.device, places, relays)
    text = write_link(link)
    return CodeMade(
        write_code(made.secret),
        (*offer_words(made.terms, names), *map(lending_words, filter(is_lending, relays))),
        made.invite.id.hex(),
        text,
        rfc3339(made.invite.expires_us),
        tuple("".join("01"[cell] for cell in row) for row in qr_rows(text)),
    )


def is_lending(relay: str) -> bool:
    """Whether its token goes with it."""
    return bool(RelayUrl.parse(relay).token)


def lending_words(relay: str) -> str:
    """Said of the link; the token itself is said nowhere else."""
    shown = RelayUrl.parse(relay)
    return f"The link holds the token of the relay {shown}: whoever has it may use that relay too"


async def list_invites(node: Node, call: Call[NoQuery, None]) -> InviteList:
    """The short codes that were made here, without them: the newest first, and who used each."""
    names = await names_here(node.store, node.identity)
    return InviteList(
        tuple(shown_invite(node, one, names) for one in await invites_of(keeper(node)))
    )


async def cancel_invite(node: Node, call: Call[NoQuery, None]) -> Response:
    """Have a short code be of no use any more, by the beginning of its id."""
    if call.path["invite"] == ACCEPT:  # another path, which the router takes for an id
        raise HTTPException(405, headers={"Allow": "POST"})
    was = await cancel(keeper(node), call.path["invite"])
    node.pairing.desk.tell(replace(was, state="cancelled"))
    node.pairing.changed()
    return Response(status_code=204)


def shown_invite(node: Node, one: Invite, names: Names) -> InviteItem:
    terms = terms_of(keeper(node), one)
    device = node.identity.device.public
    return InviteItem(
        id=one.id.hex(),
        state=one.state,
        type=terms.type if terms else "unreadable",
        words=tuple(offer_words(terms, names)) if terms else UNREADABLE,
        made_at=rfc3339(one.made_us),
        expires_at=rfc3339(one.expires_us),
        ended_at=rfc3339(one.ended_us) if one.ended_us else None,
        wrong=one.wrong,
        did=encode_did_key(one.author) if one.author else None,
        name=names.get(one.author) if one.author else None,
        called=one.called,
        device=encode_did_key(one.device) if one.device else None,
        digits=check_digits(device, one.device) if one.device else None,
    )


async def accept_live(node: Node, body: GivenCode, tell: Tell) -> AcceptedCode:
    """Finds who made it, and takes what they give, or only says what that is."""
    called = node.config.p2p.name if body.called is None else body.called
    choice = Choice(
        is_dry_run=body.dry_run,
        called=parse_petname(called) if called else "",
        offer=body.offer,
        name=body.name,
        is_unnamed=body.unnamed,
        namespace=body.namespace,
        replaces=body.replace,
        passphrase=body.passphrase,
    )
    try:
        redeemed = await redeem(keeper(node), node.pairing.ways, body.code, choice, tell)
    except LocalProtocolError as error:
        raise BadRequest(error.sentence, code=error.code) from error
    became = redeemed.accepted
    if became is None:
        return _shown(node, redeemed, ())
    await _remember(node, redeemed)
    await node.pairing.keep(redeemed.relays)
    if became.is_new_author:
        node.start_again()
        return _shown(node, redeemed, ())
    tell("Connecting.")
    place = await reach(redeemed, partial(node.network.connect, source="invite"))
    reached = Reached(
        place or redeemed.place,
        connected=place is not None,
        detail="" if place else "it is called again and again from now on",
    )
    return _shown(node, redeemed, (reached,))


async def _remember(node: Node, redeemed: Redeemed) -> None:
    """So that the next start calls them, whoever answers today."""
    card = redeemed.card
    for place in dict.fromkeys((redeemed.place, *likely(card.places, (redeemed.place,)))):
        known = KnownPeer(
            place, card.device, encode_did_key(card.author), "invite", node.clock_us()
        )
        await node.store.remember_peer(known)


def _shown(node: Node, redeemed: Redeemed, reached: tuple[Reached, ...]) -> AcceptedCode:
    became, card = redeemed.accepted, redeemed.card
    return AcceptedCode(
        type=redeemed.terms.type,
        giver=encode_did_key(card.author),
        receiver=node.identity.did,
        words=redeemed.words,
        dry_run=became is None,
        kept=became.kept if became else 0,
        namespaces=became.namespaces if became else (),
        addresses=reached,
        starts_again=became.is_new_author if became else False,
        set_aside=str(became.set_aside) if became and became.set_aside else None,
        offer=redeemed.offer,
        device=encode_did_key(card.device),
        name=redeemed.name,
        digits=redeemed.digits,
    )


def live_story(node: Node, body: GivenCode) -> Work:
    """The lines of it. Who stops reading stops it; what was confirmed by then is theirs all the
    same, by the same code."""

    async def work(tell: TellLine) -> AcceptedCode:
        def tell_text(text: str) -> None:
            tell(ENCODER.encode(Progressed("progress", text)) + b"\n")

        return await accept_live(node, body, tell_text)

    return told("an acceptance", work, shown=lambda problem: {"problem": problem})


def keeper(node: Node) -> Keeper:
    """What keys and capabilities are handled with."""
    return Keeper(node.home, node.identity, node.store, os.urandom)


ENDPOINTS = (
    # What is listed is for the owner: reads without a token are for everybody on this machine.
    reads("/api/invites", list_invites, InviteList, access="write"),
    deletes("/api/invites/{invite}", cancel_invite, problems=(409,)),
)
