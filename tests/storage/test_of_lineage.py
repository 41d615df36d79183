"""Who is of a lineage, and what descends from it: by an index, however much else is listed."""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path

from crdt.keys import COMMONS, NamespaceKey
from storage.advised import Advised
from storage.migration import migrate, migrations
from tests.storage.steps import counted

LINE, OTHER = 'the "é\\" line', "line-1"  # any line that shows what it is
ELSEWHERE = NamespaceKey(bytes(31) + b"\1")
EACH = 2_000

Listed = tuple[str, str, str, str | None, NamespaceKey]
"""Its kind, record and author, the lineage that it names, its namespace."""


def listed(path: Path, rows: Iterable[Listed]) -> None:
    """Directly: so many would take a while to sign."""
    with closing(sqlite3.connect(path)) as database:
        for kind, record, author, lineage, namespace in rows:
            key = "lineage_id" if kind == "genome" else "parent"
            said = {"card": f'"{key}":"{LINE}"', key: lineage}
            fields = json.dumps(said, ensure_ascii=False, separators=(",", ":"))
            database.execute(
                "INSERT INTO namespace (key) VALUES (?) ON CONFLICT DO NOTHING", (namespace,)
            )
            database.execute(
                "INSERT INTO listing (document, namespace, kind, author, record, target, name,"
                " name_key, description, tags, words, created_us, updated_us, fields)"
                " SELECT coalesce((SELECT max(document) FROM listing), 0) + 1, number, ?1, ?2, ?3,"
                " ?2 || '/' || ?3, '', '', '', '[]', '', 1, 1, ?4 FROM namespace WHERE key = ?5",
                (kind, author, record, fields.encode(), namespace),
            )
        database.commit()


def many(kind: str, prefix: str, lineage: str | None) -> list[Listed]:
    return [(kind, f"{prefix}{n:06}", "alice", lineage, COMMONS) for n in range(EACH)]


SOME: Sequence[Listed] = (
    ("lineage", "line-3", "alice", LINE, COMMONS),
    ("lineage", "line-2", "bob", LINE, COMMONS),
    ("lineage", "line-4", "bob", OTHER, COMMONS),
    ("lineage", "line-5", "bob", LINE, ELSEWHERE),
    ("genome", "b", "bob", LINE, COMMONS),
    ("genome", "b", "alice", LINE, COMMONS),
    ("genome", "a", "carol", LINE, COMMONS),
    ("genome", "c", "carol", None, COMMONS),
    ("genome", "d", "carol", LINE, ELSEWHERE),
    ("genome", "e", "carol", OTHER, COMMONS),
)
OF_LINE = ["a by carol", "b by alice", "b by bob", "line-2 by bob", "line-3 by alice"]


async def found(path: Path, limit: int = 1_000) -> tuple[list[str], int]:
    """What is of `LINE`, and what SQLite had to do for it."""
    async with counted(path) as (database, steps):
        rows = await Advised(database, lambda: 0).of_lineage(LINE, COMMONS, limit)
        said = [f"{row.listing.record} by {row.listing.author}" for row in rows]
        return said, len(steps)


async def test_genomes_come_first_then_lineages_each_by_id_and_author(tmp_path: Path) -> None:
    path = tmp_path / "p.db"
    migrate(path)
    listed(path, SOME)
    assert (await found(path))[0] == OF_LINE
    for limit in range(len(OF_LINE) + 1):
        assert (await found(path, limit))[0] == OF_LINE[:limit]


async def test_what_is_of_other_lineages_is_not_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "p.db"
    migrate(path)
    listed(path, SOME)
    _, before = await found(path)
    assert before > 0, "it is counted"
    for lineage in (OTHER, None):
        listed(path, many("genome", f"of-{lineage}-", lineage))
        listed(path, many("lineage", f"from-{lineage}-", lineage))
    said, after = await found(path)
    assert said == OF_LINE
    assert after < before + 10


async def test_of_a_large_lineage_no_more_is_read_than_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "p.db"
    migrate(path)
    listed(path, many("genome", "a", LINE)[:100])
    before = await found(path, 100)
    listed(path, many("genome", "b", LINE))
    said, steps = await found(path, 100)
    assert said == before[0]
    assert steps < before[1] + 10


async def test_what_was_there_before_is_found(tmp_path: Path) -> None:
    path = tmp_path / "p.db"
    migrate(path, [one for one in migrations() if one.number <= 34])
    listed(path, SOME)
    migrate(path)
    assert (await found(path))[0] == OF_LINE
