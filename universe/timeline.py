"""Snapshots and events of a universe in one line, by tick, and which of them a tick opens.

```
tick      0        400            400          900            1,200
        start     autosave     union ●         birth         autosave
          ●          ●            (the same)     ○               ●        ● can be opened and forked
```
An event and the snapshot that was taken for it are one entry. Ticks may come twice, and in any
order: a world that was set back goes on under ticks that it had before.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from universe.event import Event
from universe.taken import Taken

FORK: Final = "fork"
"""The type of the entry that a fork begins with."""

_TITLES: Final = {"auto": "Autosave", "manual": "Saved", "canonical": "Canonical"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a timeline. `at_us` in µs since 1970, as the author has it."""

    tick: int
    at_us: int
    day: int | None
    type: str
    """Of the event; else the snapshot's kind, or `FORK`."""
    title: str
    description: str
    snapshot: Taken | None
    """What opens here: its own, or of an event the newest at that very tick."""
    event: bytes | None
    """Id."""
    can_fork: bool
    names: bytes | None = None
    """Of an event: id of the snapshot that it names itself, here or not."""
    importance: int = 0
    entities: tuple[str, ...] = ()
    souls: tuple[str, ...] = ()
    parents: tuple[str, ...] = ()
    receipt: bytes | None = None
    """Id of the receipt that says so, where a gate does."""
    other: str = ""
    """Of a receipt: full name of the other end."""
    migration: bytes | None = None

    @property
    def has_snapshot(self) -> bool:
        return self.snapshot is not None

    @property
    def is_canonical(self) -> bool:
        """An event, or a snapshot that stands for one."""
        return self.event is not None or (
            self.snapshot is not None and self.snapshot.kind == "canonical"
        )

    @property
    def order(self) -> tuple[int, int, bytes]:
        """Unique in its timeline: where a page goes on."""
        own = self.event or self.receipt
        return self.tick, self.at_us, own or (self.snapshot.id if self.snapshot else b"")


def timeline(
    snapshots: Iterable[Taken], events: Iterable[tuple[bytes, Event]], *, can_fork: bool = True
) -> tuple[Entry, ...]:
    """By tick, then by time. `events` with their ids; `can_fork`: whether the reader may.

    What opens at an event is the snapshot that it names, or that names it, else one of its tick.
    """
    held = {one.id: one for one in snapshots}
    newest: dict[int, Taken] = {}
    naming: dict[bytes, Taken] = {}
    for one in sorted(held.values(), key=lambda one: one.order):
        newest[one.tick] = one
        if one.event is not None:
            naming[one.event] = one
    entries: list[Entry] = []
    shown: set[bytes] = set()
    for id, event in events:
        own = held.get(event.snapshot or b"") or naming.get(id)
        if own is not None:
            shown.add(own.id)
        opens = own or newest.get(event.tick)
        entries.append(_of_event(id, event, opens, can_fork))
    entries += [_of_snapshot(one, can_fork) for one in held.values() if one.id not in shown]
    return tuple(sorted(entries, key=lambda entry: entry.order))


def nearest(snapshots: Iterable[Taken], tick: int) -> Taken | None:
    """The last at or before `tick`, which shows it best; of several at one tick the newest."""
    before = [one for one in snapshots if one.tick <= tick]
    return max(before, key=lambda one: one.order, default=None)


def why_none(
    universe: str, snapshots: Iterable[Taken], tick: int, parent: str | None = None
) -> str:
    """What to tell of a tick for which `nearest` has nothing. `parent`: of a fork, its name."""
    first = min((one.tick for one in snapshots), default=None)
    if first is None:
        return f"{universe} has no snapshot yet"
    said = f"{universe} has no snapshot at or before tick {tick}: its first is of tick {first}"
    return f"{said}; what was before is in {parent}" if parent else said


def _of_event(id: bytes, event: Event, opens: Taken | None, can_fork: bool) -> Entry:
    return Entry(
        tick=event.tick,
        at_us=event.at_us,
        day=event.day,
        type=event.type,
        title=event.title,
        description=event.description,
        snapshot=opens,
        event=id,
        can_fork=can_fork and opens is not None,
        names=event.snapshot,
        importance=event.importance,
        entities=event.entities,
        souls=event.souls,
        parents=event.parents,
    )


def _of_snapshot(one: Taken, can_fork: bool) -> Entry:
    return Entry(
        tick=one.tick,
        at_us=one.at_us,
        day=one.day,
        type=FORK if one.is_inherited else one.kind,
        title="Forked here" if one.is_inherited else _TITLES.get(one.kind, one.kind),
        description="",
        snapshot=one,
        event=None,
        can_fork=can_fork,
    )
