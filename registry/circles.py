"""Packages that need one another in a circle."""

from collections.abc import Iterator, Mapping, Sequence, Set
from itertools import islice

CIRCLES_TOLD_MAX = 8  # a few lines; whoever breaks these sees the next ones
NAMES_TOLD_MAX = 12  # of one circle

Needs = Mapping[str, Set[str]]


def told_circles(needs: Needs, names: Mapping[str, str] | None = None) -> Iterator[str]:
    """The first few circles as people read them, `a → b → a`; `names` are the shorter ones."""
    found = circles(needs)
    for circle in islice(found, CIRCLES_TOLD_MAX):
        shown = [names[package] if names else package for package in circle[:NAMES_TOLD_MAX]]
        if more := len(circle) - len(shown):
            shown.append(f"{more} more")
        yield " → ".join((*shown, shown[0]))
    if next(found, None):
        yield "… and more of them"


def circles(needs: Needs) -> Iterator[tuple[str, ...]]:
    """Circles that together hold every package on one, each by the shortest way around.

    In the order of names; the first package is not repeated at the end. The first one takes time
    in proportion to `needs`, each further one as much at most: ask for no more than are told.
    """
    inner = _inner_needs(needs)
    told: set[str] = set()
    for start in sorted(inner):
        if start not in told:
            circle = _shortest_circle(start, inner)
            told.update(circle)
            yield circle


def _inner_needs(needs: Needs) -> dict[str, list[str]]:
    """Of every package on a circle those it needs that lead back to it, sorted.

    Source: Kosaraju and Sharir; what can be reached both ways has one number.
    """
    askers: dict[str, list[str]] = {}
    for package, needed in needs.items():
        for one in needed:
            askers.setdefault(one, []).append(package)
    numbers: dict[str, int] = {}
    for number, start in enumerate(reversed(_inmost_first(needs))):
        pending = [start]
        while pending:
            package = pending.pop()
            if package not in numbers:
                numbers[package] = number
                pending.extend(askers.get(package, ()))
    inner = {
        package: sorted(one for one in needed if numbers.get(one) == numbers[package])
        for package, needed in needs.items()
    }
    return {package: needed for package, needed in inner.items() if needed}


def _inmost_first(needs: Needs) -> list[str]:
    """Each package after those it needs, but for circles. Chains are long: no recursion."""
    order: list[str] = []
    seen: set[str] = set()
    for start in needs:
        stack = [] if start in seen else [(start, iter(needs[start]))]
        seen.add(start)
        while stack:
            package, rest = stack[-1]
            following = next((one for one in rest if one in needs and one not in seen), None)
            if following is None:
                order.append(package)
                stack.pop()
            else:
                seen.add(following)
                stack.append((following, iter(needs[following])))
    return order


def _shortest_circle(start: str, needs: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The shortest way from `start` back to it, by breadth; there is one."""
    came: dict[str, str] = {}
    level = [start]
    while start not in came:
        following: list[str] = []
        for package in level:
            for needed in needs[package]:
                if needed not in came:
                    came[needed] = package
                    following.append(needed)
        level = following
    way = [came[start]]
    while way[-1] != start:
        way.append(came[way[-1]])
    return tuple(reversed(way))
