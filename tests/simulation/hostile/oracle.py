"""What must be true of every node, said without the judge of production code.

It reads entries for itself (`seen`), keeps what the world told it when it happened (what lay under
each revocation, what no honest node may take), and looks at what a node shows: by their markers,
which changes made a document. Where a rule has two sides it takes the one that is sure: a
revocation counts here only where nothing held could take it back.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from crdt.area import Area
from crdt.capability import CapabilityCache
from crdt.change import DocumentId, SignedEntry
from crdt.document import skeleton_for
from crdt.entry import Entry, decode_entry
from crdt.held import WAITING, Reason, Revocation
from crdt.keys import COMMONS, NamespaceKey
from crdt.order import ITEM_ID_BYTES, area_bounds
from crdt.rollover import CARRIED
from crdt.statement import Checkpoint, Heads, Revoke, Unrevoke, is_statement_class
from p2p.protocol import frames
from p2p.protocol.config import Cut, SessionConfig
from p2p.protocol.frames import Frame, encode_frame
from storage import bounds, waiting
from storage.documents import DocumentState
from tests.simulation.hostile.cast import Cast, Player, Speaker
from tests.simulation.hostile.roles import Role, hands_of
from tests.simulation.hostile.room import (
    EMPTY_BYTES,
    judge_budgets,
    judge_ended,
    judge_file,
    read_kept,
)
from tests.simulation.hostile.seen import MARKER, Seen, see
from tests.simulation.memory import size_of
from tests.simulation.network import End

if TYPE_CHECKING:
    from tests.simulation.hostile.world import Actor

EVERY = 100_000
SLACK_BYTES = 32 << 10  # of the budget: what documents take beside entries, when judged again
# Of a node's memory: compiled statements, offenders; whatever its quotas are.
NODE_BYTES_MAX = 256 << 10
SESSION_BYTES_MAX = (
    256 << 10
)  # four answers asked for, of `answer_bytes` each, and what it remembers
CODES = frozenset(map(str, Reason))  # none is the library's: our rules are never laxer than its own
SPLIT = frozenset({Reason.LOST_BRANCH, Reason.EXCLUDED_DEPENDENCY})


@dataclass(frozen=True, slots=True)
class Ruling:
    """A revocation as it was meant.

    `allowed`: the changes that it leaves, by hash. `heads`: its frontier, by document.
    """

    allowed: frozenset[bytes]
    heads: Mapping[bytes, Heads] = field(default_factory=dict[bytes, Heads])


@dataclass(slots=True)
class View:
    """One node: all it holds, and what its documents show."""

    seen: dict[bytes, Seen]
    states: dict[DocumentId, DocumentState]
    visible: set[bytes] = field(default_factory=set[bytes])
    rolled: dict[DocumentId, set[str]] = field(default_factory=dict[DocumentId, set[str]])
    """Of the epochs of records that went on in another one: the markers in all of them.

    What was carried over is then its carrier's, whatever becomes of who wrote it.
    """

    def of(self, document: DocumentId) -> list[Seen]:
        return [one for one in self.seen.values() if one.document == document]


class Oracle:
    """One world's."""

    def __init__(self, cast: Cast) -> None:
        self.garbage: set[bytes] = set()  # 16-byte ids that no honest node may take
        self.rulings: dict[str, Ruling] = {}  # by the reason that the revocation states
        self.compared = 0
        self.judged = Counter[str]()  # how often each rule had something to say
        self.fullest = Counter[str]()  # of what is bounded, in percent
        self._cast = cast
        self._seen: dict[bytes, Seen] = {}
        self._readers = {
            one.who.device.public: one for one in (*cast.honest, *cast.hostile) if one.reads
        }
        self._knowers = {
            one.who.device.public for one in (*cast.honest, *cast.hostile) if one.knows_guild
        }

    # --- reading -------------------------------------------------------------------------------

    async def view(self, actor: "Actor") -> View:
        seen: dict[bytes, Seen] = {}
        for namespace in (COMMONS, self._cast.guild):
            ids = await self._ids_of(actor, namespace)
            new = [id for id in ids if id not in self._seen]
            for signed in await actor.store.entries(namespace, new):
                self._keep(signed)
            seen |= {id: self._seen[id] for id in ids}
        states: dict[DocumentId, DocumentState] = {}
        for document in sorted({one.document for one in seen.values()}):
            state = await actor.store.read(document)
            assert state is not None, f"{document} is held, and not shown"
            states[document] = state
        view = View(seen, states, rolled=markers_of_rolled(seen.values()))
        for one in seen.values():
            if one.document in view.rolled:
                continue
            if one.statement is None and one.marker in shown_keys(states[one.document]):
                view.visible.add(one.change)
        return view

    def _keep(self, signed: SignedEntry) -> None:
        one = see(signed)
        assert one is not None, f"{signed.entry.path} was taken, and is no entry of ours"
        self._seen[one.id[:ITEM_ID_BYTES]] = one

    async def shown(self, actor: "Actor") -> list[tuple[object, ...]]:
        """Documents but for the logs, whole."""
        view = await self.view(actor)
        return [
            (document, repr(state.value), sorted(state.heads), sorted(state.left_out.items()))
            for document, state in view.states.items()
            if not is_statement_class(document.cls)
        ]

    async def visible_under(
        self, actor: "Actor", cut: Revocation, since: int | None
    ) -> frozenset[bytes]:
        """What a frontier of all that counts here leaves; of what is hit, only what is earlier."""
        view = await self.view(actor)
        hit = [one for one in view.seen.values() if cut.hits(one.chain)]
        late = {
            one.change for one in hit if since is not None and one.signed.entry.timestamp >= since
        }
        early = {one.change for one in hit} - late
        return frozenset(view.visible - with_descendants(view.seen.values(), late - early))

    async def left_out_under(self, actor: "Actor", speaker: Speaker) -> list[bytes]:
        """Keys that it gave rights to under which something lies that does not count here.

        One for each such entry: the more there is, the more a revocation may change the reasons.
        """
        view = await self.view(actor)
        left_out = {id for state in view.states.values() for id in state.left_out}
        chains = [one.chain for one in view.seen.values() if one.id in left_out]
        return [
            key
            for chain in chains
            for key in speaker.gave
            if hits(Revocation(speaker.issuer, key), chain)
        ]

    # --- judging one node ----------------------------------------------------------------------

    async def judge(self, actor: "Actor") -> View:
        """Everything that must hold on an honest node at any moment. Gives what it looked at."""
        view = await self.view(actor)
        who = actor.name
        assert not self.garbage & view.seen.keys(), f"{who} took what nobody may take"
        self._judge_areas(view)
        self._judge_documents(view)
        self._judge_branches(view)
        self._judge_reasons(view)
        wanted = {blob for blob, _ in await actor.store.wanted_frontiers()}
        forbidden = self._forbidden(view, wanted)
        shown = forbidden & view.visible
        assert not shown, f"{who} shows {self._names(view, shown)}, whose right was taken back"
        if actor.player.reads is None:
            guilds = [one for one in view.seen.values() if one.document.namespace != COMMONS]
            assert not guilds, f"{who} holds what it may not read"
        await self._judge_room(actor, view)
        return view

    def _judge_areas(self, view: View) -> None:
        """Every right in the chain of a right reaches the entry that it was used for."""
        for one in view.seen.values():
            entry = one.signed.entry
            for right in one.right.prefixes():
                assert right.namespace == entry.namespace, "a right of another namespace"
                assert right.granted_area.includes_entry(entry), "an entry outside its area"

    def _judge_documents(self, view: View) -> None:
        """What is shown came from entries, builds on what is shown, and is one of a number each.

        What is not shown has a reason.
        """
        for document, state in view.states.items():
            if is_statement_class(document.cls):
                continue
            entries = view.of(document)
            markers = {key for key in shown_keys(state) if key.startswith("m0")}
            if document in view.rolled:
                assert markers <= view.rolled[document], "a change that nobody signed"
                continue
            assert markers <= {one.marker for one in entries}, "a change that nobody signed"
            root = skeleton_for(document.cls, document.kind).hash
            numbers: dict[tuple[bytes, int], bytes] = {}
            for one in entries:
                reason = state.left_out.get(one.id)
                assert reason is None or reason in CODES, reason
                assert reason or one.change in view.visible, (
                    f"{one.marker} is missing for no reason"
                )
                if one.change in view.visible:
                    parents = set(one.dependencies) - {root}
                    assert parents <= view.visible, (
                        f"{one.marker} is shown without what it builds on"
                    )
                    first = numbers.setdefault((one.device, one.seq), one.change)
                    assert first == one.change, f"two changes of one number: {one.marker}"

    def _judge_reasons(self, view: View) -> None:
        """What a revocation takes out is said to be revoked, whatever else is wrong with it."""
        for said, cut, ruling in self._sure_cuts(view):
            namespace = said.document.namespace
            for one in view.seen.values():
                if one.statement is not None or one.document in view.rolled:
                    continue
                if one.document.namespace != namespace or one.change in ruling.allowed:
                    continue
                if hits(cut, one.chain) and cut.area.includes(place_of(one.document)):
                    code = view.states[one.document].left_out.get(one.id)
                    assert code == Reason.REVOKED, f"{one.marker} is {code}, and was revoked"
                    self.judged["called revoked"] += 1

    def _judge_branches(self, view: View) -> None:
        """Where one number was used twice: a checkpoint decides, else who got the right directly.

        Judged where all of a document stands but for such numbers, and every revocation that hits
        it is sure; of them those none of whose changes another fork took with it.
        """
        sure = self._sure_cuts(view)
        known = {(cut.issuer, cut.key) for _, cut, _ in sure}
        said = [one for one in view.seen.values() if one.statement is not None]
        unsure = [
            Revocation(one.document.subspace, one.statement.key)
            for one in said
            if isinstance(one.statement, Revoke)
            and (one.document.subspace, one.statement.key) not in known
        ]
        for document, state in view.states.items():
            entries = view.of(document)
            if not SPLIT >= set(state.left_out.values()) >= {Reason.LOST_BRANCH}:
                continue
            if document in view.rolled or any(
                hits(cut, one.chain) for cut in unsure for one in entries
            ):
                continue
            cuts = [cut for by, cut, _ in sure if by.document.namespace == document.namespace]
            cuts = [cut for cut in cuts if cut.area.includes(place_of(document))]
            voters = [
                one
                for one in entries
                if document.subspace in one.chain[-2:]
                and not any(hits(cut, one.chain) for cut in cuts)
            ]
            marked = [
                self._under(view, document, one.statement.frontier.heads.get(document.encode(), ()))
                for one in said
                if isinstance(one.statement, Checkpoint)
                and one.document.subspace == document.subspace
            ]
            for rivals in forks(entries):
                codes = {state.left_out.get(one.id) for one in rivals}
                if Reason.EXCLUDED_DEPENDENCY not in codes:  # by the fate of another fork
                    self._judge_fork(view, rivals, voters, marked)

    def _judge_fork(
        self,
        view: View,
        rivals: Sequence[Seen],
        voters: Sequence[Seen],
        marked: Sequence[Collection[bytes]],
    ) -> None:
        named = [one for one in rivals if any(one.change in under for under in marked)]
        others = [one for one in voters if one.device != rivals[0].device]
        votes = {one.change: self._votes(view, one, others) for one in rivals}
        winner = min(
            named if len(named) == 1 else rivals,
            key=lambda one: (-votes[one.change], one.signed.entry.payload_digest),
        )
        assert winner.change in view.visible, f"{winner.marker} has more votes, and is not shown"
        self.judged["branches"] += 1
        self.judged["votes"] += any(votes.values())

    def _votes(self, view: View, rival: Seen, voters: Sequence[Seen]) -> int:
        built = with_descendants(view.seen.values(), {rival.change})
        return len({one.device for one in voters if one.change in built})

    def _forbidden(self, view: View, wanted: Collection[bytes]) -> set[bytes]:
        """Hashes of the changes that some revocation or checkpoint held takes out for sure."""
        cuts = self._sure_cuts(view)
        checkpoints = [
            (one, one.statement.frontier)
            for one in view.seen.values()
            if isinstance(one.statement, Checkpoint)
        ]
        carriers: dict[bytes, list[Seen]] = {}
        for one in view.seen.values():
            if one.statement is None:
                carriers.setdefault(one.change, []).append(one)
        known: dict[tuple[bytes, DocumentId], set[bytes]] = {}
        gone: set[bytes] = set()
        for change, entries in carriers.items():
            document = entries[0].document
            place = place_of(document)
            of_area = [
                (cut, ruling)
                for said, cut, ruling in cuts
                if said.document.namespace == document.namespace
                and cut.area.includes(place)
                and change not in ruling.allowed
            ]
            late: list[int] = []
            for said, frontier in checkpoints:
                if said.document.subspace != document.subspace or frontier.blob in wanted:
                    continue
                key = (said.id, document)
                if key not in known:
                    known[key] = self._under(
                        view, document, frontier.heads.get(document.encode(), ())
                    )
                if change not in known[key]:
                    late.append(said.signed.entry.timestamp)
            if all(
                any(hits(cut, one.chain) for cut, _ in of_area) or ended(one, max(late, default=-1))
                for one in entries
            ):
                gone.add(change)
        self.judged["taken back"] += len(gone)
        return with_descendants(view.seen.values(), gone)

    def _sure_cuts(self, view: View) -> list[tuple[Seen, Revocation, Ruling]]:
        """Revocations held that nothing held can undo, as the world knows them."""
        said = [one for one in view.seen.values() if one.statement is not None]
        taken_back = {
            (one.document.subspace, one.statement.revocation)
            for one in said
            if isinstance(one.statement, Unrevoke)
        }
        every = cuts_in(said)
        cuts: list[tuple[Seen, Revocation, Ruling]] = []
        for one, cut in every:
            assert isinstance(one.statement, Revoke)
            if one.statement.reason not in self.rulings:
                continue
            if (cut.issuer, one.change) in taken_back or is_hit(one, every):
                continue
            cuts.append((one, cut, self.rulings[one.statement.reason]))
        return cuts

    def _void(self, view: View) -> set[bytes]:
        """Ids of revocations held that for sure are not in force: taken back, or said by who was
        cut off with a frontier that does not have them.
        """
        said = [one for one in view.seen.values() if one.statement is not None]
        every, sure = cuts_in(said), self._sure_cuts(view)
        follows = {one.change: one.prev for one in said}
        void: set[bytes] = set()
        for one in said:
            if isinstance(one.statement, Unrevoke) and not is_hit(one, every):
                void |= {
                    other.id
                    for other, _ in every
                    if (other.document, other.change) == (one.document, one.statement.revocation)
                    and len(one.chain) <= len(other.chain)
                }
        for by, cut, ruling in sure:
            kept: dict[DocumentId, set[bytes]] = {}
            for one, _ in every:
                log = one.document
                if log.namespace != by.document.namespace or not hits(cut, one.chain):
                    continue
                if log not in kept:
                    kept[log] = before(ruling.heads.get(log.encode(), ()), follows)
                if cut.area.includes(place_of(log)) and one.change not in kept[log]:
                    void.add(one.id)
                    self.judged["deposed"] += 1
        return void

    def _under(self, view: View, document: DocumentId, heads: Iterable[bytes]) -> set[bytes]:
        parents = {one.change: one.dependencies for one in view.of(document)}
        found: set[bytes] = set()
        todo = [head for head in heads if head in parents]
        while todo:
            change = todo.pop()
            if change not in found:
                found.add(change)
                todo += [one for one in parents[change] if one in parents]
        return found

    async def _judge_room(self, actor: "Actor", view: View) -> None:
        """Within the quotas, and what waits is bounded."""
        room = await actor.store.room()
        budget = actor.store.quota.strangers_bytes
        assert room.strangers_bytes <= budget + SLACK_BYTES, f"{room} of {budget}"
        assert room.kept_out <= actor.store.quota.kept_out_max
        for document, state in view.states.items():
            waits = sum(code in WAITING for code in state.left_out.values())
            assert waits <= waiting.WAITING_ENTRIES_MAX, f"{waits} entries wait in {document}"
            entries, is_log = view.of(document), is_statement_class(document.cls)
            most = bounds.AUTHORITY_ENTRIES_MAX if is_log else bounds.DOCUMENT_ENTRIES_MAX
            assert len(entries) <= most, f"{len(entries)} entries in {document}"
            theirs = [one for one in entries if document.subspace not in one.chain[-2:]]
            assert is_log or len(theirs) <= most // 2, "no room is left for the owner"
        self.judged["kept out"] += room.kept_out

    async def judge_disk(self, actor: "Actor", view: View) -> None:
        """Every budget holds, the file is not larger than that, and all refusals are listed."""
        usage = sum(one.bytes for one in await actor.store.usage_of_authors(limit=1_000))
        rows = await actor.store.refused(limit=1_000)
        listed = sum(len(row.refusal.data) + 1_024 for row in rows)
        kept, quota = read_kept(actor.disk.path), actor.store.quota
        limit = EMPTY_BYTES + usage + 2 * listed
        assert kept.used_bytes <= limit, f"{kept.used_bytes} bytes, {usage} counted"
        counted = sum(kept.sizes.values()) + sum(kept.beside.values())
        assert usage == counted, f"{usage} bytes are said to be counted, and {counted} are"
        fullest = judge_budgets(kept, view.seen, quota, self._cast.authors)
        fullest["file"] = judge_file(kept, view.seen.values(), quota, self._cast.authors)
        fullest |= judge_ended(kept, view.seen, self._ended(view))
        for name, percent in fullest.items():
            self.fullest[name] = max(self.fullest[name], percent)

    def _ended(self, view: View) -> dict[bytes, bytes]:
        """What a revocation hits of documents of which it leaves nothing, by 16-byte id; so that
        nothing that it leaves can be missing. With the key that it revoked.
        """
        ended: dict[bytes, bytes] = {}
        for said, cut, ruling in self._sure_cuts(view):
            assert isinstance(said.statement, Revoke)
            if said.statement.frontier.blob is not None:  # it may have come later
                continue
            for id, one in view.seen.items():
                if (
                    one.statement is None
                    and one.document.namespace == said.document.namespace
                    and one.document.encode() not in ruling.heads
                    and hits(cut, one.chain)
                    and cut.area.includes(place_of(one.document))
                ):
                    ended[id] = cut.key
        return ended

    # --- judging others ------------------------------------------------------------------------

    def watch(self, end: End, frame: Frame) -> None:
        """An honest node says this: nothing of the guild to whom it does not concern."""
        if not isinstance(frame, frames.Entries):
            is_named = bytes(self._cast.guild) in encode_frame(frame)
            assert end.peer in self._knowers or not is_named, "the guild was named to a stranger"
            return
        # What others say in public, of any key they like, is passed on as it is.
        for sent in frame.entries:
            entry = decode_entry(sent.entry)
            if entry.namespace == self._cast.guild:
                reader = self._readers.get(end.peer)
                assert reader is not None, "an entry of the guild went to who may not read it"
                cuts = self.cuts_on(end, reader)
                is_told = any(tells_of(entry, cut) for cut in cuts)
                assert is_told or not cuts, "it went to who may not read it any more"
                self.judged["guild given"] += 1

    def cuts_on(self, end: End, reader: Player) -> list[Cut]:
        """By which the right to read was taken back, as far as this node's tasks have heard."""
        assert reader.reads is not None
        return [
            cut
            for cut in end.node.config.cuts
            if cut.namespace == self._cast.guild
            and cut.revocation.area == Area()
            and hits(cut.revocation, reader.reads.chain)
        ]

    def judge_hostile(self, roles: Sequence[Role]) -> None:
        """Who may not read the guild has nothing of it that it did not make."""
        for role in roles:
            if role.person.device.public in self._readers:
                continue
            own = hands_of(role)
            for signed in role.store.held.get(self._cast.guild, {}).values():
                one = see(signed)
                assert one is None or one.device in own, "an entry of the guild at a stranger's"

    def judge_memory(self, actor: "Actor", guard: object, *, but: tuple[type, ...]) -> None:
        """Neither what a node was sent nor who sent it makes it or one of its sessions grow.

        `but`: of the simulator, to which the callbacks of a node lead. The cache of capabilities
        has a bound of its own, and those of letters and cards are in it too.
        """
        size = size_of([actor.store, guard], but=(*but, CapabilityCache))
        assert size <= NODE_BYTES_MAX, f"{actor.name} takes {size:,} bytes of memory"
        for end in actor.node.ends:
            size = size_of([end.session], but=(*but, SessionConfig))
            assert size <= SESSION_BYTES_MAX, f"a session of {size:,} bytes"

    async def compare(self, views: Mapping["Actor", View]) -> None:
        """Any two that hold the same, frontiers too, show the same; `views` of this moment."""
        alike: dict[tuple[frozenset[bytes], frozenset[bytes]], list[Actor]] = {}
        for actor, view in views.items():
            if await actor.store.is_settled():
                wanted = frozenset(blob for blob, _ in await actor.store.wanted_frontiers())
                alike.setdefault((frozenset(view.seen), wanted), []).append(actor)
        for first, *others in alike.values():
            if not others:
                continue
            expected = await records(first, views[first])
            for actor in others:
                found = await records(actor, views[actor])
                different = {key for key in expected if expected[key] != found.get(key)}
                assert found == expected, f"{first.name} and {actor.name} differ in {different}"
                self.compared += 1

    async def compare_but_for_ended(self, views: Mapping["Actor", View]) -> None:
        """As `compare`, of nodes that hold the same but for what a revocation ended for sure: of
        that each keeps what came first, and none shows any.
        """
        alike: dict[tuple[frozenset[bytes], frozenset[bytes]], list[View]] = {}
        for actor, view in views.items():
            if await actor.store.is_settled():
                wanted = frozenset(blob for blob, _ in await actor.store.wanted_frontiers())
                rest = frozenset(view.seen.keys() - self._ended(view).keys())
                alike.setdefault((rest, wanted), []).append(view)
        for first, *others in alike.values():
            for view in others:
                for document in first.states.keys() | view.states.keys():
                    values = [
                        repr(one.states[document].value) if shows_any(one, document) else ""
                        for one in (first, view)
                    ]
                    assert values[0] == values[1], f"they differ in {document}"
                self.judged["compared but for"] += first.seen.keys() != view.seen.keys()

    async def lacking(self, actors: Sequence["Actor"]) -> dict[str, int]:
        """Who lacks how many entries that an honest peer has and may give, and would take them.

        Of peers, not of all: what the quotas of those between keep out never comes so far.
        """
        by_node = {actor.node: actor for actor in actors}
        lacking: dict[str, int] = {}
        for number, actor in enumerate(actors):
            name, ends = f"{number} {actor.name}", actor.node.ends
            honest = [end for end in ends if end.other and end.other.node in by_node]
            if not honest:
                lacking[name] = -1
            for end in honest:
                assert end.other is not None
                peer = by_node[end.other.node]
                shared = end.session.shared & end.other.session.shared
                missing = set[bytes]()
                for namespace in sorted(shared):
                    theirs = set(await self._ids_of(peer, namespace))
                    theirs -= set(await self._ids_of(actor, namespace))
                    theirs -= await actor.store.kept_out(namespace, sorted(theirs))
                    missing |= theirs
                if missing or not shared:
                    lacking[name] = lacking.get(name, 0) + len(missing)
        return lacking

    async def _ids_of(self, actor: "Actor", namespace: NamespaceKey) -> Sequence[bytes]:
        return await actor.store.ids(namespace, Area(), area_bounds(Area()), EVERY)

    def must_show(self, view: View, *, is_shut_out: bool, wanted: Collection[bytes]) -> set[bytes]:
        """Changes of honest devices, on nothing but such, which no revocation in force takes out.

        One that nobody took back and that may be in force takes out what it hits, but for what its
        frontier leaves where the world knows it. Of the guild none where the node is shut out of
        it. `wanted`: blobs of frontiers that are not here.
        """
        void = self._void(view)
        cuts = cuts_in(one for one in view.seen.values() if one.statement is not None)
        holding = [pair for pair in cuts if pair[0].id not in void]
        # What others hold, too: honest ones may have built on what this node had no room for.
        changes = [one for one in self._seen.values() if one.statement is None]
        of_chains = {
            (one.document.namespace, one.chain): [
                pair
                for pair in holding
                if pair[0].document.namespace == one.document.namespace and hits(pair[1], one.chain)
            ]
            for one in changes
        }
        kept: dict[tuple[bytes, DocumentId], set[bytes]] = {}

        def is_out(one: Seen) -> bool:
            for said, cut in of_chains[one.document.namespace, one.chain]:
                if not cut.area.includes(place_of(one.document)):
                    continue
                name = (said.id, one.document)
                if name not in kept:
                    kept[name] = self._left_by(view, said, one.document, wanted)
                if one.change not in kept[name]:
                    return True
            return False

        bad = {
            one.change
            for one in changes
            if one.device not in self._cast.devices
            or one.right.granted_area.end is not None
            or is_out(one)
        }
        held = [one for one in view.seen.values() if one.statement is None]
        spared = {
            one.change
            for one in held
            if one.document in view.rolled
            or (is_shut_out and one.document.namespace == self._cast.guild)
        }
        shown = {one.change for one in held} - spared - with_descendants(changes, bad)
        usurped = [pair for pair in cuts if self._is_usurpers(pair[0])]
        self.judged["shown again"] += sum(
            any(hits(cut, one.chain) for _, cut in usurped) for one in held if one.change in shown
        )
        return shown

    def _is_usurpers(self, said: Seen) -> bool:
        return self._cast.usurper is not None and said.document == self._cast.usurper.log

    def _left_by(
        self, view: View, said: Seen, document: DocumentId, wanted: Collection[bytes]
    ) -> set[bytes]:
        """Of this document, by the frontier of one whom the world knows; of others nothing is."""
        assert isinstance(said.statement, Revoke)
        ruling = self.rulings.get(said.statement.reason)
        if ruling is None or said.statement.frontier.blob in wanted:
            return set()
        return self._under(view, document, ruling.heads.get(document.encode(), ()))

    def was_shut_out(self, actor: "Actor", views: Iterable[View]) -> bool:
        """Whether somebody took back its right to read the guild, be it for a while.

        Then it may have been given a change, and not the revocation of itself that this cites.
        """
        reads = actor.player.reads
        return reads is not None and any(
            isinstance(one.statement, Revoke)
            and one.document.namespace == self._cast.guild
            and hits(Revocation(one.document.subspace, one.statement.key), reads.chain)
            for view in views
            for one in view.seen.values()
        )

    def _names(self, view: View, changes: set[bytes]) -> list[str]:
        return sorted({one.marker for one in view.seen.values() if one.change in changes})


