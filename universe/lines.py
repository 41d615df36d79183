"""Which receipts count: the line of each universe, a pure function of what is held.

    hand-overs ─▸ gates, by epoch     what any other key signed, or a gate after its time, is none
    receipts   ─▸ a tree by `prev`    of an honest gate one line, of which any node holds a part
    line       =  from the beginning on, from each receipt to the one that follows it

Two receipts of one gate with one number are an *equivocation*: proof that the gate's key says two
things. Which of the two stands:

1. the one under the last receipt that the next hand-over names;
2. else the one on which gates of more other authors built: that they answered, or what follows it;
3. on a tie, the one of the smaller id.

From there on a gate that equivocated counts only as far as others built on it, until its owner
hands over. So no traveller that went on from there is called back by what such a gate says later.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from universe.gates import BEGINNING, CheckedHandOver, Last, gates_of
from universe.names import parse_full_name
from universe.receipts import DEPARTURE, Checked, Who


@dataclass(frozen=True, slots=True)
class Equivocation:
    """Two receipts of one gate with one number; what it signed, as proof. Ordered by their ids."""

    universe: str
    receipts: tuple[Checked, Checked]


@dataclass(frozen=True)
class Line:
    """The receipts of one universe that count, in their order."""

    universe: str
    receipts: tuple[Checked, ...]
    gate: CheckedHandOver | None
    """Whose turn it is; None for a universe without a gate."""
    tip: Last
    """What the next receipt follows."""
    is_whole: bool
    """Whether all that its hand-overs name is held: else the gate's own chain begins later."""
    equivocations: tuple[Equivocation, ...]
    apart: tuple[Checked, ...]
    """Of its gates, but not in the line: the one before is missing, or another one stands."""

    @cached_property
    def departures(self) -> Mapping[Who, tuple[Checked, ...]]:
        found: dict[Who, list[Checked]] = defaultdict(list)
        for one in self.receipts:
            if one.receipt.kind == DEPARTURE:
                found[one.receipt.traveller.who].append(one)
        return {who: tuple(each) for who, each in found.items()}

    @cached_property
    def answers(self) -> Mapping[bytes, tuple[Checked, ...]]:
        """Receipt answered → those that answer it, in their order."""
        found: dict[bytes, list[Checked]] = defaultdict(list)
        for one in self.receipts:
            if one.receipt.answers is not None:
                found[one.receipt.answers].append(one)
        return {id: tuple(each) for id, each in found.items()}

    @property
    def has_gap(self) -> bool:
        """Whether the gate whose turn it is signed on after something that is not held."""
        return not self.is_suspect and any(
            one.receipt.epoch == self.gate.hand_over.epoch for one in self.apart if self.gate
        )

    @property
    def is_suspect(self) -> bool:
        """Whether the gate whose turn it is has equivocated."""
        return self.gate is not None and any(
            one.receipts[0].receipt.epoch == self.gate.hand_over.epoch for one in self.equivocations
        )


class Lines:
    """All that is held of receipts and hand-overs, and the line of each universe by it."""

    def __init__(self, receipts: Iterable[Checked], hand_overs: Iterable[CheckedHandOver]) -> None:
        given: dict[str, dict[bytes, CheckedHandOver]] = defaultdict(dict)
        for hand_over in hand_overs:
            given[hand_over.hand_over.universe][hand_over.id] = hand_over
        receipts = tuple(receipts)
        contested = {
            name
            for name, each in given.items()
            if len({one.hand_over.before for one in each.values()}) < len(each)
        }
        self._voters: dict[str, set[str]] = {name: set() for name in contested}
        """Universe whose hand-overs contradict each other → those whose answers decide."""
        for one in receipts:
            if one.receipt.universe in contested:
                self._voters[one.receipt.universe].add(one.receipt.other)
        votes = _votes_on_gates(given, contested, receipts)
        self.gates = {name: gates_of(each.values(), votes) for name, each in given.items()}
        keys = {
            (name, one.hand_over.epoch, one.hand_over.gate)
            for name, each in self.gates.items()
            for one in each
        }
        self.held = {
            one.id: one
            for one in receipts
            if (one.receipt.universe, one.receipt.epoch, one.receipt.gate) in keys
        }
        """Those that a gate of their universe signed, whether they count or not."""
        self._of: dict[str, list[Checked]] = defaultdict(list)
        self._answered_by: dict[bytes, set[str]] = defaultdict(set)
        for one in self.held.values():
            self._of[one.receipt.universe].append(one)
            answered = self.held.get(one.receipt.answers or b"")
            # Only who was spoken to has a vote: anybody may sign that they answer anything.
            if answered is not None and answered.receipt.other == one.receipt.universe:
                self._answered_by[answered.id].add(parse_full_name(one.receipt.universe)[0])
        self._lines: dict[str, Line] = {}
        self.asked: set[str] = set()
        """Universes on which what was asked so far depends: with more of these it may differ."""

    def __getitem__(self, universe: str) -> Line:
        """Its line; an empty one for what nothing is known of."""
        self.asked.add(universe)
        self.asked |= self._voters.get(universe, set())
        line = self._lines.get(universe)
        if line is None:
            receipts = self._of.get(universe, [])
            walk = _Walk(universe, self.gates.get(universe, ()), receipts, self._answered_by)
            line = self._lines[universe] = walk.line()
            if line.equivocations:  # those have a vote
                self.asked |= {one.receipt.other for one in receipts}
        return line

    def universes(self) -> list[str]:
        """All that have a gate."""
        return sorted(self.gates)


