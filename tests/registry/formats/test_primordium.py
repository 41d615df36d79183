"""Primordium: genomes in each of their forms, logs, settings, and the passage between worlds."""

import gzip
import json
import struct

import pytest

from registry.formats import (
    Format,
    InvalidFile,
    NoConversion,
    Place,
    detect,
    identity_of,
    read,
)
from registry.formats.primordium_migration import checksum, write_migration
from registry.formats.primordium_tables import Row, read_tables
from tests.registry.formats import files

GENOTYPE, JSON = Format.PRIMORDIUM_GENOTYPE, Format.PRIMORDIUM_JSON


def test_a_genotype_as_the_program_exports_it() -> None:
    (found,) = read(GENOTYPE, files.DNA, "exported_dna.txt")
    assert found.data == files.DNA
    assert (found.name, found.tags) == ("exported_dna", ("primordium",))
    assert found.fields["connections"] == 60
    assert found.fields["max_energy"] == 200.0
    (same,) = read(GENOTYPE, files.DNA.upper() + b"\r\n", "other.txt")
    assert same.data == files.DNA.upper() + b"\r\n"  # the bytes as they came, whatever they mean
    assert same.fields == found.fields


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"zz", "byte 0: 'z' is no hex digit"),
        (b"7b 7d", "byte 2: ' ' is no hex digit"),
        (b"7b7", "byte 3: an odd number"),
        (b"ff", "byte 0: the hex is not that of UTF-8"),
        (b"[]".hex().encode(), "/: must be an object"),
        (b'{"brain":{}}'.hex().encode(), "/brain/next_node_id: is missing"),
        (b'{"a":1,"a":2}'.hex().encode(), "line 1, column 8: the key 'a' occurs twice"),
        (b'{"a":NaN}'.hex().encode(), "'NaN' is no JSON"),
        ((b"[" * 100_000).hex().encode(), "deep"),
    ],
)
def test_what_is_no_genotype(data: bytes, why: str) -> None:
    with pytest.raises(InvalidFile, match=why):
        read(GENOTYPE, data, "dna.txt")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"max_speed": "1"}, "/max_speed: must be a number"),
        ({"lineage_id": "x"}, "/lineage_id: is no UUID"),
        ({"specialization_bias": [1, 2]}, "/specialization_bias: must be 3 numbers"),
        ({"brain": None}, "/brain: must be an object"),
        ({"regulatory_rules": [{"sensor": "Smell"}]}, "/regulatory_rules/0/sensor: 'Smell'"),
    ],
)  # fmt: skip
def test_what_the_program_would_not_take(change: dict[str, object], why: str) -> None:
    changed = json.dumps({**files.SMALL, **change}).encode()
    for format, data in ((JSON, changed), (GENOTYPE, changed.hex().encode())):
        with pytest.raises(InvalidFile, match=why):
            read(format, data, "dna")


def test_the_form_of_the_wiki() -> None:
    for data in (files.HEXDNA2, files.HEXDNA2_CHECKED):
        (found,) = read(Format.PRIMORDIUM_HEXDNA2, data, "wiki.txt")
        assert found.data == data
        assert (found.fields["nodes"], found.fields["enabled_connections"]) == (3, 1)
        assert (found.fields["generation"], found.lineage) == (42, "7f3a2c1e")
    (flat,) = read(Format.PRIMORDIUM_HEXDNA2, b"20|" + files.GENOTYPE, "flat.txt")
    assert flat.lineage == files.LINEAGE
    with pytest.raises(InvalidFile, match="the checksum is not that"):
        read(Format.PRIMORDIUM_HEXDNA2, files.HEXDNA2_CHECKED[:-2] + b"00", "wiki.txt")


def test_legends_know_their_parents() -> None:
    first, second = read(Format.PRIMORDIUM_LEGENDS, files.LEGENDS, "legends.json")
    assert first.data + b"\n" + second.data + b"\n" == files.LEGENDS
    assert (first.parents, second.parents) == ((), (first.identity,))
    assert (second.tick, second.offspring_count, second.lineage) == (902, 3, files.LINEAGE)
    assert (second.name, str(second.place)) == ("Legend of 7f3a2c1…", "line 2, column 1")
    assert second.fields["generation"] == 2


def test_fossils_are_kept_one_by_one_also_out_of_a_gz() -> None:
    (found,) = read(Format.PRIMORDIUM_LEGENDS, gzip.compress(files.FOSSILS), "fossils.json.gz")
    assert found.data in files.FOSSILS
    assert (found.name, found.tick, found.offspring_count) == ("Old ones", 77, 5)


def test_lineages_and_the_best_genomes_that_they_had() -> None:
    lineage, genome, other = read(Format.PRIMORDIUM_LINEAGES, files.LINEAGES, "lineages.json")
    assert (lineage.kind, genome.kind, other.kind) == ("lineage", "genome", "lineage")
    assert genome.data == files.GENOTYPE_JSON.encode()
    assert lineage.best_genotype == genome.identity == identity_of(genome.data)
    assert (lineage.civilization_level, lineage.is_extinct, lineage.start_tick) == (3, False, 7)
    assert (other.lineage, other.best_genotype, other.is_extinct) == ("other~/one", "", True)
    bad = files.LINEAGES.replace(b'"is_extinct":true', b'"is_extinct":1')
    with pytest.raises(InvalidFile, match="/lineages/other~0~1one/is_extinct: must be true or"):
        read(Format.PRIMORDIUM_LINEAGES, bad, "lineages.json")