def markers_of_rolled(seen: Iterable[Seen]) -> dict[DocumentId, set[str]]:
    """Of each document whose record has several epochs."""
    records: dict[DocumentId, list[Seen]] = {}
    for one in seen:
        records.setdefault(replace(one.document, epoch=0), []).append(one)
    return {
        one.document: {marker.decode() for each in of for marker in MARKER.findall(each.raw)}
        for of in records.values()
        if any(each.document.epoch and CARRIED.encode() in each.raw for each in of)
        for one in of
    }


def hits(cut: Revocation, chain: Sequence[bytes]) -> bool:
    """Whether this right came from the issuer through the key."""
    places = [at for at, key in enumerate(chain) if key == cut.key]
    return cut.issuer in chain and any(at > chain.index(cut.issuer) for at in places)


def cuts_in(said: Iterable[Seen]) -> list[tuple[Seen, Revocation]]:
    """The revocations among these, in force or not."""
    return [
        (one, Revocation(one.document.subspace, one.statement.key, area=one.statement.area))
        for one in said
        if isinstance(one.statement, Revoke)
    ]


def is_hit(one: Seen, cuts: Iterable[tuple[Seen, Revocation]]) -> bool:
    """Whether one of these is about the right it was said with."""
    return any(
        said.document.namespace == one.document.namespace and hits(cut, one.chain)
        for said, cut in cuts
    )


