"""Genomes in the order of what is verified of them: for this node's person, by whom it follows.

What ranks is asked of the runs of followed authors alone: nobody else's say decides anything. The
order of a namespace is kept, since every page of a list needs it, until a run comes or goes, or a
module that one of them names as its evaluator; what else is written leaves it as it is.
"""

import asyncio
import bisect
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from crdt.keys import COMMONS, NamespaceKey
from node.services.attest import fitness_of, is_of
from node.services.evaluators import names_of
from node.services.life import GENOME, same_records
from registry.attestation import Attestation, read_row
from registry.fitness import Name, Summary, Trust, summary_of, verified_fitness
from registry.genome import WORD
from registry.published import shown
from storage.listing import AttestationRow
from storage.listings import ListedRow
from storage.store import Store

KEPT_MAX: Final = 8
"""Namespaces of which the order is kept."""
PLACE_PARTS: Final = 4
AT_ONCE: Final = 100
"""Places that are asked for together whether anybody lists them."""
SCANNED_MAX: Final = 10_000
"""For one page, of an author or a tag with few verified results."""

Place = tuple[int, int, int, str]
"""`Fitness.place`, then by identity: in ascending order."""


@dataclass(slots=True)
class _Kept:
    """An order, and what it was made of: it holds up to the change `seq` of that `outbox`."""

    places: list[Place]
    modules: frozenset[str]
    """Full names that runs give as their evaluators'."""
    outbox: bytes
    seq: int
    followed: frozenset[str]


@dataclass(slots=True)
class AttestedOrder:
    """Of one node; `own` is its author."""

    store: Store
    own: str
    kept: dict[NamespaceKey, _Kept] = field(default_factory=dict[NamespaceKey, _Kept])

    async def places(self, namespace: NamespaceKey = COMMONS) -> list[Place]:
        """Every genome that has a verified result, the highest first."""
        followed = await self.store.followed_authors()
        outbox, newest = await self.store.newest_change()
        kept = self.kept.get(namespace)
        if kept and (kept.outbox, kept.followed) == (outbox, followed) and kept.seq <= newest:
            if kept.seq == newest:
                return kept.places
            if not await self.store.may_runs_differ(kept.seq, kept.modules):
                kept.seq = max(kept.seq, newest)
                return kept.places
        trust = Trust(self.own, followed)
        said = await asyncio.to_thread(_read, await self.store.trusted_runs(namespace))
        names = await names_of(self.store, said, is_of(trust), namespace)
        places = await asyncio.to_thread(ordered, said, trust, names)
        if len(self.kept) >= KEPT_MAX:
            self.kept.clear()
        modules = frozenset(one.module for one in said if "/" in one.module)
        self.kept[namespace] = _Kept(places, modules, outbox, newest, followed)
        return places

    async def page(
        self,
        namespace: NamespaceKey,
        *,
        author: str | None,
        tags: Sequence[str],
        limit: int,
        after: str | None,
    ) -> tuple[list[ListedRow], str | None]:
        """Rows after the place `after`, and the place to go on from; None at the end.

        No more than `SCANNED_MAX` places are looked at, so a page may be short and not the last.
        """
        places = await self.places(namespace)
        start = 0 if after is None else bisect.bisect_right(places, place_of(after))
        end = min(len(places), start + SCANNED_MAX)
        rows: list[ListedRow] = []
        for begin in range(start, end, AT_ONCE):
            some = places[begin : min(begin + AT_ONCE, end)]
            ids = [place[-1] for place in some]
            held = await self.store.listed_of(
                WORD, ids, author=author, tags=tags, namespace=namespace
            )
            for number, id in enumerate(ids, begin + 1):
                row = await self.row(id, author, namespace) if id in held else None
                if row is not None and set(tags) <= set(row.listing.tags):
                    rows.append(row)
                if len(rows) == limit:
                    return rows, text_of(places[number - 1]) if number < len(places) else None
        return rows, text_of(places[end - 1]) if start < end < len(places) else None

    async def row(self, id: str, author: str | None, namespace: NamespaceKey) -> ListedRow | None:
        """The record of that identity that is meant; None where none is here."""
        if author is None:
            same = await same_records(self.store, GENOME, id, namespace)
            author = next((one.row.listing.author for one in same), None)
        return await self.store.listing(WORD, author, id, namespace) if author else None

    async def with_summary(self, row: ListedRow, json: bytes) -> bytes:
        """The JSON of a genome with who attests it beside; as it was, where nobody speaks of it."""
        summary = await self.summary(bytes.fromhex(row.listing.record), row.namespace)
        return json if summary is None else shown(json, {"attested": summary})

    async def summary(self, genome: bytes, namespace: NamespaceKey) -> Summary | None:
        return summary_of(await fitness_of(self.store, self.own, genome, namespace))


def ordered(said: Sequence[Attestation], trust: Trust, names: Mapping[str, Name]) -> list[Place]:
    about: dict[str, list[Attestation]] = defaultdict(list)
    for one in said:
        about[one.genome].append(one)
    places: list[Place] = []
    for genome, each in about.items():
        place = verified_fitness(bytes.fromhex(genome), each, trust, names).place
        if place is not None:
            places.append((*place, genome))
    return sorted(places)


def text_of(place: Place) -> str:
    return " ".join(map(str, place))


def place_of(text: str) -> Place:
    """Of a cursor that this node sealed."""
    *place, genome = text.split(" ", PLACE_PARTS - 1)
    first, second, third = map(int, place)
    return first, second, third, genome


def _read(rows: Sequence[AttestationRow]) -> list[Attestation]:
    return [read_row(row) for row in rows]
