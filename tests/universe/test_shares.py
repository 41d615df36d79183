"""What a partner makes a gate sign is bounded, and whoever travels honestly gets through all the
same: production code, with limits so small that every run meets them."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations, count

import msgspec
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test

from registry.errors import CannotTravel
from tests.universe.homes import EVERYWHERE, HONEST, TRAVELLERS
from tests.universe.passengers import (
    ACCEPT,
    FOX,
    KEYS,
    MEADOW,
    NO_ROOM,
    NOW,
    REEF,
    VOID,
    answered,
    lines_of,
    sent,
    signed,
    wish_of,
)
from tests.universe.test_exactly_once import Gates, universes
from universe import shares
from universe.gate import Judge, Now, Verdict, due, send
from universe.names import parse_full_name
from universe.passage import Half, Passage, judge_arrival
from universe.receipts import ARRIVAL, NO_RECEIPT, REFUSAL, Checked, Receipt, Traveller, Who
from universe.shares import DAY_US, Share, Shares
from universe.travel import In

REFUSALS, UNDER_WAY, IN_A_DAY, IN_ALL = 3, 2, 3, 6


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shares, "REFUSALS_MAX", REFUSALS)
    monkeypatch.setattr(shares, "UNDER_WAY_MAX", UNDER_WAY)
    monkeypatch.setattr(shares, "DAY_ANSWERS_MAX", IN_A_DAY)
    monkeypatch.setattr(shares, "PASSAGE_ANSWERS_MAX", IN_ALL)


def imp(number: int) -> Traveller:
    return Traveller.of(Who(VOID, f"imp {number}"), b"{}", "json")


def hen(number: int) -> Traveller:
    return Traveller.of(Who(MEADOW, f"hen {number}"), b"{}", "json")


def flood(many: int) -> list[Checked]:
    """So many departures of mallory's to the meadow, whatever her own gate should hold back."""
    said = sent(imp(1), VOID, MEADOW).receipt
    chain = list[Checked]()
    for number in range(1, many + 1):
        prev = chain[-1].id if chain else NO_RECEIPT
        migration, who = number.to_bytes(16), imp(number)
        one = replace(said, seq=number, prev=prev, migration=migration, traveller=who)
        chain.append(signed(one))
    return chain


def later(held: list[Checked], days: float, verdict: Verdict = ACCEPT) -> list[Checked]:
    """What the meadow answers then."""
    now = Now(NOW.tick, NOW.at_us + round(days * DAY_US))
    found = due(MEADOW, KEYS[MEADOW].public, lines_of(*held), now, judge=lambda one: verdict)
    return [signed(one) for one in found]


def test_a_closed_passage_costs_so_many_refusals_and_then_nothing_ever() -> None:
    held = flood(10)
    refused = answered(MEADOW, *held, verdict=NO_ROOM)
    assert [one.receipt.kind for one in refused] == [REFUSAL] * REFUSALS
    assert answered(MEADOW, *held, *refused, verdict=NO_ROOM) == []
    assert later([*held, *refused], 400, NO_ROOM) == []
    # Who is let in again begins a new row: the passage was opened, by its owner.
    (first, *_) = opened = later([*held, *refused], 400)
    assert (first.receipt.kind, len(opened)) == (ARRIVAL, IN_A_DAY)


def test_so_many_are_answered_in_a_day_and_so_many_in_all() -> None:
    held = flood(10)
    held += (today := answered(MEADOW, *held))
    assert len(today) == IN_A_DAY
    assert later(held, 0.999) == []
    held += (tomorrow := later(held, 1))
    assert len(tomorrow) == IN_ALL - IN_A_DAY
    assert later(held, 30) == []
    assert Shares(lines_of(*held)[MEADOW].receipts, 0)[tomorrow[0].receipt.passage].is_spent


