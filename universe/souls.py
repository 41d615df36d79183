"""A soul followed through its bodies, across forks and passages.

```
ada/main      100 born ─── 400 ═ fork ─────────── 700 departs ─▸ in transit ─▸
ada/harder                  400 ─── 650 dies
bob/isle                                                            90 arrives ───
```
A soul is an identity that outlasts bodies; who has none is followed by the name of the creature. At
a fork it goes on in both universes, and from there on these are two lives. A passage takes it out
of one universe and into another: it is never in both by one and the same migration. It comes and
goes in the order in which a universe's gate signed that, whatever ticks it gave.

Who is asked for by its soul is followed in the body that it has (`universe.bodies`): most events
name nothing else.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from heapq import heappop, heappush

from universe.bodies import followed_as
from universe.histories import Crossing, Histories
from universe.lives import lives_of
from universe.stays import Stay as Stay  # who shows a soul shows its stays


@dataclass(frozen=True, slots=True)
class Soul:
    """All that is known of one."""

    name: str
    stays: tuple[Stay, ...]
    """Along its way: after where it left the universe where it arrived, then what was forked.
    Several may go by its name: those of each universe of origin, in turn."""
    in_transit: tuple[Crossing, ...]
    is_whole: bool = True
    """False where too many names go beyond passages: what is told of some is not told of it."""

    @property
    def present(self) -> tuple[str, ...]:
        """Where it is now. More than one after a fork."""
        return tuple(dict.fromkeys(one.universe for one in self.stays if one.until is None))


def _as_far(_: str) -> int:
    return 0


def follow(name: str, histories: Histories, far: Callable[[str], int] = _as_far) -> Soul:
    """`name`: of a soul, or of a creature. Nobody knows it: no stays. `far`: how far a universe is;
    who is of the nearest is told of first."""
    crossings, called = _ways_of(name, histories)
    followed, by_body = followed_as(frozenset(called), histories, crossings)
    its = {*crossings, *by_body}
    crossings = [one for one in histories.crossings if one in its]
    stays = {
        (universe, at): one
        for universe, each in lives_of(followed, histories, crossings).items()
        for at, one in enumerate(each)
    }
    transit = [one for one in crossings if one.arrived_tick is None and not one.is_returned]
    transit.sort(key=lambda one: far(one.is_of))
    return Soul(name, tuple(_along_its_way(stays, far)), tuple(transit), followed.is_whole)


def _came(stay: Stay) -> tuple[str, str | None]:
    return stay.began, stay.came_from


def _along_its_way(
    stays: Mapping[tuple[str, int], list[Stay]], far: Callable[[str], int]
) -> Iterator[Stay]:
    """Each once, those of one life in their order: from where it begins through passages, as
    far as they lead, then in the forks of where it was. `stays`: by universe and life in it."""
    left = {life: deque(ones) for life, ones in stays.items()}
    lives: dict[tuple[str, str], list[tuple[str, int]]] = {}
    forks: dict[str, list[tuple[str, int]]] = {}
    for life, (first, *_) in stays.items():
        lives.setdefault((life[0], first.origin), []).append(life)
        if first.began == "forked" and first.came_from is not None:
            forks.setdefault(first.came_from, []).append(life)
    to_do = list[tuple[int, int, tuple[str, int]]]()

    def add(lives: Iterable[tuple[str, int]]) -> None:
        """They are the next ones, the first of them first, among those that are as near."""
        for life in [*lives][::-1]:
            heappush(to_do, (far(stays[life][0].origin), -len(added), life))
            added.append(life)

    def next_of(gone: Stay) -> tuple[str, int] | None:
        """The life that it has where it went."""
        to = gone.went_to or ""
        those = dict.fromkeys([*lives.get((to, gone.origin), []), *lives.get((to, to), [])])
        begin = "arrived", gone.universe
        fitting = (one for one in those if left[one] and begin == _came(left[one][0]))
        return next(fitting, None)

    added = list[tuple[str, int]]()
    add(sorted(stays, key=lambda one: stays[one][0].came_from is not None))
    while to_do:
        *_, at = heappop(to_do)
        while left[at]:
            stay = left[at].popleft()
            yield stay
            add(forks.pop(at[0], []))
            if left[at] and _came(left[at][0]) == ("returned", stay.went_to):
                continue  # another journey led to where it has a life
            if (there := next_of(stay)) is not None:
                add([at])
                at = there


def _ways_of(name: str, histories: Histories) -> tuple[list[Crossing], set[str]]:
    """Its crossings, and what it is called: a traveller may be named after its soul, and be called
    otherwise where it arrived."""
    tellers = _tellers(name, histories)
    above = {
        universe: frozenset(histories.forks.ancestry(universe))
        for universe in (histories.universes() if tellers else ())
    }

    def is_its_soul(way: Crossing) -> bool:
        theirs = above.get(way.source, frozenset())
        return any(not theirs.isdisjoint(tellers.get(each, ())) for each in (way.entity, way.soul))

    by_name: dict[str, list[Crossing]] = {}
    for one in histories.crossings:
        for each in _names(one):
            by_name.setdefault(each, []).append(one)
    called, found, left = {name}, set[Crossing](), [name]
    more = [one for one in histories.crossings if is_its_soul(one)]
    while more or left:
        found.update(more)
        new = {each for one in more for each in (one.entity, one.name_there)} - called
        called |= new
        left += new
        more = by_name.pop(left.pop(), []) if left else []
    return [one for one in histories.crossings if one in found], called


def _tellers(name: str, histories: Histories) -> dict[str, set[str]]:
    """Universes that tell of it with a soul, by that soul: of those that anybody travels as."""
    travel = {each for one in histories.crossings for each in (one.entity, one.soul)}
    tellers: dict[str, set[str]] = {}
    for universe in histories.universes() if travel else ():
        for one in histories.events(universe):
            if one.event.entities == (name,):
                for soul in travel.intersection(one.event.souls):
                    tellers.setdefault(soul, set()).add(universe)
    return tellers


def souls_in(histories: Histories) -> tuple[str, ...]:
    """All that anybody tells of, by name."""
    named = {soul for one in histories.all_events() for soul in one.event.souls}
    named |= {one.soul for one in histories.crossings if one.soul}
    return tuple(sorted(named))


def _names(one: Crossing) -> set[str]:
    return {one.entity, one.name_there, one.soul} - {""}
