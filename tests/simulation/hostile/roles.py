"""Who does harm, and how. Each has its own keys, what it received, and a session with its peers.

Revoked      goes on writing, hears of no revocation, and takes back what others said
Equivocator  one number, two changes: this one for you, that one for them
Squatter     numbers of changes and operations that leave nobody a next one
Stuffer      an equivocator whose made-up keys build on its branch
Pruner       withholds statements, sends prefixes and other depths, claims to hold what it has not
Resigner     its changes once more under other headers and rights; others' under its own
Backdater    a right that has ended, used for entries of long ago
Replayer     shows capabilities that any of them was shown, and repeats what it heard elsewhere
Flooder      invalid entries, records of free keys, changes without what they build on
Liar         gives what nobody asked for, announces what it has not, compares wrongly
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from random import Random
from typing import Protocol

from msgspec import structs

from crdt.area import Area
from crdt.capability import WRITE, Capability, delegate, encode_capability
from crdt.change import DocumentId, SignedEntry, log_of, sign_change
from crdt.digest import payload_digest
from crdt.entry import encode_entry
from crdt.errors import CrdtError
from crdt.keys import COMMONS, AuthorKey, DeviceKey, NamespaceKey
from crdt.order import ITEM_ID_BYTES
from crdt.path import AUTHORITY, Path
from crdt.statement import Revoke, Statement, Unrevoke
from p2p.protocol import frames
from p2p.protocol.frames import Frame, encode_frame
from tests.simulation.hostile.seen import Hand, Seen, entry_time, key_of, renumbered, see
from tests.simulation.life import garble
from tests.simulation.memory_store import MemoryStore
from tests.simulation.network import End, Network, Node
from tests.simulation.people import Person

FAR = (1 << 31) - 1
HEARD_MAX = 40


class Scene(Protocol):
    """What a hostile peer shares with the world; the world hears what must never be taken."""

    random: Random
    shown: list[frames.Present]  # by honest peers, to any hostile one

    @property
    def network(self) -> Network: ...
    def marker(self) -> str: ...
    def is_garbage(self, signed: SignedEntry) -> None: ...


class Role:
    """One hostile node. Subclasses say what it does."""

    def __init__(
        self, scene: Scene, person: Person, places: Sequence[tuple[Hand, DocumentId]]
    ) -> None:
        self.scene, self.person, self.random = scene, person, scene.random
        self.places = list(places)  # what its keys may write, and where
        self.store = MemoryStore()
        self.node: Node | None = None
        self.heard: list[Frame] = []
        self.garbage: set[bytes] = set()
        self._seen: dict[bytes, Seen | None] = {}

    # --- what the network asks -----------------------------------------------------------------

    def shows(self, signed: SignedEntry, peer: DeviceKey) -> bool:
        return True

    def says(self, end: End, frame: Frame) -> Sequence[bytes]:
        return (encode_frame(frame),)

    def hears(self, end: End, frame: Frame) -> None:
        if len(self.heard) < HEARD_MAX:
            self.heard.append(frame)
        if isinstance(frame, frames.Present) and frame.capabilities:
            self.scene.shown.append(frame)

    # --- what it does --------------------------------------------------------------------------

    async def act(self) -> None:
        """One thing, at some moment."""
        await self.write()

    async def write(self) -> SignedEntry | None:
        hand, document = self.random.choice(self.places)
        signed = hand.writes(document, self.seen(), self.scene.marker(), self.at)
        return await self.has(signed)

    async def has(self, *signed: SignedEntry | None) -> SignedEntry | None:
        """Takes what it made, and announces it."""
        made = [one for one in signed if one is not None]
        if made:
            await self.store.receive(made, source="self")
        return made[0] if made else None

    async def has_garbage(self, signed: SignedEntry | None) -> None:
        if signed is not None:
            self.scene.is_garbage(signed)
            self.garbage.add(signed.id)
            await self.has(signed)

    @property
    def at(self) -> int:
        return entry_time(self.scene.network.now_s)

    def seen(self) -> list[Seen]:
        """What it holds and anybody would take, as far as it knows."""
        out: list[Seen] = []
        for of_namespace in self.store.held.values():
            for id, signed in of_namespace.items():
                if id not in self._seen:
                    self._seen[id] = see(signed)
                if (one := self._seen[id]) is not None and one.id not in self.garbage:
                    out.append(one)
        return out

    def own(self, document: DocumentId) -> list[Seen]:
        """Its own changes there, the last one last."""
        keys = {hand.device.public for hand, _ in self.places}
        found = [one for one in self.seen() if one.document == document and one.device in keys]
        return sorted(found, key=lambda one: (one.seq, one.id))


class Revoked(Role):
    async def act(self) -> None:
        if self.random.random() < 0.2:
            await self.has(self._says_something())
        else:
            await self.write()

    def _says_something(self) -> SignedEntry | None:
        """In the log of its own root: that others may not, and that what others said is void."""
        author = self.person.author
        said = [one for one in self.seen() if isinstance(one.statement, Revoke)]
        # Of public places: whoever knows the guild could name it to all, which no peer can undo.
        places = (one for one in self.seen() if one.document.namespace == COMMONS)
        devices = sorted({one.device for one in places})
        statement: Statement | None = None
        if said and self.random.random() < 0.5:
            statement = Unrevoke(self.random.choice(said).change)
        elif devices:
            statement = Revoke(self.random.choice(devices))
        if statement is None:
            return None
        hand = Hand(self.person.root, Capability(WRITE, COMMONS, author))
        log = log_of(COMMONS, author, AUTHORITY)
        return hand.states(statement, log, self.seen(), self.at)


class Equivocator(Role):
    """`faces`: of its entries that contradict, which half of its peers sees each."""

    def __init__(
        self, scene: Scene, person: Person, places: Sequence[tuple[Hand, DocumentId]]
    ) -> None:
        super().__init__(scene, person, places)
        self.faces: dict[bytes, int] = {}

    def shows(self, signed: SignedEntry, peer: DeviceKey) -> bool:
        face = self.faces.get(signed.id)
        return face is None or face == peer[0] % 2

    async def act(self) -> None:
        await self.fork()

    async def fork(self) -> tuple[Hand, DocumentId, SignedEntry | None]:
        hand, document = self.random.choice(self.places)
        own = self.own(document)
        last = own[-1].change if own and self.random.random() < 0.5 else b""
        twins = [
            hand.writes(
                document, self.seen(), self.scene.marker(), self.at, without=frozenset({last})
            )
            for _ in range(2)
        ]
        for face, signed in enumerate(twins):
            if signed is not None:
                self.faces[signed.id] = face
        await self.has(*twins)
        return hand, document, twins[1]


class Stuffer(Equivocator):
    async def act(self) -> None:
        hand, document, branch = await self.fork()
        if branch is None:
            return
        base = [one for one in self.seen() if one.id not in self.faces or one.id == branch.id]
        for _ in range(self.random.randint(1, 4)):
            try:
                puppet = hand.handed_on(key_of(self.random))
            except CrdtError:
                return
            made = puppet.writes(document, base, self.scene.marker(), self.at)
            await self.has(made)


class Squatter(Role):
    async def act(self) -> None:
        hand, document = self.random.choice(self.places)
        seq = self.random.choice((0, 2, 3, 7, FAR))
        start_op = self.random.choice((0, 0, FAR))
        if not seq and not start_op:
            await self.write()
            return
        await self.has(
            hand.writes(
                document,
                self.seen(),
                self.scene.marker(),
                self.at,
                change=lambda raw: renumbered(raw, seq=seq, start_op=start_op),
            )
        )


class Pruner(Role):
    """It writes, too, so that there is something to withhold the end of."""

    def shows(self, signed: SignedEntry, peer: DeviceKey) -> bool:
        return signed.entry.path[:1] != (b"_auth",)

    def says(self, end: End, frame: Frame) -> Sequence[bytes]:
        match frame:
            case frames.Ranges(items=items) | frames.Reconcile(items=items):
                claimed = tuple(map(self._claim, items))
                return (encode_frame(structs.replace(frame, items=claimed)),)
            case _:
                return (encode_frame(frame),)

    def _claim(self, item: frames.RangeItem) -> frames.RangeItem:
        if isinstance(item, frames.Summary) and self.random.random() < 0.3:
            return structs.replace(item, count=item.count + self.random.randint(0, 3))
        return item

    async def act(self) -> None:
        if self.random.random() < 0.5:
            await self.write()
            return
        hand, document = self.random.choice(self.places)
        signed = hand.writes(document, self.seen(), self.scene.marker(), self.at + 1_000_000)
        if signed is None:
            return
        path = signed.entry.path
        cut: Path = path[: self.random.randint(0, 5)]
        other = self.random.choice((cut, (*path, b"deeper")))
        await self.has_garbage(signed_again(hand, signed, path=other))


class Resigner(Role):
    async def act(self) -> None:
        hand, document = self.random.choice(self.places)
        own = self.own(document)
        others = [one for one in self.seen() if one.document == document and one not in own]
        if others and self.random.random() < 0.3:  # no key but its author's can sign it
            await self.has_garbage(signed_again(hand, self.random.choice(others).signed))
            return
        if not own or self.random.random() < 0.3:
            await self.write()
            return
        old = self.random.choice(own)
        heads = [one.id for one in self.seen() if one.document.cls == "_auth"]
        befores: list[bytes | None] = [one.id for one in own if one.seq == old.seq - 1]
        try:
            again = sign_change(
                old.raw,
                document,
                signer=self._another(hand).signer,
                prev=self.random.choice(befores or [None]),
                auth_heads=self.random.choice(([], heads[:1], [self.random.randbytes(32)])),
                timestamp=self.at - self.random.randrange(10_000_000),
            )
        except CrdtError:
            return
        await self.has(again)

    def _another(self, hand: Hand) -> Hand:
        """Another right of the same device: one that it was given, or that it gave itself."""
        rights = [one for one, _ in self.places if one.device.public == hand.device.public]
        chosen = self.random.choice(rights)
        return chosen.handed_on(hand.device) if self.random.random() < 0.5 else chosen


class Backdater(Role):
    async def act(self) -> None:
        ending = [place for place in self.places if place[0].right.granted_area.end is not None]
        hand, document = self.random.choice(ending + self.places)
        end = hand.right.granted_area.end
        at = self.at if end is None else min(self.at, end - 1 - self.random.randrange(1_000_000))
        signed = hand.writes(document, self.seen(), self.scene.marker(), at)
        if end is not None and signed is not None and self.random.random() < 0.2:
            late = replace(signed.entry, timestamp=end + self.random.randrange(1_000_000))
            signature = hand.device.sign(encode_entry(late))
            await self.has_garbage(replace(signed, entry=late, signature=signature))
            return
        await self.has(signed)


class Replayer(Role):
    def says(self, end: End, frame: Frame) -> Sequence[bytes]:
        said = [encode_frame(frame)]
        match frame:
            case frames.Hello() if self.random.random() < 0.2:
                hello = self._heard_hello()
                if hello is not None:  # somebody else's word for somebody else's device
                    said = [encode_frame(structs.replace(hello, challenge=frame.challenge))]
            case frames.Present() if self.scene.shown and self.random.random() < 0.3:
                said = [encode_frame(self.random.choice(self.scene.shown))]
            case _ if self.heard and self.random.random() < 0.02:
                said.append(encode_frame(self.random.choice(self.heard)))
            case _:
                pass
        return said

    def _heard_hello(self) -> frames.Hello | None:
        found = [one for one in self.heard if isinstance(one, frames.Hello)]
        return self.random.choice(found) if found else None

    async def act(self) -> None:
        if self.scene.shown and self.random.random() < 0.3:
            self._borrow(self.random.choice(self.scene.shown))
        else:
            await self._mix()

    def _borrow(self, shown: frames.Present) -> None:
        """Its session asks for all that somebody else may read, and signs that with its own key."""
        assert self.node is not None
        rights = tuple(one.capability for one in shown.capabilities)
        self.node.config = replace(self.node.config, read_capabilities=rights)
        for end in list(self.node.ends):
            network = self.scene.network
            again = end.session.reconfigure(self.node.config, now_s=network.now_s)
            network.carry_out(end, again)

    async def _mix(self) -> None:
        """An entry of somebody else under a right of its own, and the other way round."""
        own = {hand.device.public for hand, _ in self.places}
        seen = [one for one in self.seen() if one.statement is None and one.device not in own]
        hand, document = self.random.choice(self.places)
        signed = hand.writes(document, self.seen(), self.scene.marker(), self.at)
        if not seen or signed is None:
            await self.has(signed)
            return
        other = self.random.choice(seen).signed
        mixed = self.random.choice(
            (
                replace(other, capability=signed.capability),
                replace(signed, capability=other.capability),
                replace(other, entry=replace(other.entry, namespace=_another_namespace(other))),
            )
        )
        await self.has_garbage(mixed)


class Flooder(Role):
    async def act(self) -> None:
        for _ in range(self.random.randint(2, 8)):
            await self.random.choice((self._garbled, self._free_key, self._unmoored))()

    async def _garbled(self) -> None:
        held = [one.signed for one in self.seen()]
        if held:
            await self.has_garbage(garble(self.random.choice(held), self.random))

    async def _free_key(self) -> None:
        root, device = key_of(self.random), key_of(self.random)
        author = AuthorKey(root.public)
        right = delegate(
            Capability(WRITE, COMMONS, author), root, Area(author, (b"pub",)), device.public
        )
        document = DocumentId(COMMONS, author, "pub", "mod", b"flood")
        await self.has(
            Hand(device, right).writes(
                document,
                [],
                self.scene.marker(),
                self.at,
                text="words " * self.random.randint(1, 400),
            )
        )

    async def _unmoored(self) -> None:
        """A change of which nobody ever sees what it builds on."""
        hand, document = self.random.choice(self.places)
        below = hand.writes(document, self.seen(), self.scene.marker(), self.at)
        hidden = see(below) if below is not None else None
        if hidden is not None:
            marker = self.scene.marker()
            await self.has(hand.writes(document, [*self.seen(), hidden], marker, self.at))


class Liar(Role):
    given: frames.Entries | None = None  # its last answer, to anybody

    def says(self, end: End, frame: Frame) -> Sequence[bytes]:
        chance = self.random.random()
        given = self.given
        if isinstance(frame, frames.Entries):
            self.given = frame
        match frame:
            case frames.Entries() if chance < 0.2:
                lie: Frame = structs.replace(frame, number=frame.number + 1)
            case frames.Entries(entries=entries) if chance < 0.5 and len(entries) > 1:
                lie = structs.replace(frame, entries=entries[::-1])  # of other ids than it says
            case frames.Entries(entries=entries) if chance < 0.7 and entries:
                lie = structs.replace(frame, entries=(entries[0],) * len(entries))
            case frames.Entries() if chance < 0.9 and given:  # of what somebody else asked for
                lie = structs.replace(given, number=frame.number)
            case frames.Compare() if chance < 0.5:
                lie = structs.replace(frame, fingerprint=self.random.randbytes(16))
            case frames.Listed() if chance < 0.2:
                lie = structs.replace(frame, number=frame.number + 2)
            case frames.Ranges() | frames.Reconcile() if chance < 0.1:
                items = tuple(
                    structs.replace(one, fingerprint=self.random.randbytes(16))
                    if isinstance(one, frames.Summary)
                    else one
                    for one in frame.items
                )
                lie = structs.replace(frame, items=items)
            case frames.Pong() if chance < 0.3:
                ids = b"".join(self.random.randbytes(ITEM_ID_BYTES) for _ in range(5))
                return (encode_frame(frame), encode_frame(frames.Have(COMMONS, ids, chance < 0.1)))
            case _:
                lie = frame
        return (encode_frame(lie),)


ROLES: tuple[type[Role], ...] = (
    Revoked, Equivocator, Squatter, Stuffer, Pruner, Resigner, Backdater, Replayer, Flooder, Liar,
)  # fmt: skip


def signed_again(hand: Hand, signed: SignedEntry, *, path: Path | None = None) -> SignedEntry:
    """The same payload, signed by `hand` with nothing checked."""
    entry = replace(signed.entry, path=signed.entry.path if path is None else path)
    digest = payload_digest(signed.payload)
    entry = replace(entry, payload_digest=digest)
    signature = hand.device.sign(encode_entry(entry))
    return SignedEntry(entry, encode_capability(hand.right), signature, signed.payload)


def _another_namespace(signed: SignedEntry) -> NamespaceKey:
    key = bytearray(signed.entry.namespace)
    key[0] ^= 1
    return NamespaceKey(bytes(key))


def hands_of(role: Role) -> Iterable[bytes]:
    """The keys with which it signs."""
    return {hand.device.public for hand, _ in role.places}
