"""Who was let in, and does harm with a right that is good until somebody takes it back.

Ousted    a co-author, a member or an admin of the guild, whose right is taken back for good: goes
          on writing with it, in all epochs and records that it reached, with two devices and with
          keys that it hands its right on to
Usurper   an admin of the guild whom its owner lets in, and deposes: takes back rights of members
          with frontiers that are wrong, brings back who is out, uses a number twice, says much and
          of long ago, and lets in keys that nobody knows
"""

from collections.abc import Sequence
from dataclasses import replace

from crdt.area import Area
from crdt.blob import BlobId
from crdt.capability import delegate
from crdt.change import DocumentId, SignedEntry, log_of
from crdt.ed25519 import SigningKey
from crdt.errors import CrdtError
from crdt.keys import AuthorKey, NamespaceKey
from crdt.path import AUTHORITY
from crdt.statement import Frontier, Heads, Heartbeat, Revoke, Statement, Unrevoke
from tests.simulation.hostile.roles import ROLES, Equivocator, Role
from tests.simulation.hostile.seen import Hand, Seen, key_of

EPOCHS = 4
FLOOD = (8, 16)  # entries at once
LONG_AGO = 3_600_000_000  # in the time of entries


class Ousted(Role):
    is_out = False
    """Whether somebody took its right back: the world says so."""

    async def act(self) -> None:
        if self.is_out or self.random.random() < 0.2:
            await self.flood()
        else:
            await self.write()

    async def flood(self) -> None:
        """Good signatures, and a right that is good but for what was said of it elsewhere."""
        given = [place for place in self.places if _is_given(place[0])]
        seen = self.seen()
        made: list[SignedEntry | None] = []
        for _ in range(self.random.randint(*FLOOD)):
            hand, document = self.random.choice(given)
            spot = replace(document, epoch=self.random.choice((0, *range(EPOCHS))))
            if not hand.right.granted_area.path[2:] and self.random.random() < 0.5:
                spot = replace(spot, record=b"flood %d" % self.random.randrange(EPOCHS))
            if self.random.random() < 0.6:
                hand = hand.handed_on(key_of(self.random))
            base = [one for one in seen if one.device == hand.device.public]
            text = "words " * self.random.randint(50, 250)
            signed = hand.writes(spot, base, self.scene.marker(), self.at, text=text)
            if signed is not None:
                made.append(signed)
        await self.has(*made)


def _is_given(hand: Hand) -> bool:
    """Whether somebody else let it write there."""
    return len(hand.right.chain) > 2


class Usurper(Equivocator):
    async def act(self) -> None:
        chance = self.random.random()
        seen = [one for one in self.seen() if one.document.namespace == self._guild]
        if chance < 0.1:
            await self.write()
        elif chance < 0.4:
            await self._says(self._takes_back(seen), seen)
        elif chance < 0.48:
            await self._says(self._brings_back(seen), seen)
        elif chance < 0.6:
            await self._contradicts_itself(seen)
        elif chance < 0.75:
            await self._says_much(seen)
        else:
            await self._lets_in(seen)

    @property
    def _hand(self) -> Hand:
        """Its root key, and the right that the owner gave to it."""
        return Hand(self.person.root, next(self.places[0][0].right.prefixes()))

    @property
    def _guild(self) -> NamespaceKey:
        return self._hand.right.namespace

    @property
    def _log(self) -> DocumentId:
        return log_of(self._guild, self.person.author, AUTHORITY)

    async def _says(self, statement: Statement, seen: Sequence[Seen]) -> None:
        at = self.at
        if self.random.random() < 0.3:
            at -= self.random.randrange(LONG_AGO)
        await self.has(self._hand.states(statement, self._log, seen, at))

    def _takes_back(self, seen: Sequence[Seen]) -> Revoke:
        """From those it let in, and from those it did not; its owner, too."""
        let_in = {
            key
            for one in seen
            if self.person.root.public in one.chain
            for key in one.chain[one.chain.index(self.person.root.public) + 1 :]
        }
        anybody = {key for one in seen for key in one.chain}
        keys = sorted(let_in) if let_in and self.random.random() < 0.8 else sorted(anybody)
        key = self.random.choice(keys or [self._guild])
        area = Area()
        if self.random.random() < 0.2:
            area = Area(AuthorKey(key), (b"pub",))
        return Revoke(key, self._wrong_frontier(seen), area)

    def _wrong_frontier(self, seen: Sequence[Seen]) -> Frontier:
        heads: dict[bytes, Heads] = {}
        kind = self.random.random()
        if kind < 0.1:
            return Frontier(blob=BlobId(self.random.randbytes(32)))  # nobody ever has it
        for one in seen:
            name = one.document.encode()
            if kind < 0.3:
                heads[name] = (self.random.randbytes(32),)
            elif kind < 0.6 and self.random.random() < 0.3:
                heads[name] = (one.change,)
        return Frontier(heads)

    def _brings_back(self, seen: Sequence[Seen]) -> Statement:
        said = [one.change for one in seen if isinstance(one.statement, Revoke)]
        return Unrevoke(self.random.choice(said)) if said else Heartbeat()

    async def _contradicts_itself(self, seen: Sequence[Seen]) -> None:
        """Two statements of one number, each for half of its peers, or both for all."""
        last = max((one.seq for one in seen if one.document == self._log), default=0)
        base = [one for one in seen if one.document != self._log or one.seq < last]
        is_split = self.random.random() < 0.5
        for face in range(2):
            statement = self.random.choice((self._takes_back, self._brings_back))(seen)
            signed = self._hand.states(statement, self._log, base, self.at - face)
            if signed is not None and is_split:
                self.faces[signed.id] = face
            await self.has(signed)

    async def _says_much(self, seen: Sequence[Seen]) -> None:
        on = list(seen)
        for _ in range(self.random.randint(*FLOOD)):
            statement = self.random.choice((Heartbeat(), self._takes_back(seen)))
            signed = self._hand.states(statement, self._log, on, self.at)
            await self.has(signed)
            on = [one for one in self.seen() if one.document == self._log]

    async def _lets_in(self, seen: Sequence[Seen]) -> None:
        """Members that write, and admins that take back what it gave to itself."""
        hand = self._hand
        for _ in range(self.random.randint(3, 8)):
            puppet = key_of(self.random)
            author = AuthorKey(puppet.public)
            is_admin = self.random.random() < 0.3
            try:
                right = delegate(
                    hand.right, hand.device, Area() if is_admin else Area(author), puppet.public
                )
            except CrdtError:
                return
            await self.has(self._works(Hand(puppet, right), puppet, seen, is_admin=is_admin))

    def _works(
        self, hand: Hand, puppet: SigningKey, seen: Sequence[Seen], *, is_admin: bool
    ) -> SignedEntry | None:
        author = AuthorKey(puppet.public)
        if is_admin:
            log = log_of(self._guild, author, AUTHORITY)
            return hand.states(self._takes_back(seen), log, seen, self.at)
        plan = DocumentId(self._guild, author, "pub", "mod", b"plan")
        text = "words " * self.random.randint(50, 250)
        return hand.writes(plan, [], self.scene.marker(), self.at, text=text)


EVERYBODY: tuple[type[Role], ...] = (*ROLES, Ousted, Usurper)
