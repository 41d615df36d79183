"""Peers that announce and give nothing, or hardly anything: each obeys all rules, and is of no use.

Silent      announces as much as it may, gives one good entry, and then answers no Want
Trickler    the same, but gives one entry of each Want, just before nobody would wait for it
Denier      keeps each Want as long as it can, and says then that it has not got them
Leaver      keeps each Want as long, hangs up and comes back
Stranger    what it gives lies in another namespace than it announced it in
Repeater    announces for ever what it gave long ago
Quiet …     makes nothing up, so that nothing tells it apart until it is asked for what others have

Those that echo announce what honest peers publish as well, before those do.
"""

from collections.abc import Callable, Sequence
from random import Random

from crdt.change import SignedEntry
from crdt.keys import COMMONS, NamespaceKey
from crdt.order import ITEM_ID_BYTES
from p2p.protocol import limits
from p2p.protocol.frames import Entries, Frame, Have, Want, encode_frame, split_ids
from p2p.protocol.serve import pack_entries
from p2p.protocol.states import State
from tests.simulation.memory_store import MemoryStore
from tests.simulation.network import End, Network, Node
from tests.simulation.people import made_up_entry, person

ELSEWHERE = NamespaceKey(b"elsewhere".ljust(32, b"."))
JUST_IN_TIME_S = limits.ENTRIES_PATIENCE_S - 0.2
OWN_ENTRIES = 8
AT_ONCE = 4  # Haves of 1,024 ids: all the credit there is


class Teaser:
    """One hostile peer of one victim."""

    namespace = COMMONS
    gives_first = 1  # entries, so that it is trusted
    has_made_up = True  # ids of what nobody has

    def __init__(self, network: "Teased", node: Node, random: Random, *, is_echoing: bool) -> None:
        self.network, self.node, self.random = network, node, random
        self.is_echoing = is_echoing
        self.own = [
            made_up_entry(random, namespace=self.namespace, payload_bytes=8)
            for _ in range(OWN_ENTRIES)
        ]
        self.given = 0
        self.end: End | None = None

    def begins(self, end: End) -> None:
        """Its session with the victim is there."""
        self.end = end
        self.network.after(1.0, self._announce)

    async def _announce(self) -> None:
        end = self.end
        if end is None or end.is_cut:
            return
        if end.session.state is not State.OPEN:
            self.network.after(1.0, self._announce)
            return
        ids = [one.id[:ITEM_ID_BYTES] for one in self.own]
        size = limits.HAVE_IDS_MAX
        if self.has_made_up:
            made_up = range(AT_ONCE * size - len(ids))
            ids += [self.random.randbytes(ITEM_ID_BYTES) for _ in made_up]
        for at in range(0, len(ids), size):
            self.say(end, Have(COMMONS, b"".join(ids[at : at + size]), self.is_urgent))

    @property
    def is_urgent(self) -> bool:
        return False

    def say(self, end: End, frame: Frame) -> None:
        if not end.is_cut:
            self.network.deliver_bytes(end, encode_frame(frame))

    def later(self, delay_s: float, act: Callable[[], None]) -> None:
        async def do() -> None:
            act()

        self.network.after(delay_s, do)

    def hears(self, end: End, want: Want) -> None:
        """The victim asks. What its session would answer is not said."""
        ids = split_ids(want.ids)
        if self.given < self.gives_first:
            self.give(end, want.number, ids, len(ids))
            return
        self.later(JUST_IN_TIME_S, lambda: self.answers(end, want.number, ids))

    def answers(self, end: End, number: int, ids: Sequence[bytes]) -> None:
        """Nothing."""

    def give(self, end: End, number: int, ids: Sequence[bytes], count: int) -> None:
        """The first `count` of its own that were asked for, and nothing of the rest."""
        held = {one.id[:ITEM_ID_BYTES]: one for one in self.own}
        named = [id for id in ids if id in held][:count]
        if named:
            self.given += len(named)
            self.say(end, pack_entries(number, named, held))


class Silent(Teaser):
    pass


class Urgent(Silent):
    """All that it announces is said to be of authority."""

    @property
    def is_urgent(self) -> bool:
        return True


class Trickler(Teaser):
    def answers(self, end: End, number: int, ids: Sequence[bytes]) -> None:
        self.give(end, number, ids, 1)


class Denier(Teaser):
    def answers(self, end: End, number: int, ids: Sequence[bytes]) -> None:
        self.say(end, Entries(number, (), (), b"".join(ids)))


class Leaver(Teaser):
    def answers(self, end: End, number: int, ids: Sequence[bytes]) -> None:
        if not end.is_cut:
            self.network.cut(end)


class QuietDenier(Denier):
    has_made_up = False
    gives_first = OWN_ENTRIES


class QuietLeaver(Leaver):
    has_made_up = False
    gives_first = OWN_ENTRIES


class QuietTrickler(Trickler):
    has_made_up = False


class Stranger(Teaser):
    namespace = ELSEWHERE


class Repeater(Teaser):
    """It gives all that it has, and says so twenty times a second."""

    gives_first = OWN_ENTRIES

    def begins(self, end: End) -> None:
        super().begins(end)
        self.network.after(2.0, self._again)

    async def _again(self) -> None:
        if self.end is None or self.end.is_cut:
            return
        ids = b"".join(one.id[:ITEM_ID_BYTES] for one in self.own)
        self.say(self.end, Have(COMMONS, ids, False))
        self.network.after(0.05, self._again)


class Teased(Network):
    """A network in which one node has such peers."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed, delay_s=0.02)
        self.teasers: dict[Node, Teaser] = {}
        self.victim: Node | None = None

    async def tease(self, kind: type[Teaser], number: int, *, is_echoing: bool) -> Teaser:
        """One more of them, with a session."""
        assert self.victim is not None
        who = person(f"{kind.__name__} {number}")
        node = await self.add(who, who.config(), MemoryStore().open)
        teaser = self.teasers[node] = kind(
            self, node, Random(f"{self.seed} {who.name}"), is_echoing=is_echoing
        )
        self.keep_connected(node, self.victim)
        return teaser

    def connect(self, source: Node, target: Node) -> tuple[End, End]:
        ends = super().connect(source, target)
        if (teaser := self.teasers.get(source)) is not None:
            teaser.begins(ends[0])
        return ends

    def said(self, end: End, frame: Frame) -> Sequence[bytes]:
        if end.node in self.teasers and isinstance(frame, Entries):
            return ()
        asked = self.teasers.get(end.other.node) if end.other is not None else None
        if asked is not None and isinstance(frame, Want) and end.other is not None:
            asked.hears(end.other, frame)
        return super().said(end, frame)

    async def publish(self, friend: Node, entries: Sequence[SignedEntry]) -> None:
        """Hostile peers hear of it first, of whomever, and some say so at once."""
        for node in [one for one, teaser in self.teasers.items() if teaser.is_echoing]:
            await node.store.receive(entries, source="elsewhere")

        async def to_friend() -> None:
            await friend.store.receive(entries, source="elsewhere")

        self.after(0.1, to_friend)