def before(heads: Iterable[bytes], follows: Mapping[bytes, bytes | None]) -> set[bytes]:
    """These statements and those before them, as far as they are held."""
    found: set[bytes] = set()
    for head in heads:
        at: bytes | None = head
        while at is not None and at in follows and at not in found:
            found.add(at)
            at = follows[at]
    return found


def with_descendants(seen: Iterable[Seen], changes: set[bytes]) -> set[bytes]:
    """These changes, and all that builds on one of them."""
    children: dict[bytes, set[bytes]] = {}
    for one in seen:
        for parent in one.dependencies:
            children.setdefault(parent, set()).add(one.change)
    found, todo = set(changes), list(changes)
    while todo:
        for child in children.get(todo.pop(), ()):
            if child not in found:
                found.add(child)
                todo.append(child)
    return found


def forks(entries: Iterable[Seen]) -> list[list[Seen]]:
    """The changes of each device and number that was used more than once."""
    slots: dict[tuple[bytes, int], list[Seen]] = {}
    for one in entries:
        slots.setdefault((one.device, one.seq), []).append(one)
    return [slot for slot in slots.values() if len(slot) > 1]


def place_of(document: DocumentId) -> Area:
    """Of a record, all its epochs."""
    names = (document.cls.encode(), document.kind.encode(), document.record)
    return Area(document.subspace, names)


