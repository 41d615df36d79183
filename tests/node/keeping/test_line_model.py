"""A line against what is to be had by its rules, gone through one by one: whatever comes, fails or
is left out, and however many looks make a new one, it gives nothing too early and misses nothing.
"""

from collections import Counter
from random import Random

import pytest

from crdt.blob import BlobId
from crdt.keys import AuthorKey, NamespaceKey
from node.keeping.line import OF_PARTY_MAX, Line
from node.keeping.patience import Patience
from node.keeping.plan import Wanted

STEPS, PLACES = 400, 8
GARDEN = NamespaceKey(b"g" * 32)


def some_turns(random: Random) -> list[Wanted]:
    """Of a few authors, beside each other and in a namespace; some blobs are named by several."""
    turns = dict[tuple[bytes, BlobId], Wanted]()
    for author in range(random.randint(1, 4)):
        key = AuthorKey(bytes([65 + author]) * 32)
        for number in range(random.randint(1, 6)):
            place = random.choice([None, GARDEN])
            universe = author * 10 + number + 1 if random.random() < 0.8 else 0
            for _ in range(random.choice([1, 2, 5, 40])):
                blob = BlobId(len(turns).to_bytes(32, "big"))
                if turns and random.random() < 0.15:
                    blob = random.choice([*turns.values()]).blob
                one = Wanted(blob, random.randint(1, 4), key, place, universe)
                turns.setdefault((one.whose, blob), one)
    shuffled = [*turns.values()]
    random.shuffle(shuffled)
    return shuffled


class World:
    """Places that take from a line, and what is known of it."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.wanted = some_turns(random)
        self.patience = Patience()
        self.now_s = 0.0
        self.running: dict[BlobId, Wanted] = {}
        self.done = set[BlobId]()
        self.taken = 0
        self.line = Line((), self.patience)
        self.look()

    def look(self) -> None:
        self.turns = [one for one in self.wanted if one.blob not in self.done]
        came = {universe: self.random.randint(0, 40) for universe in range(5)}
        self.line = Line(self.turns, self.patience, came, self.line.had)
        self.line.leave_out(self.running)
        self.out = {*self.running}
        self.was_not_due = {one.blob for one in self.turns if not self.is_due(one)}
        """At any time since the line was made: it may be passed over until the next one."""
        self.rests_s = {one.whose: self.patience.rests_until_s(one.whose) for one in self.wanted}
        """The longest since then: who rested is looked at again when that is over."""

    @property
    def busy(self) -> Counter[bytes]:
        return Counter(one.party for one in self.running.values())

    def is_due(self, one: Wanted) -> bool:
        return self.patience.is_due(one.blob, now_s=self.now_s)

    def may_come(self, one: Wanted) -> bool:
        """Nothing that is allowed to wait, and nothing that has to."""
        worlds = {each.universe for each in self.running.values()} - {0}
        return (
            one.blob not in self.out
            and one.blob not in self.running
            and self.is_due(one)
            and one.universe not in worlds
            and self.busy[one.party] < OF_PARTY_MAX
            and self.patience.rests_until_s(one.whose) <= self.now_s
        )

    def take(self) -> None:
        if len(self.running) >= PLACES:
            return
        one = self.line.take(now_s=self.now_s, busy=self.busy, running=self.running)
        if one is None:
            assert not [
                each
                for each in self.turns
                if self.may_come(each)
                and each.blob not in self.was_not_due
                and self.rests_s[each.whose] <= self.now_s
            ]
            return
        assert one in self.turns
        assert self.may_come(one)
        self.running[one.blob] = one
        self.out.add(one.blob)
        self.taken += 1

    def end(self) -> None:
        if not self.running:
            return
        blob = self.random.choice([*self.running])
        one = self.running.pop(blob)
        chance = self.random.random()
        if chance < 0.7:
            self.patience.succeed(blob, one.whose)
            self.done.add(blob)
            return
        self.was_not_due.add(blob)
        if chance < 0.85:
            self.patience.fail(blob, one.whose, "nobody gives it", now_s=self.now_s)
            rests_s = self.patience.rests_until_s(one.whose)
            self.rests_s[one.whose] = max(self.rests_s[one.whose], rests_s)
        else:
            self.patience.put_off(blob, "the disk is full", now_s=self.now_s)

    def leave_out(self) -> None:
        blobs = [self.random.choice(self.wanted).blob for _ in range(3)]
        self.line.leave_out(blobs)
        self.out.update(blobs)

    def check_what_is_left(self) -> None:
        left = [one for one in self.turns if one.universe and one.blob not in self.out]
        sure = {one.universe for one in left if one.blob not in self.was_not_due}
        for universe in {one.universe for one in self.turns}:
            if universe in sure:
                assert self.line.has_more_of(universe)
            elif all(one.universe != universe for one in left):
                assert not self.line.has_more_of(universe)


@pytest.mark.parametrize("seed", range(24))
def test_a_line_gives_all_that_may_come_and_nothing_else(seed: int) -> None:
    random = Random(seed)
    world = World(random)
    for _ in range(STEPS):
        chance = random.random()
        if chance < 0.55:
            world.take()
        elif chance < 0.8:
            world.end()
        elif chance < 0.88:
            world.now_s += random.choice([0.1, 1.0, 30.0, 400.0])
        elif chance < 0.93:
            world.look()
        elif chance < 0.95:
            world.leave_out()
        world.check_what_is_left()
    assert world.taken
