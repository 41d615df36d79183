"""The index of a resolution: the modules that were asked for, and all that theirs could need.

What a module may need is its author's to write, and so may draw in thousands of others, each with
hundreds of versions. Reading stops after `LOAD_S`, and never holds up the event loop.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from crdt.keys import COMMONS, NamespaceKey
from node.services.a_few import a_few_at_a_time
from node.services.modules import LISTED, find_row, read_module, show_module
from node.services.verify import admitted
from registry.errors import TooHard
from registry.listed import Module
from registry.module_index import ModuleIndex
from registry.names import parse_module_name
from storage.installed import Installed
from storage.listings import ListedRow
from storage.store import Store

# A thousand modules take 3 s of CPU; past this no person waits.
LOAD_S: Final = 120.0
AT_ONCE: Final = 2  # each waits for the threads of the store most of the time
TOGETHER: Final = 16  # modules that are asked for in one hop to such a thread
# Of modules' JSON that is read together; one that is larger, with 100 versions or more, is read
# alone and on a thread.
INLINE_BYTES_MAX: Final = 64 * 1024

Loaded = Callable[[int, int], None]
"""Modules that were looked at, and as many as are known to be needed so far."""


def nobody(done: int, total: int) -> None:
    """No one watches."""


@dataclass(frozen=True, slots=True)
class Sources:
    """In which namespaces modules are looked for."""

    first: NamespaceKey = COMMONS
    """Before commons."""
    kept: Mapping[str, NamespaceKey] = field(default_factory=dict[str, NamespaceKey])
    """Full name → the one namespace for it."""
    found: dict[str, NamespaceKey] = field(default_factory=dict[str, NamespaceKey])
    """Filled in: where each was."""

    def of(self, package: str) -> Sequence[NamespaceKey]:
        if package in self.kept:
            return [self.kept[package]]
        return list(dict.fromkeys((self.first, COMMONS)))


def sources_of(installed: Mapping[str, Installed]) -> Sources:
    """What came from a namespace stays with it."""
    return Sources(kept={id: one.namespace for id, one in installed.items()})


async def load_index(
    store: Store,
    packages: Iterable[str],
    sources: Sources | None = None,
    options: Mapping[str, Collection[str]] | None = None,
    *,
    tell: Loaded = nobody,
) -> ModuleIndex:
    """The modules named, and all that any version of theirs could need, with `options` chosen.

    Raises `TooHard` where that takes longer than `LOAD_S`.
    """
    index, sources = ModuleIndex(options=options), sources or Sources()
    deadline_s = time.monotonic() + LOAD_S
    done = total = 0

    async def load(packages: Sequence[str]) -> None:
        nonlocal done
        if time.monotonic() > deadline_s:
            detail = (
                f"after {LOAD_S:.0f} s, {done:,} of the modules that could be needed were read,"
                f" and {total - done:,} or more were left"
            )
            raise TooHard(detail)
        rows = await rows_of(store, packages, sources)
        for package in packages:
            if package in rows:
                sources.found[package] = rows[package].namespace
            else:
                index.add_missing(package)
        for some in _parted(rows.values()):
            await _add(store, index, some)
        for _ in packages:
            done += 1
            tell(done, total)

    pending = tuple(dict.fromkeys(packages))
    while pending:
        total += len(pending)
        parts = [pending[at : at + TOGETHER] for at in range(0, len(pending), TOGETHER)]
        await a_few_at_a_time(parts, load, at_once=AT_ONCE, name="read modules")
        pending = index.unloaded()
    return index


def _parted(rows: Iterable[ListedRow]) -> Iterable[Sequence[ListedRow]]:
    """Short ones together."""
    some, size_bytes = list[ListedRow](), 0
    for row in rows:
        size_bytes += len(row.listing.fields)
        if some and size_bytes > INLINE_BYTES_MAX:
            yield some
            some, size_bytes = [], len(row.listing.fields)
        some.append(row)
    if some:
        yield some


async def _add(store: Store, index: ModuleIndex, rows: Sequence[ListedRow]) -> None:
    if sum(len(row.listing.fields) for row in rows) <= INLINE_BYTES_MAX:
        for module in await admitted(store, [read_module(row) for row in rows]):
            index.add(module)
        return
    (row,) = rows
    long: Module = await asyncio.to_thread(read_module, row)
    (long,) = await admitted(store, [long])
    await asyncio.to_thread(index.add, long)


async def rows_of(store: Store, packages: Sequence[str], sources: Sources) -> dict[str, ListedRow]:
    """Of each that is known its row, in the first namespace that has it."""
    found: dict[str, ListedRow] = {}
    left = {package: list(sources.of(package)) for package in packages}
    while left:
        names = {package: parse_module_name(package) for package in left}
        wanted = [
            (str(name.author), name.id, left[package].pop(0)) for package, name in names.items()
        ]
        rows = await store.listing_each(LISTED, wanted)
        found |= {package: row for package, row in zip(names, rows, strict=True) if row}
        left = {
            package: places for package, places in left.items() if places and package not in found
        }
    return found


async def row_of(store: Store, package: str, sources: Sources) -> ListedRow | None:
    """In the first namespace that has it."""
    return (await rows_of(store, [package], sources)).get(package)


async def modules_in(
    store: Store, ids: Sequence[str], places: Mapping[str, NamespaceKey]
) -> list[Module]:
    """As `find_module` gives them, by their full names. Raises `UnknownModule`."""
    found: list[Module] = []
    for at in range(0, len(ids), TOGETHER):
        some = ids[at : at + TOGETHER]
        rows = await rows_of(store, some, Sources(kept=places))
        for id in some:
            row = rows.get(id) or await find_row(store, id, places[id])  # which says what is wrong
            found.append(show_module(row))
    return found
