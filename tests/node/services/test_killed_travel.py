"""Two gates, killed at every change of a journey: who travels is in exactly one universe."""

import os
from pathlib import Path

import pytest

from node.services.gatebooks import Books
from tests.node.services.killed_travel import HOMES, RECALLED, WISHES, two_gates, wishes
from tests.node.services.test_travel import Person
from tests.storage.killed import killed_at
from universe.lines import Lines
from universe.receipts import DEPARTURE, Who
from universe.travel import In, place_of

STEPS_MAX = 200  # one that ends by itself is the last, and comes much earlier
ROUNDS_MAX = 5
MEADOW, REEF = (id for _, id in HOMES)


@pytest.mark.skipif(os.name != "posix", reason="kills by signal")
async def test_killed_anywhere_each_is_in_one_universe_and_no_wish_is_lost(tmp_path: Path) -> None:
    program = Path(__file__).with_name("killed_travel.py")
    step, last = await killed_at(range(STEPS_MAX), program, tmp_path, check)
    assert step == 2 * 9, "nine changes, each before it is written and just after"
    kinds = [kind for kind, _ in last]
    # Bob lets the fox in and not the hen; alice takes both back.
    assert kinds == ["sent", "sent", "recalled", "signed", "signed", "sent", "signed", "signed"]


async def check(home: Path, acknowledged: list[tuple[str, str]]) -> None:
    sent = dict(what.split(":") for kind, what in acknowledged if kind == "sent")
    signed = {what for kind, what in acknowledged if kind == "signed"}
    async with two_gates(home) as (alice, bob):
        universes = alice.universe(MEADOW), bob.universe(REEF)

        async def wished(number: int) -> None:
            again = await wishes(number, alice, bob)
            assert again == sent.setdefault(str(number), again), "the answer is as before"

        held = [await lines_of(one, universes) for one in (alice, bob)]
        ids = {one.id.hex() for lines in held for name in universes for one in lines[name].receipts}
        assert ids >= signed | {*sent.values()}, "what was acknowledged is there"
        # Whoever heard no answer asks again; so does, here, whoever heard one.
        await wished(1)
        await wished(2)
        await alice.gates.recall(universes[0], bytes([RECALLED]) * 16)
        await come_to_rest(alice, bob)
        fox, hen = Who(universes[0], "fox"), Who(universes[0], "hen")
        # It is there, or was and is back already.
        there = place_of(fox, await lines_of(bob, universes))
        assert there in (In(universes[1]), In(universes[0]))
        await wished(3)
        await come_to_rest(alice, bob)
        for number in WISHES:
            await wished(number)
        for one in (alice, bob):
            lines = await lines_of(one, universes)
            assert [place_of(who, lines) for who in (fox, hen)] == [In(universes[0])] * 2
            assert not any(lines[name].equivocations for name in universes)
            left = [
                each.receipt.migration[0]
                for name in universes
                for each in lines[name].receipts
                if each.receipt.kind == DEPARTURE
            ]
            assert sorted(left) == sorted(WISHES), "each wish left once"


async def lines_of(one: Person, universes: tuple[str, str]) -> Lines:
    books = Books(one.ferry)
    await books.load(universes)
    return books.lines


async def come_to_rest(alice: Person, bob: Person) -> None:
    """Each hears the other and answers, until nobody has anything to answer."""
    for _ in range(ROUNDS_MAX):
        await bob.hears(alice)
        there = await bob.gates.answer(bob.universe(REEF))
        await alice.hears(bob)
        back = await alice.gates.answer(alice.universe(MEADOW))
        if not (there or back):
            return
    raise AssertionError("it never comes to rest")
