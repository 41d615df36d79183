"""Souls and families, followed through all universes of a tree of forks and beyond passages."""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from itertools import islice
from typing import Any, Final, TypeVar

from node.api.endpoint import Call, Endpoint, reads
from node.api.routes.universes import A_UNIVERSE, universe_called
from node.api.soul_models import (
    CreatureShown,
    LeftOut,
    LineageShown,
    PersonShown,
    SoulShown,
    SoulsShown,
    StayShown,
    ToldEvent,
    ToldQuery,
    TransitShown,
)
from node.services.histories import Told, told_around
from node.services.passages import Ferry
from node.wiring import Node
from storage.listings import ListedRow
from universe.histories import Crossing
from universe.lineages import Lineages, Person
from universe.souls import Soul, Stay, follow, souls_in
from universe.who import Creature

T = TypeVar("T")
SOULS_MAX: Final = 1_000
STAYS_MAX: Final = 1_000
"""Of the soul that is followed; and of those under way. A gate makes thousands of journeys."""
TOLD_MAX: Final = 10_000
"""Events of these stays: some MB. Timelines have them all."""
LEFT_OUT_MAX: Final = 1_000
"""Travellers whose journeys are not told: a gate names thousands."""
PEOPLE_MAX: Final = 1_000
NAMES_MAX: Final = 10_000
"""Souls, parents and children of all people of one answer; where there are more, of each person an
equal share: some MB. A stranger's events may tell of a million for each."""
COUNTED_OF_MAX: Final = 16
"""People whose ancestors and descendants are counted: a walk over everybody, each."""


async def show_souls(node: Node, call: Call[ToldQuery, None]) -> SoulsShown:
    """Who is told of in this universe and its relatives; with `name`, one of them followed.

    The first 1,000 souls by name are listed; any may be named. Of one that is followed where it
    is now is told, and the first of what else it was in, 1,000 stays, and how many there are.
    Several may go by one name, in one universe too: `origin` says of which universe each is.
    """
    row = await universe_called(node, call)
    told, name = await _told(node, row), call.query.name
    own, followed = await node.store.own_authors(), await node.store.followed_authors()

    def distance(universe: str) -> int:
        author = universe.partition("/")[0]
        if author in own or universe == row.listing.target:
            return 0 if author in own else 1
        return 2 if author in followed else 3

    def read() -> SoulsShown:
        found = follow(name, told.histories, distance) if name else None
        souls, shown = souls_in(told.histories), None if found is None else _soul(found)
        is_whole = told.is_whole and (found is None or found.is_whole)
        rest = told.untold, told.unread, _left_out(told), len(told.left_out)
        return SoulsShown(souls[:SOULS_MAX], len(souls), shown, is_whole, *rest)

    return await asyncio.to_thread(read)


async def show_lineage(node: Node, call: Call[ToldQuery, None]) -> LineageShown:
    """Parents and children of this universe and its relatives, each creature once.

    With `name` those of that name or soul; else everybody, 1,000 at most. How many ancestors and
    descendants somebody has, 10,000 at most, is counted of those who are named, of the first 16.
    """
    told, name = await _told(node, await universe_called(node, call)), call.query.name

    def read() -> LineageShown:
        view = Lineages(told.histories)
        wanted: Collection[Creature] = view.called(name) if name else view.people
        shown = nsmallest(PEOPLE_MAX, wanted)
        near, is_all = _cut([_Near.of(view, one) for one in shown])
        people = tuple(
            _person(view, one, is_counted=bool(name) and at < COUNTED_OF_MAX)
            for at, one in enumerate(near)
        )
        is_whole = told.is_whole and is_all and view.is_whole
        rest = told.untold, told.unread, _left_out(told), len(told.left_out)
        return LineageShown(people, len(wanted), is_whole, *rest)

    return await asyncio.to_thread(read)


async def _told(node: Node, row: ListedRow) -> Told:
    ferry = Ferry(node.store, node.identity, node.clock_us, row.namespace)
    return await told_around(ferry, row)


