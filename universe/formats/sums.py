"""The checksums of a SaveFile: those that are SHA-256 are checked, the others counted.

```
checksums.multiverse, .overall          of the multiverse; of the file without its checksums
checksums.universes.<id>                of a universe
universes[n].checksums.entities …       .worldState; .components of all entities, one after another
```
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Final

from registry.formats.errors import InvalidFile, Place
from registry.formats.json_text import escaped
from registry.plain import as_list, as_map
from universe.formats.canonical import check_size, sha256_of, value_of
from universe.formats.costs import Bound, TooMuch
from universe.formats.imported import About, Report
from universe.formats.outline import Outline

SHA256: Final = re.compile(r"[0-9a-fA-F]{64}")


def check_sums(sums: "Sums", file: Outline, universes: Sequence[Outline]) -> None:
    """What does not agree, or cannot be checked, is in the report."""
    claimed = as_map(file.small.get("checksums")) or {}
    of_universes = as_map(claimed.get("universes")) or {}
    sums.check(claimed, "multiverse", "/checksums", lambda: sums.part(file, "multiverse"))
    sums.check(claimed, "overall", "/checksums", sums.without_checksums)
    for number, one in enumerate(universes):
        sums.check_universe(one, f"/universes/{number}/checksums", of_universes)
    sums.tell()


def components_of(entities: object) -> list[object]:
    """Of all of them, one after another."""
    listed = as_list(entities) or []
    lists = [as_list((as_map(each) or {}).get("components")) or [] for each in listed]
    return [component for each in lists for component in each]


class Sums:
    def __init__(self, data: bytes, path: str, report: Report, budget: Bound) -> None:
        self._data, self._path, self._report = data, path, report
        self._budget = budget
        self._worthless = 0
        self._beyond: list[str] = []
        """Why, of each that is not checked as too much was."""

    def check_universe(self, one: Outline, pointer: str, of_universes: Mapping[str, Any]) -> None:
        own = as_map(one.small.get("checksums")) or {}
        self._check_entities(one, pointer, own)
        self.check(own, "worldState", pointer, lambda: self.part(one, "worldState"))
        id = (as_map(one.small.get("identity")) or {}).get("id")
        key = id if isinstance(id, str) else ""
        self.check(of_universes, key, "/checksums/universes", lambda: self._value(*one.whole))

    def _check_entities(self, one: Outline, pointer: str, own: Mapping[str, Any]) -> None:
        """Two sums are of one text, which is taken apart once."""
        entities = cache(lambda: self.part(one, "entities"))
        self.check(own, "entities", pointer, entities)
        self.check(own, "components", pointer, lambda: components_of(entities()))

    def check(
        self, told: Mapping[str, Any], key: str, pointer: str, make: Callable[[], object]
    ) -> None:
        """`make`: the value that the checksum should be of. It may raise `InvalidFile`."""
        sum = told.get(key)
        if sum is None:
            return
        if not isinstance(sum, str) or not SHA256.fullmatch(sum):
            self._worthless += 1
            return
        try:
            found = sha256_of(make())
        except TooMuch as wrong:
            self._beyond.append(wrong.reason_text)
            return
        except InvalidFile as wrong:
            reason = f"cannot be checked: {wrong.reason_text}"
        else:
            if found == sum.lower():
                return
            reason = f"is the SHA-256 of something else: here it is {found}"
        place = Place(pointer=f"{pointer}/{escaped(key)}")
        self._report.tell(About.CHECKSUM, self._path, reason, place)

    def part(self, outline: Outline, key: str) -> object:
        if key not in outline.spans:
            raise InvalidFile(self._path, Place(pointer=f"/{key}"), f"there is no {key}")
        return self._value(*outline.spans[key])

    def without_checksums(self) -> object:
        value = as_map(self._value(0, len(self._data))) or {}
        return {key: each for key, each in value.items() if key != "checksums"}

    def tell(self) -> None:
        if self._worthless:
            reason = f"{self._worthless:,} checksums are no SHA-256: nothing can be checked by them"
            place = Place(pointer="/checksums")
            self._report.tell(About.CHECKSUM, self._path, reason, place)
        if self._beyond:
            reason = f"{len(self._beyond):,} checksums are not checked: {self._beyond[0]}"
            place = Place(pointer="/checksums")
            self._report.tell(About.CHECKSUM, self._path, reason, place)

    def _value(self, start: int, end: int) -> object:
        check_size(end - start, self._path)
        self._budget.spend(end - start, self._path)
        return value_of(self._data[start:end], self._path)