def tells_of(entry: Entry, cut: Cut) -> bool:
    """Whether who was cut off may read it: the word of who did it, until then."""
    said = (entry.subspace, entry.path[0]) == (cut.revocation.issuer, b"_auth")
    return said and entry.timestamp <= cut.said_at


def ended(one: Seen, at: int) -> bool:
    """Whether its right was over by then."""
    end = one.right.granted_area.end
    return end is not None and end <= at


def shown_keys(state: DocumentState) -> set[str]:
    keys: set[str] = set()
    for part in state.value.values():
        if isinstance(part, dict):
            keys |= part.keys()
    return keys


def shows_any(view: View, document: DocumentId) -> bool:
    """Whether some change of it counts there."""
    state = view.states.get(document)
    return state is not None and any(one.id not in state.left_out for one in view.of(document))


async def records(actor: "Actor", view: View) -> Mapping[object, object]:
    """All that a node shows of what it holds, by what it is."""
    store = actor.store
    found: dict[object, object] = {}
    rows = await store.documents(limit=1_000)
    assert {row.id for row in rows} == view.states.keys(), "what is listed is not what is held"
    for row in rows:
        state = view.states[row.id]
        if row.id not in view.rolled:  # else another epoch is the record
            assert (row.heads, row.left_out) == (state.heads, len(state.left_out)), (
                f"{row} is stale"
            )
        found[row.id] = (
            repr(state.value), sorted(state.heads), state.waiting, sorted(state.left_out.items())
        )  # fmt: skip
    for namespace in sorted({row.id.namespace for row in rows}):
        page = await store.listings(namespaces=[namespace], limit=1_000)
        for one in page.rows:
            record = one.listing.record
            found["listing", namespace, one.listing.author, record] = repr(
                (one.listing, one.stars_sum, one.stars_count)
            )
            found["ratings", namespace, record] = repr(await store.ratings(record))
    return found