def _votes_on_gates(
    given: Mapping[str, Mapping[bytes, CheckedHandOver]],
    contested: Collection[str],
    receipts: Sequence[Checked],
) -> Mapping[bytes, Collection[str]]:
    """Hand-over → other authors with a gate who answered a receipt under it, or after it."""
    if not contested:
        return {}
    gates = {(name, one.hand_over.gate) for name in given for one in given[name].values()}
    said = {one.id: one.receipt for one in receipts if one.receipt.universe in contested}
    voters: dict[tuple[str, int, bytes], set[str]] = defaultdict(set)
    for one in receipts:
        to = said.get(one.receipt.answers or b"")
        name = one.receipt.universe
        if to is not None and to.other == name and (name, one.receipt.gate) in gates:
            authors = {parse_full_name(name)[0]} - {parse_full_name(to.universe)[0]}
            voters[to.universe, to.epoch, to.gate] |= authors
    votes: dict[bytes, set[str]] = defaultdict(set)
    for name in contested:
        for held in sorted(given[name].values(), key=lambda one: -one.hand_over.epoch):
            hand_over = held.hand_over
            votes[held.id] |= voters.get((name, hand_over.epoch, hand_over.gate), set())
            votes[hand_over.before] |= votes[held.id]
    return votes


class _Walk:
    """Through the receipts of one universe."""

    def __init__(
        self,
        universe: str,
        gates: Sequence[CheckedHandOver],
        receipts: Iterable[Checked],
        answered_by: Mapping[bytes, set[str]],
    ) -> None:
        self.universe = universe
        self.author = parse_full_name(universe)[0]
        self.gates = gates
        # By number and id, so that every order below is one of the set, not of arrival.
        self.held = sorted(receipts, key=lambda one: (one.receipt.seq, one.id))
        self.by_id = {one.id: one for one in self.held}
        self.answered_by = answered_by
        self.after: dict[tuple[int, bytes], list[Checked]] = defaultdict(list)
        for one in self.held:
            self.after[one.receipt.epoch, one.receipt.prev].append(one)
        self._votes: dict[bytes, set[str]] | None = None

    def line(self) -> Line:
        counted: list[Checked] = []
        tip, is_whole = BEGINNING, True
        for place, gate in enumerate(self.gates):
            if gate.hand_over.last != tip:
                is_whole = False
                break
            until = None if place + 1 == len(self.gates) else self.gates[place + 1].hand_over.last
            counted += self._epoch(gate.hand_over.epoch, tip, until)
            if counted:
                tip = Last(counted[-1].receipt.seq, counted[-1].id)
        known = {one.id for one in counted}
        return Line(
            universe=self.universe,
            receipts=tuple(counted),
            gate=self.gates[-1] if self.gates else None,
            tip=tip,
            is_whole=is_whole,
            equivocations=tuple(self._equivocations()),
            apart=tuple(one for one in self.held if one.id not in known),
        )

    def _epoch(self, epoch: int, tip: Last, until: Last | None) -> list[Checked]:
        """What counts of one epoch after `tip`, up to `until`."""
        named = self._between(epoch, tip, until)
        if named is not None:
            return named
        counted: list[Checked] = []
        is_contested = False
        while until is None or tip.seq < until.seq:
            next_ones = [
                one
                for one in self.after.get((epoch, tip.id), ())
                if one.receipt.seq == tip.seq + 1 and self._may_stand(one, until)
            ]
            if not next_ones:
                break
            if len(next_ones) > 1:
                is_contested = True
                chosen = min(next_ones, key=lambda one: (-len(self.votes[one.id]), one.id))
            elif is_contested and not self.votes[next_ones[0].id]:
                break
            else:
                (chosen,) = next_ones
            counted.append(chosen)
            tip = Last(chosen.receipt.seq, chosen.id)
        return counted

    def _between(self, epoch: int, tip: Last, until: Last | None) -> list[Checked] | None:
        """The receipts from `tip` to the one that a hand-over names; None while one is missing."""
        if until is None:
            return None
        path: list[Checked] = []
        at = until
        while at != tip:
            one = self.by_id.get(at.id)
            if one is None or one.receipt.epoch != epoch or one.receipt.seq != at.seq:
                return None
            path.append(one)
            at = Last(at.seq - 1, one.receipt.prev)
        return path[::-1]

    def _may_stand(self, one: Checked, until: Last | None) -> bool:
        return until is None or one.receipt.seq != until.seq or one.id == until.id

    @property
    def votes(self) -> Mapping[bytes, set[str]]:
        """Receipt → the other authors whose gates answered it or what follows it."""
        if self._votes is None:
            votes: dict[bytes, set[str]] = {}
            for one in self.held:
                votes[one.id] = self.answered_by.get(one.id, set()) - {self.author}
            for one in reversed(self.held):  # the greatest number first
                if one.receipt.prev in votes:
                    votes[one.receipt.prev] |= votes[one.id]
            self._votes = votes
        return self._votes

    def _equivocations(self) -> Iterable[Equivocation]:
        places: dict[tuple[int, int], list[Checked]] = defaultdict(list)
        for one in self.held:
            places[one.receipt.epoch, one.receipt.seq].append(one)
        for each in places.values():
            if len(each) > 1:
                yield Equivocation(self.universe, (each[0], each[1]))
