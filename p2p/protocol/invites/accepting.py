"""Redeeming an invite, the accepter's side, without IO: what to say next, and what may come back.

    REDEEMING ──Offer──▸ looking ──confirm()──▸ CONFIRMED ──Given──▸ done
        └───── Bye, or anything else, raises ────────┘

The inviter's side decides by what its store holds: `node.inviting`.
"""

from dataclasses import dataclass

from blake3 import blake3

from crdt.capability import CapabilityCache
from crdt.keys import DeviceKey
from p2p.protocol.card import Card, check_card
from p2p.protocol.errors import PeerLeft, RemoteProtocolError
from p2p.protocol.frames import Bye
from p2p.protocol.invites.frames import Confirm, Given, Offer, Redeem, decode_invite_frame
from p2p.protocol.invites.keys import accepters_proof, inviters_proof, is_same, tag_of


@dataclass(frozen=True, slots=True)
class Offered:
    """What somebody who knows the secret offers; `terms` are still to be judged."""

    card: Card
    terms: bytes

    @property
    def digest(self) -> bytes:
        """By which it is confirmed, and nothing else than was shown."""
        return terms_digest(self.terms)


@dataclass(frozen=True, slots=True)
class Accepting:
    """On one channel: `handshake_hash` names it, `device` is ours and `remote` is at its end."""

    key: bytes
    handshake_hash: bytes
    device: DeviceKey
    remote: DeviceKey

    def redeem(self) -> Redeem:
        """The first frame."""
        proof = accepters_proof(self.key, handshake_hash=self.handshake_hash, device=self.device)
        return Redeem(tag_of(self.key), proof)

    def hear_offer(self, data: bytes, cache: CapabilityCache, *, now_us: int) -> Offered:
        """The answer to it.

        Raises `PeerLeft` with the reason that was said, `RemoteProtocolError` where whoever is
        there does not know the secret, or is not who it says.
        """
        frame = decode_invite_frame(data)
        if isinstance(frame, Bye):
            raise PeerLeft(frame.code, frame.sentence, wait_s=frame.wait_s)
        if not isinstance(frame, Offer):
            name = type(frame).__name__
            raise RemoteProtocolError("invite-order", f"a {name} came instead of an Offer")
        proof = inviters_proof(self.key, handshake_hash=self.handshake_hash, device=self.remote)
        if not is_same(frame.proof, proof):
            sentence = "who answers does not know the secret of the invite"
            raise RemoteProtocolError("invite-impostor", sentence)
        card = check_card(frame.card, cache, now_us=now_us)
        check_cards_device(card, self.remote)
        return Offered(card, frame.terms)

    @staticmethod
    def confirm(offered: Offered, card: bytes, name: str = "") -> Confirm:
        """That it is taken, by whom `card` tells of, who would like to be called `name`."""
        return Confirm(card, offered.digest, name)

    @staticmethod
    def hear_given(data: bytes) -> Given:
        """Raises as `hear_offer`."""
        frame = decode_invite_frame(data)
        if isinstance(frame, Bye):
            raise PeerLeft(frame.code, frame.sentence, wait_s=frame.wait_s)
        if not isinstance(frame, Given):
            name = type(frame).__name__
            raise RemoteProtocolError("invite-order", f"a {name} came instead of a Given")
        return frame


def check_cards_device(card: Card, device: DeviceKey) -> None:
    """Raises `RemoteProtocolError` where it is of another device than the channel leads to."""
    if card.device != device:
        raise RemoteProtocolError("invite-card", "the card is of another device than shows it")


def terms_digest(terms: bytes) -> bytes:
    """Of the terms that were shown."""
    return blake3(terms).digest()
