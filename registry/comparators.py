"""What `^`, `~`, wildcards and missing numbers stand for: comparators, and the sets they take.

`ranges.py` reads a text into `Partial`s, `desugar`s each to comparators, and lets `taken` cut the
set. The rule for pre-releases is npm's and cargo's alike: one is taken only where a comparator
names a pre-release of the same x.y.z.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

from registry.errors import InvalidRange, quoted
from registry.version_sets import Interval, VersionSet
from registry.versions import (
    END,
    FIRST_PRERELEASE,
    FIRST_RELEASE,
    NUMBER_DIGITS_MAX,
    NUMBER_MAX,
    Identifier,
    Place,
    Triple,
    after,
    identifiers,
)

RANGE_CHARACTERS_MAX = 256  # npm's own bound; PyPI node-semver takes 5 s for 50,000 spaces

_NUMBER = r"(?:0|[1-9]\d*)"
_PART = rf"(?:{_NUMBER}|[xX*])"
_IDENTIFIER = rf"(?:{_NUMBER}|\d*[a-zA-Z-][0-9a-zA-Z-]*)"
PARTIAL = (
    rf"(?P<major>{_PART})(?:\.(?P<minor>{_PART})(?:\.(?P<patch>{_PART})"
    rf"(?:-(?P<pre>{_IDENTIFIER}(?:\.{_IDENTIFIER})*))?)?)?"
    r"(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)


class Comparator(NamedTuple):
    """`op` is one of < <= = >= >."""

    op: str
    base: Triple
    pre: tuple[Identifier, ...] = ()


class Partial(NamedTuple):
    """`1.2.x` is (1, 2): the numbers before a wildcard, and the pre-release of a full version."""

    numbers: tuple[int, ...]
    pre: tuple[Identifier, ...]

    @classmethod
    def of(cls, match: re.Match[str]) -> "Partial":
        """From a match of `PARTIAL`. Raises `InvalidRange` for `1.x.3` and for huge numbers."""
        parts = [match[part] for part in ("major", "minor", "patch") if match[part] is not None]
        wild = [part in "xX*" for part in parts]
        if wild != sorted(wild):
            raise InvalidRange(f"{quoted(match[0].strip())}: a number after a wildcard")
        numbers = [_number(part) for part in parts[: wild.count(False)]]
        pre = match["pre"]
        if pre is None or len(numbers) < 3:
            return cls(tuple(numbers), ())
        for part in pre.split("."):
            if part.isdigit():
                _number(part)
        return cls(tuple(numbers), identifiers(pre))

    @property
    def floor(self) -> Triple:
        major, minor, patch, *_ = (*self.numbers, 0, 0, 0)
        return major, minor, patch

    def above(self, places: int) -> Triple:
        """The first release after all that share the first `places` numbers."""
        numbers = [*self.numbers[:places], 0, 0, 0]
        numbers[places - 1] = _number(str(numbers[places - 1] + 1))
        return numbers[0], numbers[1], numbers[2]


def check_length(text: str) -> None:
    """Raises `InvalidRange` before any pattern sees a long text."""
    if len(text) > RANGE_CHARACTERS_MAX:
        raise InvalidRange(f"a range of {len(text)} characters, at most {RANGE_CHARACTERS_MAX}")


def desugar(op: str, partial: Partial) -> list[Comparator]:
    """The comparators that one term of a range stands for; none means everything."""
    known = len(partial.numbers)
    if op in ("~", "~>", "^"):
        return _compatible(op, partial) if known else []
    if known == 3:
        return [Comparator(op or "=", partial.floor, partial.pre)]
    if not known:
        return [_below((0, 0, 0))] if op in ("<", ">") else []  # `<*` takes nothing
    match op:
        case ">":
            return [Comparator(">=", partial.above(known))]
        case ">=":
            return [Comparator(">=", partial.floor)]
        case "<":
            return [_below(partial.floor)]
        case "<=":
            return [_below(partial.above(known))]
        case _:
            return [Comparator(">=", partial.floor), _below(partial.above(known))]


def _compatible(op: str, partial: Partial) -> list[Comparator]:
    """`^` keeps up to and with the first number that is not zero, `~` the first two."""
    known = len(partial.numbers)
    if op == "^":
        leading = next((at for at, number in enumerate(partial.numbers) if number), known - 1)
        places = leading + 1
    else:
        places = min(known, 2)
    return [Comparator(">=", partial.floor, partial.pre), _below(partial.above(places))]


def taken(comparators: Sequence[Comparator]) -> VersionSet:
    """Versions that meet all; a pre-release only where one names a pre-release of its x.y.z."""
    named = {each.base for each in comparators if each.pre}
    result = VersionSet.of(
        [
            (FIRST_RELEASE, FIRST_PRERELEASE),
            *((_lowest_pre(base), _lowest_pre(_next_patch(base))) for base in named),
        ]
    )
    for each in comparators:
        result &= VersionSet.of(met(each))
    return result


def met(comparator: Comparator) -> list[Interval]:
    """The releases and all the pre-releases that one comparator takes in SemVer's plain order."""
    op, base, pre = comparator
    release: Place = (0, *base)
    # Pre-releases of 1.2.3 lie below 1.2.3, so a release's cut among them is the end of its own.
    here: Place = (1, *base, *pre) if pre else _lowest_pre(_next_patch(base))
    cut = release if pre or op in (">=", "<") else after(release)
    pre_cut = after(here) if pre and op in (">", "<=") else here
    match op:
        case ">" | ">=":
            return [(cut, FIRST_PRERELEASE), (pre_cut, END)]
        case "<" | "<=":
            return [(FIRST_RELEASE, cut), (FIRST_PRERELEASE, pre_cut)]
        case _:
            return [(here, after(here)) if pre else (release, after(release))]


def _below(base: Triple) -> Comparator:
    """`<2.0.0-0`: below 2.0.0 and below all its pre-releases."""
    return Comparator("<", base, ((0, 0),))


def _lowest_pre(base: Triple) -> Place:
    return (1, *base, (0, 0))


def _next_patch(base: Triple) -> Triple:
    return base[0], base[1], base[2] + 1


def _number(text: str) -> int:
    if len(text) > NUMBER_DIGITS_MAX or int(text) > NUMBER_MAX:
        raise InvalidRange(f"{quoted(text)} is above {NUMBER_MAX}")
    return int(text)
