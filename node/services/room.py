"""Whether the documents of universes have room for all that follows from who travels.

```
who leaves here and may come back    a place each, held until they arrived or are back
who comes to here                    the places that are not held
```
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from node.services.ends import away_from, open_between
from node.services.gatebooks import Books
from node.services.passage_lists import passages_agreed
from node.services.passages import Ferry
from registry.errors import CannotTravel
from universe import room, shares
from universe.passage import Passage
from universe.receipts import Checked
from universe.room import ENDLESS, Places
from universe.shares import check_can_come_back


def places_at(books: Books, universe: str, away: Sequence[Checked]) -> Places:
    """What its gate may still write down; it was read. `away`: as `ends.away_from`."""
    book = books.read[universe]
    if book.room is None:
        return ENDLESS
    held = (one for one in away if one.id not in book.recalled)
    return shares.places_of(book.room.for_answers, held)


async def check_may_decide(books: Books, universe: str) -> None:
    """Before a person decides of somebody: it takes no place of who may come back.

    `books`: with that universe, and without what the story of somebody needs. Raises `CannotTravel`
    (`gate-full`).
    """
    places = places_at(books, universe, await away_from(books, universe))
    if places.for_others < 1:
        raise full(books, universe, places, 1)


def full(books: Books, universe: str, places: Places, waiting: int) -> CannotTravel:
    """`waiting`: how many answers there is no room for, at least."""
    book, free = books.read[universe], max(places.left, 0)
    advice = room.ELSEWHERE if book.room is None else book.room.advice(room.ELSEWHERE)
    detail = (
        f"{universe} is full: it has room for {free} more receipts, {places.held} are under way"
        f" from it and may come back, and at least {waiting} wait for an answer; {advice}"
    )
    return CannotTravel(detail, "gate-full")


async def check_room(by: Ferry, books: Books, source: str, passage: Passage, target: str) -> None:
    """Before one more leaves: both documents have room for all that follows.

    `books`: with `source`, and without what the story of somebody needs. Raises `CannotTravel`
    (`gate-full`, `passage-busy`).
    """
    await books.load([target])
    own = books.read[source]
    away = [one for one in await away_from(books, source) if one.id not in own.recalled]
    if own.room is not None and own.room.for_events < 1:
        detail = f"{source} is full; {own.room.advice(room.STAYS)}"
        raise CannotTravel(detail, "gate-full")
    check_can_come_back(source, passage.name, away)
    there = books.read[target].room
    if there is None:
        return
    # Through others nobody who comes is answered.
    passages = {one.name: one for one in (passage, *await passages_agreed(by, target))}
    most = len(passages) * shares.UNDER_WAY_MAX
    if there.for_events > most:  # however many are under way
        return
    coming = await _coming_to(books, target, passages)
    if there.for_events <= coming:
        detail = (
            f"{target} is full: it has room for {max(there.for_events, 0)} more receipts, and"
            f" {coming} are under way; for its owner: {there.advice(room.ELSEWHERE)}"
        )
        raise CannotTravel(detail, "gate-full")


async def _coming_to(books: Books, target: str, passages: Mapping[str, Passage]) -> int:
    """Who is under way to it unanswered, as far as is held.

    Through one passage as many as an honest gate sends: what others make up keeps nobody here. As
    many may be who come from what is damaged here, or from where too much depends on what others
    answered.
    """
    ends = {end for one in passages.values() for end in one.proposed.ends[:2]} - {target}
    coming, unread = await open_between(books, target, sorted(ends))
    through = Counter(
        one.receipt.passage
        for one in coming
        if (passage := passages.get(one.receipt.passage)) is not None
        and passage.leads(one.receipt.universe, target)
    )
    for name, passage in passages.items():
        if any(passage.leads(end, target) for end in unread):
            through[name] = shares.UNDER_WAY_MAX
    return sum(min(count, shares.UNDER_WAY_MAX) for count in through.values())
