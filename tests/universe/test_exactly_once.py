"""Many gates, any delivery, crashes, and a gate that signs what it likes: one place for each."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from crdt.ed25519 import SigningKey
from registry.errors import CannotTravel
from tests.universe.homes import CAVE, EVERYWHERE, HONEST, TRAVELLERS, Node, carols_gate
from tests.universe.passengers import (
    GATES,
    KEYS,
    MEADOW,
    NOW,
    PASSAGE,
    REEF,
    VOID,
    handed,
    key_of,
)
from universe.behind import check_none_missing, given_up_with
from universe.gate import Judge, Verdict, Wish, due, send
from universe.lines import Lines
from universe.receipts import (
    KINDS,
    NO_RECEIPT,
    Checked,
    Receipt,
    Traveller,
    Who,
)
from universe.room import ENDLESS, Places
from universe.travel import In, InTransit, Place, Refused, out_of_turn, place_of, story_of

universes = st.sampled_from(HONEST)
passengers = st.sampled_from(TRAVELLERS)
verdicts = st.sampled_from(
    [Verdict("accept"), Verdict("accept"), Verdict("refuse", "no"), Verdict("ask")]
)


class Gates(RuleBasedStateMachine):
    """`truth` is what honest gates did, of travellers that mallory never had in her hands."""

    def __init__(self) -> None:
        super().__init__()
        keys = {**KEYS, CAVE: key_of(104)}
        self.nodes = {name: Node(name, keys[name]) for name in EVERYWHERE}
        for gate in (*GATES, carols_gate()):
            for node in self.nodes.values():
                node.gates[gate.id] = gate
        self.copies = {name: [self.nodes[name].copied()] for name in HONEST}
        self.truth: dict[Who, Place] = {one.who: In(one.who.origin) for one in TRAVELLERS}
        self.tainted: set[Who] = set()
        self.went_back: set[str] = set()
        self.count = 0
        self.now = NOW
        self.grown = Lines()

    def way(self, source: str, to: str) -> str:
        """The passage that leads there."""
        return PASSAGE

    def judge(self, verdict: Verdict) -> Judge:
        return lambda one: verdict

    def places(self, universe: str) -> Places:
        """What its document has room for."""
        return ENDLESS

    def check_room(self, departure: Receipt) -> None:
        """Raises `CannotTravel`."""

    def note(self, one: Checked) -> None:
        """An honest gate wrote this down."""
        said, who = one.receipt, one.receipt.traveller.who
        match said.kind:
            case "departure":
                self.truth[who] = InTransit(said.universe, said.other, one.id)
                if said.other == VOID:
                    self.tainted.add(who)
            case "refusal":
                departure = self.nodes[said.universe].receipts[said.answers or b""]
                self.truth[who] = Refused(
                    said.other, said.universe, departure.id, one.id, said.reason
                )
            case _:
                self.truth[who] = In(said.universe)

    @rule(source=universes, to=st.sampled_from(EVERYWHERE), one=passengers, again=st.booleans())
    def send(self, source: str, to: str, one: Traveller, again: bool) -> None:
        self.count += not again  # a wish that is repeated names the same migration
        node = self.nodes[source]
        wish = Wish(self.count.to_bytes(16, "big"), self.way(source, to), to, one)
        try:
            check_none_missing(source, node.missing())
            said = send(source, node.key.public, wish, node.lines, self.now)
            if isinstance(said, Receipt):
                self.check_room(said)
        except CannotTravel:
            return
        if isinstance(said, Receipt):
            self.note(node.write(said))

    @rule(source=universes, to=st.sampled_from(EVERYWHERE))
    def send_whoever_is_here(self, source: str, to: str) -> None:
        lines = self.nodes[source].lines
        for one in TRAVELLERS:
            if place_of(one.who, lines) == In(source):
                self.send(source=source, to=to, one=one, again=False)

    @rule(source=universes, to=universes, verdict=verdicts, written=st.integers(0, 3))
    def travel(self, source: str, to: str, verdict: Verdict, written: int) -> None:
        """What usually happens, in one step: so that stories get long."""
        self.sync(source=to, to=source)
        self.send_whoever_is_here(source=source, to=to)
        self.sync(source=source, to=to)
        self.answer(universe=to, verdict=verdict, written=written)
        self.sync(source=to, to=source)
        self.answer(universe=source, verdict=verdict, written=written)

    @rule(universe=universes, verdict=verdicts, written=st.integers(0, 16))
    def answer(self, universe: str, verdict: Verdict, written: int) -> None:
        """Killed after `written` of them: what was not written nobody ever saw."""
        node = self.nodes[universe]
        try:
            check_none_missing(universe, node.missing())
            found = due(
                universe, node.key.public, node.lines, self.now,
                judge=self.judge(verdict), recalled=node.recalled, places=self.places(universe),
            )  # fmt: skip
        except CannotTravel:  # only ever after it went back
            assert universe in self.went_back
            return
        for said in found[:written]:
            self.note(node.write(said))

    @rule(source=st.sampled_from(EVERYWHERE), to=st.sampled_from(EVERYWHERE), data=st.data())
    def deliver(self, source: str, to: str, data: st.DataObject) -> None:
        """Some of it, in any order, some of it again."""
        held = list(self.nodes[source].receipts.values())
        if held:
            chosen = data.draw(st.lists(st.sampled_from(held), max_size=6))
            self.nodes[to].receipts |= {one.id: one for one in chosen}
            # Who goes back has one thing from others in order: its own document. So no receipt is
            # handed on without the hand-overs that its document tells of before it.
            told = {to, *(one.receipt.universe for one in chosen)}
            gates = {id: one for id, one in self.nodes[source].gates.items()
                     if one.hand_over.universe in told}  # fmt: skip
            self.nodes[to].gates |= gates

    @rule(source=st.sampled_from(EVERYWHERE), to=st.sampled_from(EVERYWHERE))
    def sync(self, source: str, to: str) -> None:
        given, taker = self.nodes[source], self.nodes[to]
        taker.receipts |= given.receipts
        taker.gates |= given.gates
        taker.recalled |= given.recalled

    @rule(universe=universes, to=universes)
    def recall(self, universe: str, to: str) -> None:
        mine = [one for one in self.nodes[universe].receipts.values()
                if (one.receipt.universe, one.receipt.kind) == (universe, "departure")]  # fmt: skip
        self.nodes[to].recalled |= {one.id for one in mine}

    @precondition(lambda self: self.count < 200)
    @rule(universe=universes)
    def take_a_new_gate(self, universe: str) -> None:
        self.count += 1
        node = self.nodes[universe]
        key = SigningKey.from_seed(self.count.to_bytes(32, "big"))
        try:
            check_none_missing(universe, node.missing())
            said = handed(universe, key, node.lines)
        except CannotTravel:
            assert universe in self.went_back
            return
        node.key = key
        node.gates[said.id] = said

    @rule(universe=universes)
    def copy_the_home(self, universe: str) -> None:
        self.copies[universe].append(self.nodes[universe].copied())

    @rule(universe=universes, data=st.data())
    def go_back_to_an_older_home(self, universe: str, data: st.DataObject) -> None:
        """What was signed last was answered, and it hears all that others say of themselves. Of
        what an other one lost itself not the last copy goes with it: of that nothing tells."""
        node = self.nodes[universe]
        chain = [one for one in node.receipts.values() if one.receipt.universe == universe]
        last = max(chain, key=lambda one: one.receipt.seq, default=None)
        answered = {
            one.receipt.answers for name in HONEST if name != universe
            for one in self.nodes[name].receipts.values() if one.receipt.universe == name
        }  # fmt: skip
        others = [each for name, each in self.nodes.items() if name != universe]
        beside = {id for each in others for id in each.receipts}
        alone = [one for id, one in node.receipts.items() if id not in beside]
        if any(one.receipt.universe != universe for one in alone):
            return
        if last is None or last.id not in answered or node.missing():
            return
        copies = self.copies[universe]
        back = data.draw(st.sampled_from(copies)).copied()
        del copies[1:]  # of this life
        self.nodes[universe] = back
        self.went_back.add(universe)
        self.grown = Lines()  # what nobody else had is held nowhere any more
        for name in {*HONEST} - {universe}:
            for one in self.nodes[name].receipts.values():
                if one.receipt.universe != universe:
                    back.receipts[one.id] = one
            for gate in self.nodes[name].gates.values():
                if gate.hand_over.universe != universe:
                    back.gates[gate.id] = gate

    @rule(universe=universes)
    def go_on_without_what_is_lost(self, universe: str) -> None:
        """Whoever left or came by it is not in one place any more, and everybody else is."""
        node = self.nodes[universe]
        hand_overs = {gate.id for each in self.nodes.values() for gate in each.gates.values()
                      if gate.hand_over.universe == universe}  # fmt: skip
        missing = node.missing()
        if not missing or not hand_overs <= node.gates.keys() or self.count >= 200:
            return
        key = SigningKey.from_seed((self.count + 1).to_bytes(32, "big"))
        try:
            said = handed(universe, key, node.lines, anyway=True)
        except CannotTravel:  # of its own document a hand-over came before what that names
            assert not node.lines[universe].is_whole
            return
        self.count += 1
        lost = {id: one for each in self.nodes.values() for id, one in each.receipts.items()
                if one.receipt.universe == universe and id not in node.receipts}  # fmt: skip
        self.tainted |= {one.receipt.traveller.who for one in (*lost.values(), *missing)}
        node.key = key
        node.gates[said.id] = said
        node.given_up = given_up_with(missing, node.given_up)
        assert not node.missing()

    @rule(
        data=st.data(),
        kind=st.sampled_from(KINDS),
        one=passengers,
        other=universes,
        universe=st.sampled_from((VOID, VOID, VOID, MEADOW)),
    )
    def mallory_signs(
        self, data: st.DataObject, kind: str, one: Traveller, other: str, universe: str
    ) -> None:
        """Anything of anybody, anywhere in a chain, again and again under one number."""
        node = self.nodes[VOID]
        chain = [each for each in node.receipts.values() if each.receipt.universe == universe]
        before = data.draw(st.sampled_from([None, *chain]))
        about = data.draw(st.sampled_from([None, *node.receipts.values()]))
        traveller, migration, answers = one, bytes(16), None
        if kind != "departure":
            answers, traveller = bytes([9]) * 32, one.told
            if about is not None:
                said = about.receipt
                answers, migration, other = about.id, said.migration, said.universe
                traveller = said.traveller.told
        if other != universe:
            node.write(
                Receipt(
                    kind=kind,
                    universe=universe,
                    other=other,
                    gate=node.key.public,
                    epoch=1,
                    seq=1 if before is None else before.receipt.seq + 1,
                    prev=NO_RECEIPT if before is None else before.id,
                    migration=migration,
                    passage=self.way(universe, other),
                    traveller=traveller,
                    tick=data.draw(st.integers(0, 3)),
                    at_us=0,
                    answers=answers,
                )
            )

    def is_behind(self, universe: str) -> bool:
        """So its gate signs nothing."""
        node = self.nodes[universe]
        if universe not in self.went_back:
            return False
        line = node.lines[universe]
        assert line.gate is not None
        is_gate = line.gate.hand_over.gate == node.key.public
        return bool(node.missing()) or line.has_gap or not line.is_whole or not is_gate

    def union(self) -> Lines:
        receipts = {id: one for node in self.nodes.values() for id, one in node.receipts.items()}
        gates = {id: one for node in self.nodes.values() for id, one in node.gates.items()}
        return Lines(receipts.values(), gates.values())

    @invariant()
    def all_that_is_known_says_what_honest_gates_did(self) -> None:
        lines = self.union()
        for one in TRAVELLERS:
            if one.who not in self.tainted:
                assert place_of(one.who, lines) == self.truth[one.who]

    @invariant()
    def what_grew_says_what_is_said_at_once(self) -> None:
        """Of parts that came in any order, asked in between, as a node reads them."""
        whole = self.union()
        self.grown = self.grown.copied()
        for node in self.nodes.values():
            self.grown.add(node.receipts.values(), node.gates.values())
            for one in TRAVELLERS:
                story_of(one.who, self.grown)
        for one in TRAVELLERS:
            assert story_of(one.who, self.grown) == story_of(one.who, whole)
        for name in EVERYWHERE:
            grown, line = self.grown[name], whole[name]
            assert (grown.receipts, grown.gate) == (line.receipts, line.gate)
        for name in {*self.grown.asked} & {*EVERYWHERE}:
            assert {one for one in self.grown.votes_asked if one[1] == name} >= {
                one for one in whole.votes_asked if one[1] == name
            }

    @invariant()
    def at_most_one_honest_gate_has_it_and_no_view_tells_another_story(self) -> None:
        lines = self.union()
        for one in TRAVELLERS:
            if one.who in self.tainted:
                continue
            whole = [each.id for each in story_of(one.who, lines).receipts]
            having = 0
            for name in HONEST:
                story = story_of(one.who, self.nodes[name].lines)
                told = [each.id for each in story.receipts]
                assert told == whole[: len(told)]
                having += story.place == In(name) and not self.is_behind(name)
            assert having <= 1
            place = self.truth[one.who]
            if isinstance(place, In) and not self.went_back:
                assert having == 1

    @invariant()
    def no_honest_gate_ever_spoke_out_of_turn(self) -> None:
        lines = self.union()
        for name in HONEST:
            for one in out_of_turn(name, lines):
                assert one.receipt.traveller.who in self.tainted

    @invariant()
    def nobody_honest_is_shown_as_an_equivocator(self) -> None:
        lines = self.union()
        for name in HONEST:
            assert not lines[name].equivocations
        numbers = [one.receipt.seq for one in lines.held.values() if one.receipt.universe == VOID]
        assert bool(lines[VOID].equivocations) == (len(numbers) != len(set(numbers)))


def test_each_traveller_is_in_exactly_one_place() -> None:
    run_state_machine_as_test(
        Gates, settings=settings(max_examples=60, stateful_step_count=40, deadline=None)
    )


def test_without_what_a_hand_over_names_nobody_goes_on() -> None:
    """It is not lost: whoever gave the hand-over gives that too."""
    machine = Gates()
    old = machine.nodes[MEADOW].copied()
    machine.send_whoever_is_here(source=MEADOW, to=CAVE)
    machine.take_a_new_gate(universe=MEADOW)
    machine.sync(source=MEADOW, to=CAVE)
    machine.answer(universe=CAVE, verdict=Verdict("accept"), written=2)
    cave = machine.nodes[CAVE]
    old.gates |= cave.gates
    old.receipts |= {id: one for id, one in cave.receipts.items() if one.receipt.universe == CAVE}
    machine.nodes[MEADOW] = old
    machine.went_back.add(MEADOW)
    assert old.missing()
    gates = dict(old.gates)
    machine.go_on_without_what_is_lost(universe=MEADOW)
    assert old.gates == gates
    machine.sync(source=CAVE, to=MEADOW)
    assert not old.missing()


def test_a_traveller_that_passed_mallory_is_still_in_one_place_once_all_is_known() -> None:
    """She sends on one that she was given, to two at once: both take it, one keeps it."""
    machine = Gates()
    fox = TRAVELLERS[0]
    machine.send(source=MEADOW, to=VOID, one=fox, again=False)
    machine.sync(source=MEADOW, to=VOID)
    void = machine.nodes[VOID]
    (arrived,) = due(VOID, void.key.public, void.lines, NOW, judge=lambda one: Verdict("accept"))
    void.write(arrived)
    for other in (REEF, CAVE):
        lines = Lines(
            [one for one in void.receipts.values() if one.receipt.kind != "departure"
             or one.receipt.universe != VOID], void.gates.values())  # fmt: skip
        wish = Wish(bytes([len(other) % 7, other == REEF]) * 8, PASSAGE, other, fox)
        said = send(VOID, void.key.public, wish, lines, NOW)
        assert isinstance(said, Receipt)
        left = void.write(said)
        node = machine.nodes[other]
        node.receipts |= {one.id: one for one in (*lines.held.values(), left)}
        node.receipts |= {id: one for id, one in void.receipts.items()
                          if one.receipt.universe == MEADOW}  # fmt: skip
        machine.answer(universe=other, verdict=Verdict("accept"), written=1)
        assert place_of(fox.who, node.lines) == In(other)  # as far as it can know
    lines = machine.union()
    assert lines[VOID].equivocations
    assert place_of(fox.who, lines) in (In(REEF), In(CAVE))
    again = Lines(reversed(list(lines.held.values())), reversed([*void.gates.values()]))
    assert place_of(fox.who, again) == place_of(fox.who, lines)
