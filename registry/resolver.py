"""Which versions go together: PubGrub, by nab-resolver, behind an interface of ours.

One version per package (docs/decisions/0011). The answer depends on the index, the requirements and
the lock alone: a locked version where it fits, else the newest release, else the newest
pre-release. What was asked for is decided before what only others need, so none of it could be
newer while the rest of it stays (docs/decisions/0070); then packages with the fewest choices come
first. A yanked version is chosen only where the lock or an exact pin of the requirements names it.

The solver sees versions as places (`versions.py`) and ranges as `VersionSet`s; neighbours with the
same dependencies are rejected together, without which two packages of 500 versions take minutes.
"""

import functools
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from nab_resolver.errors import ResolutionError, ResolutionTerminatedError
from nab_resolver.resolver import BaseProvider, Resolver
from nab_resolver.types import RangeProtocol

from registry.errors import InvalidRange, TooHard, Unsolvable
from registry.explanation import Explanation, Facts
from registry.ranges import parse_range
from registry.version_sets import VersionSet
from registry.versions import FIRST_RELEASE, Place, Version, after, place_of

# 1,000 packages take about 1,000 steps, a hard 3-SAT of 40 variables some 10,000; far beyond that
# no person waits.
STEPS_MAX = 100_000

Range = RangeProtocol[Place]


@dataclass(frozen=True, slots=True)
class Offer:
    """A version that is held."""

    version: Version
    dependencies: Mapping[str, str]
    """Package → range as written."""
    is_yanked: bool = False


class Index(Protocol):
    """What is known of packages. Answers must not change while a resolution runs."""

    def offers(self, package: str) -> Iterable[Offer]:
        """All versions held, in any order; none for an unknown package."""
        ...


@dataclass(frozen=True, slots=True)
class Resolution:
    """One version for each package that is needed, and what each asked for."""

    versions: Mapping[str, Version]
    dependencies: Mapping[str, Mapping[str, str]]
    steps: int


def never() -> bool:
    return False


def resolve(
    index: Index,
    requirements: Mapping[str, str],
    *,
    locked: Mapping[str, Version] | None = None,
    steps_max: int = STEPS_MAX,
    is_out_of_time: Callable[[], bool] = never,
    parse: Callable[[str], VersionSet] = parse_range,
) -> Resolution:
    """Versions that meet `requirements` (package → range) and all they depend on.

    Raises `InvalidRange` for a requirement, `Unsolvable` with an explanation in sentences, and
    `TooHard` after `steps_max` steps or once `is_out_of_time()`.
    """
    wanted = {package: parse(text) for package, text in sorted(requirements.items())}
    provider = _Provider(index, parse, dict(locked or {}), wanted, is_out_of_time)
    solver: Resolver[str, Place] = Resolver(
        provider,
        max_iterations=steps_max,
        range_type=VersionSet,
        root_version=FIRST_RELEASE,
    )
    try:
        places = solver.resolve(wanted)
    except ResolutionTerminatedError as error:
        raise TooHard(f"no answer within {steps_max} steps") from error
    except ResolutionError as error:
        raise _unsolvable(error, provider.facts(requirements)) from error
    return provider.resolution(places, solver.stats.rounds)


def _unsolvable(error: ResolutionError, facts: Facts) -> Unsolvable:
    assert error.incompatibility is not None  # only a terminated run has no proof
    explanation = Explanation.of(error.incompatibility, facts)
    return Unsolvable(str(explanation), explanation.missing)


@dataclass(frozen=True, slots=True)
class _Package:
    """What the index holds of one package, sorted by place."""

    places: tuple[Place, ...]
    versions: Mapping[Place, Version]
    needs: Mapping[Place, Mapping[str, str]]
    left_out: Mapping[Version, str]  # and why
    locked: Place | None
    runs: dict[Place, VersionSet] = field(default_factory=dict[Place, VersionSet])


