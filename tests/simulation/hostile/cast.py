"""Who lives in a hostile world, drawn from its seed: keys, and every right that was given.

alice    node 0, perhaps node 1: owns records in commons, and the guild, an owned namespace
honest   authors of their own; some write alice's `shared` too, some are members of the guild
bob      the first of them: also an admin of the guild, who lets some of the others in
hostile  a role each; the keys of a stolen laptop of alice's, of a co-author, of a member
usurper  the first of them, now and then: another admin of the guild, who let honest ones in, too
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random

from crdt.area import Area
from crdt.capability import READ, WRITE, Capability, delegate, encode_capability, own
from crdt.change import DocumentId, log_of
from crdt.ed25519 import SigningKey
from crdt.keys import COMMONS, AuthorKey, NamespaceKey
from crdt.path import AUTHORITY
from p2p.protocol.config import SessionConfig
from tests.simulation.hostile.insiders import Ousted, Usurper
from tests.simulation.hostile.roles import ROLES, Backdater, Replayer, Role
from tests.simulation.hostile.seen import Hand, entry_time, key_of
from tests.simulation.people import EVERYTHING, Person, person

SHARED = b"shared"
ENDS_S = (1.0, 5.0)  # when rights end that have an end
USURPED_NODES_MIN = 4
USURPED = 0.5  # of the worlds with so many nodes
PLAN = b"plan"


@dataclass(eq=False)
class Speaker:
    """A root key that may take back what it gave."""

    root: SigningKey
    log: DocumentId
    right: Capability
    gave: list[bytes] = field(default_factory=list[bytes])

    @property
    def issuer(self) -> AuthorKey:
        return self.log.subspace


@dataclass(eq=False)
class Player:
    """One node's person, and what it may write and say."""

    who: Person
    places: list[tuple[Hand, DocumentId]]
    role: type[Role] | None = None
    reads: Capability | None = None
    knows_guild: bool = False
    speaks: list[Speaker] = field(default_factory=list[Speaker])
    hosts: list[Speaker] = field(default_factory=list[Speaker])
    """Who let it write what is not its own."""
    first: "Player | None" = None
    """Whose second device this is, with the same role and all that this one holds."""


