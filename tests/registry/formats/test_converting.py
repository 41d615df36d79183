"""From program to program: what is kept, what is lost, and that it is said."""

import json
import math
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.formats import (
    CONVERSIONS,
    Conversion,
    Format,
    InvalidFile,
    NoConversion,
    convert,
    item_of,
    read,
)
from registry.formats.errors import NoItem
from registry.formats.json_text import Token, compact, indented, parse_verbatim, write
from registry.formats.patterns import rows_of
from registry.formats.patterns_out import READERS
from tests.registry.formats import files

F = Format


@pytest.mark.parametrize("way", CONVERSIONS, ids=lambda way: f"{way.source}-{way.target}")
def test_every_way_in_the_table_leads_to_what_it_says(way: Conversion) -> None:
    data = {F.RLE: b"x=3,y=3\nbo$2bo$3o!", F.PRIMORDIUM_LEGENDS: files.FOSSILS}.get(
        way.source
    ) or files.OF_FORMAT[way.source][0]
    if way.source is F.LENIA:
        data = read(F.LENIA, data, "a")[0].data
    made = convert(data, way.source, way.target, name="a-file")
    (found,) = read(way.target, made, "made")
    assert found.kind in ("genome", "seed")
    if way.source in READERS and way.target in READERS:
        before = rows_of(READERS[way.source](data, "a"), "a")
        assert rows_of(READERS[way.target](made, "a"), "a") == before


def test_a_genotype_and_its_json_come_back_character_by_character() -> None:
    for dna in (files.DNA.strip(), files.GENOTYPE):
        readable = convert(dna, F.PRIMORDIUM_GENOTYPE, F.PRIMORDIUM_JSON)
        assert convert(readable, F.PRIMORDIUM_JSON, F.PRIMORDIUM_GENOTYPE) == dna
    assert b"0.20000000298023224" in convert(
        files.GENOTYPE, F.PRIMORDIUM_GENOTYPE, F.PRIMORDIUM_JSON
    )


def test_a_legend_gives_the_genotype_that_the_program_would_write() -> None:
    first = read(F.PRIMORDIUM_LEGENDS, files.LEGENDS, "legends.json")[0]
    assert convert(first.data, F.PRIMORDIUM_LEGENDS, F.PRIMORDIUM_GENOTYPE) == files.GENOTYPE
    assert convert(files.FOSSILS, F.PRIMORDIUM_LEGENDS, F.PRIMORDIUM_GENOTYPE) == files.GENOTYPE


def test_the_wikis_form_becomes_one_that_the_program_takes() -> None:
    flat = convert(files.HEXDNA2_CHECKED, F.PRIMORDIUM_HEXDNA2, F.PRIMORDIUM_GENOTYPE)
    genotype = json.loads(bytes.fromhex(flat.decode()))
    assert genotype["max_speed"] == 1.8
    assert genotype["brain"]["nodes"][1] == {"id": 21, "node_type": "Hidden", "label": None}
    assert genotype["brain"]["connections"][1]["weight"] == -0.3
    assert genotype["brain"]["next_node_id"] == 23
    assert convert(b"20|" + files.GENOTYPE, F.PRIMORDIUM_HEXDNA2, F.PRIMORDIUM_GENOTYPE) == (
        files.GENOTYPE
    )
    less = {key: value for key, value in files.WIKI.items() if key != "life_history"}
    with pytest.raises(NoConversion, match="does not say reproductive_investment, maturity_gene"):
        convert(
            b"20|" + json.dumps(less).encode().hex().encode(),
            F.PRIMORDIUM_HEXDNA2,
            F.PRIMORDIUM_GENOTYPE,
        )


def test_a_traveller_comes_back_as_it_left() -> None:
    options = {"energy": "12.5", "fingerprint": "world"}
    sent = convert(files.GENOTYPE, F.PRIMORDIUM_GENOTYPE, F.PRIMORDIUM_MIGRATION, options)
    assert convert(sent, F.PRIMORDIUM_MIGRATION, F.PRIMORDIUM_GENOTYPE) == files.GENOTYPE
    (found,) = read(F.PRIMORDIUM_MIGRATION, sent, "sent")
    assert (found.fields["energy"], found.fields["fingerprint"]) == (12.5, "world")
    with pytest.raises(NoConversion, match=r"no option 'speed' on the way .*; there are: energy"):
        convert(files.GENOTYPE, F.PRIMORDIUM_GENOTYPE, F.PRIMORDIUM_MIGRATION, {"speed": "1"})


SCALARS = (
    st.integers(-(2**63), 2**63 - 1)
    | st.booleans()
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False)
)
TABLES = st.dictionaries(
    st.text(),
    SCALARS | st.lists(SCALARS, max_size=4) | st.dictionaries(st.text(), SCALARS, max_size=4),
    max_size=6,
)


