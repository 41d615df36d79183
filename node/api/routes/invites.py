"""Codes: made for others, and accepted. Those without a receiver are live: `live_invites`."""

from collections.abc import Sequence

from starlette.responses import Response

from crdt.did import decode_did_key, encode_did_key
from crdt.errors import CrdtError
from crdt.keys import DeviceKey
from node.api.endpoint import Call, writes
from node.api.invite_models import AcceptedCode, CodeMade, GivenCode, NewInvite, Reached
from node.api.models import NoQuery
from node.api.routes.live_invites import accept_live, keeper, live_story, make_live
from node.api.story import NDJSON, Story
from node.errors import NodeError
from node.invites import (
    CODE_ADDRESSES_MAX,
    DEVICE,
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
from node.services.places import place_meant
from node.services.redeeming import is_live
from node.told_addresses import told_addresses
from node.wiring import Node
from node.words import Names, capability_words, parse_area, parse_moment
from p2p.discovery.mdns import local_addresses
from p2p.protocol.errors import SyncError
from p2p.transport.address import Address
from storage.address_book import KnownPeer


async def create_invite(node: Node, call: Call[NoQuery, NewInvite]) -> CodeMade:
    """A code that lets somebody in.

    For a receiver, it is long, to be sent by any channel: nobody else can use it. For nobody in
    particular it is short, secret, and of use once, as long as this node runs and is reached.
    """
    body = call.body
    if body.receiver is None:
        return await make_live(node, body, addresses_of(node))
    petnames = await all_petnames(node.store) | {"me": node.identity.did}
    receiver = await author_meant(node.store, body.receiver)
    check_ahead(body.until, body.areas, node.clock_us())
    wish = Wish(
        decode_did_key(receiver),
        await place_meant(node.store, body.namespace),
        body.level or "read",
        tuple(parse_area(area, petnames) for area in body.areas),
        parse_moment(body.until) if body.until else None,
        addresses_of(node) if body.addresses is None else told_addresses(body.addresses),
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


async def accept_code(node: Node, call: Call[NoQuery, GivenCode]) -> AcceptedCode | Response:
    """Take what a code gives: say it in words, keep it, take part, and call its addresses.

    A code of type `device` makes this node a device of its giver; the node starts again for that.
    Who made a short one is looked for; with `Accept: application/x-ndjson` each line tells how far
    that is, `{"event":"progress","text"}`, the last one `{"event":"result",…}` or
    `{"event":"error",…}`.
    """
    body = call.body
    if is_live(body.code):
        if NDJSON in call.request.headers.get("accept", ""):
            return Story(live_story(node, body))
        return await accept_live(node, body, _untold)
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
    became = await accept_grant(keeper(node), code, body.namespace or body.name, body.passphrase)
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
        known = KnownPeer(address, None, encode_did_key(code.giver), "invite", node.clock_us())
        await node.store.remember_peer(known)


async def _reach(node: Node, address: str) -> Reached:
    try:
        await node.network.connect(address, "invite")
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


def device_key(text: str) -> DeviceKey:
    """Of a did:key. Raises `Malformed`."""
    return DeviceKey(decode_did_key(text))


def _untold(text: str) -> None:
    """Nobody reads how far it is."""


ENDPOINTS = (
    # Not to be repeated by an Idempotency-Key: an answer that is kept would keep a secret.
    writes(
        "/api/invites", create_invite, CodeMade, body=NewInvite, status=201, problems=(404, 507),
        is_replayable=False,
    ),
    writes(
        "/api/invites/accept", accept_code, AcceptedCode, body=GivenCode,
        body_bytes_max=1 << 20, problems=(404, 504, 507), is_replayable=False,
    ),
)  # fmt: skip
