"""Which universe was forked from which: a tree, from what each says of itself.

```
did/main                                  ada's first world
├─ tick 400  did/harder      Harder
│  └─ tick 900  bob/hardest  Hardest      a fork of a fork
└─ tick 400  eve/other       Other
did/gone                                  (deleted)
└─ tick 7    did/orphan      Orphan
```
What a stranger's universe says of its parent may be a lie. A universe has one parent at most, so
all a lie can do is to close a circle; it is cut at one place, the same on every node.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

DEPTH_SHOWN_MAX: Final = 32
"""Levels of forks that a drawing indents; what lies deeper is counted."""
LINES_SHOWN_MAX: Final = 1_000


@dataclass(frozen=True, slots=True)
class Branch:
    """What a universe says of itself. `universe`, `parent`: full names, did/id."""

    universe: str
    name: str = ""
    parent: str | None = None
    tick: int = 0
    """Of the parent, where this one begins."""
    snapshot: bytes | None = None
    """Id of the parent's that it began with."""
    created_us: int = 0
    taken_us: int = 0
    """When that snapshot was taken; 0 where nobody knows it."""


@dataclass(frozen=True, slots=True)
class Place:
    """A universe in its tree. `depth` of a root is 0."""

    branch: Branch
    depth: int
    is_known: bool = True
    """False: others say they were forked from it, and it is not here."""
    is_cut: bool = False
    """It says it was forked from one of its own forks, which cannot be; here it begins anew."""
    is_last: bool = True
    """Of its siblings."""
    is_deleted: bool = False
    """Of one that is not known: its author deleted it."""


class Forks:
    """All universes that are known, with their parents and forks."""

    def __init__(self, branches: Iterable[Branch]) -> None:
        """One of each name; of two the last counts."""
        self._branches: dict[str, Branch] = {one.universe: one for one in branches}
        self._cut = _circles(self._branches)
        self._forks: dict[str, list[Branch]] = {}
        for one in self._branches.values():
            if (parent := self.parent(one.universe)) is not None:
                self._forks.setdefault(parent, []).append(one)
        for ones in self._forks.values():
            ones.sort(key=_by_tick)

    def parent(self, universe: str) -> str | None:
        """Known here or not; None for what was forked from nothing."""
        branch = self._branches.get(universe)
        return None if branch is None or universe in self._cut else branch.parent

    def branch(self, universe: str) -> Branch | None:
        return self._branches.get(universe)

    def forks(self, universe: str) -> tuple[Branch, ...]:
        """Directly of it, by tick."""
        return tuple(self._forks.get(universe, ()))

    def ancestry(self, universe: str) -> tuple[str, ...]:
        """From its root down to itself; the root may be unknown here."""
        line = [universe]
        while (parent := self.parent(line[-1])) is not None:
            line.append(parent)
        return tuple(reversed(line))

    def shared_until(self, one: str, other: str) -> tuple[str, int | None] | None:
        """(universe, tick) up to which both have one past; None where they have none in common.

        The tick is None where that universe is one of the two itself and the other was not forked
        from it at all: they are the same.
        """
        ones, others = self.ancestry(one), self.ancestry(other)
        if ones[0] != others[0]:
            return None
        at = 0
        while at + 1 < min(len(ones), len(others)) and ones[at + 1] == others[at + 1]:
            at += 1
        ticks = [self._branches[line[at + 1]].tick for line in (ones, others) if at + 1 < len(line)]
        return ones[at], min(ticks, default=None)

    def roots(self) -> tuple[str, ...]:
        """Where each tree begins, by name; also those that are not here."""
        above = {self.parent(one) for one in self._branches}
        unknown = {one for one in above if one is not None and one not in self._branches}
        begun = {one for one in self._branches if self.parent(one) is None}
        return tuple(sorted(begun | unknown))

    def tree(self, root: str) -> Iterator[Place]:
        """`root` and all below it, each before its forks. As deep as it goes, without recursion."""
        left = [(root, 0, True)]
        while left:
            universe, depth, is_last = left.pop()
            branch = self._branches.get(universe)
            yield Place(
                branch or Branch(universe),
                depth,
                is_known=branch is not None,
                is_cut=universe in self._cut,
                is_last=is_last,
            )
            below = self._forks.get(universe, [])
            left += [(one.universe, depth + 1, one is below[-1]) for one in reversed(below)]

    def whole_tree(self, universe: str) -> Iterator[Place]:
        """The one that holds it."""
        return self.tree(self.ancestry(universe)[0])


def drawn(places: Iterable[Place], here: str | None = None) -> Iterator[str]:
    """Lines of text. `here`: the universe to point at.

    At most `LINES_SHOWN_MAX`, and `DEPTH_SHOWN_MAX` deep; how many more there are is said.
    """
    bars: list[str] = []
    lines = left_out = 0
    for place in places:
        if lines == LINES_SHOWN_MAX or place.depth > DEPTH_SHOWN_MAX:
            left_out += 1
            continue
        lines += 1
        del bars[max(place.depth - 1, 0) :]
        stem = "".join(bars)
        if place.depth:
            stem += "└─ " if place.is_last else "├─ "
            bars.append("   " if place.is_last else "│  ")
        yield stem + _line(place, here)
    if left_out:
        yield f"… and {left_out:,} more"


def _line(place: Place, here: str | None) -> str:
    branch = place.branch
    parts = [f"tick {branch.tick:,}"] if place.depth else []
    parts.append(branch.universe)
    if branch.name:
        parts.append(branch.name)
    if not place.is_known:
        parts.append("(deleted)" if place.is_deleted else "(not known here)")
    if place.is_cut:
        parts.append(f"(says it is a fork of its own fork {branch.parent})")
    if branch.universe == here:
        parts.append("◂ here")
    return "  ".join(parts)


def _by_tick(branch: Branch) -> tuple[int, int, str]:
    return branch.tick, branch.created_us, branch.universe


def _circles(branches: Mapping[str, Branch]) -> frozenset[str]:
    """Of each circle the one with the least name, which no order of arrival changes."""
    cut: set[str] = set()
    seen: set[str] = set()
    for begin in branches:
        path: dict[str, None] = {}
        at: str | None = begin
        while at is not None and at not in seen and at not in path:
            path[at] = None
            at = branches[at].parent if at in branches else None
        if at is not None and at in path:
            names = list(path)
            cut.add(min(names[names.index(at) :]))
        seen.update(path)
    return frozenset(cut)
