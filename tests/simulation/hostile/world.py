"""One seed of a hostile world: honest people go on with their work, others do what harms them.

    0 s                          20 s                                     until the honest agree
    acts, attacks, faults at random ── the network heals, nobody acts ── judged by `oracle`

Honest nodes are production stores and sessions with the tasks of a node: frontiers are fetched,
documents settled, wallets followed. Hostile ones obey nothing but what their keys can sign.
"""

from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from random import Random
from typing import TypeVar

from crdt.area import Area
from crdt.blob import BlobId
from crdt.capability import encode_capability
from crdt.change import DocumentId, SignedEntry, Signer, log_of
from crdt.did import encode_did_key
from crdt.errors import CrdtError
from crdt.held import Revocation
from crdt.keys import COMMONS, DeviceKey
from crdt.order import ITEM_ID_BYTES
from crdt.path import AUTHORITY, CHECKPOINT
from crdt.statement import (
    Checkpoint,
    Frontier,
    Heads,
    Heartbeat,
    Revoke,
    Statement,
    Unrevoke,
    encode_frontier,
    is_statement_class,
)
from node.sharing import with_wallet
from p2p.protocol.effects import BlobFetched, EntriesRefused, SessionEvent
from p2p.protocol.frames import Present
from p2p.protocol.offences import Offences
from p2p.protocol.pieces import Urgency
from storage.appended import AppendedEvent
from storage.ended import REVOKED_SENDER
from storage.errors import NotHeld, StorageError
from storage.quota import Quota
from storage.store import Store
from tests.simulation.disk import Disk
from tests.simulation.hostile.cast import Cast, Player, Speaker
from tests.simulation.hostile.ground import NOBODYS_FAULT, Ground
from tests.simulation.hostile.insiders import Ousted, Usurper
from tests.simulation.hostile.oracle import Oracle, Ruling, View
from tests.simulation.hostile.roles import Role
from tests.simulation.hostile.seen import Hand, entry_time, put
from tests.simulation.network import End, Network, Node, PowerCut
from tests.simulation.swarms import BlobEvent
from tests.storage.people import NOW_US

T = TypeVar("T")

NODES_MIN = 3
ACTS_S = 8.0
ACT_EVERY_S = 0.5
CALM_S = 7.0
HEALED_WITHIN_S = 1_900.0  # some comparisons, each ten minutes after the one before
CHECKED_S = 1.0  # after a right has ended
FOLLOW_S = 0.2  # until the tasks of a node take note
RETRY_S = 5.0
QUOTA = Quota(
    strangers_bytes=160 << 10,
    share_bytes=20 << 10,
    namespace_bytes=256 << 10,
    member_bytes=128 << 10,
)
CRAMPED = 0.5  # of the worlds, in which each node has little room of each kind
WRITE_STEPS = 60
OUST_S = (2.0, 6.0)  # when who was let in goes
BEFORE_ACTS = 2  # of each of these
AFTER_ACTS = 2  # when nobody else acts any more


@dataclass(eq=False)
class Actor:
    """An honest node."""

    player: Player
    node: Node
    disk: Disk
    is_due: bool = False  # its tasks have something to do

    @property
    def store(self) -> Store:
        assert isinstance(self.node.store, Store)
        return self.node.store

    @property
    def name(self) -> str:
        return self.player.who.name


@dataclass(eq=False)
class Said:
    """A revocation that was made."""

    speaker: Speaker
    digest: bytes
    tag: str = ""
    is_back: bool = False


