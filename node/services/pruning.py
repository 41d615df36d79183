"""What is kept of a universe, by its rule, and what goes."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from node.services.timelines import forks_of, said_of
from node.services.universes import Hand, document_of, signer_of
from registry.errors import InvalidRecord
from registry.head import Words
from registry.plain import as_map
from storage.listing import EventRow, SnapshotRow
from storage.listings import ListedRow
from storage.snapshots import PAGE_MAX, UniverseCount
from storage.store import Store
from universe.event import decode_event
from universe.gatebook import ROOT as GATE
from universe.record import DROPPED_MAX, Facts, create_universe, drop_snapshots
from universe.retention import (
    KEEP_ALL,
    Dropped,
    Policy,
    keeps_all,
    parse_policy,
    to_drop,
    write_policy,
)
from universe.taken import Taken, Together, taken_of

ALONE: Final = Together()

NAMES_ONE: Final = b"snapshot"
"""In an event that names one, as its key: of thousands only these are read."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """What a rule drops. `kept`: how many of the universe's own are left."""

    policy: Policy
    dropped: tuple[Dropped, ...]
    kept: int


async def due(
    store: Store,
    row: ListedRow,
    *,
    now_us: int,
    policy: Policy | None = None,
    coming: Taken | None = None,
    together: Together = ALONE,
    tick: int | None = None,
    is_decay_asked: bool = False,
) -> Pruned:
    """What its rule would drop now, or `policy` in its place; with `coming` counted as there.

    `together`: what goes into the same change before it. `tick`: of the world, else of what was
    kept last. `is_decay_asked`: as in `taken_of`.
    """
    rows = await store.snapshots(row.number, limit=PAGE_MAX)
    rule = rule_of(row) if policy is None else policy
    _, beside = await _held(store, row, together)
    case = _Case(rows, coming, together, rule, now_us, beside, tick, is_decay_asked)
    found = await asyncio.to_thread(case.dropped)
    if not found.dropped:
        return found
    begun = {_begun(one) for one in await forks_of(store, row)}
    events = await store.events_of(row.number, limit=PAGE_MAX)
    # Once more, as in the place of what is needed something else may have to go.
    return await asyncio.to_thread(case.dropped, begun, events)


async def due_by_upload(
    store: Store, row: ListedRow, coming: Taken, together: Together = ALONE, *, now_us: int
) -> tuple[Dropped, ...]:
    """What goes as this one comes. Where none can go, thousands are not read for it.

    `together`: as `due`.
    """
    count, beside = await _held(store, row, together)
    if keeps_all(rule_of(row), count + 1, beside):
        is_any = any(one.decay is not None for one in together.added)
        if not (is_any or await store.is_any_decaying(row.number)):
            return ()
    return (await due(store, row, now_us=now_us, coming=coming, together=together)).dropped


async def _held(store: Store, row: ListedRow, together: Together) -> tuple[int, int]:
    """Snapshots in its document; other values there: events, and what its gate keeps."""
    counts = (await store.universe_counts([row.number])).get(row.number, UniverseCount())
    of_gate = said_of(row).receiptCount
    if of_gate is None:
        of_gate = await _count_of_gate(store, row)
    events = {one.event for one in together.added} - {None}
    count = counts.snapshots + len(together.added) - len(together.gone)
    return count, counts.events + len(events) + of_gate


async def _count_of_gate(store: Store, row: ListedRow) -> int:
    """Read from its document, where a version that did not count them listed it."""
    state = await store.read(document_of(row)) if said_of(row).gate else None
    return 0 if state is None else len(as_map(state.value.get(GATE)) or {})


async def prune(by: Hand, row: ListedRow, dropped: Sequence[Dropped]) -> None:
    """Let these go, some hundreds in each change; their bytes go with the next `gc`.

    Raises as `Store.commit`.
    """
    document = document_of(row)
    signer = await signer_of(by, row)  # also where nothing is to go
    for at in range(0, len(dropped), DROPPED_MAX):
        ids = tuple(one.snapshot.id for one in dropped[at : at + DROPPED_MAX])
        edit = drop_snapshots(ids, now_us=by.clock_us())
        await by.store.commit(document, edit, signer, is_letting_go=True)


async def set_retention(by: Hand, row: ListedRow, policy: Policy) -> None:
    """Let this be the universe's rule. Raises as `Store.commit`."""
    nothing = Words(None, None, None, None, None)
    edit = create_universe(nothing, Facts(retention=write_policy(policy)), now_us=by.clock_us())
    await by.store.commit(document_of(row), edit, await signer_of(by, row))


def rule_of(row: ListedRow) -> Policy:
    """The universe's own, else the usual one; one that cannot be read here drops nothing."""
    text = said_of(row).retention
    try:
        return parse_policy(text) if text else Policy()
    except InvalidRecord:
        return KEEP_ALL


def rule_text(said: Mapping[str, object] | None) -> str | None:
    """As the record keeps it. Raises `InvalidRecord`."""
    return None if said is None else write_policy(parse_policy(msgspec.json.encode(said).decode()))


@dataclass(frozen=True, slots=True)
class _Case:
    """A universe and the rule by which it is looked at; as `due` has these words."""

    rows: Sequence[SnapshotRow]
    coming: Taken | None
    together: Together
    policy: Policy
    now_us: int
    beside: int
    """Values in its document that are no snapshots."""
    tick: int | None
    is_decay_asked: bool

    def dropped(self, begun: Collection[bytes] = (), events: Sequence[EventRow] = ()) -> Pruned:
        """By the rule, without what forks have `begun` with, what was taken for an event, and what
        one of `events` names."""
        left = [one for one in self.rows if one.id not in self.together.gone]
        taken = [taken_of(one, is_decay_asked=self.is_decay_asked) for one in left]
        taken += self.together.added
        pinned = {*begun, *(one.id for one in taken if one.event is not None)}
        naming = (decode_event(one.event) for one in events if NAMES_ONE in one.event)
        pinned |= {one.snapshot for one in naming if one.snapshot is not None}
        pinned |= self.together.named
        own = sum(not one.is_inherited for one in taken)
        if self.coming is not None:
            taken.append(self.coming)
            pinned.add(self.coming.id)
        dropped = to_drop(
            taken,
            self.policy,
            now_us=self.now_us,
            newest_tick=self.tick,
            pinned=pinned,
            beside=self.beside,
        )
        return Pruned(self.policy, dropped, own - len(dropped))


def _begun(row: ListedRow) -> bytes:
    """Id of the snapshot that a fork began with."""
    origin = said_of(row).forkOf
    return b"" if origin is None else bytes.fromhex(origin.snapshot)
