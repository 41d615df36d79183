"""Packages that need one another in a circle."""

from collections.abc import Iterator, Mapping, Set


def circles(needs: Mapping[str, Set[str]]) -> Iterator[tuple[str, ...]]:
    """Circles that together hold every package on one, each by the shortest way around.

    In the order of names; the first package is not repeated at the end.
    """
    knot = _knot(needs)
    told: set[str] = set()
    for start in sorted(knot):
        if start not in told and (circle := _shortest_circle(start, knot)):
            told.update(circle)
            yield circle


def _knot(needs: Mapping[str, Set[str]]) -> dict[str, Set[str]]:
    """What is left when packages that need nothing more are taken away, again and again."""
    knot = dict(needs)
    waits = {package: len(needed & needs.keys()) for package, needed in needs.items()}
    askers: dict[str, list[str]] = {}
    for package, needed in needs.items():
        for one in needed:
            askers.setdefault(one, []).append(package)
    free = [package for package, count in waits.items() if not count]
    while free:
        gone = free.pop()
        del knot[gone]
        for asker in askers.get(gone, ()):
            waits[asker] -= 1
            if not waits[asker]:
                free.append(asker)
    return knot


def _shortest_circle(start: str, needs: Mapping[str, Set[str]]) -> tuple[str, ...] | None:
    """The shortest way from `start` back to it, by breadth."""
    came: dict[str, str] = {}
    level = [start]
    while level:
        following: list[str] = []
        for package in level:
            for needed in sorted(needs.get(package, ())):
                if needed == start:
                    return _way_back(package, start, came)
                if needed not in came:
                    came[needed] = package
                    following.append(needed)
        level = following
    return None


def _way_back(last: str, start: str, came: Mapping[str, str]) -> tuple[str, ...]:
    way = [last]
    while way[-1] != start:
        way.append(came[way[-1]])
    return tuple(reversed(way))
