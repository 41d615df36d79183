"""Hand-made accepters towards a real node: wrong secrets, a line that breaks, and somebody else."""

import asyncio
import os
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from crdt.capability import CapabilityCache
from crdt.change import device_capabilities
from crdt.did import encode_did_key
from crdt.ed25519 import SigningKey
from crdt.keys import AuthorKey, DeviceKey
from node.commands.nodes import LocalNode, wait_for
from node.exit_codes import OK
from node.failure import Json
from node.terms import check_given, read_terms
from p2p.protocol.card import sign_card
from p2p.protocol.errors import PeerLeft
from p2p.protocol.frames import Bye
from p2p.protocol.invites.accepting import Accepting, Offered
from p2p.protocol.invites.frames import (
    OFFER_BYTES_MAX,
    Given,
    Redeem,
    decode_invite_frame,
    encode_invite_frame,
)
from p2p.protocol.invites.guesses import WRONG_MAX
from p2p.protocol.invites.keys import stretch, tag_of
from p2p.protocol.invites.link import read_link
from p2p.transport.channels import Channels, open_tcp
from p2p.transport.place import parse_place
from p2p.transport.stream import FrameStream
from tests.e2e.story import ARRIVE_S, Shell, StartNode

pytestmark = pytest.mark.nodes


@dataclass(frozen=True)
class Person:
    """Somebody's own program, with a key of an author and one of a device."""

    author: SigningKey
    device: SigningKey

    @classmethod
    def new(cls) -> "Person":
        return cls(SigningKey.from_seed(os.urandom(32)), SigningKey.from_seed(os.urandom(32)))

    @property
    def key(self) -> AuthorKey:
        return AuthorKey(self.author.public)

    def card(self, now_us: int) -> bytes:
        rights = device_capabilities(self.author, DeviceKey(self.device.public))
        return sign_card(
            self.device,
            author=self.key,
            capability=rights["pub"],
            places=(),
            relays=(),
            sealing=SigningKey.from_seed(os.urandom(32)).public,
            issued_us=now_us,
            until_us=now_us + 3_600_000_000,
        )

    @asynccontextmanager
    async def calls(self, at: LocalNode) -> AsyncGenerator[FrameStream]:
        channels = Channels(self.device, static_private=os.urandom(32), openers={"tcp": open_tcp})
        stream = await channels.open(parse_place(str(at.ready["p2p"])))
        try:
            yield stream
        finally:
            await stream.close()


@dataclass(frozen=True)
class Conversation:
    """One try of a person with the secret of a link."""

    person: Person
    stream: FrameStream
    key: bytes
    now_us: int

    @property
    def accepting(self) -> Accepting:
        device = DeviceKey(self.person.device.public)
        return Accepting(self.key, self.stream.handshake_hash, device, self.stream.device)

    async def look(self) -> Offered:
        await self.stream.write([encode_invite_frame(self.accepting.redeem())])
        data = await self.stream.read(OFFER_BYTES_MAX)
        return self.accepting.hear_offer(data, CapabilityCache(), now_us=self.now_us)

    async def take(self, offered: Offered) -> Given:
        card = self.person.card(self.now_us)
        await self.stream.write([encode_invite_frame(self.accepting.confirm(offered, card))])
        return self.accepting.hear_given(await self.stream.read(OFFER_BYTES_MAX))


def now_us() -> int:
    return time.time_ns() // 1_000


async def taken_by(person: Person, at: LocalNode, key: bytes, *, says_so: bool) -> Given:
    async with person.calls(at) as stream:
        talk = Conversation(person, stream, key, now_us())
        offered = await talk.look()
        given = await talk.take(offered)
        terms = read_terms(offered.terms, offered.card.author)
        check_given(terms, given.capabilities, person.key)
        if says_so:
            await stream.write([encode_invite_frame(Bye("taken", "It is kept."))])
        return given


def made(shell: Shell, at: LocalNode) -> tuple[bytes, Json]:
    """The key of an invite to the guild, and what `invite` printed."""
    ran = shell(at, "invite", "--write", "--namespace", "guild")
    assert ran.code == OK, ran
    return stretch(read_link(ran.answer["link"]).secret), ran.answer


def state(shell: Shell, at: LocalNode) -> Json:
    found: Json = shell(at, "invite", "--list").answer["invites"][0]
    return found


def test_who_lost_the_line_comes_again_and_nobody_else_does(node: StartNode, shell: Shell) -> None:
    """Bob is killed after he confirmed, before he could keep what came; alice is killed too."""
    alice = node("alice")
    assert shell(alice, "namespace", "create", "guild").code == OK
    key, _ = made(shell, alice)
    bob, carol = Person.new(), Person.new()
    first = asyncio.run(taken_by(bob, alice, key, says_so=False))
    found = state(shell, alice)
    assert (found["state"], found["did"]) == ("claimed", encode_did_key(bob.key))
    alice.kill()
    alice = node("alice")
    with pytest.raises(PeerLeft) as refused:
        asyncio.run(taken_by(carol, alice, key, says_so=True))
    assert refused.value.code == "invite-used"
    again = asyncio.run(taken_by(bob, alice, key, says_so=True))
    assert again == first, "the same, not more of it"
    wait_for("it to be used", ARRIVE_S, lambda: state(shell, alice)["state"] == "used" or None)
    with pytest.raises(PeerLeft) as refused:
        asyncio.run(taken_by(bob, alice, key, says_so=True))
    assert refused.value.code == "invite-used"


async def guess(person: Person, at: LocalNode, key: bytes) -> Bye:
    """A Redeem with the right tag and a wrong proof: what somebody can say who heard the tag."""
    async with person.calls(at) as stream:
        wrong = Redeem(tag_of(key), secrets.token_bytes(32))
        await stream.write([encode_invite_frame(wrong)])
        said = decode_invite_frame(await stream.read(OFFER_BYTES_MAX))
        assert isinstance(said, Bye)
        return said


def test_ten_wrong_secrets_end_an_invite_and_it_says_so(node: StartNode, shell: Shell) -> None:
    alice, mallory = node("alice"), Person.new()
    assert shell(alice, "namespace", "create", "guild").code == OK
    key, _ = made(shell, alice)
    said: list[str] = []

    def wrong() -> bool | None:
        one = asyncio.run(guess(mallory, alice, key))
        if one.code == "invite-slow":
            assert one.wait_s > 0
            return None
        said.append(one.code)
        return True

    for number in range(WRONG_MAX):
        wait_for(f"guess {number} to be looked at", ARRIVE_S, wrong)
    assert said == ["invite-proof"] * (WRONG_MAX - 1) + ["invite-dead"]
    found = state(shell, alice)
    assert (found["state"], found["wrong"]) == ("dead", WRONG_MAX)
    with pytest.raises(PeerLeft) as refused:
        asyncio.run(taken_by(Person.new(), alice, key, says_so=True))
    assert refused.value.code in ("invite-dead", "invite-slow")


def test_who_does_not_know_a_secret_learns_nothing(node: StartNode, shell: Shell) -> None:
    alice, mallory = node("alice"), Person.new()
    assert shell(alice, "namespace", "create", "guild").code == OK
    made(shell, alice)
    unheard = asyncio.run(guess(mallory, alice, os.urandom(32)))
    assert unheard.code == "no-such-invite"
    assert state(shell, alice)["wrong"] == 0
