"""A database from yesterday, from tomorrow, cut short, or of somebody else."""

import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from crdt.blob import CHUNK_BYTES, manifest_of
from crdt.keys import NamespaceKey
from storage.database import open_database
from storage.errors import Corrupt, NewerSchema
from storage.installed import AcceptedRisk
from storage.migration import Migration, migrate, migrations
from storage.store import REMATERIALISED, open_store
from tests.storage.before_packs import BEFORE_PACKS
from tests.storage.new_files import migrate_or_copy
from tests.storage.people import ALICE, NOW_US, named, project

ONE = Migration(1, "0001_one", "CREATE TABLE a (x INTEGER) STRICT; INSERT INTO a VALUES (7);")
TWO = Migration(2, "0002_two", "ALTER TABLE a RENAME TO b; INSERT INTO b VALUES (8);")
BROKEN = Migration(2, "0002_broken", "INSERT INTO a VALUES (9); INSERT INTO nowhere VALUES (1);")
KEPT = ("user_version", "application_id", "journal_mode", "page_size", "auto_vacuum")


def rows(path: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute(sql).fetchall()


def test_a_new_file_gets_every_migration(tmp_path: Path) -> None:
    path = tmp_path / "new" / "panspermia.db"
    assert migrate(path) == migrations()
    assert migrate(path) == []
    assert path.stat().st_mode & 0o077 == 0


def test_what_tests_copy_is_a_migrated_file_with_an_id_of_its_own(tmp_path: Path) -> None:
    made, *copies = tmp_path / "made" / "p.db", tmp_path / "a" / "p.db", tmp_path / "b" / "p.db"
    assert migrate(made) == migrations()
    for copy in copies:
        assert migrate_or_copy(copy) == []
        assert copy.stat().st_mode == made.stat().st_mode
        for sql in ("SELECT * FROM sqlite_master", *(f"PRAGMA {name}" for name in KEPT)):
            assert rows(copy, sql) == rows(made, sql), sql
    assert len({row for path in (made, *copies) for row in rows(path, "SELECT id FROM store")}) == 3


def test_an_old_file_is_copied_and_then_migrated(tmp_path: Path) -> None:
    path = tmp_path / "p.db"
    migrate(path, [ONE])
    assert migrate(path, [ONE, TWO]) == [TWO]
    assert rows(path, "SELECT x FROM b ORDER BY x") == [(7,), (8,)]
    copy = tmp_path / "p.db.before-0002"
    assert rows(copy, "SELECT x FROM a") == [(7,)]
    assert rows(copy, "PRAGMA user_version") == [(1,)]
    assert sorted(file.name for file in tmp_path.glob("*.part")) == []


def test_a_migration_that_fails_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "p.db"
    migrate(path, [ONE])
    with pytest.raises(sqlite3.OperationalError):
        migrate(path, [ONE, BROKEN])
    assert rows(path, "SELECT x FROM a") == [(7,)]
    assert rows(path, "PRAGMA user_version") == [(1,)]


async def test_a_newer_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "p.db"
    migrate(path)
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    with pytest.raises(NewerSchema, match="update panspermia"):
        async with open_database(path):
            pass
    assert path.read_bytes() == before


async def test_a_cut_file_is_said_to_be_cut(tmp_path: Path) -> None:
    path = tmp_path / "p.db"
    async with open_store(path, project=project, clock_us=lambda: NOW_US) as store:
        await store.commit(ALICE.document("io.alice.clock"), named("clock"), ALICE.signer)
    whole = path.read_bytes()
    for size in (50, 4_096, len(whole) // 2, len(whole) - 4_096):
        path.write_bytes(whole[:size])
        with pytest.raises(Corrupt, match="backup"):
            async with open_store(path, project=project, clock_us=lambda: NOW_US):
                pass
        assert path.read_bytes() == whole[:size]


@pytest.mark.parametrize("content", [b"not a database" * 100, b"SQLite format 3\0" + b"\xff" * 200])
def test_another_file_is_no_database(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "p.db"
    path.write_bytes(content)
    with pytest.raises(Corrupt):
        migrate(path)


def test_a_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "p.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA application_id = 1234")
        database.execute("CREATE TABLE theirs (x)")
    with pytest.raises(Corrupt, match="another program"):
        migrate(path)


async def test_pages_overwritten_in_the_middle_are_damage(tmp_path: Path) -> None:
    path = tmp_path / "p.db"
    async with open_store(path, project=project, clock_us=lambda: NOW_US) as store:
        await store.commit(ALICE.document("io.alice.clock"), named("clock"), ALICE.signer)
    data = bytearray(path.read_bytes())
    data[4_096:] = b"\x55" * (len(data) - 4_096)
    path.write_bytes(data)
    with pytest.raises(Corrupt):
        async with open_store(path, project=project, clock_us=lambda: NOW_US) as store:
            await store.listings()


SMALL = bytes(n % 251 for n in range(2 * CHUNK_BYTES + 5))


def back_to_version_1(path: Path) -> None:
    """The file as it was before the second migration."""
    with closing(sqlite3.connect(path)) as database:
        database.executescript(
            BEFORE_PACKS + "DROP TABLE relay_card; DROP TABLE relay_letter; DROP TABLE relay_post;"
            "DROP TABLE letter;"
            "DROP TABLE card; DROP TABLE card_source;"
            "DROP TABLE petname; DROP TABLE frontier; DROP TABLE statement; DROP TABLE stale;"
            "DROP TABLE blob_namer;"
            "DROP TABLE invite; DROP INDEX listing_about; DROP TABLE accepted_risk;"
            "DROP INDEX genome_by_lineage; DROP INDEX lineage_by_parent;"
            "ALTER TABLE rating DROP COLUMN counted_us;"
            "DROP TABLE capability_key; DROP INDEX capability_until; DROP INDEX document_logs;"
            "DROP INDEX document_by_author;"
            "DROP INDEX entry_by_capability; DROP INDEX left_out_by_code;"
            "ALTER TABLE capability DROP COLUMN until;"
            "DROP TABLE held_capability;"
            "DROP TABLE joined;"
            "ALTER TABLE installed DROP COLUMN namespace;"
            "DROP TABLE offender;"
            "DROP TABLE blocked;"
            "DROP VIEW entry_size; DROP VIEW derived_size;"
            "DROP TABLE snapshot; DROP TABLE happened; DROP TABLE universe_count;"
            "DROP INDEX universe_by_owner; DROP INDEX universe_by_parent; DROP TABLE settled;"
            "DROP TABLE challenge_entry; DROP TABLE attestation; DROP TABLE not_attested;"
            "DROP TABLE usage; DROP TABLE weight; ALTER TABLE namespace DROP COLUMN budget;"
            "DROP TABLE source; DROP TABLE origin; DROP TABLE derived;"
            "DROP TABLE followed; DROP TABLE kept_out; DROP TABLE area_quota;"
            "DROP INDEX document_epochs;"
            "DROP INDEX document_open_epochs;"
            "ALTER TABLE entry DROP COLUMN prev;"
            "ALTER TABLE document DROP COLUMN carried;"
            "ALTER TABLE store DROP COLUMN attesting_owed_s;"
            "ALTER TABLE store DROP COLUMN derived; ALTER TABLE store DROP COLUMN standing;"
            "PRAGMA user_version = 1;"
        )


async def test_a_home_of_version_1_keeps_its_records(tmp_path: Path) -> None:
    path = tmp_path / "p.db"
    document = ALICE.document("io.alice.clock")
    entries = ALICE.writes(document, named("clock"), named("better"), named("best"))
    async with open_store(path, project=project, clock_us=lambda: NOW_US) as store:
        await store.receive(entries, source="alice")
        small = await store.put_blob(SMALL)
        await store.put_blob(SMALL[:CHUNK_BYTES])  # its one page names a chunk of the other's
    chain = rows(path, "SELECT prev FROM entry ORDER BY seq")
    back_to_version_1(path)
    async with open_store(path, project=project, clock_us=lambda: NOW_US) as store:
        (more,) = ALICE.writes(ALICE.document("io.alice.other"), named("other"))
        await store.receive([more], source="alice")
        assert {row.listing.name for row in (await store.listings()).rows} == {"best", "other"}
        await store.commit(document, named("the best"), ALICE.signer)
        assert await store.read_blob(small) == SMALL
        assert await store.blob_manifest(small) == manifest_of(SMALL)
        assert await store.read_blob(manifest_of(SMALL[:CHUNK_BYTES]).id) == SMALL[:CHUNK_BYTES]
    assert rows(path, "SELECT prev FROM entry ORDER BY number LIMIT 3") == chain
    assert chain == [(None,), (entries[0].id,), (entries[1].id,)]
    assert (tmp_path / "p.db.before-0002").exists()


async def test_a_risk_that_was_accepted_of_no_certain_bytes_stays_so(tmp_path: Path) -> None:
    path = tmp_path / "p.db"
    migrate(path, [one for one in migrations() if one.number <= 31])
    with closing(sqlite3.connect(path)) as database:
        database.execute(
            "INSERT INTO accepted_risk VALUES ('did:key:z/io.x', '1.0.0', 'did:key:z', 'adv-0', 1)"
        )
        database.commit()
    async with open_store(path, project=project, clock_us=lambda: NOW_US) as store:
        nowhere = NamespaceKey(b"")
        risk = AcceptedRisk("did:key:z/io.x", "1.0.0", nowhere, "", "did:key:z", "adv-0")
        assert await store.accepted_risks() == {risk}


def _note(heard: list[tuple[int, int]], done: int, total: int) -> None:
    heard.append((done, total))


async def test_what_other_rules_derived_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "p.db"
    async with open_store(path, project=project, clock_us=lambda: NOW_US) as store:
        await store.receive([ALICE.publishes("io.alice.clock", named("clock"))], source="alice")
        assert not await store.is_outdated()
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE listing SET name = 'as it was before'")
        database.execute("UPDATE store SET derived = 0")
        database.commit()
    for told in ([(1, 1)], []):
        heard: list[tuple[int, int]] = []
        async with open_store(
            path,
            project=project,
            clock_us=lambda: NOW_US,
            on_remade=partial(_note, heard),
        ) as store:
            assert [row.listing.name for row in (await store.listings()).rows] == ["clock"]
            assert not await store.is_outdated()
        assert heard == told


async def test_who_is_killed_while_records_are_made_again_begins_again(tmp_path: Path) -> None:
    path = tmp_path / "p.db"
    size = REMATERIALISED + 1
    batch = [ALICE.publishes(f"io.alice.n{n}", named(f"n{n}")) for n in range(size)]
    async with open_store(path, project=project, clock_us=lambda: NOW_US) as store:
        await store.receive(batch, source="alice")
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE listing SET name = 'as it was before'")
        database.execute("UPDATE store SET derived = 0")
        database.commit()

    def killed(done: int, total: int) -> None:
        assert (done, total) == (REMATERIALISED, size)
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        async with open_store(path, project=project, clock_us=lambda: NOW_US, on_remade=killed):
            raise AssertionError("it opened")
    async with open_store(path, project=project, clock_us=lambda: NOW_US) as store:
        found = {row.listing.name for row in (await store.listings(limit=size)).rows}
    assert found == {f"n{n}" for n in range(size)}


def test_what_an_older_version_tried_is_tried_once_more(tmp_path: Path) -> None:
    """It did not try the newest one, and did not forget what was tried against what went since."""
    path = tmp_path / "p.db"
    migrate(path, [one for one in migrations() if one.number < 42])
    with closing(sqlite3.connect(path)) as database:
        database.execute("INSERT INTO settled VALUES (1, 2), (1, 3), (2, 3)")
        database.commit()
    migrate(path)
    assert rows(path, "SELECT * FROM settled") == []
    with closing(sqlite3.connect(path)) as database:
        database.execute("INSERT INTO settled VALUES (1, 2, 1), (1, 3, 0), (2, 3, 1), (2, 4, 0)")
        database.execute("DELETE FROM settled WHERE newer IN (2, 4)")
        database.commit()
    assert rows(path, "SELECT * FROM settled") == [(2, 3, 1)], "what was in vain goes alone"
