"""Indexes for the resolver: of published test cases, and made up by size."""

import random
import re
from collections.abc import Mapping, Sequence
from typing import Any

from registry.ranges import parse_range
from registry.resolver import Offer
from registry.version_sets import VersionSet
from registry.versions import Version


class MemoryIndex:
    """Fits `resolver.Index`; one entry a version: name, version, deps, yanked."""

    def __init__(self, entries: Sequence[Mapping[str, Any]]) -> None:
        self._packages: dict[str, dict[Version, Mapping[str, Any]]] = {}
        for entry in entries:
            version = padded(entry["version"])
            self._packages.setdefault(entry["name"], {})[version] = entry

    def offers(self, package: str) -> Sequence[Offer]:
        held = self._packages.get(package, {})
        return [
            Offer(version, entry.get("deps", {}), bool(entry.get("yanked")))
            for version, entry in held.items()
        ]

    def versions(self, package: str) -> Sequence[Version]:
        return list(self._packages.get(package, {}))

    def dependencies(self, package: str, version: Version) -> Mapping[str, str]:
        found: Mapping[str, str] = self._packages[package][version].get("deps", {})
        return found

    def is_yanked(self, package: str, version: Version) -> bool:
        return bool(self._packages[package][version].get("yanked"))


def index_of(packages: Mapping[str, Mapping[str, str]]) -> MemoryIndex:
    """`index_of({"a 1.0.0": {"b": "^1"}})`; a `!` after the version means yanked."""
    entries: list[dict[str, Any]] = []
    for title, needs in packages.items():
        name, _, version = title.partition(" ")
        is_yanked = version.endswith("!")
        entries.append(
            {"name": name, "version": version.rstrip("!"), "deps": needs, "yanked": is_yanked}
        )
    return MemoryIndex(entries)


def padded(text: str) -> Version:
    """`1` means 1.0.0 in Poetry's cases."""
    return Version.parse(text, optional_minor_and_patch=True)


def as_npm(text: str) -> VersionSet:
    """pub's and Poetry's constraints in npm's dialect: a bare or `==` version is exact."""
    plain = text.replace("any", "*").replace("==", "=").replace(",", " ")
    short = r"(?<![\w.+-])\d+(?:\.\d+)?(?=\s|$)"  # 1 and 1.2, which npm would take for wildcards
    return parse_range(re.sub(short, lambda found: str(padded(found[0])), plain))


def layered(packages: int, versions: int, *, seed: int) -> MemoryIndex:
    """Packages that each need up to three later ones, always solvable by the newest."""
    chance = random.Random(seed)
    entries: list[dict[str, Any]] = []
    for number in range(packages):
        later = range(number + 1, min(packages, number + 50))
        for minor in range(versions):
            needs = chance.sample(later, k=min(len(later), chance.randint(0, 3)))
            entries.append(
                {
                    "name": f"p{number:04}",
                    "version": f"1.{minor}.0",
                    "deps": {f"p{need:04}": f">=1.{max(0, minor - 3)}.0" for need in needs},
                }
            )
    return MemoryIndex(entries)


def chain(length: int, versions: int) -> MemoryIndex:
    """Every version of each link takes any of the next; the last one wants what nobody has."""
    entries = [
        {
            "name": f"link{at}",
            "version": f"{number}.0.0",
            "deps": {f"link{at + 1}": "*"} if at + 1 < length else {"gone": "^9"},
        }
        for at in range(length)
        for number in range(1, versions + 1)
    ]
    return MemoryIndex([*entries, {"name": "gone", "version": "1.0.0"}])


def three_sat(variables: int, clauses: int, *, seed: int) -> tuple[MemoryIndex, dict[str, str]]:
    """A random 3-SAT problem: a variable is a package of versions 1 (true) and 2 (false)."""
    chance = random.Random(seed)
    entries: list[dict[str, Any]] = [
        {"name": f"v{number}", "version": f"{value}.0.0"}
        for number in range(variables)
        for value in (1, 2)
    ]
    for clause in range(clauses):
        chosen = chance.sample(range(variables), 3)
        entries += [
            {
                "name": f"c{clause}",
                "version": f"{way + 1}.0.0",
                "deps": {f"v{variable}": f"{chance.randint(1, 2)}.0.0"},
            }
            for way, variable in enumerate(chosen)
        ]
    return MemoryIndex(entries), {f"c{clause}": "*" for clause in range(clauses)}
