"""One's own universe rots: its gate is looked at again later, as somebody may mend it."""

from pathlib import Path

from crdt.keys import COMMONS
from node.events import Events
from node.gates import Gates
from node.services.passengers import Passenger
from tests.node.passing_time import PassingTime
from tests.node.services.test_rotted_gates import HENS, rots
from tests.node.services.test_travel import Person, opened


async def test_a_gate_that_rots_is_looked_at_again_though_nothing_changes(
    people: tuple[Person, Person], tmp_path: Path
) -> None:
    alice, bob = people
    passage = await opened(alice, bob)
    meadow = alice.universe("universe:meadow")
    await alice.gates.send(passage, meadow, HENS, Passenger(b"{}", "hen"), 1)
    await bob.hears(alice)
    rots(tmp_path / "bob", "universe:reef")
    passing = PassingTime()
    gates = Gates(lambda _: bob.ferry, bob.gates.lock, Events(), passing.clock_s)
    assert await gates.answer(COMMONS) == 0
    assert gates.put_off.first_s(now_s=passing.clock_s()) is not None
    rots(tmp_path / "bob", "universe:reef")
    assert await gates.answer(COMMONS) == 1
