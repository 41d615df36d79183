"""Timelines, forks and what is kept, of universes that this node knows.

A fork is one signed change of the forker's own: no byte of a state is read, copied or fetched.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from crdt.keys import COMMONS, NamespaceKey
from node.errors import Conflict, NotAllowed, NotFound
from node.services.gatebooks import Books
from node.services.gone import deleted_universe
from node.services.passages import Ferry
from node.services.places import place_meant, place_text
from node.services.universes import (
    LATEST,
    Given,
    Hand,
    joined_places,
    make_universe,
    parse_tick,
    snapshot_meant,
)
from storage.listing import EventRow, SnapshotRow
from storage.listings import ListedRow, Page
from storage.snapshots import PAGE_MAX
from storage.store import Store
from universe.event import Event, decode_event
from universe.forks import Branch, Forks, Place
from universe.names import parse_full_name
from universe.parts import Origin
from universe.receipts import Checked
from universe.record import WORD, Visibility
from universe.snapshot import SignedSnapshot, decode_signed, decode_snapshot
from universe.taken import taken_of
from universe.timeline import Entry, timeline, why_none
from universe.travel import timeline_entries


class Said(msgspec.Struct, frozen=True):
    """Of a universe's row what is needed here."""

    name: str
    visibility: str
    parent: str = ""
    forkOf: Origin | None = None
    retention: str = ""
    gate: str = ""
    receiptCount: int | None = None


_SAID: Final = msgspec.json.Decoder(Said)
AT_ONCE: Final = 64
"""Snapshots that are looked at together: of one tick there are few."""
VOTING_MAX: Final = 1_024
"""Of others whose word decides which of two receipts of a gate stands, one's own first."""
FAMILY_MAX: Final = 1_000
"""Universes in one tree of forks: as many as a list has."""


FOR_ONESELF: Final = (
    "To read it is enough for a fork that nobody else reads: panspermia universe fork … --private,"
    ' or `"visibility": "private"` in the body.'
)
"""Beside a refusal to write where a universe lies that others share."""


@dataclass(frozen=True, slots=True)
class Line:
    """A universe's snapshots and events, as rows and as one line."""

    snapshots: dict[bytes, SnapshotRow]
    events: dict[bytes, bytes]
    entries: tuple[Entry, ...]
    is_whole: bool = True
    """Whether all were asked who have a vote in which receipts of its gate count."""


async def timeline_of(by: Ferry, row: ListedRow, *, is_as_sent: bool = False) -> Line:
    """All of it, by tick. Whoever may read it may fork it. `is_as_sent`: as in `taken_of`.

    Of who passed its gate what counts by all that is held, as for other gates. `by`: of the place
    where it lies.
    """
    store, name = by.store, row.listing.target
    snapshots = await store.snapshots(row.number, limit=PAGE_MAX, is_newest_first=False)
    events = await store.events_of(row.number, limit=PAGE_MAX)
    travelled: Sequence[Checked] = ()
    is_whole = True
    if has_gate(said_of(row)):
        books = Books(by)
        await books.load([name])
        told, is_whole = await books.ask_read(
            lambda lines: lines[name], VOTING_MAX, lambda other: parse_full_name(other)[0] == by.did
        )
        travelled = told.receipts
    # Thousands take a while to read.
    line = await asyncio.to_thread(_line, snapshots, events, travelled, is_as_sent=is_as_sent)
    return replace(line, is_whole=is_whole)


async def open_at(store: Store, row: ListedRow, tick: int) -> SnapshotRow:
    """The last snapshot at or before a tick. Raises `NotFound` that says what there is instead."""
    found = await store.snapshot_before(row.number, tick)
    if found is not None:
        return found
    first = await store.snapshots(row.number, limit=1, is_newest_first=False)
    taken = [taken_of(one) for one in first]
    parent = said_of(row).parent or None
    detail = why_none(row.listing.record, taken, tick, parent)
    raise NotFound(detail, code="unknown-snapshot")


