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

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar, cast

from universe.gates import BEGINNING, CheckedHandOver, Last, gates_of
from universe.names import parse_full_name
from universe.receipts import DEPARTURE, SEQ_MAX, Checked, Who

T = TypeVar("T")


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

    @cached_property
    def has_gap(self) -> bool:
        """Whether the gate whose turn it is signed on after something that is not held."""
        return not self.is_suspect and any(
            one.receipt.epoch == self.gate.hand_over.epoch for one in self.apart if self.gate
        )

    @cached_property
    def is_suspect(self) -> bool:
        """Whether the gate whose turn it is has equivocated."""
        return self.gate is not None and any(
            one.receipts[0].receipt.epoch == self.gate.hand_over.epoch for one in self.equivocations
        )


class Lines:
    """All that is held of receipts and hand-overs, and the line of each universe by it.

    It may grow: what was asked is asked anew only where what came since may change it.
    """

    def __init__(
        self, receipts: Iterable[Checked] = (), hand_overs: Iterable[CheckedHandOver] = ()
    ) -> None:
        self._given: dict[str, dict[bytes, CheckedHandOver]] = {}
        self._keys: set[tuple[str, bytes]] = set()
        """(universe, key) of all these, whether they stand or not."""
        self._all: dict[bytes, Checked] = {}
        self._of: dict[str, tuple[Checked, ...]] = {}
        self._answering: dict[bytes, tuple[Checked, ...]] = {}
        """Receipt answered → those that say they answer it."""
        self._gates: dict[str, tuple[CheckedHandOver, ...]] = {}
        self._lines: dict[str, Line] = {}
        self._voters: dict[str, frozenset[str]] = {}
        """Universe whose line depends on what others answered → those others."""
        self._once: dict[Hashable, tuple[object, frozenset[str]]] = {}
        self._depending: dict[str, set[Hashable]] = defaultdict(set)
        self.asked: set[str] = set()
        """Universes on which what was asked so far depends: with more of these it may differ."""
        self.add(receipts, hand_overs)

    def add(self, receipts: Iterable[Checked], hand_overs: Iterable[CheckedHandOver]) -> None:
        """More is held."""
        gates: dict[str, dict[bytes, CheckedHandOver]] = defaultdict(dict)
        voting: set[str] = set()
        for gate in hand_overs:
            gates[gate.hand_over.universe][gate.id] = gate
            key = gate.hand_over.universe, gate.hand_over.gate
            if key not in self._keys:
                self._keys.add(key)
                voting.add(gate.hand_over.universe)
        more: dict[str, list[Checked]] = defaultdict(list)
        answering: dict[bytes, list[Checked]] = defaultdict(list)
        for one in receipts:
            if one.id not in self._all:
                self._all[one.id] = one
                more[one.receipt.universe].append(one)
                if one.receipt.answers is not None:
                    answering[one.receipt.answers].append(one)
        for name, found in gates.items():
            self._given[name] = self._given.get(name, {}) | found
        for name, each in more.items():
            self._of[name] = (*self._of.get(name, ()), *each)
        # By whom it was answered counts once one of their keys is known, before or after it.
        contested = {name for name, voters in self._voters.items() if voters & voting}
        for id, answers in answering.items():
            to = self._all.get(id)
            before = set[str]() if to is None else self._answered_by(to)
            self._answering[id] = (*self._answering.get(id, ()), *answers)
            # Only by a vote that is new there, or whoever answers anything had it worked out anew.
            if to is not None and self._answered_by(to) != before:
                name = to.receipt.universe
                if to.receipt.other in self._voters.get(name, ()):
                    contested.add(name)
        for name in {*gates, *more, *contested}:
            self._forget(name)

    def copied(self) -> "Lines":
        """To go on from here; what is added to it is not in this one."""
        copy = Lines()
        for name in ("_given", "_keys", "_all", "_of", "_answering", "_gates", "_lines", "_voters"):
            setattr(copy, name, getattr(self, name).copy())
        copy._once = dict(self._once)
        for key, (_, asked) in self._once.items():
            for name in asked:
                copy._depending[name].add(key)
        return copy

    def __getitem__(self, universe: str) -> Line:
        """Its line; an empty one for what nothing is known of."""
        self.asked.add(universe)
        line = self._lines.get(universe)
        if line is None:
            gates = self.gates_at(universe)
            walk = _Walk(universe, gates, self._signed_at(universe), self._answered_by)
            line = self._lines[universe] = walk.line()
            self._depends(universe, walk.disputed())
        return line

    def once(self, key: Hashable, work: Callable[[], T]) -> T:
        """What `work` finds in these lines, found before or now. One key means one work."""
        if key in self._once:
            found, asked = self._once[key]
            self.asked |= asked
            return cast(T, found)  # one key means one work, so it is of the same type
        outer, self.asked = self.asked, set()
        try:
            found = work()
            asked = frozenset(self.asked)
        finally:
            outer |= self.asked
            self.asked = outer
        self._once[key] = found, asked
        for name in asked:
            self._depending[name].add(key)
        return found

    @property
    def votes_asked(self) -> frozenset[tuple[str, str]]:
        """(other, universe): of these others what they answered to that universe has a vote in
        what was asked. Only that: of who has a vote nothing else is asked."""
        return frozenset((one, name) for name in self.asked for one in self._voters.get(name, ()))

    @property
    def held(self) -> Mapping[bytes, Checked]:
        """Those that a gate of their universe signed, whether they count or not."""
        return {id: one for id, one in self._all.items() if self._is_signed(one)}

    def signed(self, id: bytes) -> Checked | None:
        """Of `held` that one."""
        one = self._all.get(id)
        return one if one is not None and self._is_signed(one) else None

    def universes(self) -> list[str]:
        """All that have a gate."""
        return sorted(name for name in self._given if self.gates_at(name))

    def gates_at(self, universe: str) -> tuple[CheckedHandOver, ...]:
        """Its hand-overs that stand, by epoch."""
        if universe not in self._gates:
            given = self._given.get(universe, {})
            after = Counter(one.hand_over.before for one in given.values())
            contested = [one for one in given.values() if after[one.hand_over.before] > 1]
            votes: Mapping[bytes, Collection[str]] = {}
            if contested:
                first = min(one.hand_over.epoch for one in contested)
                receipts = [one for one in self._of.get(universe, ()) if one.receipt.epoch >= first]
                votes = _votes_on_gates(given.values(), receipts, self._answered_by)
                self._depends(universe, receipts)
            self._gates[universe] = gates_of(given.values(), votes)
        return self._gates[universe]

    def _is_signed(self, one: Checked) -> bool:
        gates, epoch = self.gates_at(one.receipt.universe), one.receipt.epoch
        return 0 < epoch <= len(gates) and gates[epoch - 1].hand_over.gate == one.receipt.gate

    def _signed_at(self, universe: str) -> list[Checked]:
        return [one for one in self._of.get(universe, ()) if self._is_signed(one)]

    def _answered_by(self, one: Checked) -> set[str]:
        """Other authors, a gate of whose universe says that it answers this, which was to it.

        Only who was spoken to has a vote: anybody may sign that they answer anything. Any gate that
        its owner ever made counts, so that who votes depends on what nobody else says.
        """
        return {
            parse_full_name(answer.receipt.universe)[0]
            for answer in self._answering.get(one.id, ())
            if answer.receipt.universe == one.receipt.other
            and (answer.receipt.universe, answer.receipt.gate) in self._keys
        } - {parse_full_name(one.receipt.universe)[0]}

    def _depends(self, universe: str, disputed: Iterable[Checked]) -> None:
        """Its line, on what others answered to these. Its own author has no vote."""
        author = parse_full_name(universe)[0]
        others = {one.receipt.other for one in disputed}
        voters = {one for one in others if parse_full_name(one)[0] != author}
        if voters:
            self._voters[universe] = self._voters.get(universe, frozenset()) | voters

    def _forget(self, universe: str) -> None:
        self._gates.pop(universe, None)
        self._lines.pop(universe, None)
        for key in self._depending.pop(universe, ()):
            self._once.pop(key, None)


