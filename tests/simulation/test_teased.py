"""What an honest peer publishes comes in bounded time, whatever fifty others announce beside it."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from crdt.change import SignedEntry
from crdt.order import ITEM_ID_BYTES
from p2p.protocol import limits
from tests.p2p.protocol.conversation import entries_of
from tests.simulation.memory_store import MemoryStore
from tests.simulation.network import Node
from tests.simulation.people import ALICE, BOB, person
from tests.simulation.teasers import (
    OWN_ENTRIES,
    Denier,
    Leaver,
    QuietDenier,
    QuietLeaver,
    QuietTrickler,
    Repeater,
    Silent,
    Stranger,
    Teased,
    Teaser,
    Trickler,
    Urgent,
)
from tests.simulation.watched import Watched

KINDS = (
    Silent,
    Urgent,
    Trickler,
    Denier,
    Leaver,
    Stranger,
    Repeater,
    QuietDenier,
    QuietLeaver,
    QuietTrickler,
)
EVERY_S = 0.5
# A look a second, and some round trips of 40 ms.
SLACK_S = 2.0


class Story:
    """Alice, her friend Bob, and the others. `late_s`: when she had what Bob published."""

    def __init__(self, network: Teased, alice: Node, bob: Node, underway: Watched) -> None:
        self.network, self.alice, self.bob = network, alice, bob
        self.published: dict[bytes, float] = {}
        self.late_s: list[float] = []
        self.underway = underway

    async def goes_on(self, until_s: float, entries: list[SignedEntry]) -> None:
        """Bob publishes one now and then; ends when Alice has them all, or at `until_s`."""
        network, next_s = self.network, self.network.now_s
        while network.now_s < until_s and (entries or self.published):
            if entries and network.now_s >= next_s:
                one = entries.pop()
                self.published[one.id[:ITEM_ID_BYTES]] = network.now_s + 0.1
                await network.publish(self.bob, [one])
                next_s += EVERY_S
            await network.run(network.now_s + 0.1)
            assert isinstance(self.alice.store, MemoryStore)
            held = self.alice.store.ids_held()
            for id in self.published.keys() & held:
                self.late_s.append(network.now_s - self.published.pop(id))
            self.judge_room()

    def judge_room(self) -> None:
        """What all who ever gave something owe her: made up or not, asked in vain or not."""
        assert self.underway.owed <= 3 * limits.ASKED_OF_SEVERAL_MAX


async def story(kinds: Sequence[type[Teaser]], *, echoing: list[bool], seed: int = 1) -> Story:
    network = Teased(seed)
    underway = Watched()
    alice = await network.add(ALICE, replace(ALICE.config(), underway=underway), MemoryStore().open)
    network.victim = alice
    for number, kind in enumerate(kinds):
        is_echoing = echoing[number % len(echoing)]
        await network.tease(kind, number, is_echoing=is_echoing)
    bob = await network.add(BOB, BOB.config(), MemoryStore().open)
    network.keep_connected(bob, alice)
    await network.run(6.0)  # all have met, and the hostile have been trusted
    return Story(network, alice, bob, underway)


def patience_s(kind: type[Teaser]) -> float:
    """Whoever hangs up is nobody's to wait for, but the next of them may be."""
    is_one_after_another = issubclass(kind, Leaver)
    longest_s = limits.ENTRIES_LEFT_S if is_one_after_another else limits.ENTRIES_PATIENCE_S
    return longest_s + SLACK_S


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("is_echoing", [False, True])
async def test_each_kind_of_them(kind: type[Teaser], is_echoing: bool) -> None:
    told = await story([kind] * 3, echoing=[is_echoing])
    await told.goes_on(70.0, entries_of(1, 6))
    assert not told.published, "it never came"
    assert max(told.late_s) <= patience_s(kind)


async def test_fifty_of_all_kinds_at_once() -> None:
    kinds = [KINDS[number % len(KINDS)] for number in range(50)]
    told = await story(kinds, echoing=[False, False, True])
    await told.goes_on(70.0, entries_of(2, 6))
    assert not told.published, "it never came"
    assert max(told.late_s) <= patience_s(Leaver)


@pytest.mark.parametrize("kind", [QuietDenier, QuietLeaver])
async def test_a_row_of_them_one_after_the_other(kind: type[Teaser]) -> None:
    """Each as late as it may; alone that would be 1.8 s of each."""
    told = await story([kind] * 25, echoing=[True])
    await told.goes_on(70.0, entries_of(3, 6))
    assert not told.published, "it never came"
    assert max(told.late_s) <= patience_s(kind)


async def test_who_only_denies_does_not_make_every_peer_give_everything() -> None:
    """It is the first to announce each entry, and ten who hold it wait for it."""
    network = Teased(1)
    alice = await network.add(ALICE, ALICE.config(), MemoryStore().open)
    network.victim = alice
    await network.tease(QuietDenier, 0, is_echoing=True)
    friends = [person(f"friend {number}") for number in range(10)]
    nodes = [await network.add(who, who.config(), MemoryStore().open) for who in friends]
    for node in nodes:
        network.keep_connected(node, alice)
    await network.run(6.0)
    for entry in (entries := entries_of(4, 60)):
        for node in nodes:
            await network.publish(node, [entry])
        await network.run(network.now_s + 0.3)
    await network.run(network.now_s + 10.0)
    assert isinstance(alice.store, MemoryStore)
    assert {one.id[:ITEM_ID_BYTES] for one in entries} <= alice.store.ids_held()
    sent = sum(end.session.report.entries_sent for node in nodes for end in node.ends)
    assert len(entries) <= sent <= 2 * len(entries)


async def test_what_is_given_under_another_namespace_is_refused() -> None:
    told = await story([Stranger], echoing=[False])
    (node,) = told.network.teasers
    assert isinstance(told.alice.store, MemoryStore)
    assert not told.alice.store.ids_held()
    (end,) = [one for one in told.alice.ends if one.peer == node.person.device_key]
    assert end.session.report.refused == {"outside-interest": OWN_ENTRIES}