async def fork(
    by: Hand,
    parent: ListedRow,
    at: str,
    snapshot: str,
    given: Given,
    drawn: bytes,
    *,
    has_no_token: bool = False,
) -> tuple[ListedRow, SnapshotRow]:
    """A new universe of one's own that begins with a snapshot of `parent`, one's own or not.

    `at`, `snapshot`: as `snapshot_meant` has them, the nearest at or before a tick. It lies where
    its parent does, unless `given` says for whom it is. Raises as `snapshot_meant` and
    `make_universe`; `Conflict` where one's own universe is called so; `NotAllowed` where a universe
    that others share would be shown to other people than its author shows it to, or one's own
    where this is asked without a token.
    """
    if at == LATEST or snapshot:
        row = await snapshot_meant(by.store, parent, at, snapshot)
    else:
        row = await open_at(by.store, parent, parse_tick(at))
    signed = await by.store.signed_snapshot(parent.number, row.id)
    if signed is None:
        raise NotFound("that snapshot was dropped at this very moment", code="unknown-snapshot")
    is_own = await _is_ones_own(by, parent, decode_signed(signed))
    given = await _for_its_readers(by, parent, given, is_own=is_own, has_no_token=has_no_token)
    if given.id:
        places, own = await joined_places(by.store), by.keeper.identity.did
        if await by.store.called(WORD, given.id, places, authors=[own]):
            detail = f"you have a universe {given.id} already: take another id for the fork"
            raise Conflict(detail, code="universe-exists")
    given = replace(given, origin=(parent.listing.target, decode_signed(signed)))
    try:
        made, _ = await make_universe(by, given, drawn)
    except NotAllowed as error:
        if is_own or parent.namespace == COMMONS or given.facts.visibility == "private":
            raise
        raise NotAllowed(f"{error.detail}\n{FOR_ONESELF}", code=error.reason) from error
    return made, row


def published_of(parent: ListedRow, made: ListedRow, tick: int) -> str | None:
    """What a fork tells its readers of its parent where these may not read that."""
    if parent.namespace in (COMMONS, made.namespace) or said_of(made).visibility == "private":
        return None
    who = "everybody" if made.namespace == COMMONS else "all members of its namespace"
    return (
        f"{who} can read that it was forked from {parent.listing.target}, and its snapshot at"
        f" tick {tick} with all that is signed of that"
    )


async def forks_of(store: Store, row: ListedRow) -> list[ListedRow]:
    """Directly of it, as far as they are known here; of too many one's own before others'."""
    own, places = await store.own_authors(), await joined_places(store)
    return await store.universes_forked_from(row.listing.target, places, first=own)


async def forks_page(
    store: Store, row: ListedRow, *, after: str | None = None, limit: int
) -> Page[ListedRow]:
    """The same a page at a time, one's own before others'. `after`: `next` of the page before."""
    own, places = await store.own_authors(), await joined_places(store)
    return await store.forks_page(row.listing.target, places, limit, first=own, after=after)


async def family_of(store: Store, row: ListedRow) -> tuple[Forks, dict[str, ListedRow]]:
    """The tree that it stands in, with the rows by their names: at most `FAMILY_MAX` universes.

    First what it descends from, then whatever was forked from these, nearest first and of those
    one's own before others'; from a parent that is not here too, which may have been deleted.
    """
    places, own = await joined_places(store), await store.own_authors()
    found = {row.listing.target: row}
    top, at = row, await parent_of(store, row, places)
    while at is not None and at.listing.target not in found and len(found) < FAMILY_MAX:
        found[at.listing.target] = top = at
        at = await parent_of(store, at, places)
    above = parent_name(top)
    waiting = [*found, *([above] if above is not None and at is None else [])]
    while waiting and len(found) < FAMILY_MAX:
        forks = await store.universes_forked_from(waiting.pop(0), places, first=own)
        for one in sorted(forks, key=lambda fork: fork.listing.author not in own):
            if one.listing.target not in found and len(found) < FAMILY_MAX:
                found[one.listing.target] = one
                waiting.append(one.listing.target)
    return Forks(branch_of(one) for one in found.values()), found


async def with_deleted(store: Store, places: Iterable[Place]) -> list[Place]:
    """A tree, of which only the root may be unknown here: that is looked for."""
    joined = await joined_places(store)

    async def seen(one: Place) -> Place:
        if one.is_known:
            return one
        author, id = parse_full_name(one.branch.universe)
        gone = await deleted_universe(store, author, id, joined)
        return replace(one, is_deleted=gone is not None)

    return [await seen(one) for one in places]


