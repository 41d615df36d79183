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
from node.services.modules import LISTED, read_module
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
AT_ONCE: Final = 8  # each waits for the threads of the store most of the time
# Of a module's JSON: what is larger is read on a thread, 100 versions or more.
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

    async def load(package: str) -> None:
        nonlocal done
        if time.monotonic() > deadline_s:
            detail = (
                f"after {LOAD_S:.0f} s, {done:,} of the modules that could be needed were read,"
                f" and {total - done:,} or more were left"
            )
            raise TooHard(detail)
        row = await row_of(store, package, sources)
        if row is None:
            index.add_missing(package)
        else:
            sources.found[package] = row.namespace
            await _add(store, index, row)
        done += 1
        tell(done, total)

    pending = tuple(dict.fromkeys(packages))
    while pending:
        total += len(pending)
        await a_few_at_a_time(pending, load, at_once=AT_ONCE, name="read modules")
        pending = index.unloaded()
    return index


async def _add(store: Store, index: ModuleIndex, row: ListedRow) -> None:
    if len(row.listing.fields) <= INLINE_BYTES_MAX:
        index.add(await admitted(store, read_module(row)))
    else:
        module: Module = await asyncio.to_thread(read_module, row)
        await asyncio.to_thread(index.add, await admitted(store, module))


async def row_of(store: Store, package: str, sources: Sources) -> ListedRow | None:
    """In the first namespace that has it."""
    name = parse_module_name(package)
    for namespace in sources.of(package):
        row = await store.listing(LISTED, str(name.author), name.id, namespace)
        if row is not None:
            return row
    return None