class Cast:
    """Everybody. `nodes`: how many there are."""

    def __init__(self, random: Random, nodes: int) -> None:
        self._random = random
        self.guild_key = key_of(random, is_owned=True)
        self.guild = NamespaceKey(self.guild_key.public)
        self.ends_s: list[float] = []  # of rights that have an end
        self.alice = self._person("alice")
        author = self.alice.author
        self.shared = DocumentId(COMMONS, author, "pub", "mod", SHARED)
        self.alice_speaks = Speaker(
            self.alice.root, log_of(COMMONS, author, AUTHORITY), Capability(WRITE, COMMONS, author)
        )
        may_check = delegate(
            self.alice_speaks.right,
            self.alice.root,
            Area(author, (b"_ck",)),
            self.alice.device.public,
        )
        self.checkpointer = Hand(self.alice.device, may_check)
        everything = own(self.guild_key, WRITE, self.guild_key.public)
        log = log_of(self.guild, AuthorKey(self.guild_key.public), AUTHORITY)
        self.guild_speaks = Speaker(self.guild_key, log, everything)
        self.admin: Speaker | None = None
        self.usurper: Speaker | None = None
        hostile = min(nodes - 2, max(1, round(nodes * random.uniform(0.2, 0.6))))
        self.hostile: list[Player] = []
        if nodes >= USURPED_NODES_MIN and random.random() < USURPED:
            self.hostile.append(self._usurper())
        self.honest: list[Player] = [self._honest(number) for number in range(nodes - hostile)]
        while len(self.hostile) < hostile:
            player = self._hostile()
            self.hostile.append(player)
            if player.role is Ousted and len(self.hostile) < hostile:
                self.hostile.append(self._second_device(player))

    @property
    def devices(self) -> frozenset[bytes]:
        """Of the honest, who never use a number twice."""
        return frozenset(one.who.device.public for one in self.honest)

    @property
    def authors(self) -> frozenset[bytes]:
        """Of the honest, who all follow one another."""
        return frozenset(bytes(one.who.author) for one in self.honest)

    def _person(self, name: str) -> Person:
        return person(f"{name} {self._random.getrandbits(64)}")

    def _honest(self, number: int) -> Player:
        random = self._random
        if number == 0:
            player = Player(self.alice, self._own_places(self.alice))
            player.speaks = [self.alice_speaks, self.guild_speaks]
            self._join(player, self.guild_speaks)
        elif number == 1 and self.usurper is None and random.random() < 0.5:
            second = replace(self.alice, device=key_of(random))
            player = Player(second, self._own_places(second))
            self.alice_speaks.gave.append(second.device.public)
            self._join(player, None)
        else:
            who = self._person("honest")
            player = Player(who, self._own_places(who))
            if random.random() < 0.6:
                self._let_write(player, ends=random.random() < 0.3)
            if number == 1 and self.usurper is not None:
                self._join(player, self.usurper)
            elif self.admin is None and random.random() < (0.3 if self.usurper else 0.7):
                self._make_admin(player)
            elif random.random() < (0.9 if self.usurper else 0.6):
                self._join(player, self._host())
        return player

    def _hostile(self) -> Player:
        random = self._random
        who, role = self._person("hostile"), random.choice((*ROLES, Ousted))
        player = Player(who, self._own_places(who)[:1], role)
        if random.random() < 0.4:
            laptop = self._direct(self.alice, who.device)
            self.alice_speaks.gave.append(who.device.public)
            player.places += [(laptop, self.shared), (laptop, self._record(self.alice, "notes"))]
        if random.random() < 0.5 or role is Backdater:
            ends = role is not Ousted and random.random() < 0.3
            self._let_write(player, ends=ends or role is Backdater)
        if role is Ousted and random.random() < 0.3:
            self._join_as_admin(player)
        elif random.random() < 0.4 or (role is Ousted and not player.hosts):
            self._join(player, self.guild_speaks if role is Ousted else self._host())
        hears_of_it = random.random() < 0.2 or role is Replayer  # as rights name it
        player.knows_guild = player.knows_guild or hears_of_it
        return player

    def _second_device(self, first: Player) -> Player:
        """It has a right of its own to all that the first one's root was given."""
        who = replace(first.who, device=key_of(self._random))

        def again(right: Capability) -> Capability:
            given = replace(right, delegations=right.delegations[:-1])
            return delegate(given, who.root, right.granted_area, who.device.public)

        first.places += [
            (Hand(who.device, again(hand.right)), document)
            for hand, document in first.places
            if who.root.public in hand.right.chain[:-1]
        ]
        reads = again(first.reads) if first.reads else None
        return Player(who, [], first.role, reads=reads, knows_guild=first.knows_guild, first=first)

    def _usurper(self) -> Player:
        who = self._person("usurper")
        right = own(self.guild_key, WRITE, who.root.public)
        self.usurper = Speaker(who.root, log_of(self.guild, who.author, AUTHORITY), right)
        player = Player(who, [], Usurper)
        self._join_as_admin(player)
        return player

    # --- rights --------------------------------------------------------------------------------

    def _own_places(self, who: Person) -> list[tuple[Hand, DocumentId]]:
        hand = self._direct(who, who.device)
        rating = delegate(
            Capability(WRITE, COMMONS, who.author), who.root, Area(who.author), who.device.public
        )
        rate = DocumentId(COMMONS, who.author, "rate", "mod", SHARED)
        places = [(hand, self._record(who, "notes")), (Hand(who.device, rating), rate)]
        if who.root.public == self.alice.root.public:
            places.append((hand, self.shared))
        return places

    def _record(self, who: Person, name: str) -> DocumentId:
        return DocumentId(COMMONS, who.author, "pub", "mod", name.encode())

    def _direct(self, who: Person, device: SigningKey) -> Hand:
        """From a root to a device: all that it publishes."""
        root = Capability(WRITE, COMMONS, who.author)
        area = Area(who.author, (b"pub",))
        return Hand(device, delegate(root, who.root, area, device.public))

    def _let_write(self, player: Player, *, ends: bool) -> None:
        """One record of alice's, to the root of a co-author, who hands it to a device."""
        end = None
        if ends:
            self.ends_s.append(self._random.uniform(*ENDS_S))
            end = entry_time(self.ends_s[-1])
        area = Area(self.alice.author, (b"pub", b"mod", SHARED), 0, end)
        root = Capability(WRITE, COMMONS, self.alice.author)
        given = delegate(root, self.alice.root, area, player.who.root.public)
        used = delegate(given, player.who.root, area, player.who.device.public)
        player.places.append((Hand(player.who.device, used), self.shared))
        self.alice_speaks.gave += [player.who.root.public, player.who.device.public]
        player.hosts.append(self.alice_speaks)

    def _host(self) -> Speaker:
        if self.usurper is not None and self._random.random() < 0.7:
            return self.usurper
        return self._random.choice([one for one in (self.guild_speaks, self.admin) if one])

    def _make_admin(self, player: Player) -> None:
        right = own(self.guild_key, WRITE, player.who.root.public)
        log = log_of(self.guild, player.who.author, AUTHORITY)
        self.admin = Speaker(player.who.root, log, right)
        self.guild_speaks.gave.append(player.who.root.public)
        player.speaks.append(self.admin)
        self._join(player, self.guild_speaks)

    def _join(self, player: Player, host: Speaker | None) -> None:
        """A member of the guild. No host: a second device of one who is."""
        who = player.who
        area = Area(who.author)
        if host is None or host is self.guild_speaks:
            whole = own(self.guild_key, WRITE, self.guild_key.public)
            given = delegate(whole, self.guild_key, area, who.root.public)
        else:
            given = delegate(host.right, host.root, area, who.root.public)
        used = delegate(given, who.root, Area(who.author, (b"pub",)), who.device.public)
        player.places.append((Hand(who.device, used), self._plan(who)))
        if host is not None and who is not self.alice:
            host.gave.append(who.root.public)
            player.hosts.append(host)
        self._let_read(player, area)

    def _join_as_admin(self, player: Player) -> None:
        """Whose device may write what everybody may in the guild."""
        who = player.who
        right = own(self.guild_key, WRITE, who.root.public)
        used = Hand(who.device, delegate(right, who.root, Area(), who.device.public))
        player.places += [(used, self._plan(who)), (used, self._plan(self.alice))]
        self.guild_speaks.gave.append(who.root.public)
        player.hosts.append(self.guild_speaks)
        self._let_read(player, Area())

    def _let_read(self, player: Player, area: Area) -> None:
        who = player.who
        whole = own(self.guild_key, READ, self.guild_key.public)
        part = Area() if player.role is None or self._random.random() < 0.7 else area
        read = delegate(whole, self.guild_key, part, who.root.public)
        player.reads = delegate(read, who.root, part, who.device.public)
        player.knows_guild = True

    def _plan(self, who: Person) -> DocumentId:
        return DocumentId(self.guild, who.author, "pub", "mod", PLAN)

    # --- what their nodes are made with --------------------------------------------------------

    def config_of(self, player: Player) -> SessionConfig:
        """Of a hostile node; an honest one goes by its wallet."""
        interests: tuple[tuple[NamespaceKey, Area], ...] = EVERYTHING
        if player.knows_guild:
            interests = (*EVERYTHING, (self.guild, Area()))
        shown = (encode_capability(player.reads),) if player.reads else ()
        return player.who.config(interests=interests, read_capabilities=shown)


def all_of(players: Sequence[Player]) -> set[bytes]:
    """Their device keys."""
    return {one.who.device.public for one in players}