def _left_out(told: Told) -> tuple[LeftOut, ...]:
    return tuple(LeftOut(one.origin, one.soul) for one in told.left_out[:LEFT_OUT_MAX])


def _soul(soul: Soul) -> SoulShown:
    stays = _nearest(soul.stays)
    is_all = sum(len(one.events) for one in stays) <= TOLD_MAX
    of_each = TOLD_MAX if is_all else TOLD_MAX // len(stays)
    return SoulShown(
        name=soul.name,
        stays=tuple(_stay(one, of_each) for one in stays),
        stayCount=len(soul.stays),
        present=soul.present,
        inTransit=tuple(map(_transit, soul.in_transit[:STAYS_MAX])),
        inTransitCount=len(soul.in_transit),
    )


def _nearest(stays: Sequence[Stay]) -> Sequence[Stay]:
    """In their order, as many as one answer has: where it is now, up to half of them, and the
    first of the others."""
    there = [at for at, one in enumerate(stays) if one.until is None][: STAYS_MAX // 2]
    others = sorted({*range(len(stays))}.difference(there))
    return [stays[at] for at in sorted([*there, *others][:STAYS_MAX])]


def _transit(one: Crossing) -> TransitShown:
    return TransitShown(one.source, one.target, one.left_tick, one.is_of)


def _stay(one: Stay, most: int) -> StayShown:
    """With so many of its events, at most."""
    return StayShown(
        universe=one.universe,
        since=one.since,
        began=one.began,
        until=one.until,
        ended=one.ended,
        cameFrom=one.came_from,
        wentTo=one.went_to,
        events=tuple(
            ToldEvent(each.id.hex(), each.event.tick, each.event.type, each.event.title)
            for each in one.events[:most]
        ),
        eventCount=len(one.events),
        origin=one.origin,
    )


@dataclass(frozen=True, slots=True)
class _Near:
    """Somebody with who is told beside them."""

    person: Person
    souls: Sequence[str]
    parents: Sequence[Creature]
    children: Sequence[Creature]

    @classmethod
    def of(cls, view: Lineages, who: Creature) -> "_Near":
        """One more of each than there is room for, at most."""
        person, most = view.people[who], NAMES_MAX + 1
        souls = _first(person.souls, most)
        return cls(person, souls, view.parents(who, most), view.children(who, most))

    @property
    def size(self) -> int:
        return len(self.souls) + len(self.parents) + len(self.children)

    def cut(self, most: int) -> "_Near":
        return _Near(self.person, self.souls[:most], self.parents[:most], self.children[:most])


def _first(ones: Iterable[T], most: int) -> tuple[T, ...]:
    return tuple(islice(ones, most))


def _cut(near: Sequence[_Near]) -> tuple[Sequence[_Near], bool]:
    """As much of them as goes into one answer; whether that is all."""
    if sum(one.size for one in near) <= NAMES_MAX:
        return near, True
    of_each = NAMES_MAX // (3 * len(near))
    return [one.cut(of_each) for one in near], False


def _person(view: Lineages, near: _Near, *, is_counted: bool) -> PersonShown:
    one = near.person
    ancestors = len(view.ancestors(one.who)) if is_counted else None
    descendants = len(view.descendants(one.who)) if is_counted else None
    return PersonShown(
        universe=one.who.universe,
        name=one.who.name,
        souls=tuple(near.souls),
        born=None if one.born is None else one.born.event.tick,
        died={universe: each.event.tick for universe, each in one.died.items()},
        toldIn=tuple(one.told_in),
        parents=tuple(CreatureShown(*each) for each in near.parents),
        children=tuple(CreatureShown(*each) for each in near.children),
        # With no steps left they would be fewer than there are.
        ancestors=ancestors if view.is_whole else None,
        descendants=descendants if view.is_whole else None,
    )


ENDPOINTS: tuple[Endpoint[Any, Any], ...] = (
    reads(f"{A_UNIVERSE}/souls", show_souls, SoulsShown, query=ToldQuery, problems=(409, 422)),
    reads(
        f"{A_UNIVERSE}/lineage", show_lineage, LineageShown, query=ToldQuery, problems=(409, 422)
    ),
)
