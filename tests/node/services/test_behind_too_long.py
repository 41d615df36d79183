"""An older home is put back: it signs nothing though what others answered depends on too much."""

from dataclasses import replace

import pytest

from node.services import gatebooks
from node.services.passages import passage_called
from node.services.passengers import Passenger
from registry.errors import CannotTravel
from tests.node.services.test_cheats import equivocates
from tests.node.services.test_many_travellers import left
from tests.node.services.test_room import joined
from tests.node.services.test_travel import Person, opened
from universe.receipts import ARRIVAL, Who

OTHERS, ANTS = 6, 19


async def test_what_a_partner_answered_is_missing_however_much_its_line_depends_on(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Far answered a receipt of the reef that is lost; it signed one number twice, and those whom
    it names so have much in their documents."""
    alice, bob = people
    passage = await opened(alice, bob)
    reef, far = bob.universe("universe:reef"), await alice.makes("universe:far")
    await joined(bob, alice, reef, far, 2)
    owl = replace(left(alice, bob, passage, 9, Who(reef, "owl")), universe=far, other=reef)
    came = replace(owl, kind=ARRIVAL, answers=bytes([9]) * 32, traveller=owl.traveller.told)
    await alice.signs(came)
    others = [await bob.makes(f"universe:{number}") for number in range(OTHERS)]
    for other in others:
        await bob.gates.take_gate(other)
        ants = [left(bob, alice, passage, n, Who(other, f"ant {n}")) for n in range(ANTS)]
        gate = bob.ferry.identity.device.public
        await bob.signs(*(replace(one, universe=other, gate=gate) for one in ants))
    imp = replace(left(alice, bob, passage, 0, Who(far, "imp")), universe=far)
    twice = [replace(imp, other=one, migration=bytes([n]) * 16) for n, one in enumerate(others)]
    await equivocates(alice, twice)
    await bob.hears(alice)
    monkeypatch.setattr(gatebooks, "RECEIPTS_MAX", OTHERS * ANTS // 2)
    there = await passage_called(bob.ferry, "passage:1")
    with pytest.raises(CannotTravel, match="far") as refused:
        await bob.gates.send(there, reef, bytes([8]) * 16, Passenger(b"{}", "fox"), 1)
    assert refused.value.why == "gate-behind"
