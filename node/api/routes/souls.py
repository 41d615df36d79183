"""Souls and families, followed through all universes of a tree of forks and beyond passages."""

import asyncio
from typing import Any, Final

from node.api.endpoint import Call, Endpoint, reads
from node.api.routes.universes import A_UNIVERSE, universe_called
from node.api.soul_models import (
    CreatureShown,
    LineageShown,
    PersonShown,
    SoulShown,
    SoulsShown,
    StayShown,
    ToldEvent,
    ToldQuery,
)
from node.services.histories import Told, told_around
from node.services.passages import Ferry
from node.wiring import Node
from universe.lineages import Lineages
from universe.souls import Soul, Stay, follow, souls_in
from universe.who import Creature

PEOPLE_MAX: Final = 1_000
COUNTED_OF_MAX: Final = 16
"""People whose ancestors and descendants are counted: a walk over everybody, each."""


async def show_souls(node: Node, call: Call[ToldQuery, None]) -> SoulsShown:
    """Who is told of in this universe and its relatives; with `name`, one of them followed."""
    told, name = await _told(node, call), call.query.name

    def read() -> SoulsShown:
        found = _soul(follow(name, told.histories)) if name else None
        return SoulsShown(souls_in(told.histories), found, told.is_whole, told.untold)

    return await asyncio.to_thread(read)


async def show_lineage(node: Node, call: Call[ToldQuery, None]) -> LineageShown:
    """Parents and children of this universe and its relatives, each creature once.

    With `name` those of that name or soul; else everybody, 1,000 at most. How many ancestors and
    descendants somebody has, 10,000 at most, is counted of those who are named, of the first 16.
    """
    told, name = await _told(node, call), call.query.name

    def read() -> LineageShown:
        view = Lineages(told.histories)
        wanted = view.called(name) if name else tuple(sorted(view.people))
        of_each = COUNTED_OF_MAX if name else 0
        people = tuple(
            _person(view, one, is_counted=at < of_each)
            for at, one in enumerate(wanted[:PEOPLE_MAX])
        )
        return LineageShown(people, len(wanted), told.is_whole, told.untold)

    return await asyncio.to_thread(read)


async def _told(node: Node, call: Call[ToldQuery, None]) -> Told:
    row = await universe_called(node, call)
    ferry = Ferry(node.store, node.identity, node.clock_us, row.namespace)
    return await told_around(ferry, row)


def _soul(soul: Soul) -> SoulShown:
    return SoulShown(
        soul.name,
        tuple(map(_stay, soul.stays)),
        soul.present,
        tuple(way.target for way in soul.in_transit),
    )


def _stay(one: Stay) -> StayShown:
    events = tuple(
        ToldEvent(each.id.hex(), each.event.tick, each.event.type, each.event.title)
        for each in one.events
    )
    return StayShown(
        one.universe,
        one.since,
        one.began,
        one.until,
        one.ended,
        one.came_from,
        one.went_to,
        events,
    )


def _person(view: Lineages, who: Creature, *, is_counted: bool) -> PersonShown:
    one = view.people[who]
    return PersonShown(
        universe=who.universe,
        name=who.name,
        souls=tuple(one.souls),
        born=None if one.born is None else one.born.event.tick,
        died={universe: each.event.tick for universe, each in one.died.items()},
        toldIn=tuple(one.told_in),
        parents=tuple(CreatureShown(*each) for each in one.parents),
        children=tuple(CreatureShown(*each) for each in one.children),
        ancestors=len(view.ancestors(who)) if is_counted else None,
        descendants=len(view.descendants(who)) if is_counted else None,
    )


ENDPOINTS: tuple[Endpoint[Any, Any], ...] = (
    reads(f"{A_UNIVERSE}/souls", show_souls, SoulsShown, query=ToldQuery, problems=(409, 422)),
    reads(
        f"{A_UNIVERSE}/lineage", show_lineage, LineageShown, query=ToldQuery, problems=(409, 422)
    ),
)