@dataclass(eq=False)
class World:
    """Made by `living`."""

    seed: int
    folder: Path
    nodes_max: int
    has_threads: bool = False
    actors: list[Actor] = field(default_factory=list[Actor])
    roles: list[Role] = field(default_factory=list[Role])
    said: list[Said] = field(default_factory=list[Said])
    acknowledged: set[bytes] = field(default_factory=set[bytes])  # 16-byte ids
    revoked: set[bytes] = field(default_factory=set[bytes])  # keys, by the honest

    def __post_init__(self) -> None:
        self.random = Random(f"hostile {self.seed}")
        self.shown: list[Present] = []
        self.acted = Counter[type[Role] | None]()  # of honest ones: None
        self.network = Ground(self.seed)
        self.cast = Cast(self.random, how_many(self.random, self.nodes_max))
        self.oracle = Oracle(self.cast)
        self._markers = 0
        self._is_cramped = self.random.random() < CRAMPED
        self.network.on_event = self._heard
        self.network.on_said = self.oracle.watch
        self.network.on_reopen = self._reopened

    # --- what roles share ----------------------------------------------------------------------

    def marker(self) -> str:
        self._markers += 1
        return f"m{self._markers:06}"

    def is_garbage(self, signed: SignedEntry) -> None:
        self.oracle.garbage.add(signed.id[:ITEM_ID_BYTES])

    # --- its course ----------------------------------------------------------------------------

    async def begin(self) -> None:
        for player in self.cast.honest:
            await self._add_honest(player)
        for player in self.cast.hostile:
            await self._add_hostile(player)
        for actor in self.actors:  # so that there is something that the usurper can take away
            if self.cast.usurper in actor.player.hosts:
                act = partial(self._write_at, actor, actor.player.places[-1])
                self.network.at(self.random.random() * OUST_S[0], act)
        for end_s in self.cast.ends_s:  # so that what is used later for earlier is told apart
            self.network.at(end_s + self.random.uniform(0.1, CHECKED_S), self._checkpoint)

    async def go_through_it(self) -> None:
        while self.network.now_s < ACTS_S:
            await self.network.run(self.network.now_s + self.random.expovariate(1 / self._pace_s))
            await self._act()
            if self.random.random() < 0.01:
                await self.judge()

    @property
    def _pace_s(self) -> float:
        return ACT_EVERY_S * 6 / (len(self.network.nodes) + 3)

    async def heal(self) -> None:
        """Everybody is reachable; ends when the honest hold the same. Raises `AssertionError`."""
        self.network.join()
        for actor in self.actors:
            actor.disk.break_after(1 << 60)
        end_s = self.network.now_s + HEALED_WITHIN_S
        while True:
            await self.network.run(self.network.now_s + CALM_S)
            lacking = await self.oracle.lacking(self.actors)
            if not lacking:
                return
            assert self.network.now_s < end_s, f"they do not agree: {lacking}"

    async def judge(self) -> dict[Actor, View]:
        """All that must hold at any moment. Gives what honest nodes hold and show."""
        views = {actor: await self.oracle.judge(actor) for actor in self.actors}
        self.oracle.judge_hostile(self.roles)
        for actor in self.actors:
            guard = self.network.guards[actor.node]
            self.oracle.judge_memory(actor, guard, but=(World, Actor, Network, Node, End))
        await self.oracle.compare(views)
        await self.oracle.compare_but_for_ended(views)
        honest = self.cast.devices
        faults = [
            f"{end.node.person.name}: {fault}"
            for end, fault in self.network.faults
            if end.peer in honest and end.node.person.device_key in honest
        ]
        assert not faults, f"honest nodes broke the rules: {faults}"
        return views

    # --- who is there --------------------------------------------------------------------------

    async def _add_honest(self, player: Player) -> None:
        number = len(self.actors)
        skew_us = self.random.randint(-1_000_000, 1_000_000)
        quota = small_quota(self.random) if self._is_cramped else QUOTA
        quota = replace(quota, own=frozenset({player.who.author}))
        folder = self.folder / str(number)
        disk = Disk(folder, lambda: self._clock_us(skew_us), quota, has_threads=self.has_threads)
        node = await self.network.add(player.who, player.who.config(), disk.open)
        actor = Actor(player, node, disk)
        for place, known in enumerate(self.cast.honest):
            if known.who.author != player.who.author:
                await actor.store.set_petname(f"p{place}", encode_did_key(known.who.author))
        if player.reads is not None:
            await actor.store.keep_capability(encode_capability(player.reads), "invite")
            await actor.store.join(self.cast.guild, "guild")
        node.config = await with_wallet(node.config, actor.store)
        self.network.guards[node] = Offences()
        others = self.random.sample(self.actors, min(number, self.random.randint(1, 2)))
        if player.reads is not None and self.actors and self.actors[0] not in others:
            others.append(self.actors[0])  # else the guild might hang together by strangers only
        for other in others:
            self.network.keep_connected(*self.random.sample([node, other.node], 2))
        self.actors.append(actor)
        self._subscribe(actor)

    async def _add_hostile(self, player: Player) -> None:
        assert player.role is not None
        if player.first is None:
            role = player.role(self, player.who, player.places)
            self.roles.append(role)
        else:
            role = self.roles[-1]
        node = await self.network.add(player.who, self.cast.config_of(player), role.store.open)
        role.node, self.network.masks[node] = node, role
        victims = self.random.sample(self.actors, min(len(self.actors), self.random.randint(1, 3)))
        for victim in victims:
            self.network.keep_connected(*self.random.sample([node, victim.node], 2))
        if player.first is None and isinstance(role, Ousted | Usurper):
            self._oust_soon(player, role)

    def _clock_us(self, skew_us: int) -> int:
        return NOW_US + round(self.network.now_s * 1e6) + skew_us

    # --- the tasks of an honest node -----------------------------------------------------------

    def _subscribe(self, actor: Actor) -> None:
        def note(event: AppendedEvent) -> None:
            if any(is_statement_class(one.cls) for one in event.documents):
                self._follow_soon(actor, FOLLOW_S)

        actor.store.subscribe(note)
        self._follow_soon(actor, FOLLOW_S)

    def _follow_soon(self, actor: Actor, delay_s: float) -> None:
        if not actor.is_due:
            actor.is_due = True
            self.network.after(self.random.random() * delay_s, partial(self._follow, actor))

    async def _follow(self, actor: Actor) -> None:
        """As `node.authority` and `node.sharing` do; a moment in which nothing else happens."""
        actor.is_due, store = False, actor.store
        try:
            wanted = await store.wanted_frontiers()
            for blob, bytes_max in wanted:
                if not await self._know(actor, blob):
                    self._fetch(actor, blob, bytes_max)
            await store.settle()
        except PowerCut:
            await self.network.crash(actor.node, down_s=1.0)
            return
        if await store.wanted_frontiers():
            self._follow_soon(actor, RETRY_S)
        config = await with_wallet(actor.node.config, store)
        if config != actor.node.config:
            actor.node.config = config
            for end in list(actor.node.ends):
                self.network.carry_out(
                    end, end.session.reconfigure(config, now_s=self.network.now_s)
                )

    async def _know(self, actor: Actor, blob: BlobId) -> bool:
        try:
            await actor.store.know_frontier(blob)
        except NotHeld:
            return False
        except CrdtError:
            pass  # no frontier, and never will be
        return True

    def _fetch(self, actor: Actor, blob: BlobId, bytes_max: int) -> None:
        swarm = actor.node.swarm

        def follow(event: BlobEvent) -> None:
            if isinstance(event, BlobFetched):
                self._follow_soon(actor, FOLLOW_S)

        swarm.on_event = follow
        swarm.want(blob, bytes_max, urgency=Urgency.AUTHORITY)

    def _heard(self, end: End, event: SessionEvent) -> None:
        if isinstance(event, EntriesRefused) and end.peer in self.cast.devices:
            faults = event.codes.keys() - NOBODYS_FAULT
            if self._was_revoked(end.peer):  # it goes on until it hears of that
                faults -= {REVOKED_SENDER}
            assert not faults, f"an honest peer was refused {event.codes}"

    def _was_revoked(self, device: DeviceKey) -> bool:
        """Whether some right of this honest node's was taken back, by whomever."""
        (player,) = [one for one in self.cast.honest if one.who.device.public == device]
        chains = [hand.right.chain for hand, _ in player.places]
        is_gone = any(not self.revoked.isdisjoint(chain) for chain in chains)
        return is_gone or self.cast.usurper in player.hosts

    async def _reopened(self, node: Node) -> None:
        for actor in self.actors:
            if actor.node is node:
                actor.is_due = False
                self._subscribe(actor)

    # --- acts and faults -----------------------------------------------------------------------

    async def _act(self) -> None:
        acts: list[tuple[float, Callable[[], Awaitable[None] | None]]] = [
            (8.0, self._write),
            (8.0, self._attack),
            (2.0, self._revoke),
            (1.0, self._unrevoke),
            (0.5, self._there_and_back),
            (0.5, self._beat),
            (0.7, self._checkpoint),
            (1.5, self._cut),
            (0.6, self._part),
            (0.8, self._meet),
            (0.6, self._crash),
            (0.5, self._plan_power_cut),
        ]
        (act,) = self.random.choices([act for _, act in acts], [weight for weight, _ in acts])
        done = act()
        if done is not None:
            await done

    async def _attack(self) -> None:
        role = self.random.choice(self.roles)
        held = sum(map(len, role.store.held.values()))
        await role.act()
        self.acted[type(role)] += sum(map(len, role.store.held.values())) > held

    async def _write(self) -> None:
        actor = self.random.choice(self.actors)
        await self._write_at(actor, self.random.choice(actor.player.places))

    async def _write_at(self, actor: Actor, place: tuple[Hand, DocumentId]) -> None:
        hand, document = place
        marker = self.marker()
        edit = put(document, marker, f"{actor.name[:6]} {marker}")
        done = await self._at(actor, lambda: actor.store.commit(document, edit, hand.signer))
        if done is not None:
            self.acted[None] += 1
            self.acknowledged.add(done.id[:ITEM_ID_BYTES])

    async def _at(self, actor: Actor, act: Callable[[], Awaitable[T]]) -> T | None:
        """One act of a person; None where the node is down, goes down amid it, or says no."""
        if not actor.node.is_up:
            return None
        try:
            return await act()
        except PowerCut:
            await self.network.crash(actor.node, down_s=self.random.expovariate(1.0))
        except (StorageError, CrdtError):
            pass  # its right has ended, or its changes fell: the person is told
        return None

    def _speaker(self) -> tuple[Actor, Speaker]:
        pairs = [(actor, one) for actor in self.actors for one in actor.player.speaks]
        return self.random.choice(pairs)

    async def _say(self, actor: Actor, speaker: Speaker, statement: Statement) -> bytes | None:
        if isinstance(statement, Revoke):
            self.revoked.add(statement.key)
        right = encode_capability(speaker.right)
        signer = Signer(speaker.root, speaker.issuer, {AUTHORITY: right})
        done = await self._at(actor, lambda: actor.store.declare(statement, speaker.log, signer))
        return None if done is None else done.signed.entry.payload_digest

    async def _revoke(self) -> None:
        actor, speaker = self._speaker()
        if not speaker.gave or not actor.node.is_up:
            return
        area = Area()
        troubled = await self.oracle.left_out_under(actor, speaker)
        key = self.random.choice([*speaker.gave, *troubled])
        if speaker is self.cast.alice_speaks and self.random.random() < 0.2:
            area = Area(speaker.issuer, (b"pub", b"mod", self.cast.shared.record))
        kind = self.random.random()
        since = None
        if 0.5 < kind < 0.8:
            since = entry_time(self.network.now_s * self.random.random())
        said = await self._take_back(actor, speaker, key, area, since=since, keeps=kind < 0.8)
        if said is not None:
            self.said.append(said)

    async def _take_back(
        self,
        actor: Actor,
        speaker: Speaker,
        key: bytes,
        area: Area | None = None,
        *,
        since: int | None = None,
        keeps: bool = True,
    ) -> Said | None:
        """As it is shown now, or what was there before `since`; nothing where it keeps nothing."""
        cut = Revocation(speaker.issuer, key, area=area or Area())
        heads: dict[bytes, Heads] = {}
        if keeps:
            heads = await actor.store.frontier_now(speaker.log.namespace, cut, before=since)
        ruling = Ruling(
            await self.oracle.visible_under(actor, cut, since) if keeps else frozenset(), heads
        )
        tag = f"r{len(self.oracle.rulings)}"
        self.oracle.rulings[tag] = ruling
        frontier = Frontier(heads)
        if heads and self.random.random() < 0.25:
            try:
                frontier = Frontier(blob=await actor.store.put_blob(encode_frontier(heads)))
            except PowerCut:
                await self.network.crash(actor.node, down_s=1.0)
                return None
        digest = await self._say(actor, speaker, Revoke(key, frontier, cut.area, tag))
        return None if digest is None else Said(speaker, digest, tag)

    # --- who was let in goes -------------------------------------------------------------------

    def _oust_soon(self, player: Player, role: Role) -> None:
        """Whoever let it in takes that back, and it goes on until after all others are calm."""
        hosts = [one for one in player.hosts if one is not self.cast.usurper]
        for host in hosts:
            self.network.at(self.random.uniform(*OUST_S), partial(self._oust, player, role, host))
        for _ in range(BEFORE_ACTS):
            self.network.at(self.random.uniform(OUST_S[0] / 2, OUST_S[1]), role.act)
        for _ in range(AFTER_ACTS):
            self.network.at(ACTS_S + self.random.random() * CALM_S / 2, role.act)

    async def _oust(self, player: Player, role: Role, host: Speaker) -> None:
        """It is tried until it is done: the node may be down, or its power fail."""
        actor = next(one for one in self.actors if host in one.player.speaks)
        key, said = player.who.root.public, None
        if actor.node.is_up and await self._at(actor, actor.store.settle) is not None:
            if isinstance(role, Usurper):
                await self._silence(actor, host)
            if actor.node.is_up:
                said = await self._take_back(actor, host, key)
        if said is None:
            self.network.after(RETRY_S / 10, partial(self._oust, player, role, host))
            return
        if isinstance(role, Ousted):
            role.is_out = True
        if self.random.random() < 0.2:
            self.said.append(said)

    async def _silence(self, actor: Actor, owner: Speaker) -> None:
        """First all that the usurper said, mostly, so that what it took away is there again when
        the frontier is drawn up; what is left of that stands, whatever harm it did.
        """
        usurper = self.cast.usurper
        if usurper is None or self.random.random() < 0.2:
            return
        log = Area(usurper.issuer, (AUTHORITY.encode(),))
        since = entry_time(self.network.now_s * self.random.random())
        keeps = self.random.random() < 0.5
        await self._take_back(actor, owner, usurper.root.public, log, since=since, keeps=keeps)
        await self._at(actor, actor.store.settle)

    async def _unrevoke(self) -> None:
        possible = [one for one in self.said if not one.is_back]
        if not possible:
            return
        one = self.random.choice(possible)
        (actor,) = [actor for actor in self.actors if one.speaker in actor.player.speaks]
        one.is_back = await self._say(actor, one.speaker, Unrevoke(one.digest)) is not None

    async def _there_and_back(self) -> None:
        """Taken out, and byte for byte there again."""
        actor, speaker = self._speaker()
        if not speaker.gave or not actor.node.is_up:
            return
        if await self._at(actor, actor.store.settle) is None:
            return
        before = await self.oracle.shown(actor)
        digest = await self._say(actor, speaker, Revoke(self.random.choice(speaker.gave)))
        if digest is None:
            return
        said = Said(speaker, digest)
        self.said.append(said)
        said.is_back = await self._say(actor, speaker, Unrevoke(digest)) is not None
        if said.is_back and await self._at(actor, actor.store.settle) is not None:
            assert await self.oracle.shown(actor) == before, "un-revoked, it is not as it was"

    async def _beat(self) -> None:
        actor, speaker = self._speaker()
        await self._say(actor, speaker, Heartbeat())

    async def _checkpoint(self) -> None:
        actor = self.actors[0]  # alice's first device, which nobody revokes
        hand, _ = actor.player.places[0]
        if not actor.node.is_up:
            return
        rows = await actor.store.documents(COMMONS, limit=1_000)
        heads = {
            row.id.encode(): row.heads
            for row in rows
            if row.id.subspace == self.cast.alice.author and not is_statement_class(row.id.cls)
        }
        log = log_of(COMMONS, self.cast.alice.author, CHECKPOINT)
        signer = self.cast.checkpointer.signer
        assert hand.device.public == signer.device.public
        checkpoint = Checkpoint(Frontier(heads))
        await self._at(actor, lambda: actor.store.declare(checkpoint, log, signer))

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
        actor = self.random.choice(self.actors)
        if actor.node.is_up:
            actor.disk.crash()
            await self.network.crash(actor.node, down_s=self.random.expovariate(1 / 3))

    def _plan_power_cut(self) -> None:
        self.random.choice(self.actors).disk.break_after(self.random.randint(1, WRITE_STEPS))


def small_quota(random: Random) -> Quota:
    """So small that hostile peers fill each budget, and honest members have room."""
    return Quota(
        strangers_bytes=random.choice((16, 32, 64, 128)) << 10,
        author_bytes=random.choice((12, 24)) << 10,
        peer_bytes=random.choice((12, 24, 48)) << 10,
        share_bytes=random.choice((2, 8, 20)) << 10,
        namespace_bytes=random.choice((12, 24, 48, 96)) << 10,
        member_bytes=random.choice((12, 24, 48)) << 10,
    )


def how_many(random: Random, nodes_max: int) -> int:
    """Nodes of a world: mostly few, now and then as many as there may be."""
    return NODES_MIN + round((nodes_max - NODES_MIN) * random.random() ** 4)


@asynccontextmanager
async def living(
    seed: int, folder: Path, *, nodes_max: int, has_threads: bool = False
) -> AsyncGenerator[World]:
    """A hostile world at its beginning."""
    world = World(seed, folder, nodes_max, has_threads)
    try:
        await world.begin()
        yield world
    finally:
        await world.network.close()
