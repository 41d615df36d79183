"""cargo's version requirements, for manifests that come from that world.

A bare 1.2.3 is ^1.2.3, a comma is "and", there is no "or", and `*` stands alone. One quirk is left
out: cargo's `<=1` takes no pre-release of 1.
"""

import re

from registry.comparators import PARTIAL, Comparator, Partial, check_length, desugar, taken
from registry.errors import InvalidRange, quoted
from registry.version_sets import VersionSet

COMPARATORS_MAX = 32  # cargo's own bound

_TERM = re.compile(rf"\s*(?P<op>[<>]=?|[~^=])?\s*{PARTIAL}\s*", re.ASCII)


def parse_cargo_range(text: str) -> VersionSet:
    """The versions a requirement takes. Raises `InvalidRange`."""
    check_length(text)
    parts = text.split(",")
    if len(parts) > COMPARATORS_MAX:
        raise InvalidRange(f"{len(parts)} comparators, at most {COMPARATORS_MAX}")
    comparators: list[Comparator] = []
    for part in parts:
        match = _TERM.fullmatch(part)
        if not match or ("+" in part and match["patch"] is None):
            raise InvalidRange(f"{quoted(text)}: {quoted(part)} is not understood")
        comparators += _comparators(match, is_alone=len(parts) == 1)
    return taken(comparators)


def _comparators(match: re.Match[str], *, is_alone: bool) -> list[Comparator]:
    partial = Partial.of(match)
    wild = any(match[part] in ("x", "X", "*") for part in ("major", "minor", "patch"))
    if wild and (match["pre"] or (not partial.numbers and (match["op"] or not is_alone))):
        raise InvalidRange(f"{quoted(match[0].strip())}: * stands alone and ends what it is in")
    return desugar(match["op"] or ("" if wild else "^"), partial)
