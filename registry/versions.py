"""Semantic versions, and their places on the line that ranges are cut from.

The line has all releases first and all pre-releases after them, each in SemVer's order. There a
range such as `^1.2.3-beta`, which takes pre-releases of 1.2.3 but of nothing else, is a finite
union of intervals (`version_sets.py`).

```
(0, major, minor, patch)                    a release
(1, major, minor, patch, identifier, …)     a pre-release; an identifier is (0, number) or (1, text)
(2,)                                        the end of the line
```
Build metadata has no place: 1.0.0+a and 1.0.0+b are one version, and a module holds one of them.
"""

import functools
from collections.abc import Iterable

from semver import Version

from registry.errors import InvalidVersion, quoted

VERSION_CHARACTERS_MAX = 256  # npm's bound; python-semver itself parses 100 kB
# npm's; below it a number is the same in JSON and JavaScript, and int() never meets long digits.
NUMBER_MAX = 2**53 - 1
NUMBER_DIGITS_MAX = len(str(NUMBER_MAX))
# Most modules are at 1.0.0 or near it, and each version is read twice for every listing.
CACHED_MAX = 1_024

Identifier = tuple[int, int | str]
Place = tuple[int | Identifier, ...]
Triple = tuple[int, int, int]

FIRST_RELEASE: Place = (0, 0, 0, 0)
FIRST_PRERELEASE: Place = (1, 0, 0, 0, (0, 0))  # 0.0.0-0: every edge is a version
END: Place = (2,)

__all__ = ["Version", "parse_version", "place_of"]


@functools.lru_cache(CACHED_MAX)
def parse_version(text: str) -> Version:
    """Strict SemVer 2.0.0, bounded. Raises `InvalidVersion`."""
    if len(text) > VERSION_CHARACTERS_MAX:
        raise InvalidVersion(
            f"a version of {len(text)} characters, at most {VERSION_CHARACTERS_MAX}"
        )
    if not text.isascii():  # \d of python-semver's pattern takes digits of every script
        raise InvalidVersion(f"{quoted(text)} is not a version: letters, digits, dots and - only")
    core = text.partition("+")[0]
    numbers = [part for part in core.replace("-", ".").split(".") if part.isdigit()]
    if any(len(part) > NUMBER_DIGITS_MAX or int(part) > NUMBER_MAX for part in numbers):
        raise InvalidVersion(f"{quoted(text)}: a number above {NUMBER_MAX}")
    try:
        return Version.parse(text)
    except ValueError as error:
        raise InvalidVersion(f"{quoted(text)} is not a version such as 1.2.3") from error


def place_of(version: Version) -> Place:
    """Where the version stands on the line; equal for versions that differ in build metadata."""
    base = (version.major, version.minor, version.patch)
    if version.prerelease is None:
        return (0, *base)
    return (1, *base, *identifiers(version.prerelease))


def identifiers(prerelease: str) -> tuple[Identifier, ...]:
    """`beta.11` as ((1, "beta"), (0, 11)): numbers come before texts."""
    parts = prerelease.split(".")
    return tuple((0, int(part)) if part.isdigit() else (1, part) for part in parts)


def is_release(place: Place) -> bool:
    return place < FIRST_PRERELEASE


def after(place: Place) -> Place:
    """The next place: 1.2.4 follows 1.2.3, and 1.2.3-a.0 follows 1.2.3-a."""
    match place:
        case (0, int(major), int(minor), int(patch)):
            return (0, major, minor, patch + 1)
        case _:
            return (*place, (0, 0))


def newest(versions: Iterable[Version]) -> Version | None:
    """The highest release, else the highest pre-release: what `latest` means."""
    return max(versions, key=preference, default=None)


def preference(version: Version) -> tuple[bool, Place]:
    """Sorts what people want last: any release above every pre-release."""
    return version.prerelease is None, place_of(version)
