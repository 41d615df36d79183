"""Numbers of receipts where two devices had the gate: which are given again, and which never."""

from collections.abc import Callable

import pytest

from crdt.document import Editor
from node.services.passages import passage_called
from node.services.passengers import Passenger
from node.services.travel import Gatekeeper
from registry.errors import CannotTravel
from tests.node.services.test_restored_gates import HEN, World
from tests.node.services.test_restored_gates import world as world
from tests.node.services.test_travel import FOX, Person, opened
from universe.receipts import ARRIVAL


@pytest.mark.parametrize("sent", [(1, 3), (3, 1)])
async def test_of_two_that_took_the_gate_apart_the_one_that_stands_goes_on(
    world: World, sent: tuple[int, int]
) -> None:
    """Also where the other one has given more numbers in that epoch."""
    alice, bob = world.alice, world.bob
    passage = (await opened(alice, bob)).name
    backup = await world.backed_up()
    meadow = alice.universe("universe:meadow")
    twins = [await world.restored(backup, f"twin {number}") for number in range(2)]
    for number, (twin, count) in enumerate(zip(twins, sent, strict=True)):
        await twin.hears(bob)
        assert (await twin.gates.take_gate(meadow, anyway=True)).is_changed
        leaves = await passage_called(twin.ferry, passage)
        for place in range(count):
            hen = Passenger(b"{}", f"hen {number} {place}")
            await twin.gates.send(leaves, meadow, bytes([10 * number + place]) * 16, hen, 9)
    for twin, other in (twins, twins[::-1]):
        await twin.hears(other)
    whys = list[str]()
    for number, twin in enumerate(twins):
        leaves = await passage_called(twin.ferry, passage)
        for place in range(2):
            owl = Passenger(b"{}", f"owl {number} {place}")
            try:
                await twin.gates.send(leaves, meadow, bytes([99, number, place, 0]) * 4, owl, 9)
            except CannotTravel as error:
                whys.append(error.why)
    assert whys == ["not-the-gate"] * 2


async def test_what_is_signed_while_the_gate_is_taken_elsewhere_is_not_said_to_have_left(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hand-over and its first receipt come between what was read and what is written."""
    alice, bob = world.alice, world.bob
    passage = await opened(alice, bob)
    again = await world.restored(await world.backed_up())
    meadow = alice.universe("universe:meadow")
    for other in (bob, alice):
        await again.hears(other)
    assert (await again.gates.take_gate(meadow)).is_changed
    leaves = await passage_called(again.ferry, passage.name)
    await again.gates.send(leaves, meadow, bytes([5]) * 16, HEN, 9)
    written = Gatekeeper._write  # pyright: ignore[reportPrivateUsage] -- what comes meanwhile

    async def late(self: Gatekeeper, universe: str, edit: Callable[[Editor], None]) -> None:
        await alice.hears(again)
        await written(self, universe, edit)

    monkeypatch.setattr(Gatekeeper, "_write", late)
    with pytest.raises(CannotTravel) as refused:
        await alice.gates.send(passage, meadow, bytes([6]) * 16, FOX, 9)
    assert refused.value.why == "number-taken"


async def test_what_a_gate_of_a_branch_that_fell_gave_in_a_newer_epoch_holds_up_no_other(
    world: World,
) -> None:
    """One took the gate, another took it from that one, a third apart: whom others answered."""
    alice, bob = world.alice, world.bob
    passage = (await opened(alice, bob)).name
    backup = await world.backed_up()
    meadow, reef = alice.universe("universe:meadow"), bob.universe("universe:reef")
    first, after, apart = [await world.restored(backup, name) for name in ("a", "b", "c")]
    for one in (first, after, apart):
        await one.hears(bob)

    async def sends(one: Person, who: int) -> int:
        leaves = await passage_called(one.ferry, passage)
        hen = Passenger(b"{}", f"hen {who}")
        sent = await one.gates.send(leaves, meadow, bytes([who]) * 16, hen, 9)
        return sent.departure.receipt.seq

    assert (await first.gates.take_gate(meadow)).is_changed
    await after.hears(first)
    assert (await after.gates.take_gate(meadow)).is_changed
    assert [await sends(after, who) for who in range(3)] == [1, 2, 3]
    assert (await apart.gates.take_gate(meadow)).is_changed
    assert await sends(apart, 3) == 1
    await bob.hears(apart)
    assert [one.receipt.kind for one in await bob.gates.answer(reef)] == [ARRIVAL]
    for other in (bob, first, after):
        await apart.hears(other)
    assert [await sends(apart, who) for who in (4, 5, 6)] == [2, 3, 4]