def test_settings_of_a_world() -> None:
    (seed,) = read(Format.PRIMORDIUM_CONFIG, files.CONFIG, "config.toml")
    assert (seed.kind, seed.data) == ("seed", files.CONFIG)
    assert seed.description == "A world of 100 × 50 cells"
    assert seed.fields["target_fps"] == 60
    (other,) = read(Format.PRIMORDIUM_CONFIG_JSON, files.CONFIG_JSON, "seed.json")
    assert other.fields["seed"] == 7
    with pytest.raises(InvalidFile, match="line 2: "):
        read(Format.PRIMORDIUM_CONFIG, b"[world]\nwidth = = 1\n", "config.toml")
    with pytest.raises(InvalidFile, match="has none of the sections world, metabolism"):
        read(Format.PRIMORDIUM_CONFIG, b"[package]\nname = 'x'\n", "Cargo.toml")


def test_a_traveller_between_worlds() -> None:
    (found,) = read(Format.PRIMORDIUM_MIGRATION, files.MIGRATION, "migrant.json")
    assert (found.data, found.format) == (files.GENOTYPE, GENOTYPE)
    assert (found.name, found.fields["energy"], found.fields["generation"]) == (
        "Wanderer",
        100.1,
        5,
    )
    message = json.loads(files.MIGRATION)
    for key, value in (("energy", 100.2), ("generation", 6), ("dna", files.DNA.decode())):
        changed = {**message, "payload": {**message["payload"], key: value}}
        with pytest.raises(InvalidFile, match="/payload/checksum: is not that of"):
            read(Format.PRIMORDIUM_MIGRATION, json.dumps(changed).encode(), "migrant.json")


def test_the_checksum_is_that_of_the_program() -> None:
    """As it was found for the sample when its source was read."""
    assert checksum(files.DNA.decode(), 100.1, 5).startswith("3897a7000f499c9d")
    near = struct.unpack(">f", struct.pack(">f", 100.1))[0]
    assert checksum(files.DNA.decode(), near, 5) == checksum(files.DNA.decode(), 100.1, 5)


@pytest.mark.parametrize(
    "options", [{"energy": "1e39"}, {"energy": "nan"}, {"generation": "-1"}, {"migration_id": "x"}]
)
def test_a_traveller_that_no_world_takes_is_not_written(options: dict[str, str]) -> None:
    with pytest.raises(NoConversion, match="must be"):
        write_migration(files.GENOTYPE.decode(), options)


def test_rows_of_its_registry() -> None:
    dna = files.GENOTYPE.decode()
    submitted: Row = {
        "id": "1", "genotype": dna, "author": "ann", "name": "Swift", "description": "d",
        "tags": '["fast","green"]', "fitness_score": 1.5, "offspring_count": 2, "tick": 9,
        "downloads": 3, "lineage_id": "", "created_at": "2026-02-28",
    }  # fmt: skip
    tables: dict[str, dict[int, Row]] = {
        "lineages": {1: {"id": "lin", "start_tick": 4, "civilization_level": 2, "is_extinct": 1,
                         "best_genotype": dna}, 2: {"start_tick": 1}},
        "fossils": {1: {"lineage_id": "lin", "tick": 5, "genotype": dna, "legend_reason": "Gone"},
                    3: {"lineage_id": "lin", "tick": 6, "genotype": ""}},
        "genome_submissions": {1: submitted, 2: {"genotype": "not hex", "tags": "a, b"}},
        "seed_submissions": {1: {"name": "World", "config_json": '{"world":{}}', "max_pop": 10,
                                 "avg_tick_time": 0.5, "performance_summary": "quick"},
                             2: {"name": "Void"}},
    }  # fmt: skip
    unread = [(Place(table="fossils", row=2), "genotype is not UTF-8 from byte 3 on")]
    rows = read_tables(tables, "registry.db", unread)
    lineage, best, fossil, genome, odd, seed = rows.found
    assert [str(refused) for refused in rows.refused] == [
        "registry.db: fossils, row 2: genotype is not UTF-8 from byte 3 on",
        "registry.db: lineages, row 2: a lineage without an id",
        "registry.db: fossils, row 3: a fossil without a genotype",
        "registry.db: seed_submissions, row 2: a seed without settings in config_json",
    ]
    assert (lineage.civilization_level, lineage.is_extinct, lineage.start_tick) == (2, True, 4)
    assert lineage.best_genotype == best.identity == fossil.identity
    assert (fossil.description, fossil.tick) == ("Gone", 5)
    assert (genome.by, genome.tags, genome.fitness_score, genome.offspring_count, genome.tick) == (
        "ann", ("primordium", "fast", "green"), 1.5, 2, 9,
    )  # fmt: skip
    assert (genome.lineage, genome.fields["downloads_elsewhere"]) == (files.LINEAGE, 3)
    assert (odd.format, odd.data, odd.tags) == (
        Format.UNKNOWN,
        b"not hex",
        ("primordium", "a", "b"),
    )
    assert (seed.kind, seed.max_pop, seed.avg_tick_time) == ("seed", 10, 0.5)
    with pytest.raises(InvalidFile, match="has nothing in any of the tables"):
        read_tables({"world_snapshots": {1: {"tick": 1}}}, "world.db")


def test_the_samples_are_what_they_are_taken_for() -> None:
    for format, samples in files.OF_FORMAT.items():
        for data in samples:
            assert detect("a-file", data) is format
