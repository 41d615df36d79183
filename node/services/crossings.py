"""What the universes of a view say of who travelled: the journeys of all who passed them.

    lines of some universes ─▸ who passed them: one's own travellers, and all others
    each of these two       ─▸ all stories by one question, as long as one answer can be read for
                            ─▸ else one after the other, until much was read for them
    who is left out         ─▸ that it left its home, where that is the last its gate signed of it

A partner's gate makes up travellers, with stories as long as it likes. So what is read for others
takes nothing from what is read for one's own, and one that cannot be read keeps no other untold.
"""

import asyncio
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from crdt.keys import NamespaceKey
from node.errors import Rejected
from node.services.coming import Reading
from node.services.gatebooks import TOO_LONG, Books
from node.services.passages import Ferry
from storage.errors import Corrupt
from universe.crossings import crossings_of
from universe.histories import Crossing
from universe.lines import Lines
from universe.names import parse_full_name
from universe.receipts import DEPARTURE, Checked, Who
from universe.travel import InTransit, Story, story_of

CROSSINGS_MAX: Final = 65_536
"""Of one view: some 100 MB. Eight gates that sent as many as they can."""

Traveller: TypeAlias = tuple[NamespaceKey, Who]
"""Both ends of a passage lie in one namespace."""
Whom: TypeAlias = Mapping[Who, Checked | None]
"""And the departure by which each is gone from its home, as far as that one's gate says."""


@dataclass(slots=True)
class Journeys:
    """Of all who passed the universes of a view, each traveller once: its story is the same
    wherever it is read."""

    by: Ferry
    own: Collection[str]
    """Authors whose travellers, out of universes of theirs, are read of apart from others."""
    ways: dict[Traveller, list[Crossing]] = field(default_factory=dict[Traveller, list[Crossing]])
    unread: list[str] = field(default_factory=list[str])
    """Universes whose own line is damaged here, or depends on too much."""
    _out: dict[Traveller, bool] = field(default_factory=dict[Traveller, bool])
    """Whose stories were not read, and whether they are one's own."""
    _room: int = field(default_factory=lambda: CROSSINGS_MAX)
    _reading: dict[tuple[NamespaceKey, bool], "_Stories"] = field(
        default_factory=dict[tuple[NamespaceKey, bool], "_Stories"]
    )

    @property
    def crossings(self) -> list[Crossing]:
        """In an order that does not depend on where one began."""
        ordered = sorted(self.ways.items(), key=lambda one: (one[0][1], one[0][0]))
        return [way for _, ways in ordered for way in ways]

    @property
    def left_out(self) -> tuple[Who, ...]:
        """Whose stories are too much to read, or damaged here: one's own first."""
        ordered = sorted((not is_own, who) for (_, who), is_own in self._out.items())
        return tuple(dict.fromkeys(who for _, who in ordered))

    async def through(self, names: Sequence[str], place: NamespaceKey) -> list[Crossing]:
        """Of all who ever passed these, and of whom nothing was told yet."""
        by = replace(self.by, namespace=place)
        damaged, too_long = list[tuple[str, Corrupt]](), list[str]()
        ordered = sorted(names, key=lambda name: not self._is_own(name))
        passed = await Books(by).ask_each(ordered, _passed, damaged, too_long)
        self.unread += [*(name for name, _ in damaged), *too_long]
        found = list[Crossing]()
        for is_own, whom in self._new(passed, place).items():
            reading = self._reading.setdefault((place, is_own), _Stories(by))
            own_first = sorted(whom, key=lambda who: not self._is_own(who.origin))
            stories = await reading.of(own_first)
            told = {one.who for one in stories}
            ways = await asyncio.to_thread(_ways, whom, stories)
            for who, its in ways.items():
                is_room = len(its) <= self._room
                self._room -= len(its) if is_room else 0
                self.ways[place, who] = its if is_room else []
                self._out[place, who] = is_own
                if is_room and who in told:
                    del self._out[place, who]
                found += self.ways[place, who]
        return found

    def _new(
        self, passed: Iterable[tuple[str, Whom]], place: NamespaceKey
    ) -> dict[bool, dict[Who, Checked | None]]:
        """Whom to read of now: one's own, then others. Who was left out among others is read of
        again where a gate of one's own names it."""
        new: dict[bool, dict[Who, Checked | None]] = {True: {}, False: {}}
        for name, whom in passed:
            is_own_line = self._is_own(name)
            for who, left in whom.items():
                is_own = is_own_line and self._is_own(who.origin)
                key = place, who
                if key not in self.ways or (is_own and self._out.get(key) is False):
                    among = new[is_own or who in new[True]]
                    among[who] = among.get(who) or left
        return new

    def _is_own(self, universe: str) -> bool:
        return parse_full_name(universe)[0] in self.own


@dataclass(slots=True)
class _Stories:
    """Of some of them in one namespace: what is read for the first is there for the next."""

    by: Ferry
    together: Books | None = field(init=False)
    """None: they are too much for one question."""
    one_by_one: Reading = field(init=False)

    def __post_init__(self) -> None:
        self.together, self.one_by_one = Books(self.by), Reading(Books(self.by))

    async def of(self, whom: Sequence[Who]) -> list[Story]:
        """Those that can be read; no more is read than for one page of who left through a
        passage."""
        if self.together is not None:
            books = await asyncio.to_thread(self.together.copied)
            try:
                stories = await books.ask(lambda lines: [story_of(who, lines) for who in whom])
            except Rejected as error:
                if error.reason != TOO_LONG:
                    raise
            except Corrupt:
                pass  # for one of them: the others are told
            else:
                self.together = books
                return stories
            self.together = None
        each = [[who] for who in whom]
        return (
            await self.one_by_one.in_turn(each, lambda one, _, lines: [story_of(one[0], lines)])
        ).found


def _passed(names: Sequence[str], _: Books, lines: Lines) -> list[tuple[str, Whom]]:
    """By universe all whom its line names."""
    return [(name, _named(name, lines)) for name in names]


def _named(name: str, lines: Lines) -> Whom:
    last = {one.receipt.traveller.who: one for one in lines[name].receipts}
    return {
        who: one if who.origin == name and one.receipt.kind == DEPARTURE else None
        for who, one in sorted(last.items(), key=lambda one: one[0])
    }


def _ways(whom: Whom, stories: Iterable[Story]) -> dict[Who, list[Crossing]]:
    told = {one.who: one for one in stories}
    each = ((who, told.get(who) or _left(who, departure)) for who, departure in whom.items())
    return {who: [] if story is None else list(crossings_of(story)) for who, story in each}


def _left(who: Who, departure: Checked | None) -> Story | None:
    """All that is told of whose story was not read: it is gone from its home."""
    if departure is None:
        return None
    said = departure.receipt
    return Story(who, InTransit(said.universe, said.other, departure.id), (departure,))