class _Provider(BaseProvider[str, Place]):
    def __init__(
        self,
        index: Index,
        parse: Callable[[str], VersionSet],
        locked: Mapping[str, Version],
        wanted: Mapping[str, VersionSet],
        is_out_of_time: Callable[[], bool],
    ) -> None:
        self._index, self._locked, self._wanted = index, locked, wanted
        self._is_out_of_time = is_out_of_time
        self._parse = functools.cache(parse)
        self._package = functools.cache(self._load)
        self._spelled: dict[tuple[str, VersionSet], str] = {}

    # ── what the solver asks ─────────────────────────────────────────────────────────────────────

    def choose_version(self, package: str, version_range: Range) -> Place | None:
        if self._is_out_of_time():
            raise TooHard("no answer in time")
        return self._best(package, version_range)

    def has_satisfying_version(self, package: str, version_range: Range) -> bool:
        return self._best(package, version_range) is not None

    def prioritize(
        self,
        package: str,
        version_range: Range,
        conflict_counts: Mapping[str, int],
        culprit_counts: Mapping[str, int] | None = None,
    ) -> tuple[bool, int, str]:
        """What was asked for, then fewest choices: conflicts show early. Names settle the rest."""
        del conflict_counts, culprit_counts
        choices = _ours(version_range).count_in(self._package(package).places)
        return package not in self._wanted, choices, package

    def get_dependencies(self, package: str, version: Place) -> dict[str, VersionSet]:
        wanted = self._texts(package, version)
        found = {name: self._parse(wanted[name]) for name in sorted(wanted)}
        for name, accepts in found.items():
            self._spelled.setdefault((name, accepts), wanted[name])
        return found

    def widen_decision(self, package: str, version: Place) -> VersionSet:
        """One clause for all neighbours with the same dependencies, not one for each version."""
        known = self._package(package)
        if version not in known.runs:
            known.runs.update(_run_of(version, known))
        return known.runs[version]

    # ── what is known ────────────────────────────────────────────────────────────────────────────

    def facts(self, requirements: Mapping[str, str]) -> Facts:
        spelled = {(name, self._wanted[name]): text for name, text in requirements.items()}
        return Facts(
            spelled=self._spelled | spelled,
            known=lambda package: self._package(package).versions,
            left_out=lambda package: self._package(package).left_out,
        )

    def resolution(self, places: Mapping[str, Place], steps: int) -> Resolution:
        versions = {name: self._package(name).versions[places[name]] for name in sorted(places)}
        texts = {name: self._texts(name, places[name]) for name in versions}
        return Resolution(versions, texts, steps)

    def _best(self, package: str, version_range: Range) -> Place | None:
        known = self._package(package)
        if known.locked is not None and known.locked in version_range:
            return known.locked
        return _ours(version_range).best_of(known.places)

    def _texts(self, package: str, place: Place) -> Mapping[str, str]:
        return self._package(package).needs[place]

    def _load(self, package: str) -> _Package:
        left_out: dict[Version, str] = {}
        usable: dict[Place, Version] = {}
        needs: dict[Place, Mapping[str, str]] = {}
        by_place = {place_of(one.version): one for one in self._index.offers(package)}
        for place in sorted(by_place):
            one = by_place[place]
            if reason := self._reason_against(package, place, one):
                left_out[one.version] = reason
            else:
                usable[place], needs[place] = one.version, one.dependencies
        locked = self._locked.get(package)
        kept = place_of(locked) if locked is not None else None
        return _Package(tuple(usable), usable, needs, left_out, kept if kept in usable else None)

    def _reason_against(self, package: str, place: Place, one: Offer) -> str | None:
        """Why a version is no choice. The same all through a run, as the solver needs."""
        if package in one.dependencies:
            return "depends on itself"
        try:
            for text in one.dependencies.values():
                self._parse(text)
        except InvalidRange as error:
            return f"has a dependency nobody can read: {error.detail}"
        if one.is_yanked and not self._is_named(package, place):
            return "was yanked"
        return None

    def _is_named(self, package: str, place: Place) -> bool:
        """Whether the lock, or an exact pin of the requirements, asks for this very version."""
        locked = self._locked.get(package)
        if locked is not None and place_of(locked) == place:
            return True
        return self._wanted.get(package) == VersionSet.singleton(place)


def _run_of(place: Place, known: _Package) -> dict[Place, VersionSet]:
    """The interval of neighbours that depend on the very same, under each of them."""
    places, needs = known.places, known.needs
    wanted = needs[place]
    first = last = bisect_left(places, place)
    while first > 0 and needs[places[first - 1]] == wanted:
        first -= 1
    while last + 1 < len(places) and needs[places[last + 1]] == wanted:
        last += 1
    edge = places[last + 1] if last + 1 < len(places) else after(places[last])
    run = VersionSet(((places[first], edge),))
    return dict.fromkeys(places[first : last + 1], run)


def _ours(version_range: Range) -> VersionSet:
    assert isinstance(version_range, VersionSet)  # the solver was given `range_type=VersionSet`
    return version_range
