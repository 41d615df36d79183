"""Five peers who hold the same, and one thin line on which all of it has to come."""

from dataclasses import replace

import pytest

from p2p.protocol import limits
from tests.p2p.protocol.conversation import entries_of
from tests.simulation.memory_store import MemoryStore
from tests.simulation.people import ALICE, person
from tests.simulation.thin import ThinLine
from tests.simulation.watched import Watched

ENTRIES = 2_500
PAYLOAD_BYTES = 1_000


@pytest.mark.parametrize(
    ("bytes_s", "sent_most"),
    [(400_000, ENTRIES), (200_000, 2 * ENTRIES), (100_000, 2.5 * ENTRIES)],
)
async def test_what_is_owed_stays_within_bounds_and_comes_hardly_twice(
    bytes_s: int, sent_most: float
) -> None:
    """ASKED_OF_SEVERAL_MAX and some for each, though no answer comes within the patience."""
    network = ThinLine(1, bytes_s=bytes_s)
    underway = Watched()
    config = replace(ALICE.config(), underway=underway)
    alice = await network.add(ALICE, config, MemoryStore().open)
    network.victim, entries = alice, entries_of(1, ENTRIES, payload_bytes=PAYLOAD_BYTES)
    for number in range(5):
        who, store = person(f"friend {number}"), MemoryStore()
        store.add(entries)
        network.keep_connected(await network.add(who, who.config(), store.open), alice)
    assert isinstance(alice.store, MemoryStore)
    most = 0
    while network.now_s < 120.0 and len(alice.store.ids_held()) < ENTRIES:
        await network.run(network.now_s + 0.1)
        most = max(most, underway.owed)
    assert len(alice.store.ids_held()) == ENTRIES
    assert limits.ASKED_OF_SEVERAL_MAX // 2 < most <= 2 * limits.ASKED_OF_SEVERAL_MAX
    reports = [end.session.report for node in network.nodes[1:] for end in node.ends]
    assert sum(one.entries_sent for one in reports) <= sent_most