def _votes_on_gates(
    given: Iterable[CheckedHandOver],
    receipts: Iterable[Checked],
    answered_by: Callable[[Checked], Collection[str]],
) -> Mapping[bytes, Collection[str]]:
    """Hand-over → other authors with a gate who answered a receipt under it, or after it."""
    under: dict[tuple[int, bytes], set[str]] = defaultdict(set)
    for one in receipts:
        under[one.receipt.epoch, one.receipt.gate] |= {*answered_by(one)}
    votes: dict[bytes, set[str]] = defaultdict(set)
    for held in sorted(given, key=lambda one: -one.hand_over.epoch):
        hand_over = held.hand_over
        votes[held.id] |= under.get((hand_over.epoch, hand_over.gate), set())
        votes[hand_over.before] |= votes[held.id]
    return votes


class _Walk:
    """Through the receipts of one universe."""

    def __init__(
        self,
        universe: str,
        gates: Sequence[CheckedHandOver],
        receipts: Iterable[Checked],
        answered_by: Callable[[Checked], set[str]],
    ) -> None:
        self.universe = universe
        self.gates = gates
        # By number and id, so that every order below is one of the set, not of arrival.
        self.held = sorted(receipts, key=lambda one: (one.receipt.seq, one.id))
        self.by_id = {one.id: one for one in self.held}
        self.answered_by = answered_by
        self.after: dict[tuple[int, bytes], list[Checked]] = defaultdict(list)
        for one in self.held:
            self.after[one.receipt.epoch, one.receipt.prev].append(one)
        self._votes: dict[bytes, set[str]] | None = None
        self.disputed_from = SEQ_MAX + 1

    def disputed(self) -> list[Checked]:
        """After `line`: those by which it is decided which of two stand, if that was to be."""
        return [one for one in self.held if one.receipt.seq >= self.disputed_from]

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
                self.disputed_from = min(self.disputed_from, tip.seq + 1)
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
                votes[one.id] = self.answered_by(one)
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
