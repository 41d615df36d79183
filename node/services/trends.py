"""How a record does over time, as this node holds what was signed of it."""

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec

from node.services.life import GENOME, Found
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
    """Of a genome or a seed. On a genome builds who names it as a parent; on a seed nobody."""
    row, word = found.row, found.kind.word
    target = row.listing.target
    span = span_of(now_us, store.horizon_us(), step, points)
    counts = await store.days_of(target, word, span, row.namespace)
    whole = True
    if found.kind is GENOME:
        named = await store.children(row.listing.record, row.namespace)
        counts += await asyncio.to_thread(_children, row.listing.record, named, span)
        whole = len(named) < NAMING_MAX
    return trends(target, word, counts, span, step, whole=whole)


def _children(genome: str, named: Sequence[ListedRow], span: Span) -> list[DayCount]:
    """Authors of genomes that have it as a parent, by their first one."""
    first: dict[str, int] = {}
    for row in named:
        one = row.listing
        if genome in _PARENTS.decode(one.fields).parents:
            first[one.author] = min(one.created_us, first.get(one.author, one.created_us))
    return first_days(first.values(), span)