async def entry_told(store: Store, row: ListedRow, id: bytes, event: Event) -> Entry:
    """How an event stands in the timeline: by what is at its tick, however long all of it is."""
    there = [] if event.snapshot is None else [await store.snapshot(row.number, event.snapshot)]
    after = (event.tick, -1, b"")
    while page := await store.snapshots(
        row.number, limit=AT_ONCE, after=after, is_newest_first=False
    ):
        there += [one for one in page if one.tick == event.tick]
        if page[-1].tick != event.tick:
            break
        after = (page[-1].tick, page[-1].at_us, page[-1].id)
    found = timeline([taken_of(one) for one in there if one is not None], [(id, event)])
    return next(one for one in found if one.event == id)


def _line(
    snapshots: Sequence[SnapshotRow],
    events: Sequence[EventRow],
    travelled: Sequence[Checked],
    *,
    is_as_sent: bool,
) -> Line:
    read = [(one.id, decode_event(one.event)) for one in events]
    taken = timeline([taken_of(one, is_as_sent=is_as_sent) for one in snapshots], read)
    both = (*taken, *timeline_entries(travelled))
    entries = tuple(sorted(both, key=lambda entry: entry.order))
    return Line({one.id: one for one in snapshots}, {one.id: one.event for one in events}, entries)


def said_of(row: ListedRow) -> Said:
    return _SAID.decode(row.listing.fields)


def has_gate(said: Said) -> bool:
    """Whether any receipt may be kept there: who names no gate may have one all the same."""
    return bool(said.gate or said.receiptCount)


def _seen_as(given: Given, visibility: Visibility) -> Given:
    facts = msgspec.structs.replace(given.facts, visibility=visibility)
    return replace(given, facts=facts)


async def _is_ones_own(by: Hand, parent: ListedRow, signed: SignedSnapshot) -> bool:
    """The state too: what a fork began with is another's, until everybody may read theirs."""
    did = by.keeper.identity.did
    author, id = parse_full_name(decode_snapshot(signed.statement).universe)
    if parent.listing.author != did or author == did:
        return parent.listing.author == did
    return bool(await by.store.called(WORD, id, [COMMONS], authors=[author]))


async def _for_its_readers(
    by: Hand, parent: ListedRow, given: Given, *, is_own: bool, has_no_token: bool
) -> Given:
    """With what the parent has where nothing is said. Raises `NotAllowed`, `NotFound`."""
    is_public = parent.namespace == COMMONS
    if given.facts.visibility is None and given.namespace is None:
        if is_public:
            return _seen_as(given, "public")
        is_here = parent.listing.author == by.keeper.identity.did
        if is_here and said_of(parent).visibility == "private":
            return _seen_as(given, "private")
        return replace(given, namespace=place_text(parent.namespace))
    if is_public or (is_own and not has_no_token):
        return given
    if given.namespace is not None:
        is_wider = await place_meant(by.store, given.namespace) != parent.namespace
    else:
        is_wider = given.facts.visibility == "public"
    if is_wider:
        mine = "yours, but this came without a token"
        who = mine if is_own else "shared with you and not with everybody"
        detail = (
            f"{parent.listing.target} is {who}: fork it for those who may read it, without a"
            " `namespace` and a `visibility`, or as `private` (--private in the shell)"
        )
        raise NotAllowed(detail)
    return given


async def parent_of(
    store: Store, row: ListedRow, places: Sequence[NamespaceKey]
) -> ListedRow | None:
    """Of a fork; None where it is not here, or this is none."""
    name = parent_name(row)
    return None if name is None else await universe_named(store, name, places)


async def universe_named(
    store: Store, name: str, places: Sequence[NamespaceKey]
) -> ListedRow | None:
    """By its full name."""
    author, id = parse_full_name(name)
    return next(iter(await store.called(WORD, id, places, authors=[author])), None)


def parent_name(row: ListedRow) -> str | None:
    """Full name of what a fork was forked from, here or not."""
    return said_of(row).parent or None


def branch_of(row: ListedRow) -> Branch:
    said = said_of(row)
    origin = said.forkOf
    return Branch(
        row.listing.target,
        said.name,
        said.parent or None,
        0 if origin is None else origin.snapshotTick,
        None if origin is None else bytes.fromhex(origin.snapshot),
        row.listing.created_us,
        0 if origin is None else origin.takenAt * 1_000,
    )
