"""Two genomes, two seeds: what differs, however they are written."""

import json

import pytest
from hypothesis import given

from registry.formats import Change, Format, NotComparable, compare, convert, read
from registry.formats.comparing import CHANGES_MAX
from registry.formats.patterns import Pattern
from registry.formats.rle import write_rle
from tests.registry.formats import files
from tests.registry.formats.test_other_formats import PATTERNS

F = Format


def changed(**changes: object) -> bytes:
    return json.dumps({**files.SMALL, **changes}).encode()


def test_the_same_however_it_is_written() -> None:
    found = compare((F.PRIMORDIUM_GENOTYPE, files.GENOTYPE),
                    (F.PRIMORDIUM_JSON, files.GENOTYPE_JSON.encode()))  # fmt: skip
    assert (found.same_bytes, found.changes) == (False, ())
    assert found.summary == "written in another way, and the same"
    twice = (F.NEAT_NETWORK, files.XOR)
    assert compare(twice, twice).summary == "the same, byte for byte"


def test_a_brain_that_grew() -> None:
    brain = json.loads(json.dumps(files.SMALL["brain"]))
    brain["nodes"].append({"id": 99, "node_type": "Hidden", "label": "new"})
    brain["connections"][0]["weight"] = 2.5
    brain["connections"][1] = {**brain["connections"][1], "to": 99, "enabled": True}
    after = changed(brain=brain, max_speed=3.0)
    found = compare(
        (F.PRIMORDIUM_JSON, json.dumps(files.SMALL).encode()), (F.PRIMORDIUM_JSON, after)
    )
    assert [str(each) for each in found.changes] == [
        f"~ trait max_speed: {files.SMALL['max_speed']} → 3.0",
        "+ node 99: hidden, new",
        "~ connection 10 → 17: -1.5 → 2.5",
        "- connection 17 → 12: 0.25, off",
        "+ connection 17 → 99: 0.25",
    ]
    assert found.summary.startswith("1 × trait changed, 1 × node added, 1 × connection changed")


def test_settings_by_their_names_in_either_form() -> None:
    as_json = convert(files.CONFIG, F.PRIMORDIUM_CONFIG, F.PRIMORDIUM_CONFIG_JSON)
    other = as_json.replace(b'"width": 100', b'"width": 120').replace(b'"seed"', b'"seeds"')
    found = compare((F.PRIMORDIUM_CONFIG, files.CONFIG), (F.PRIMORDIUM_CONFIG_JSON, other))
    assert found.changes == (Change("changed", "setting", "world.width", 100, 120),)


def test_patterns_by_their_cells() -> None:
    before = (F.RLE, b"x=3,y=3\nbo$2bo$3o!")
    after = (F.RLE, b"x=4,y=3,rule=B36/S23\nbo$2bo$4o!")
    found = compare(before, after)
    assert [str(each) for each in found.changes] == [
        "~ rule: B3/S23 → B36/S23", "~ size: 3 × 3 → 4 × 3", "~ population: 5 → 6", "+ cells: 1",
    ]  # fmt: skip
    assert not compare(before, (F.CELLS, b".O\n..O\nOOO\n")).count
    states = compare((F.RLE, b"x=2,y=1,rule=Q\nAB!"), (F.RLE, b"x=2,y=1,rule=Q\nAC!"))
    assert [each.how for each in states.changes] == ["changed"]
    wide = (F.RLE, b"x=1,y=1\n9000000o$o!")
    assert not compare(wide, (F.RLE, b"x=1,y=1\n9000000o$o!\n")).count
    assert compare(wide, (F.RLE, b"x=1,y=1\n8999999obo$2o!")).count


def test_patterns_too_large_to_lay_out_are_the_same_wherever_they_stand() -> None:
    """A macrocell has its middle where the other formats have their top left corner."""
    large = b"x = 5002, y = 5001\no5000bo5000$o!\n"
    macrocell = convert(large, F.RLE, F.MACROCELL)
    assert compare((F.RLE, large), (F.MACROCELL, macrocell)).changes == ()
    moved = b"x = 9, y = 9\n7$7bo5000bo5000$7bo!\n"
    assert compare((F.RLE, large), (F.RLE, moved)).changes == ()
    other = b"x = 5002, y = 5001\no5000bo5000$bo!\n"
    (change,) = compare((F.RLE, large), (F.RLE, other)).changes
    assert (change.what, change.how) == ("cells", "changed")


def test_animals_by_parameters_and_cells() -> None:
    first, second = read(F.LENIA, files.ANIMALS, "a")
    found = compare((F.LENIA, first.data), (F.LENIA, second.data))
    assert found.changes[0] == Change("changed", "parameter", "m", 0.15, 0.11)
    assert {"cells", "population"} <= {each.what for each in found.changes}


def test_bibites_and_networks() -> None:
    grown = files.BIBITE.replace(b'"Diet": 0.1', b'"Diet": 0.2, "New": 1')
    found = compare((F.BIBITES, files.BIBITE), (F.BIBITES, grown))
    assert [str(each) for each in found.changes] == ["~ gene Diet: 0.1 → 0.2", "+ gene New: 1.0"]
    other = files.XOR.replace(b"sigmoid", b"tanh", 1)
    assert compare((F.NEAT_NETWORK, files.XOR), (F.NEAT_NETWORK, other)).changes[0].what == "node"


def test_what_has_nothing_to_compare() -> None:
    with pytest.raises(NotComparable, match=r"patterns and Bibites"):
        compare((F.RLE, b"x=1,y=1\no!"), (F.BIBITES, files.BIBITE))
    with pytest.raises(NotComparable, match="nothing compares unknown"):
        compare((F.UNKNOWN, b"a"), (F.UNKNOWN, b"b"))


def test_more_changes_than_anybody_reads_are_counted() -> None:
    genes = json.dumps({"nodes": [], "synapses": [], "genes": {}})
    many = json.dumps({"nodes": [{"Index": n, "Type": 1} for n in range(CHANGES_MAX + 5)],
                       "synapses": [], "genes": {"a": 1}})  # fmt: skip
    found = compare((F.BIBITES, genes.encode()), (F.BIBITES, many.encode()))
    assert (len(found.changes), found.count) == (CHANGES_MAX, CHANGES_MAX + 6)


@given(PATTERNS, PATTERNS)
def test_the_counts_of_cells_add_up(first: Pattern, second: Pattern) -> None:
    one, other = (F.RLE, write_rle(first)), (F.RLE, write_rle(second))
    assert not compare(one, one).count
    counts = {(each.what, each.how): each for each in compare(one, other).changes}
    gone = counts.get(("cells", "removed"))
    come = counts.get(("cells", "added"))
    lost, won = int(gone.before or 0) if gone else 0, int(come.after or 0) if come else 0
    assert first.population - lost + won == second.population
