"""What each fork begins with: one of its parent's states, found again by its bytes.

```
parent   tick 300  300.json.gz               Ada is three
         tick 300  canonical/birth_….gz      Eve is born       ◂ the fork's 300.json.gz is this
fork     tick 300  300.json.gz               is what it begins with, and no snapshot of its own
         tick 301  301.json.gz               its first
```
Several states at one tick are normal, and a server copies into a fork what it began with, as one
more file. Where its bytes are found nowhere, the first state of that tick that the parent lists is
taken, as a server does; unless the fork says which it was.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from universe.formats.imported import (
    About,
    ForkOf,
    ImportedSnapshot,
    ImportedUniverse,
    Report,
    parents_first,
)

Beside: TypeAlias = Mapping[str, Sequence[ImportedSnapshot]]
"""By ids of forks: states that lie there for them, and say that they are another universe's."""


def with_origins(
    universes: Sequence[ImportedUniverse],
    report: Report,
    copies: Beside | None = None,
) -> tuple[ImportedUniverse, ...]:
    """Parents first. A fork whose parent is among them has its `origin`; the rest is its own."""
    found: dict[str, ImportedUniverse] = {}
    for one in parents_first(universes):
        parent = found.get(one.fork_of.universe) if one.fork_of else None
        if parent is not None and one.fork_of is not None:
            there = [each for each in _states(parent) if each.tick == one.fork_of.tick]
            beside = () if copies is None else copies.get(one.id, ())
            found[one.id] = _all_own(_begun(one, one.fork_of, there, beside, report))
        else:
            found[one.id] = _all_own(one)
    return tuple(found.values())


def _begun(
    one: ImportedUniverse,
    fork: ForkOf,
    there: Sequence[ImportedSnapshot],
    beside: Sequence[ImportedSnapshot],
    report: Report,
) -> ImportedUniverse:
    at_tick = [each for each in one.snapshots if each.tick == fork.tick]
    marked = next((each for each in at_tick if each.is_inherited), None)
    if marked is None and not fork.state:
        for mine in (*at_tick, *beside):
            if (origin := _same(mine, there)) is not None:
                return _without(one, mine, origin)
        if there:
            return replace(one, origin=there[0])
        what = "state"
    elif marked is not None:
        if (origin := _same(marked, there)) is not None:
            return _without(one, marked, origin)
        what = f"state {marked.content.sha256.hex()}"
    else:
        for each in there:
            if fork.is_of(each.content):
                return replace(one, origin=each)
        what = f"state {fork.state}"
    reason = f"{fork.universe} has no {what} at tick {fork.tick}: {one.id} is no fork of it here"
    report.tell(About.CLAIM, "", reason)
    return one


def _states(one: ImportedUniverse) -> list[ImportedSnapshot]:
    """All that can be forked of it, also what it began with itself, as its list has them."""
    begun = [] if one.origin is None else [one.origin]
    return [*begun, *sorted(one.snapshots, key=lambda each: each.listed)]


def _same(mine: ImportedSnapshot, there: Sequence[ImportedSnapshot]) -> ImportedSnapshot | None:
    """The one with its bytes; of several the one that is said to be the same besides."""
    alike = [each for each in there if each.content.checksum == mine.content.checksum]
    exact = [each for each in alike if (each.kind, each.at_us) == (mine.kind, mine.at_us)]
    return next(iter((*exact, *alike)), None)


def _without(
    one: ImportedUniverse, mine: ImportedSnapshot, origin: ImportedSnapshot
) -> ImportedUniverse:
    own = tuple(each for each in one.snapshots if each is not mine)
    if len(own) == len(one.snapshots):
        return replace(one, origin=origin)
    # What it was kept for is the parent's: told here too, one birth would count twice.
    of_parent = {mine.event} - {each.event for each in own}
    events = tuple(each for each in one.events if each not in of_parent)
    return replace(one, snapshots=own, events=events, origin=origin, copy=mine)


def _all_own(one: ImportedUniverse) -> ImportedUniverse:
    own = tuple(
        replace(each, is_inherited=False) if each.is_inherited else each for each in one.snapshots
    )
    return replace(one, snapshots=own)
