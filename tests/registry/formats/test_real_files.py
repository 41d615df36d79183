"""What people have: every animal of Lenia, and every pattern of Debian's golly."""

from collections import Counter

import pytest

from registry.formats import Format, Found, detect, read
from registry.formats.cells import pattern_of_life105
from registry.formats.macrocell import pattern_of_macrocell
from registry.formats.patterns import Pattern, bounds_of
from registry.formats.rle import pattern_of_rle, write_rle
from tests.registry.formats.files import GOLLY, samples

COSTLY_BYTES = 4_000  # larger ones are read once, smaller ones written and read again too


def test_every_animal_of_lenia() -> None:
    folder = samples("lenia")
    data = (folder / "animals.json").read_bytes()
    found = read(Format.LENIA, data, "animals.json")
    assert len(found) == 548
    at = 0
    for one in found:  # each stands in the file, after the one before
        at = data.index(one.data, at) + len(one.data)
    assert len({one.name for one in found}) > 400
    assert Counter(one.fields["kernels"] for one in found) == {1: 548}
    for name, count in (("212", 44), ("221", 40), ("223", 21)):
        file = folder / f"found_{name}.json"
        assert detect(file.name, file.read_bytes()) is Format.LENIA
        assert len(read(Format.LENIA, file.read_bytes(), file.name)) == count
    again = [read(Format.LENIA, one.data, "again") for one in found]
    assert [one.data for (one,) in again] == [one.data for one in found]


def pattern_of(found: Found) -> Pattern | None:
    match found.format:
        case Format.RLE:
            return pattern_of_rle(found.data, "a")
        case Format.LIFE_105:
            return pattern_of_life105(found.data, "a")
        case Format.MACROCELL:
            return pattern_of_macrocell(found.data, "a")
        case _:
            return None


def moved(pattern: Pattern) -> list[tuple[int, int, int, int]]:
    box = bounds_of(pattern)
    return [(run.y - box.top, run.x - box.left, run.length, run.state) for run in pattern.runs]


def test_every_pattern_of_golly() -> None:
    if not GOLLY.is_dir():
        pytest.skip(f"no patterns in {GOLLY}: the package golly is not installed")
    formats: Counter[Format] = Counter()
    for file in sorted(path for path in GOLLY.rglob("*") if path.is_file()):
        data = file.read_bytes()
        format = detect(file.name, data)
        formats[format] += 1
        (found,) = read(format, data, file.name)
        assert found.data == data
        small = len(data) < COSTLY_BYTES and found.fields.get("squares", 0) == 0
        if small and (pattern := pattern_of(found)):
            again = pattern_of_rle(write_rle(pattern), file.name)
            assert (again.population, again.rule) == (found.fields["population"], pattern.rule)
            assert moved(again) == moved(pattern)
    assert formats[Format.RLE] >= 250
    assert formats[Format.MACROCELL] >= 25
