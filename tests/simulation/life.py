"""What a group of people goes through in one seed: they write, and everything goes wrong.

    0 s                      30 s                                    until all hold the same
    acts and faults at random ── the network heals ── nobody writes ── judged

Some have two devices, some write with one device key in two places, as with a restored backup: both
sides of the equivocation must reach everybody. One may hold entries that no store takes, and offers
them.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from crdt.area import Area
from crdt.change import DocumentId, SignedEntry
from crdt.document import Editor
from crdt.keys import COMMONS
from crdt.order import ITEM_ID_BYTES, area_bounds
from storage.errors import StorageError
from storage.store import Store
from tests.simulation.disk import Disk
from tests.simulation.memory_store import MemoryStore
from tests.simulation.network import Network, Node, PowerCut
from tests.simulation.people import Person, person
from tests.storage.people import NOW_US, named, rated, tagged

ACTS_S = 30.0
ACT_EVERY_S = 0.4
CALM_S = 10.0  # between two looks at whether all agree
HEALED_WITHIN_S = 1_300.0  # the second full comparison after ten minutes finds what is left
CLOCKS_APART_US = 90_000_000
NODES_MAX = 6
RECORDS = ("moss", "fern", "alga")
WRITE_STEPS = 60  # a power cut falls on one of so many steps of writing


@dataclass(frozen=True, slots=True)
class Records:
    """All that a node shows of what it holds."""

    documents: tuple[tuple[object, ...], ...]
    listings: tuple[tuple[object, ...], ...]
    ratings: tuple[tuple[object, ...], ...]


class Life:
    """One seed's group; made by `living`."""

    def __init__(self, seed: int, folder: Path) -> None:
        self.network = Network(seed)
        self.network.on_reopen = self._lost_nothing
        self.random = Random(f"life {seed}")
        self.honest: list[Node] = []
        self.written: set[bytes] = set()  # 16-byte ids of all acknowledged acts
        self.garbage: set[bytes] = set()
        self.comparisons = 0  # of two nodes that held the same
        self._folder = folder
        self._disks: dict[Node, Disk] = {}
        self._mallory: tuple[Node, MemoryStore] | None = None

    async def begin(self) -> None:
        """Two to four nodes, each connected with at least one before it."""
        for _ in range(self.random.randint(2, 4)):
            await self._join()
        if self.random.random() < 0.4:
            await self._join_mallory()

    async def go_through_it(self) -> None:
        """Acts and faults, at random."""
        while self.network.now_s < ACTS_S:
            await self.network.run(self.network.now_s + self.random.expovariate(1 / ACT_EVERY_S))
            await self._act()
            if self.random.random() < 0.05:
                await self.compare()

    async def heal(self) -> None:
        """Everybody is reachable; ends when all hold the same. Raises `AssertionError`."""
        self.network.join()
        for disk in self._disks.values():
            disk.break_after(1 << 60)
        end_s = self.network.now_s + HEALED_WITHIN_S
        while True:
            await self.network.run(self.network.now_s + CALM_S)
            held = [await ids_held(node) for node in self.honest]
            if all(ids == held[0] for ids in held):
                return
            everything = frozenset(id for ids in held for id in ids)
            missing = {
                node.person.name: len(everything - ids)
                for node, ids in zip(self.honest, held, strict=True)
            }
            assert self.network.now_s < end_s, f"they do not agree: {missing}"

    async def compare(self) -> None:
        """Every two nodes that hold the same entries show the same records."""
        alike: dict[frozenset[bytes], list[Node]] = {}
        for node in self.honest:
            alike.setdefault(frozenset(await ids_held(node)), []).append(node)
        for first, *others in alike.values():
            expected = await records(first) if others else None
            for node in others:
                assert await records(node) == expected, f"{node.person.name} differs"
                self.comparisons += 1

    async def _act(self) -> None:
        acts: list[tuple[float, Callable[[], Awaitable[None] | None]]] = [
            (10.0, self._write),
            (3.0, self._cut),
            (1.0, self._part),
            (1.0, self._meet),
            (0.8, self._crash),
            (0.8, self._plan_power_cut),
            (0.4, self._join),
            (2.0, self._make_garbage),
        ]
        (act,) = self.random.choices([act for _, act in acts], [weight for weight, _ in acts])
        done = act()
        if done is not None:
            await done

    # --- who is there --------------------------------------------------------------------------

    async def _join(self) -> None:
        if len(self.network.nodes) >= NODES_MAX:
            return
        number = len(self.honest)
        who = self._newcomer(number)
        skew_us = self.random.randint(-CLOCKS_APART_US, CLOCKS_APART_US)
        disk = Disk(self._folder / str(number), lambda: self._clock_us(skew_us))
        node = await self.network.add(who, who.config(), disk.open)
        self._disks[node] = disk
        self._befriend(node, self.honest)
        self.honest.append(node)

    def _newcomer(self, number: int) -> Person:
        """Somebody new, another device of somebody, or a device key in a second place."""
        known = [node.person for node in self.honest]
        chance = self.random.random()
        if known and chance < 0.25:
            owner = self.random.choice(known)
            return replace(owner, device=person(f"device {number}").device)
        if len({one.device_key for one in known}) > 1 and chance < 0.5:  # it meets another's
            return replace(self.random.choice(known))
        return person(f"person {number}")

    def _befriend(self, node: Node, others: list[Node]) -> None:
        """One who is not the same device, so that the group hangs together, and some others."""
        possible = [one for one in others if one.person.device_key != node.person.device_key]
        assert possible or not others
        if not possible:
            return
        count = self.random.randint(1, len(possible))
        for other in self.random.sample(possible, count):
            self.network.keep_connected(*self.random.sample([node, other], 2))

    def _clock_us(self, skew_us: int) -> int:
        return NOW_US + round(self.network.now_s * 1e6) + skew_us

    # --- what they do --------------------------------------------------------------------------

    async def _write(self) -> None:
        node = self.random.choice(self.honest)
        if not node.is_up:
            return
        document, edit = self._thought(node.person)
        try:
            done = await store_of(node).commit(document, edit, node.person.signer())
        except PowerCut:
            await self.network.crash(node, down_s=self.random.expovariate(1 / 3))
        except StorageError:
            pass  # this device's chain lost to its twin's: the person is told
        else:
            if done is not None:
                self.written.add(done.id[:ITEM_ID_BYTES])

    def _thought(self, who: Person) -> tuple[DocumentId, Callable[[Editor], None]]:
        number = self.random.randrange(1_000_000)
        record = self.random.choice(RECORDS)
        match self.random.randrange(4):
            case 0:
                return document_of(who, "rate", record), rated(number % 5 + 1, number)
            case 1:
                return document_of(who, "pub", record), tagged(f"tag {number % 7}")
            case _:
                return document_of(who, "pub", record), named(f"{record} {number}", at=number)

    # --- what goes wrong -----------------------------------------------------------------------

    def _cut(self) -> None:
        ends = [end for node in self.network.nodes for end in node.ends]
        if ends:
            self.network.cut(self.random.choice(ends))

    def _part(self) -> None:
        self.network.part(*self.random.sample(self.network.nodes, 2))

    def _meet(self) -> None:
        self.network.join()

    async def _crash(self) -> None:
        node = self.random.choice(self.honest)
        if node.is_up:
            self._disks[node].crash()
            await self.network.crash(node, down_s=self.random.expovariate(1 / 3))

    def _plan_power_cut(self) -> None:
        node = self.random.choice(self.honest)
        self._disks[node].break_after(self.random.randint(1, WRITE_STEPS))

    async def _lost_nothing(self, node: Node) -> None:
        lost = node.durable - await ids_held(node)
        assert not lost, f"{node.person.name} lost {len(lost)} acknowledged entries in a crash"

    # --- what nobody takes ---------------------------------------------------------------------

    async def _join_mallory(self) -> None:
        store = MemoryStore()
        who = person("mallory")
        node = await self.network.add(who, who.config(), store.open)
        self._befriend(node, self.honest)
        self._mallory = node, store

    async def _make_garbage(self) -> None:
        """Mallory alters what she holds, and has it from then on."""
        if self._mallory is None:
            return
        _, store = self._mallory
        held = sorted(store.held.get(COMMONS, {}).items())
        good = [(id, signed) for id, signed in held if id not in self.garbage]
        if not good:
            return
        id, signed = self.random.choice(good)
        if self.random.random() < 0.3:  # an id has no part in the payload: others have it whole
            store.held[COMMONS][id] = replace(signed, payload=signed.payload[:-1])
            return
        bad = garble(signed, self.random)
        self.garbage.add(bad.id[:ITEM_ID_BYTES])
        await store.receive([bad], source="mallory")


