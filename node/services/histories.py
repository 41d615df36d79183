"""What several universes tell of one past: those of a tree of forks, and those beyond passages."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from node.services.gatebooks import Books
from node.services.passages import Ferry
from node.services.timelines import branch_of, family_of
from node.services.universes import joined_places
from storage.listing import EventRow
from storage.listings import ListedRow
from storage.snapshots import PAGE_MAX
from storage.store import Store
from universe.crossings import crossings_of
from universe.event import decode_event
from universe.histories import Crossing, Histories, History
from universe.lines import Lines
from universe.names import parse_full_name
from universe.travel import Story, story_of

UNIVERSES_MAX: Final = 64
"""Whose receipts are read: each is one document."""
EVENTS_MAX: Final = 20_000
"""Some tens of MB while they are read."""


@dataclass(frozen=True, slots=True)
class Told:
    """`is_whole`: whether everything was read that is known here."""

    histories: Histories
    is_whole: bool


async def told_around(ferry: Ferry, row: ListedRow) -> Told:
    """Of the universes in its tree of forks, nearest first, and where their travellers went.

    Raises `Rejected` where receipts lead through too many universes.
    """
    store = ferry.store
    _, found = await family_of(store, row)
    rows = dict(list(found.items())[:UNIVERSES_MAX])
    crossings = await _crossings(ferry, rows)
    for way in crossings:
        for name in (way.source, way.target):
            if name not in rows and len(rows) < UNIVERSES_MAX:
                rows |= await _named(store, name)
    histories, left = list[History](), EVENTS_MAX
    for one in rows.values():
        events = await store.events_of(one.number, limit=min(PAGE_MAX, left)) if left else []
        left -= len(events)
        histories.append(await asyncio.to_thread(_history, one, events))
    is_whole = left > 0 and len(rows) < UNIVERSES_MAX
    return Told(await asyncio.to_thread(Histories, histories, crossings), is_whole)


async def _crossings(ferry: Ferry, names: Iterable[str]) -> list[Crossing]:
    books = Books(ferry)
    await books.load(names)
    held = tuple(books.read)

    def stories(lines: Lines) -> Sequence[Story]:
        who = {one.receipt.traveller.who for name in held for one in lines[name].receipts}
        return [story_of(one, lines) for one in sorted(who)]

    return [way for story in await books.ask(stories) for way in crossings_of(story)]


async def _named(store: Store, name: str) -> dict[str, ListedRow]:
    author, id = parse_full_name(name)
    found = await store.universes_called(id, await joined_places(store))
    theirs = [row for row in found if row.listing.author == author]
    return {name: theirs[0]} if theirs else {}


def _history(row: ListedRow, events: Sequence[EventRow]) -> History:
    return History(branch_of(row), {one.id: decode_event(one.event) for one in events})
