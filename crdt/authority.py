"""Which of the changes held count: a pure function of sets. No clock, no order of arrival.

    valid(c) = stateless(c) ∧ c on no losing branch ∧ all dependencies of c valid
               ∧ (∀ revocation r that hits c: c under r.frontier)
               ∧ (∀ checkpoint k after c's right had ended: c under k.frontier)

`crdt.change.check_entry` has said stateless(c). The rest goes in three steps over one document:

1. *Standing*: parents first, what no revocation cuts, what has all that it cites and builds on, and
   what continues its device's own chain (the entry before, seq and operation counters).
2. *Branches*: where one device used one seq twice, one change stands and the others fall with all
   that was built on them: the one that valid checkpoints name; else the one on which more direct
   delegates of the owner built, whom no revocation hits; else the one of the smaller digest.
   Votes are counted over what stands after step 1, so one branch's fate moves no other's votes;
   slots are settled from the roots on, so a branch that fell contests nothing further down.
3. What is left is valid, parents first, up to the size of a document. Everything else has its
   reason, and stays as evidence.

Sub-delegated keys are free and do not vote. Who equivocates at an old seq loses his own later work,
not that of those who built on the branch that others saw.
Source: Kleppmann & Howard 2020, "Byzantine Eventual Consistency", for why the order cannot matter;
the rules are this project's own.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

from crdt.held import Checkpoint, Held, Reason, Revocation, Validity

if TYPE_CHECKING:
    from crdt.document import Skeleton  # its module loads Automerge, which nothing here needs


# Of one document. It is loaded in one go, with the interpreter lock held: as many operations on
# maps take up to 38 ms; 50,000 took 65, and 200,000, which 4 KB of run lengths can ask for, 0.2 s
# and 90 MB. Writers roll over long before.
OPS_MAX = 30_000
CHANGES_MAX = 5_000
LETTING_GO = 5
"""One of so many changes and operations is for making a full document smaller."""
# Judged for branches, on which bits for each device and slot are spent: up to 50 MB for as many.
STANDING_MAX = 20_000


def is_nearly_over(changes: int, ops: int) -> bool:
    """Whether only the last `LETTING_GO`-th of what counts at most in one document is left."""
    return LETTING_GO * max(changes / CHANGES_MAX, ops / OPS_MAX) >= LETTING_GO - 1


def valid_changes(
    held: Mapping[bytes, Held],
    *,
    owner: bytes,
    skeleton: "Skeleton",
    authority: frozenset[bytes] = frozenset(),
    revocations: Sequence[Revocation] = (),
    checkpoints: Sequence[Checkpoint] = (),
) -> Validity:
    """Which entries of one document count. The keys of `held` are entry ids, as `prev` has them.

    `owner` is the key of the document's subspace; `authority` the authority records held.
    Linear in changes and dependencies, with a bit at each change for each cut and checkpoint.
    No recursion, so a chain may be of any length.
    """
    graph = _Graph(held, skeleton)
    graph.judge_carriers(authority, revocations, checkpoints)
    graph.find_standing()
    contested = graph.contested()
    if contested:
        graph.find_self_built(contested)
        votes = graph.votes(owner)
        for slot in contested:
            graph.settle(slot, votes)
    graph.bound()
    return graph.verdict(revocations)


class _Graph:
    """The changes of one document while they are judged, each known by its hash.

    Two entries can carry one change (signed again with another header, another capability); the
    change counts if one of them does.
    """

    def __init__(self, held: Mapping[bytes, Held], skeleton: "Skeleton") -> None:
        self.held = held
        self.skeleton = skeleton
        self.carriers: dict[bytes, list[bytes]] = {}
        self.children: dict[bytes, list[bytes]] = {}
        self.changes: dict[bytes, Held] = {}
        self.live: dict[bytes, bytes] = {}  # change: the entry that carries it, of those not cut
        self.reasons: dict[bytes, Reason] = {}  # of entries
        self.fallen: dict[bytes, Reason] = {}  # of changes
        self.order: list[bytes] = []
        self.ops = 0
        self.depth: dict[bytes, int] = {skeleton.hash: 0}
        self.bits: dict[bytes, int] = {}  # of the devices that vote
        self.self_built: set[bytes] = set()
        self.hits: dict[tuple[bytes, ...], int] = {}  # of chains: a bit for each revocation
        self.named: dict[bytes, int] = {}  # of changes: a bit for each checkpoint that it is under
        for key in sorted(held):  # so that every order below is one of the set, not of arrival
            entry = held[key]
            self.carriers.setdefault(entry.change, []).append(key)
            if entry.change not in self.changes:
                self.changes[entry.change] = entry
                for parent in entry.dependencies:
                    self.children.setdefault(parent, []).append(entry.change)

    def judge_carriers(
        self,
        authority: frozenset[bytes],
        revocations: Sequence[Revocation],
        checkpoints: Sequence[Checkpoint],
    ) -> None:
        """Which entries no revocation cuts, cite only what is known and follow the one before.

        The best one carries the change.
        """
        self._find_hits(revocations)
        kept = self.under([revocation.frontier for revocation in revocations])
        by_time = sorted(checkpoints, key=lambda checkpoint: checkpoint.at)
        self.named = self.under([checkpoint.heads for checkpoint in by_time])
        for change, keys in self.carriers.items():
            unseen = ~self.named.get(change, 0) & ((1 << len(by_time)) - 1)
            last = by_time[unseen.bit_length() - 1].at if unseen else -1
            standing: list[tuple[bytes, bytes]] = []
            for key in keys:
                entry = self.held[key]
                if self.hits[entry.chain] & ~kept.get(change, 0):
                    self.reasons[key] = Reason.REVOKED
                elif entry.until is not None and entry.until <= last:
                    self.reasons[key] = Reason.BACKDATED
                elif reason := self._waits_or_breaks(entry, authority):
                    self.reasons[key] = reason
                else:
                    standing.append((entry.payload_digest, key))
            if standing:
                _, best = min(standing)
                self.live[change] = best
                self.changes[change] = self.held[best]
                self.reasons |= {key: Reason.REPEATED for _, key in standing if key != best}

    def _find_hits(self, revocations: Sequence[Revocation]) -> None:
        """Which revocations hit which chains; see `Revocation.hits`."""
        cuts: dict[tuple[bytes, bytes], int] = {}
        for place, cut in enumerate(revocations):
            cuts[cut.issuer, cut.key] = cuts.get((cut.issuer, cut.key), 0) | 1 << place
        for chain in {entry.chain for entry in self.held.values()}:
            mask = 0
            for pair in combinations(chain, 2) if cuts else ():
                mask |= cuts.get(pair, 0)
            self.hits[chain] = mask

    def _waits_or_breaks(self, entry: Held, authority: frozenset[bytes]) -> Reason | None:
        """What keeps an entry that nobody cut from standing."""
        if not authority.issuperset(entry.auth_heads):
            return Reason.UNKNOWN_AUTHORITY
        if entry.seq > 1 and entry.prev not in self.held:
            return Reason.MISSING_DEPENDENCY
        if entry.prev is not None and not entry.follows(self.held[entry.prev]):
            return Reason.BROKEN_CHAIN
        return None

    def find_standing(self) -> None:
        """`order`: the changes that stand so far, parents first. All others have fallen."""
        waits = {change: len(entry.dependencies) for change, entry in self.changes.items()}
        ready = deque([self.skeleton.hash])
        while ready:
            for child in self.children.get(ready.popleft(), ()):
                waits[child] -= 1
                if waits[child] == 0:
                    ready.append(child)
                    self._place(child)
        for change in self.changes:
            if change not in self.depth and change not in self.fallen:
                self.fallen[change] = Reason.MISSING_DEPENDENCY

    def _place(self, change: bytes) -> None:
        """Let one change stand or fall; all it depends on has been placed."""
        entry = self.changes[change]
        if change not in self.live:
            self.fallen[change] = self.reasons[self.carriers[change][0]]
        elif not all(parent in self.depth for parent in entry.dependencies):
            self.fallen[change] = Reason.EXCLUDED_DEPENDENCY
        elif entry.start_op != self._next_op(entry):
            self.fallen[change] = Reason.BROKEN_CHAIN
        elif len(self.order) == STANDING_MAX:
            self.fallen[change] = Reason.OVER_LIMIT
        else:
            self.depth[change] = 1 + max(self.depth[parent] for parent in entry.dependencies)
            self.order.append(change)

    def _next_op(self, entry: Held) -> int:
        """The operation counter that the library goes on with after these dependencies.

        A counter that jumped to the end of its range would leave nobody a next change.
        """
        return 1 + max(
            self.skeleton.max_op if parent == self.skeleton.hash else self.changes[parent].max_op
            for parent in entry.dependencies
        )

    def contested(self) -> list[list[bytes]]:
        """The changes of each device and seq used twice, in the order in which they are settled."""
        slots: dict[tuple[bytes, int], list[bytes]] = {}
        for change in self.order:
            entry = self.changes[change]
            slots.setdefault((entry.device, entry.seq), []).append(change)
        twice = [(slot, changes) for slot, changes in slots.items() if len(changes) > 1]
        # A device's next slot is always deeper, so its branch is settled where it began.
        twice.sort(key=lambda item: (min(self.depth[change] for change in item[1]), item[0]))
        return [changes for _, changes in twice]

    def find_self_built(self, contested: Sequence[Sequence[bytes]]) -> None:
        """A seq used again on top of itself is no branch, and must not drag its victim along."""
        bits = {change: 1 << place for place, slot in enumerate(contested) for change in slot}
        below: dict[bytes, int] = {self.skeleton.hash: 0}  # a bit for each slot built on
        for change in self.order:
            mask = 0
            for parent in self.changes[change].dependencies:
                mask |= below[parent]
            bit = bits.get(change, 0)
            if mask & bit:
                self.self_built.add(change)
            below[change] = mask | bit

    def votes(self, owner: bytes) -> dict[bytes, int]:
        """Per change, a bit for each direct delegate of the owner that built on it or on below."""
        votes = dict.fromkeys(self.order, 0)
        for change in reversed(self.order):  # children before parents
            entry = self.changes[change]
            mask = votes[change]
            is_direct = owner in entry.chain[-2:]  # the device itself, or who gave it the right
            if is_direct and not self.hits[entry.chain]:
                mask |= self.bits.setdefault(entry.device, 1 << len(self.bits))
            for parent in entry.dependencies:
                if parent in votes:
                    votes[parent] |= mask
        return votes

    def settle(self, slot: list[bytes], votes: Mapping[bytes, int]) -> None:
        """Let one change of `slot` stand, the others fall with all that was built on them."""
        for change in slot:  # parents first: what lies on a self-built one falls with it
            if change in self.self_built:
                self._fell(change, Reason.BROKEN_CHAIN)
        candidates = [change for change in slot if change not in self.fallen]
        if len(candidates) < 2:
            return
        by_checkpoint = [change for change in candidates if self.named.get(change)]
        # None, or some that contradict each other: then the votes decide, the device's own aside.
        own = self.bits.get(self.changes[candidates[0]].device, 0)
        winner = min(
            by_checkpoint if len(by_checkpoint) == 1 else candidates,
            key=lambda change: (
                -(votes[change] & ~own).bit_count(),
                self.changes[change].payload_digest,
            ),
        )
        for change in candidates:
            if change != winner:
                self._fell(change, Reason.LOST_BRANCH)

    def bound(self) -> None:
        """Fill the document, parents first, and exclude what no longer fits."""
        count = 0
        for change in self.order:
            if change in self.fallen:
                continue
            entry = self.changes[change]
            ops = entry.max_op - entry.start_op + 1
            if self.ops + ops > OPS_MAX or count == CHANGES_MAX:
                self._fell(change, Reason.OVER_LIMIT)
            else:
                self.ops += ops
                count += 1

    def _fell(self, change: bytes, reason: Reason) -> None:
        """Exclude a change, and with it all that was built on it."""
        if change in self.fallen:
            return
        self.fallen[change] = reason
        todo = [change]
        while todo:
            for child in self.children.get(todo.pop(), ()):
                if child not in self.fallen:
                    self.fallen[child] = Reason.EXCLUDED_DEPENDENCY
                    todo.append(child)

    def under(self, cuts: Sequence[Iterable[bytes]]) -> dict[bytes, int]:
        """Of each change here, a bit for each of these sets of heads that it is in or under."""
        if not cuts:
            return {}
        bits = dict.fromkeys(self.changes, 0)
        for place, heads in enumerate(cuts):
            for head in heads:
                if head in bits:
                    bits[head] |= 1 << place
        for change in reversed(self._parents_first()):
            if mask := bits[change]:
                for parent in self.changes[change].dependencies:
                    if parent in bits:
                        bits[parent] |= mask
        return bits

    def _parents_first(self) -> list[bytes]:
        """All changes, whether they stand or not and whatever of theirs is missing."""
        here = self.changes
        waits = {
            change: sum(parent in here for parent in entry.dependencies)
            for change, entry in here.items()
        }
        order = [change for change, count in waits.items() if not count]
        for change in order:  # grows while it is walked
            for child in self.children.get(change, ()):
                waits[child] -= 1
                if not waits[child]:
                    order.append(child)
        return order

    def verdict(self, revocations: Sequence[Revocation]) -> Validity:
        """What stands now, and why the rest does not."""
        reasons = self.reasons
        for change, reason in self.fallen.items():
            for key in self.carriers[change]:
                if reasons.get(key, Reason.REPEATED) is Reason.REPEATED:
                    reasons[key] = reason
        known = self.changes.keys() | {self.skeleton.hash}
        frontier = {head for revocation in revocations for head in revocation.frontier}
        return Validity(
            tuple([self.live[change] for change in self.order if change not in self.fallen]),
            reasons,
            frozenset(self.children.keys() - known),
            frozenset(frontier - known),
            self.ops,
        )
