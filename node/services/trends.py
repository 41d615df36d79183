"""How a record does over time, as this node holds what was signed of it."""

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec

from node.services.life import GENOME, LINEAGE, Found
from node.services.modules import LISTED, read_module
from registry.trends import Step, Trends, building_on, first_days, span_of, trends
from storage.advised import NAMING_MAX
from storage.listing import DayCount, Span
from storage.listings import ListedRow
from storage.store import Store


class _Parents(msgspec.Struct):
    parents: tuple[str, ...] = ()


_PARENTS: Final = msgspec.json.Decoder(_Parents)


async def module_trends(
    store: Store, row: ListedRow, step: Step, points: int, *, now_us: int
) -> Trends:
    """Of a module. Who builds on it is looked for in its own namespace."""
    target = row.listing.target
    span = span_of(now_us, store.horizon_us(), step, points)
    others = await store.naming(target, [row.namespace])

    def built() -> list[DayCount]:
        return building_on(target, map(read_module, others), span)

    counts = await store.days_of(target, LISTED, span, row.namespace)
    counts += await asyncio.to_thread(built)
    whole = len(others) < NAMING_MAX
    return trends(target, LISTED, counts, span, step, whole=whole)


async def life_trends(
    store: Store, found: Found, step: Step, points: int, *, now_us: int
) -> Trends:
    """Of a genome, a seed or a lineage.

    On a genome builds who names it as a parent, on a lineage who has genomes of it or lineages that
    descend from it, on a seed nobody.
    """
    row, word = found.row, found.kind.word
    target, record = row.listing.target, row.listing.record
    span = span_of(now_us, store.horizon_us(), step, points)
    counts = await store.days_of(target, word, span, row.namespace)
    named: Sequence[ListedRow] = ()
    if found.kind is GENOME:
        named = await store.children(record, row.namespace)
        counts += await asyncio.to_thread(_children, record, named, span)
    elif found.kind is LINEAGE:
        named = await store.of_lineage(record, row.namespace)
        counts += _by_author(named, span)
    return trends(target, word, counts, span, step, whole=len(named) < NAMING_MAX)


def _children(genome: str, named: Sequence[ListedRow], span: Span) -> list[DayCount]:
    """Of what names it somewhere, that which has it as a parent."""
    return _by_author(
        [row for row in named if genome in _PARENTS.decode(row.listing.fields).parents], span
    )


def _by_author(rows: Sequence[ListedRow], span: Span) -> list[DayCount]:
    """Who signed them, by the first of each."""
    first: dict[str, int] = {}
    for row in rows:
        one = row.listing
        first[one.author] = min(one.created_us, first.get(one.author, one.created_us))
    return first_days(first.values(), span)
