"""A registry.db goes through a child process and comes back as genomes, or as a reason."""

import io
import os
import sqlite3
from pathlib import Path

import msgspec
import pytest

from node.found_files import contents_of
from node.workers.tables import Told, read_registry, serve
from registry.formats import Format, InvalidFile
from registry.formats.primordium_tables import WANTED
from tests.registry.formats import files


def registry_db(folder: Path) -> bytes:
    path = folder / "registry.db"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(
        "CREATE TABLE lineages (id TEXT PRIMARY KEY, start_tick INTEGER NOT NULL,"
        " civilization_level INTEGER NOT NULL DEFAULT 0, is_extinct BOOLEAN NOT NULL DEFAULT 0,"
        " best_genotype TEXT)"
    )
    row = (files.LINEAGE, 4, 3, False, files.GENOTYPE.decode())
    connection.execute("INSERT INTO lineages VALUES (?, ?, ?, ?, ?)", row)
    connection.commit()
    connection.close()
    return path.read_bytes()


def test_a_database_is_read_in_a_process_of_its_own(tmp_path: Path) -> None:
    contents = contents_of("registry.db", registry_db(tmp_path))
    lineage, genome = contents.found
    assert contents.format is Format.PRIMORDIUM_REGISTRY
    assert (lineage.civilization_level, lineage.lineage) == (3, files.LINEAGE)
    assert (genome.data, genome.format) == (files.GENOTYPE, Format.PRIMORDIUM_GENOTYPE)
    assert contents_of("a.rle", b"x=1,y=1\no!").found[0].fields["population"] == 1


def test_a_file_may_have_any_size_for_most_of_it_is_not_read(tmp_path: Path) -> None:
    """Worlds lie in it as well, of megabytes each."""
    data = registry_db(tmp_path)
    path = tmp_path / "registry.db"
    os.truncate(path, 3 << 30)  # of holes, which take no room
    assert read_registry(path, "registry.db") == read_registry(data, "registry.db")
    with pytest.raises(InvalidFile, match="at most 67,108,864 are read"):
        read_registry(bytes((64 << 20) + 1), "registry.db")


def test_what_it_cannot_read_is_a_reason(tmp_path: Path) -> None:
    with pytest.raises(InvalidFile, match=r"registry\.db: cannot be read as SQLite"):
        read_registry(b"SQLite format 3\0" + bytes(2_000), "registry.db")


def test_a_child_that_says_nothing_in_time_is_ended(tmp_path: Path) -> None:
    with pytest.raises(InvalidFile, match="cannot be read within"):
        read_registry(registry_db(tmp_path), "registry.db", wall_s=0.0)
    with pytest.raises(InvalidFile, match="cannot be read within"):
        read_registry(tmp_path / "registry.db", "registry.db", wall_s=0.0)


def test_a_row_that_is_no_text_is_told_and_the_others_come(tmp_path: Path) -> None:
    registry_db(tmp_path)
    connection = sqlite3.connect(tmp_path / "registry.db")
    connection.execute("INSERT INTO lineages VALUES (CAST(x'ff' AS TEXT), 1, 0, 0, NULL)")
    connection.execute("INSERT INTO lineages VALUES ('third', 1, 0, 0, NULL)")
    connection.commit()
    connection.close()
    rows = read_registry((tmp_path / "registry.db").read_bytes(), "registry.db")
    assert [item.name for item in rows.found if item.kind == "lineage"][-1] == "third"
    assert [error.detail for error in rows.refused] == [
        "registry.db: lineages, row 2: id is not UTF-8 from byte 0 on"
    ]


def test_what_the_child_says_is_of_one_shape(tmp_path: Path) -> None:
    said = io.BytesIO()
    serve(io.BytesIO(registry_db(tmp_path)), said, WANTED)
    told = msgspec.msgpack.decode(said.getvalue(), type=Told)
    assert [*told.tables] == ["lineages"]
    assert told.reason == ""