def garble(signed: SignedEntry, random: Random) -> SignedEntry:
    """The same entry with one thing wrong: nothing that an honest node can forward."""
    entry, path = signed.entry, signed.entry.path
    capability, signature = bytearray(signed.capability), bytearray(signed.signature)
    capability[-1] ^= 1
    signature[random.randrange(64)] ^= 1
    match random.randrange(4):
        case 0:
            return replace(signed, signature=bytes(signature))
        case 1:
            return replace(signed, capability=bytes(capability))
        case 2:
            return replace(signed, entry=replace(entry, timestamp=entry.timestamp + 1))
        case _:
            return replace(signed, entry=replace(entry, path=(*path[:2], b"..", *path[3:])))


@asynccontextmanager
async def living(seed: int, folder: Path) -> AsyncGenerator[Life]:
    """A group at its beginning."""
    life = Life(seed, folder)
    try:
        await life.begin()
        yield life
    finally:
        await life.network.close()


def document_of(who: Person, cls: str, record: str) -> DocumentId:
    return DocumentId(COMMONS, who.author, cls, "mod", record.encode())


def store_of(node: Node) -> Store:
    assert isinstance(node.store, Store)
    return node.store


async def ids_held(node: Node) -> set[bytes]:
    """16-byte ids of everything."""
    return set(await node.store.ids(COMMONS, Area(), area_bounds(Area()), 100_000))


async def records(node: Node) -> Records:
    """Documents with their values and what was left out of them, lists, and ratings."""
    store = store_of(node)
    documents: list[tuple[object, ...]] = []
    for row in await store.documents(limit=1_000):
        state = await store.read(row.id)
        assert state is not None
        reasons = sorted((id, str(code)) for id, code in state.left_out.items())
        documents.append(
            (row.id.encode(), str(state.value), sorted(state.heads), state.waiting, reasons)
        )
    page = await store.listings(limit=1_000)
    listings = [(one.listing, one.stars_sum, one.stars_count, one.installs) for one in page.rows]
    ratings = [
        (record, rating)
        for one in page.rows
        for record in [one.listing.target]
        for rating in await store.ratings(record)
    ]
    documents.sort(key=lambda row: str(row[0]))
    return Records(tuple(documents), tuple(listings), tuple(ratings))
