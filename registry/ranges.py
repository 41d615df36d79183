"""npm's version ranges, the dialect of gen.toml.

```
range       = alternative *( "||" alternative )
alternative = version " - " version  |  *term                 a space is "and"; none is "*"
term        = [ "^" | "~" | "~>" | "<" | "<=" | "=" | ">=" | ">" ] partial
partial     = 1 | 1.2 | 1.2.3 | 1.2.3-beta.1 | 1.x | *         a bare 1.2.3 is exact
```
Three quirks of npm are left out: `^1.x.3` is refused; alternatives beside a `*` still count, and so
does the bound `>=0.0.0`, which shows only with pre-releases.
"""

import re
from functools import lru_cache

from registry.comparators import PARTIAL, Comparator, Partial, check_length, desugar, taken
from registry.errors import InvalidRange, quoted
from registry.version_sets import VersionSet

_TERM = re.compile(rf"(?P<op>[<>]=?|~>?|\^|=)?\s*v?{PARTIAL}(?=\s|$)\s*", re.ASCII)
_HYPHEN = re.compile(r"(\S+)\s+-\s+(\S+)", re.ASCII)


# One range is asked for again and again, by the resolver and of every advisory. A set of a text of
# 256 characters takes some 15 KB at the most, so all of them 4 MB.
@lru_cache(maxsize=256)
def parse_range(text: str) -> VersionSet:
    """The versions a range takes. Raises `InvalidRange`."""
    check_length(text)
    result = VersionSet.empty()
    for alternative in text.split("||"):
        result |= taken(_comparators(alternative.strip()))
    return result


def _comparators(text: str) -> list[Comparator]:
    if hyphen := _HYPHEN.fullmatch(text):
        return _between(text, hyphen[1], hyphen[2])
    comparators: list[Comparator] = []
    at = 0
    while at < len(text):
        match = _TERM.match(text, at)
        if not match:
            hint = "; a space is the word for and: >=1 <2" if "," in text else ""
            raise InvalidRange(
                f"{quoted(text)} is not a range: not understood at {quoted(text[at:])}{hint}"
            )
        comparators += desugar(match["op"] or "", Partial.of(match))
        at = match.end()
    return comparators


def _between(text: str, low: str, high: str) -> list[Comparator]:
    floor, ceiling = _TERM.fullmatch(low), _TERM.fullmatch(high)
    if not floor or not ceiling or floor["op"] or ceiling["op"]:
        raise InvalidRange(f"{quoted(text)}: two versions belong around a hyphen")
    return [*desugar(">=", Partial.of(floor)), *desugar("<=", Partial.of(ceiling))]
