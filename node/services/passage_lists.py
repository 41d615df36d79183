"""Lists of passages, a page at a time.

    owned    those of which one author has a half: of a universe its owner, else oneself
    others   what others propose

Anybody may propose any number to anybody. So what others propose comes last, and whoever reads no
further than one page misses none of the first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, TypeVar

from crdt.keys import NamespaceKey
from node.services.passages import Ferry
from storage.listings import PAGE_MAX
from storage.passage_rows import Halves
from storage.store import Store
from universe.names import parse_full_name
from universe.passage import WORD, Half, Passage, listed_half, passages_of

READS_MAX: Final = 32
"""Rows are read so often for one page, at most: each time those are skipped that stand in the other
part of the list. A page that is not full by then is a short one."""
AGREED_MAX: Final = 256
"""Passages of one universe of which it is asked who is under way to it, each time somebody leaves:
a millisecond each, while all gates wait."""
OWNED, OTHERS = "owned", "others"
T = TypeVar("T")
Place: TypeAlias = tuple[NamespaceKey, T]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Passages of one universe, by its full name or its id of anybody; or of all."""

    author: str
    """did:key of whose passages come first."""
    places: Sequence[NamespaceKey]
    universe: str | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    namespace: NamespaceKey
    passage: Passage


@dataclass(frozen=True, slots=True)
class PassagePage:
    """`next`: for `after`, where there may be more."""

    passages: Sequence[Listed]
    next: str | None


def wanted(did: str, places: Sequence[NamespaceKey], universe: str | None) -> Wanted:
    """`did`: of this node."""
    owner = (universe or "").rpartition("/")[0]
    return Wanted(owner or did, places, universe)


async def passages_page(
    store: Store, of: Wanted, *, after: str | None = None, limit: int = PAGE_MAX
) -> PassagePage:
    """In both parts of the list the latest changed first.

    `after`: what an earlier page of the same list has as `next`.
    """
    found: list[Listed] = []
    part, _, begun = (after or OWNED).partition(" ")
    cursor = begun or None
    for _ in range(READS_MAX):
        most = limit - len(found)
        more, cursor = await _part(store, of, part, limit=most, cursor=cursor)
        found += more
        if cursor is None and part == OTHERS:
            return PassagePage(found, None)
        part = OTHERS if cursor is None else part
        if len(found) == limit:
            break
    return PassagePage(found, f"{part} {cursor or ''}")


async def passages_agreed(by: Ferry, universe: str) -> list[Passage]:
    """Those of `universe`, a full name, that its owner has a half of: nobody else adds to these.

    At most `AGREED_MAX`: those of which its owner said something last.
    """
    of = Wanted(parse_full_name(universe)[0], [by.namespace], universe)
    found, _ = await _part(by.store, of, OWNED, limit=AGREED_MAX)
    return [one.passage for one in found]


async def _part(
    store: Store,
    of: Wanted,
    part: str,
    *,
    limit: int,
    cursor: str | None = None,
) -> tuple[list[Listed], str | None]:
    """Of so many rows those that stand in this part of the list, and where it goes on."""
    is_owned = part == OWNED
    page = await store.listings(
        WORD,
        author=of.author if is_owned else None,
        limit=limit,
        cursor=cursor,
        namespaces=of.places,
        halves=Halves(of.universe, are_proposals=not is_owned),
    )
    halves = [(row.namespace, listed_half(row.listing.fields)) for row in page.rows]
    joined = await _joined(store, halves)
    found = [one for one in joined if (one.passage.half_of(of.author) is not None) == is_owned]
    return found, page.next


async def _joined(store: Store, halves: Sequence[Place[Half]]) -> list[Listed]:
    """The passages that these are of, each once, in their order: with both halves, as listed."""
    names = list(dict.fromkeys((place, one.proposal or one.full_name) for place, one in halves))
    held = await _listed(store, names)
    answers = [
        (place, f"{author}/{one.id}")
        for place, one in held
        for author in {parse_full_name(end)[0] for end in one.ends[:2]} - {one.author}
    ]
    both: dict[NamespaceKey, list[Half]] = {}
    for place, one in (*held, *await _listed(store, answers)):
        both.setdefault(place, []).append(one)
    found = {
        (place, one.name): Listed(place, one)
        for place, all_ in both.items()
        for one in passages_of(all_)
    }
    return [found[name] for name in names if name in found]


async def _listed(store: Store, names: Sequence[Place[str]]) -> list[Place[Half]]:
    """The halves of these full names, those that are here."""
    asked = [(*parse_full_name(name), place) for place, name in names]
    rows = await store.listing_each(WORD, asked)
    return [(row.namespace, listed_half(row.listing.fields)) for row in rows if row is not None]