@given(TABLES)
def test_settings_mean_the_same_in_json_and_toml(settings: dict[str, object]) -> None:
    whole = {"world": {"width": 1, "inner": settings}, "target_fps": 60}
    text = json.dumps(whole).encode()
    toml = convert(text, F.PRIMORDIUM_CONFIG_JSON, F.PRIMORDIUM_CONFIG)
    assert tomllib.loads(toml.decode()) == whole
    if toml.count(b".") < 100:  # a line of dots is refused, whoever wrote it
        again = convert(toml, F.PRIMORDIUM_CONFIG, F.PRIMORDIUM_CONFIG_JSON)
        assert json.loads(again) == whole


@pytest.mark.parametrize(
    ("settings", "why"),
    [("a = 1979-05-27", "JSON has no dates"), ("a = inf", "no number inf"), ("a = -nan", "-nan")],
)
def test_what_json_cannot_say(settings: str, why: str) -> None:
    with pytest.raises(NoConversion, match=why):
        convert(f"[world]\n{settings}\n".encode(), F.PRIMORDIUM_CONFIG, F.PRIMORDIUM_CONFIG_JSON)


def test_numbers_of_toml_become_such_of_json() -> None:
    toml = b"[world]\na = +1_000.50\nb = 1e3\nc = 0xff\nd = 0.10\n"
    made = convert(toml, F.PRIMORDIUM_CONFIG, F.PRIMORDIUM_CONFIG_JSON).decode()
    assert compact(made) == '{"world":{"a":1000.50,"b":1e3,"c":255,"d":0.10}}'
    with pytest.raises(NoConversion, match="TOML has no null"):
        convert(b'{"world":{"a":null}}', F.PRIMORDIUM_CONFIG_JSON, F.PRIMORDIUM_CONFIG)


PLAIN = st.recursive(
    st.none() | st.integers() | st.text() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


@given(PLAIN)
def test_json_is_laid_out_without_a_change_in_it(value: object) -> None:
    tight = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    assert compact(indented(tight)) == tight
    assert json.loads(indented(tight)) == value
    if not any(0xD800 <= ord(letter) < 0xE000 for letter in tight):
        assert write(parse_verbatim(tight, "a")) == tight


def test_a_token_is_the_text_it_was() -> None:
    assert write([Token("1.50"), 1, "1.50"]) == '[1.50,1,"1.50"]'
    assert math.isclose(json.loads(write({"a": Token("1e-7")}))["a"], 1e-7)


def test_brains_as_networks_of_neat_python() -> None:
    made = convert(files.GENOTYPE, F.PRIMORDIUM_GENOTYPE, F.NEAT_NETWORK)
    (found,) = read(F.NEAT_NETWORK, made, "brain.json")
    assert (found.fields["nodes"], found.fields["connections"]) == (8, 2)
    assert b"0.20000000298023224" in made
    bibite = json.loads(convert(files.BIBITE, F.BIBITES, F.NEAT_NETWORK))
    assert [row["weight"] for row in bibite["connections"]] == [1.5, -2.0]
    assert bibite["nodes"][1]["activation"] == {"name": "tanh", "custom": False}


def test_states_beyond_two_do_not_fit_everywhere() -> None:
    wires = b"x = 3, y = 1, rule = WireWorld\nABC!"
    assert read(F.MACROCELL, convert(wires, F.RLE, F.MACROCELL), "a")[0].fields["population"] == 3
    with pytest.raises(NoConversion, match="cells have 4 states there"):
        convert(wires, F.RLE, F.CELLS)


def test_one_of_several_items_has_to_be_named() -> None:
    with pytest.raises(NoItem, match=r"several items, 1 to 2: say which one with --item: 1 .+, 2 "):
        convert(files.ANIMALS, F.LENIA, F.RLE)
    found = read(F.LENIA, files.ANIMALS, "a")
    assert item_of(found, 2) is found[1]
    for number in (0, 3, None):
        with pytest.raises(NoConversion):
            item_of(found, number)


def test_where_nothing_leads_the_ways_that_there_are_are_said() -> None:
    with pytest.raises(NoConversion, match=r"from rle ways lead to macrocell, cells, life-106"):
        convert(b"x=1,y=1\no!", F.RLE, F.BIBITES)
    with pytest.raises(NoConversion, match="no way leads on"):
        convert(files.XOR, F.NEAT_NETWORK, F.RLE)
    with pytest.raises(InvalidFile):
        convert(b"no pattern?", F.RLE, F.CELLS)
    assert convert(files.XOR, F.NEAT_NETWORK, F.NEAT_NETWORK) == files.XOR
