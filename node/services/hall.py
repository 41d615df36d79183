"""The Hall of Fame: the lineages of the highest civilisation level, and whose word is taken for it.

A level is only said, and keys are free. So one's own lineages and those of people one follows stand
there as they are, of a stranger the two best at most, and no stranger tells of a lineage that one
of those tells of. Beyond that a stranger with many keys can fill it: `followed` leaves them out.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Final

from crdt.keys import NamespaceKey
from node.services.life import LINEAGE
from storage.listings import ListedRow
from storage.store import Store

HALL_OF_FAME: Final = 10
OF_A_STRANGER: Final = 2
ROWS: Final = 100
"""Read at once; of strangers those who have their places are passed over after that."""


async def famous_lineages(
    store: Store, namespace: NamespaceKey, *, only_followed: bool
) -> list[ListedRow]:
    """At most ten rows of different ids, the highest first; ties as lists have them."""
    own, followed = await store.own_authors(), await store.followed_authors()
    rows = await store.best_listings(LINEAGE.word, namespace, limit=ROWS, of=followed)
    told: dict[str, ListedRow] = {}
    for row in sorted(rows, key=lambda row: row.listing.author not in own):
        told.setdefault(row.listing.record, row)
    if not only_followed:
        for row in await _of_strangers(store, namespace, followed):
            told[row.listing.record] = row
    return _highest(told.values())


async def _of_strangers(
    store: Store, namespace: NamespaceKey, followed: frozenset[str]
) -> Sequence[ListedRow]:
    """Of ids that nobody followed tells of, however low they say that those are."""
    taken: dict[str, ListedRow] = {}
    places: Counter[str] = Counter()
    while len(taken) < HALL_OF_FAME:
        full = {author for author, count in places.items() if count >= OF_A_STRANGER}
        rows = await store.best_of_others(
            LINEAGE.word, namespace, limit=ROWS, than=followed, full=full, taken=taken
        )
        for row in rows:  # the first has its place: this ends
            id, author = row.listing.record, row.listing.author
            if id not in taken and places[author] < OF_A_STRANGER:
                taken[id] = row
                places[author] += 1
        if len(rows) < ROWS:
            break
    return [*taken.values()][:HALL_OF_FAME]


def _highest(rows: Collection[ListedRow]) -> list[ListedRow]:
    place = sorted(rows, key=lambda row: (row.listing.score, row.listing.target), reverse=True)
    return place[:HALL_OF_FAME]
