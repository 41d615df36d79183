"""Lenia, macrocells, the small pattern formats, neat-python and Bibites."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.formats import Format, InvalidFile, read
from registry.formats.cells import (
    pattern_of_cells,
    pattern_of_life105,
    pattern_of_life106,
    write_cells,
    write_life106,
)
from registry.formats.limits import MACROCELL_LEVEL_MAX
from registry.formats.macrocell import pattern_of_macrocell, write_macrocell
from registry.formats.patterns import Pattern, Run, bounds_of, rows_of
from tests.registry.formats import files


def test_animals_stand_under_their_headings() -> None:
    first, second = read(Format.LENIA, files.ANIMALS, "animals.json")
    assert (first.name, second.name) == ("Orbium unicaudatus", "Orbium unicaudatus ignis")
    assert first.data in files.ANIMALS
    assert json.loads(first.data)["code"] == "O2u"
    assert first.tags == ("lenia", "exokernel", "orbiformes", "o-orbidae", "haplorbinae")
    assert first.description.startswith("球虫(單尾) · class: Exokernel · order: Orbiformes")
    shown = {key: first.fields[key] for key in ("R", "T", "b", "m", "s", "width", "height")}
    assert shown == {"R": 13, "T": 10, "b": "1", "m": 0.15, "s": 0.015, "width": 20, "height": 20}


def test_found_animals_stand_between_remarks() -> None:
    first, second = read(Format.LENIA, files.FOUND, "found.json")
    assert (first.fields["kernels"], first.fields["channels"]) == (2, 1)
    assert first.name == "found 1"
    assert second.fields["channels"] == 2
    assert first.data in files.FOUND


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('[{"code":"a","params":{"R":1,"m":0,"s":0}}]', "/0/cells: is missing"),
        ('[{"code":"a","cells":"A!"}]', "/0/params: is missing"),
        ('[{"code":"a","params":{"R":"1","m":0,"s":0},"cells":"A!"}]', "/0/params/R: must be a n"),
        ('[{"code":"a","params":[],"cells":"A!"}]', "at least one kernel"),
        (
            '[{"code":"a","params":{"R":1000000000,"m":0,"s":0},"cells":"A!"}]',
            "/0/params/R: must be",
        ),
        (
            '[{"code":"a","params":{"R":-1,"m":0,"s":0},"cells":"A!"}]',
            "/0/params/R: must be above 0",
        ),
        (
            '[{"code":"a","params":[{"R":1,"m":0,"s":0},{"R":10001,"m":0,"s":0}],"cells":"A!"}]',
            "/0/params/1/R: must be above 0 and at most 10,000",
        ),
        (
            '[{"code":"a","params":{"R":1,"m":0,"s":0},"cells":"90000000A!"}]',
            "/0/cells: 90,000,000 × 1 cells, of at most 4,000,000",
        ),
        (
            '[{"code":"a","params":{"R":1,"m":0,"s":0},"cells":"A90000$90000.A!"}]',
            "/0/cells: 90,001 × ",
        ),
        ('[{"code":"a","params":{"R":1,"m":0,"s":0},"cells":"A?!"}]', "/0/cells: character 2: '"),
        ('[{"code":"a","params":{"R":1,"m":0,"s":0},"cells":"9999999999A!"}]', "a run of"),
        ('[{"code":"a","params":{"R":1,"m":0,"s":0},"cells":["A!",7]}]', "/0/cells: character 1"),
        ("[1]", "/0: must be an object"),
        ('"only"\n"remarks"', "holds nothing to publish"),
        ('"a"\n{"code"', "line 2, column 8"),
    ],
)
def test_what_is_no_animal(text: str, why: str) -> None:
    with pytest.raises(InvalidFile, match=why):
        read(Format.LENIA, text.encode(), "animals.json")


def test_a_network_of_neat_python() -> None:
    (found,) = read(Format.NEAT_NETWORK, files.XOR, "xor_network.json")
    assert found.data == files.XOR
    assert (found.fitness_score, found.tags) == (3.2932370792870644, ("neat", "feedforward"))
    assert (found.fields["inputs"], found.fields["outputs"], found.fields["nodes"]) == (2, 1, 4)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('"1.0",', '"2.0",', "/format_version: '2.0' is not known"),
        ("feedforward", "magic", "/network_type: 'magic' is none of"),
        ('"from": 123', '"from": 124', "/connections/2/from: there is no node 124"),
        ('"id": 0', '"id": 123', "/nodes/1/id: there is a node 123 already"),
        ('"enabled": true', '"enabled": 1', "/connections/0/enabled: must be true or false"),
        ('"hidden"', '"magic"', "/nodes/0/type: 'magic' is none of hidden, input, output"),
    ],
)
def test_what_is_no_network(old: str, new: str, why: str) -> None:
    with pytest.raises(InvalidFile, match=why):
        read(Format.NEAT_NETWORK, files.XOR.decode().replace(old, new).encode(), "x.json")


def test_a_bibite_of_whatever_version() -> None:
    (found,) = read(Format.BIBITES, files.BIBITE, "basic.bb8template")
    assert found.data == files.BIBITE
    assert (found.name, found.description) == ("Basic", "A first one. It eats.")
    assert found.tags == ("bibites", "basicus")
    assert found.fields == {
        "nodes": 3, "hidden_nodes": 1, "connections": 2, "enabled_connections": 1, "genes": 2,
        "generation": 4, "version": "0.6.1a4", "species": "Basicus",
    }  # fmt: skip
    grown = json.loads(files.BIBITE)
    whole = {
        "brain": {"Nodes": grown["nodes"], "Synapses": grown["synapses"]},
        "genes": {"genes": {"Diet": 1}},
    }
    (animal,) = read(Format.BIBITES, b"\xef\xbb\xbf" + json.dumps(whole).encode(), "one.bb8")
    assert (animal.name, animal.fields["genes"], animal.fields["connections"]) == ("one", 1, 2)
    with pytest.raises(InvalidFile, match="has neither nodes nor genes"):
        read(Format.BIBITES, b'{"name":"a"}', "empty.bb8template")


GLIDER = ("B3/S23", [b"\0\1\0", b"\0\0\1", b"\1\1\1"])


def test_small_formats_of_patterns() -> None:
    for pattern in (
        pattern_of_cells(files.CELLS, "a"),
        pattern_of_life106(files.LIFE_106, "a"),
        pattern_of_macrocell(files.MACROCELL, "a"),
    ):
        assert (pattern.rule, rows_of(pattern, "a")) == GLIDER
    acorn = pattern_of_life105(files.LIFE_105, "a")
    assert rows_of(acorn, "a") == [b"\0\1\0\0\0\0\0", b"\0\0\0\1\0\0\0", b"\1\1\0\0\1\1\1"]
    assert (bounds_of(acorn).left, bounds_of(acorn).top) == (-3, -1)
    (found,) = read(Format.CELLS, files.CELLS, "a")
    assert (found.name, found.by, found.description) == (
        "Glider", "Richard K. Guy", "The smallest ship.",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("format", "data", "why"),
    [
        (Format.CELLS, b"!Name: x\n.O?", "line 2, column 3: '\\?' is no cell"),
        (Format.CELLS, b"!only words", "holds no line of cells"),
        (Format.LIFE_106, b"#Life 1.06\n1 2\n1 b", "line 3: '1 b' are no two numbers"),
        (Format.LIFE_106, b"#Life 1.06\n1 9999999999", "line 2: reaches further"),
        (Format.LIFE_105, b"#Life 1.06\n1 2", "line 1: must be #Life 1.05"),
        (Format.MACROCELL, b"[M1]", r"line 1: must begin with \[M2\]"),
        (Format.MACROCELL, b"[M2]\n4 0 0 0 1", "line 2: square 1 is not there yet"),
        (Format.MACROCELL, b"[M2]\n*$\n5 1 0 0 0", r"line 3: square 1 is of 2\^3, not 2\^4"),
        (Format.MACROCELL, b"[M2]\n*$\n99 1 0 0 0", f"2\\^{MACROCELL_LEVEL_MAX} are read"),
        (Format.MACROCELL, b"[M2]\n.........*$", "a leaf has 8 × 8 cells"),
        (Format.MACROCELL, b"[M2]\n1 256 0 0 0", "states go from 0 to 255"),
        (Format.MACROCELL, b"[M2]\n#R B3/S23\n", "holds no square"),
        (Format.MACROCELL, b"[M2]\nwords", "line 2: is neither a leaf nor five numbers"),
    ],
)
def test_what_is_no_pattern(format: Format, data: bytes, why: str) -> None:
    with pytest.raises(InvalidFile, match=why):
        read(format, data, "bad")


def test_more_cells_than_atoms_are_counted_and_not_written() -> None:
    full = [
        "[M2]",
        "********$" * 8,
        *(f"{4 + n} {1 + n} {1 + n} {1 + n} {1 + n}" for n in range(58)),
    ]
    (found,) = read(Format.MACROCELL, "\n".join(full).encode(), "full.mc")
    assert found.fields["population"] == "5.317e+36"
    with pytest.raises(InvalidFile, match="live cells: more than"):
        pattern_of_macrocell(found.data, "full.mc")


def test_states_of_macrocells() -> None:
    pattern = pattern_of_macrocell(files.MACROCELL_STATES, "wires.mc")
    assert pattern.rule == "WireWorld"
    assert [run.state for run in pattern.runs] == [1, 2, 3, 1, 2, 3]


PLACES = st.tuples(st.integers(-300, 300), st.integers(-300, 300))


def pattern_at(cells: set[tuple[int, int]], state: int) -> Pattern:
    """`state` 0: states that differ from place to place."""
    runs = (Run(y, x, 1, state or 1 + (x + y) % 255) for y, x in sorted(cells))
    return Pattern(tuple(runs), "B3/S23")


PATTERNS = st.builds(pattern_at, st.sets(PLACES, max_size=40), st.sampled_from([1, 0]))


def plain(pattern: Pattern) -> list[tuple[int, int, int]]:
    return [(run.y, run.x + at, run.state) for run in pattern.runs for at in range(run.length)]


@given(PATTERNS)
def test_macrocells_keep_every_cell_and_its_place(pattern: Pattern) -> None:
    assert plain(pattern_of_macrocell(write_macrocell(pattern), "a.mc")) == plain(pattern)


@given(PATTERNS)
def test_so_do_the_small_formats_of_those_with_two_states(pattern: Pattern) -> None:
    points = [(y, x) for y, x, _ in plain(pattern)]
    again = pattern_of_life106(write_life106(pattern, "a"), "a")
    assert [(y, x) for y, x, _ in plain(again)] == points
    if points:
        rows = [bytes(map(bool, row)) for row in rows_of(pattern, "a")]
        cells = pattern_of_cells(write_cells(pattern, "a"), "a")
        assert rows_of(cells, "a") == rows


def test_digits_of_other_scripts_are_no_numbers() -> None:
    """`int()` reads fewer of them than `str.isdigit` knows."""
    (found,) = read(Format.MACROCELL, b"[M2] (golly)\n#G 1\xc2\xb2\n$$*$\n", "a")
    assert "generation" not in found.fields
    assert found.description == "G 1²"
    headed = files.ANIMALS.replace(b'">1"', '">²"'.encode(), 1)
    assert headed != files.ANIMALS
    assert len(read(Format.LENIA, headed, "a")) == len(read(Format.LENIA, files.ANIMALS, "a"))