def test_who_is_sent_all_the_same_takes_few_places_of_who_is_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As many as may have been under way, through each passage; the rest is for who leaves."""
    monkeypatch.setattr(shares, "LET_IN_MAX", 1)
    held = flood(10)
    held += (first := answered(MEADOW, *held))
    assert len(first) == 1 + UNDER_WAY
    assert later(held, 400) == []
    assert Shares(lines_of(*held)[MEADOW].receipts, 0)[first[0].receipt.passage].is_spent
    with pytest.raises(CannotTravel, match="nobody is sent to it any more"):
        sent(Traveller.of(Who(REEF, "eel"), b"{}", "json"), REEF, MEADOW, *held)
    # Who left before they could know is answered, through a passage of their own.
    eel = sent(Traveller.of(Who(REEF, "eel"), b"{}", "json"), REEF, MEADOW)
    eel = signed(replace(eel.receipt, passage=f"{REEF}-2"))
    (arrived,) = answered(MEADOW, *held, eel)
    assert arrived.receipt.kind == ARRIVAL


def test_a_clock_that_went_back_stops_nobody() -> None:
    held = flood(10)
    held += later(held, 900)
    assert len(answered(MEADOW, *held)) == IN_ALL - IN_A_DAY


def test_what_one_passage_used_up_another_one_has() -> None:
    held = flood(10)
    held += answered(MEADOW, *held)
    eel = Traveller.of(Who(REEF, "eel"), b"{}", "json")
    left = send(REEF, KEYS[REEF].public, replace(wish_of(eel, MEADOW), passage=f"{REEF}-2"),
                lines_of(*held), NOW)  # fmt: skip
    assert isinstance(left, Receipt)
    (arrived,) = answered(MEADOW, *held, signed(left))
    assert arrived.receipt.traveller.who == eel.who


def hens(*held: Checked) -> Iterator[Checked]:
    """Whoever leaves the meadow for the reef, until its gate sends nobody."""
    known = list(held)
    for number in count(1):
        known.append(sent(hen(number), MEADOW, REEF, *known, migration=number))
        yield known[-1]


def test_an_honest_gate_sends_nobody_whom_the_other_one_would_leave_unanswered() -> None:
    gone = list[Checked]()
    with pytest.raises(CannotTravel, match=r"2 are under way to .*reef") as busy:
        gone.extend(hens())
    assert (busy.value.why, len(gone)) == ("passage-busy", UNDER_WAY)
    refused = answered(REEF, *gone, verdict=NO_ROOM)
    assert len(refused) == UNDER_WAY
    # Then one at a time, and none of them is left unanswered either.
    probe = sent(hen(7), MEADOW, REEF, *gone, *refused, migration=7)
    gone.append(probe)
    with pytest.raises(CannotTravel, match=r"1 are under way to .*, and the last 2 were refused"):
        sent(hen(8), MEADOW, REEF, *gone, *refused, migration=8)
    refused += answered(REEF, *gone, *refused, verdict=NO_ROOM)
    assert len(refused) == REFUSALS
    fox = wish_of(FOX, REEF, 9)
    with pytest.raises(CannotTravel, match="refused the last 3 that came") as shut:
        send(MEADOW, KEYS[MEADOW].public, fox, lines_of(*gone, *refused), NOW)
    assert shut.value.why == "passage-full"
    elsewhere = replace(fox, passage=f"{fox.passage}-2")
    said = send(MEADOW, KEYS[MEADOW].public, elsewhere, lines_of(*gone, *refused), NOW)
    assert isinstance(said, Receipt)


def test_through_a_passage_that_took_its_share_nobody_leaves() -> None:
    held, day = list[Checked](), NOW.at_us
    for number in range(1, IN_ALL + 1):
        held.append(sent(hen(number), MEADOW, REEF, *held, migration=number))
        day += DAY_US
        found = due(REEF, KEYS[REEF].public, lines_of(*held), Now(NOW.tick, day),
                    judge=lambda one: ACCEPT)  # fmt: skip
        held += [signed(one) for one in found]
    assert [one.receipt.kind for one in held] == ["departure", ARRIVAL] * IN_ALL
    with pytest.raises(CannotTravel, match=r"6 travellers went to .* another passage") as full:
        sent(FOX, MEADOW, REEF, *held, migration=100)
    assert full.value.why == "passage-full"


def test_of_nobody_a_share_is_whole() -> None:
    assert Shares([], 0)["none"] == Share()
    assert Share().allows(accept=False)


def joined(one: str, other: str) -> Passage:
    author = parse_full_name(one)[0]
    half = Half(
        author=author, id=f"passage:{one[-4:]}-{other[-4:]}", source=one, target=other,
        type="bridge", stability=100, maintained_us=0, every_us=0, arrivals="accept",
        is_closed=False, proposal="", by="", name="", created_us=0,
    )  # fmt: skip
    theirs = msgspec.structs.replace(
        half, author=parse_full_name(other)[0], proposal=half.full_name
    )
    return Passage(half, theirs)


PASSAGES = {frozenset(ends): joined(*ends) for ends in combinations(EVERYWHERE, 2)}


class Crowded(Gates):
    """Passages that close and open again, and a partner that never stops sending."""

    def __init__(self) -> None:
        super().__init__()
        self.open_ = {one.name: one for one in PASSAGES.values()}
        self.imps = 0

    def way(self, source: str, to: str) -> str:
        return PASSAGES[frozenset((source, to))].name if source != to else ""

    def judge(self, verdict: Verdict) -> Judge:
        def judged(one: Checked) -> Verdict:
            passage = self.open_.get(one.receipt.passage)
            said = judge_arrival(one, passage, is_suspect=False)
            return verdict if said.word == "accept" else said

        return judged

    @rule(ends=st.sampled_from(sorted(PASSAGES.values(), key=lambda one: one.name)))
    def close_or_open(self, ends: Passage) -> None:
        now = self.open_[ends.name].is_open
        half = msgspec.structs.replace(ends.proposed, is_closed=now)
        self.open_[ends.name] = Passage(half, ends.accepted)

    @rule(hours=st.sampled_from((1, 12, 24)))
    def time_goes_by(self, hours: int) -> None:
        self.now = replace(self.now, at_us=self.now.at_us + hours * DAY_US // 24)

    @rule(to=universes, many=st.integers(1, 5))
    def mallory_floods(self, to: str, many: int) -> None:
        void = self.nodes[VOID]
        for _ in range(many):
            self.imps += 1
            last = void.lines[VOID].tip
            self.tainted.add(imp(self.imps).who)
            void.write(
                Receipt(
                    kind="departure", universe=VOID, other=to, gate=void.key.public, epoch=1,
                    seq=last.seq + 1, prev=last.id, migration=(10_000 + self.imps).to_bytes(16),
                    passage=self.way(VOID, to), traveller=imp(self.imps), tick=0, at_us=0,
                )
            )  # fmt: skip
        self.sync(source=VOID, to=to)

    def teardown(self) -> None:
        """However it went on: once all is heard, everybody honest is in a universe."""
        for _ in range(2 * IN_ALL):
            self.time_goes_by(hours=24)
            for source in EVERYWHERE:
                for to in HONEST:
                    self.sync(source=source, to=to)
            for name in HONEST:
                self.answer(universe=name, verdict=ACCEPT, written=16)
        self.shares_are_kept()
        if self.went_back:
            return
        self.check_end()
        self.all_that_is_known_says_what_honest_gates_did()
        self.at_most_one_honest_gate_has_it_and_no_view_tells_another_story()

    def check_end(self) -> None:
        for one in TRAVELLERS:
            if one.who not in self.tainted:
                assert isinstance(self.truth[one.who], In)

    def shares_are_kept(self) -> None:
        lines = self.union()
        for name in HONEST:
            through: dict[str, list[Receipt]] = {}
            for one in lines[name].receipts:
                if one.receipt.kind in (ARRIVAL, REFUSAL):
                    through.setdefault(one.receipt.passage, []).append(one.receipt)
            for each in through.values():
                assert len(each) <= IN_ALL
                kinds = "".join(one.kind[0] for one in each)
                assert "r" * (shares.REFUSALS_MAX + 1) not in kinds
                for first, last in zip(each, each[IN_A_DAY:], strict=False):
                    assert last.at_us - first.at_us >= DAY_US


def test_whatever_partners_do_shares_are_kept_and_who_is_honest_gets_through(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shares, "REFUSALS_MAX", 2)
    monkeypatch.setattr(shares, "UNDER_WAY_MAX", 1)  # of four travellers two seldom share a way
    run_state_machine_as_test(
        Crowded, settings=settings(max_examples=60, stateful_step_count=40, deadline=None)
    )
