"""Who was let in, and who was turned back, as the gates of others signed it."""

from itertools import permutations

from tests.universe.passengers import FOX, MEADOW, NO_ROOM, REEF, VOID, answered, lines_of, sent
from universe.journeys import journey_facts, left_for
from universe.names import parse_full_name
from universe.receipts import Traveller, Who
from universe.reputation import Fact, reputation_of

HEN = Traveller.of(Who(MEADOW, "hen"), b'{"legs":2}', "json")


def test_each_answer_of_another_gate_is_a_fact_whatever_came_first() -> None:
    fox = sent(FOX, MEADOW, REEF)
    hen = sent(HEN, MEADOW, VOID, fox, migration=2)
    (arrived,) = answered(REEF, fox)
    (refused,) = answered(VOID, fox, hen, verdict=NO_ROOM)
    assert not list(journey_facts([MEADOW], lines_of(fox, hen))), "both are on their way"
    told: set[tuple[Fact, ...]] = set()
    for held in permutations((fox, hen, arrived, refused)):
        lines = lines_of(*held)
        assert left_for([MEADOW], lines) == {REEF, VOID}
        told.add(tuple(sorted(journey_facts([MEADOW], lines))))
    (facts,) = told
    by_kind = {fact.kind: fact for fact in facts}
    assert set(by_kind) == {"arrived", "turned-back"}
    assert (by_kind["arrived"].of, by_kind["turned-back"].of) == (REEF, VOID)
    assert by_kind["arrived"].by == parse_full_name(REEF)[0]
    assert by_kind["turned-back"].said == refused.receipt.reason
    assert not list(journey_facts([REEF], lines_of(fox, arrived))), "she left nowhere"


def test_the_gate_of_ones_own_universe_is_no_witness() -> None:
    fox = sent(FOX, MEADOW, REEF)
    (arrived,) = answered(REEF, fox)
    facts = list(journey_facts([MEADOW], lines_of(fox, arrived)))
    (by,) = {fact.by for fact in facts}
    assert reputation_of(by, facts, ()).strangers == ()
    (line,) = reputation_of("did:key:zSomebody", facts, ()).strangers
    assert (line.kind, line.signers) == ("arrived", 1)
