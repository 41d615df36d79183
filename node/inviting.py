"""The desk at which this node's invites are redeemed, by whoever knows their secret.

    Redeem ─▸ which invite? is its time not over? does the proof hold? ─▸ Offer
    Confirm ─▸ who? still nobody else's? (one transaction) ─▸ Given ─▸ "taken": its secret is gone

Wrong proofs are counted and slowed; whoever does not know the secret learns nothing of an invite.
docs/protocol/invites.md is the specification.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import msgspec
from msgspec import Struct

from crdt import cbor
from crdt.capability import CapabilityCache
from crdt.did import encode_did_key
from crdt.ed25519 import SigningKey
from node.errors import Unverified
from node.events import Events
from node.invites import DEVICE
from node.services.namespaces import Keeper
from node.services.roots import GIVEN
from node.terms import Terms, given_by, read_terms
from p2p.protocol.card import Card, check_card
from p2p.protocol.errors import PeerLeft, RemoteProtocolError
from p2p.protocol.frames import Bye
from p2p.protocol.invites.accepting import check_cards_device, terms_digest
from p2p.protocol.invites.frames import (
    CONFIRM_BYTES_MAX,
    GIVEN_MAX,
    REDEEM_BYTES_MAX,
    Confirm,
    Given,
    InviteFrame,
    Offer,
    Redeem,
    decode_invite_frame,
    encode_invite_frame,
)
from p2p.protocol.invites.guesses import WRONG_MAX, Guesses
from p2p.protocol.invites.keys import accepters_proof, inviters_proof, is_same, sign_of
from p2p.protocol.offences import host_of
from p2p.transport.network import Arrival
from p2p.transport.stream import FrameStream
from registry.errors import InvalidName
from registry.names import parse_petname
from storage.errors import StorageError
from storage.invites import Invite

LOG = logging.getLogger(__name__)
TALK_S: Final = 30.0
"""For all frames of one conversation: nobody is asked in between."""
TAKEN: Final = "taken"
CAPABILITIES_BYTES_MAX: Final = GIVEN_MAX * (9 << 10)
LOOK_S_MAX: Final = 3_600.0
AGAIN_S: Final = 60.0
"""After a look that the store could not do its part of."""

OVER: Final = {
    "claimed": ("invite-used", "Somebody used this invite already."),
    "used": ("invite-used", "Somebody used this invite already."),
    "expired": ("invite-expired", "The time of this invite is over; ask for another."),
    "cancelled": ("invite-cancelled", "This invite was cancelled; ask for another."),
    "dead": ("invite-dead", "Its secret was guessed wrong too often; ask for another."),
}

UNREADABLE: Final = (
    "invite-cancelled",
    "The node that made this invite cannot read it any more; ask for another.",
)


class InviteNews(Struct, frozen=True):
    """The `invite` event. Nothing of it is secret."""

    id: str
    state: str
    did: str | None = None
    """Who used it, or tried to."""
    device: str | None = None
    called: str = ""
    """How they call themselves: their own word."""
    detail: str = ""


@dataclass(slots=True)
class Desk:
    """Serves channels that begin with a Redeem; `run` ends invites whose time is over."""

    keeper: Keeper
    events: Events
    card: Callable[[], bytes]
    """Of this device, as of now."""
    remember: Callable[[Card], None]
    """Whoever used an invite is called from now on."""
    show: Callable[[tuple[bytes, ...]], None]
    """To those who look around on the LAN: the signs of the invites that are open."""
    clock: Callable[[], float]
    wall_us: Callable[[], int]
    guesses: Guesses = field(default_factory=Guesses)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set where an invite was made or cancelled."""
    _cache: CapabilityCache = field(default_factory=lambda: CapabilityCache(256))

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self.changed.clear()
            try:
                left_s = await self._look()
            except StorageError as error:  # the disk is full, say: whose time is over stays out
                LOG.warning("invites that are over cannot be ended: %s", error)
                left_s = AGAIN_S
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.05, min(left_s, LOOK_S_MAX))):
                    await self.changed.wait()

    async def _look(self) -> float:
        """Ends those whose time is over, and shows the others; seconds until the next one's is."""
        for one in await self.keeper.store.expire_invites():
            self.tell(one)
        live = [one for one in await self.keeper.store.invites() if one.is_live]
        self.show(tuple(sign_of(one.key) for one in live if one.key is not None))
        next_us = min((one.expires_us for one in live), default=None)
        return LOOK_S_MAX if next_us is None else (next_us - self.wall_us()) / 1_000_000

    async def receive(self, arrival: Arrival) -> None:
        """One conversation, to its end. Raises `SyncError` where the other side broke a rule."""
        stream = arrival.stream
        try:
            async with asyncio.timeout(TALK_S):
                await self._talk(arrival)
        except TimeoutError:
            await say(stream, Bye("invite-slow", "That took too long; try again."))
        except PeerLeft as reason:
            with suppress(PeerLeft):
                await say(stream, Bye(reason.code, reason.sentence, reason.wait_s))

    def tell(self, invite: Invite, detail: str = "", card: Card | None = None) -> None:
        """Has people and programs that watch the node hear of it."""
        author = card.author if card else invite.author
        device = card.device if card else invite.device
        self.events.publish(
            "invite",
            InviteNews(
                invite.id.hex(),
                invite.state,
                encode_did_key(author) if author else None,
                encode_did_key(device) if device else None,
                invite.called,
                detail,
            ),
        )

    async def _talk(self, arrival: Arrival) -> None:
        stream = arrival.stream
        invite = await self._meant(arrival)
        arrival.caller.is_trusted = True
        assert invite.key is not None
        try:
            terms = read_terms(invite.terms, self.keeper.identity.author)
        except Unverified as error:  # it was stored by another version
            raise PeerLeft(*UNREADABLE) from error
        proof = inviters_proof(
            invite.key,
            handshake_hash=stream.handshake_hash,
            device=self.keeper.identity.device.public,
        )
        await say(stream, Offer(proof, self.card(), invite.terms))
        taker = await self._confirmed(stream, invite)
        if taker is None:
            return
        given = await self._claim(invite, terms, *taker)
        await say(stream, given)
        if await self._is_taken(stream):
            ended = await self.keeper.store.finish_invite(invite.id)
            if ended is not None:
                self.tell(ended)
            self.changed.set()

    async def _meant(self, arrival: Arrival) -> Invite:
        """The invite whose secret the other side knows. Raises `PeerLeft` with what it is told."""
        redeem = _redeem_of(arrival.first)
        # Through a relay everybody comes from nowhere: one who guesses there keeps out nobody else.
        host = host_of(arrival.caller.host) or arrival.stream.device.hex()
        now_s = self.clock()
        if wait_s := self.guesses.wait_s(host, now_s=now_s):
            raise _slow(wait_s)
        invite = await self.keeper.store.invite_tagged(redeem.invite)
        if invite is None:
            self.guesses.wrong(host, None, now_s=now_s)
            raise PeerLeft("no-such-invite", "No invite of this node has that code.")
        if invite.key is None or not invite.is_live or invite.is_over(self.wall_us()):
            self.guesses.wrong(host, None, now_s=now_s)  # and tells nobody of it for ever
            state = "expired" if invite.is_live else invite.state
            if invite.state == "used":
                detail = "somebody with the same code came after it was used, and was refused"
                self.tell(invite, f"{detail}: {encode_did_key(arrival.stream.device)}")
            raise PeerLeft(*OVER[state])
        if wait_s := self.guesses.rest_s(invite.tag, now_s=now_s):
            raise _slow(wait_s)
        proof = accepters_proof(
            invite.key,
            handshake_hash=arrival.stream.handshake_hash,
            device=arrival.stream.device,
        )
        if not is_same(proof, redeem.proof):
            self.guesses.wrong(host, invite.tag, now_s=now_s)
            await self._wrong(invite)
        return invite

    async def _wrong(self, invite: Invite) -> None:
        after = await self.keeper.store.guessed_wrong(invite.id, WRONG_MAX)
        if after is not None:
            self.tell(after, f"a wrong secret, the {after.wrong}. time of {WRONG_MAX}")
        if after is not None and after.state == "dead":
            self.changed.set()
            raise PeerLeft(*OVER["dead"])
        raise PeerLeft("invite-proof", "The secret is not that of this invite.")

    async def _confirmed(self, stream: FrameStream, invite: Invite) -> tuple[Card, str] | None:
        """Who takes it, and how they call themselves; None where they only looked."""
        frame = decode_invite_frame(await stream.read(CONFIRM_BYTES_MAX))
        match frame:
            case Bye():
                return None
            case Confirm(card, digest, name) if is_same(digest, terms_digest(invite.terms)):
                shown = check_card(card, self._cache, now_us=self.wall_us())
                check_cards_device(shown, stream.device)
                return shown, _name_of(name)
            case Confirm():
                raise RemoteProtocolError("invite-terms", "another offer was confirmed")
            case _:
                name = type(frame).__name__
                raise RemoteProtocolError("invite-order", f"a {name} came instead of a Confirm")

    async def _claim(self, invite: Invite, terms: Terms, card: Card, name: str) -> Given:
        """What is given, once nobody else can be. Raises `PeerLeft` where somebody was first."""
        store, own = self.keeper.store, self.keeper.identity.author
        if card.author == own:
            raise PeerLeft("own-invite", "This node and that one are of the same author already.")
        if store.is_blocked(card.author) or store.is_blocked(card.device):
            raise PeerLeft(*OVER["cancelled"])
        assert invite.seed is not None
        key = SigningKey.from_seed(invite.seed)
        made = () if terms.type == DEVICE else given_by(terms, key, card.author)
        claimed = await store.claim_invite(
            invite.id, card.author, card.device, cbor.encode([*made]), name
        )
        if claimed is None or claimed.given is None:
            current = await store.invite_tagged(invite.tag)
            state = "used" if current is None or current.is_live else current.state
            if current is not None and state == "used":
                self.tell(current, "somebody else was first; this one was refused", card)
            raise PeerLeft(*OVER[state])
        given = capabilities_of(claimed.given)
        for encoded in given:
            await store.keep_capability(encoded, GIVEN)
        if invite.state == "open":
            self.tell(claimed)
        self.remember(card)
        secret = claimed.seed if terms.type == DEVICE else None
        return Given(given, secret)

    async def _is_taken(self, stream: FrameStream) -> bool:
        """Whether the other side says that it has it; else the same one may come again."""
        try:
            frame = decode_invite_frame(await stream.read(CONFIRM_BYTES_MAX))
        except PeerLeft:
            return False
        return isinstance(frame, Bye) and frame.code == TAKEN


def capabilities_of(given: bytes) -> tuple[bytes, ...]:
    """As they are kept with a claimed invite."""
    plain: object = cbor.decode(given, bytes_max=CAPABILITIES_BYTES_MAX, depth_max=1)
    return tuple(msgspec.convert(plain, list[bytes], builtin_types=(bytes,)))


async def say(stream: FrameStream, frame: InviteFrame) -> None:
    """Raises `PeerLeft`."""
    await stream.write([encode_invite_frame(frame)])


def _redeem_of(first: bytes) -> Redeem:
    frame = decode_invite_frame(first) if len(first) <= REDEEM_BYTES_MAX else None
    if not isinstance(frame, Redeem):
        raise RemoteProtocolError("invite-order", "the conversation does not begin with a Redeem")
    return frame


def _name_of(name: str) -> str:
    """What they propose to be called, as a name has to be; empty where nothing."""
    try:
        return parse_petname(name) if name else ""
    except InvalidName as error:
        raise RemoteProtocolError("invite-name", f"a name that none can have: {error}") from error


def _slow(wait_s: int) -> PeerLeft:
    sentence = f"Too many wrong codes were tried; the next one is looked at in {wait_s} s."
    return PeerLeft("invite-slow", sentence, wait_s=wait_s)
