"""What a standing looks at where very much is said: steps of the database, not time."""

import json
import sqlite3
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest_asyncio

from crdt.keys import COMMONS
from registry.listings import project
from storage.challenges import STRANGERS_WORDS_MAX, WORDS_OF_OTHERS
from storage.migration import migrate, migrations
from storage.store import open_store
from tests.registry.attested import GLIDER, JUDGE
from tests.storage.people import NOW_US
from tests.storage.test_challenges import HERE, OPEN

ASKED = (
    "[]", COMMONS, HERE, JUDGE.hex(), json.dumps({"ticks": OPEN.ticks, "seeds": OPEN.seeds}),
    OPEN.opens_us, OPEN.deadline_us, GLIDER,
)  # fmt: skip
SQL = WORDS_OF_OTHERS.replace("(*)", "(?)")
EACH = 2_000


@pytest_asyncio.fixture
async def path(tmp_path: Path) -> Path:
    path = tmp_path / "p.db"
    async with open_store(path, project=project, clock_us=lambda: NOW_US):
        pass
    return path


def plan(database: sqlite3.Connection) -> list[str]:
    return [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {SQL}", ASKED)]


async def test_an_index_has_all_but_what_is_shown(path: Path) -> None:
    """Rows of `attestation` are read of the 20,000 that are left alone, and no JSON of theirs."""
    with closing(sqlite3.connect(path)) as database:
        steps = plan(database)
    of_words = [step for step in steps if step.startswith(("SEARCH a ", "SCAN a"))]
    asked = "(namespace=? AND genome=? AND evaluator=? AND ticks=? AND seed=?)"
    assert of_words == [
        f"SEARCH a USING COVERING INDEX attestation_asked {asked}",
        "SEARCH a USING INTEGER PRIMARY KEY (rowid=?)",
    ]
    entries = [step for step in steps if "challenge_entry" in step]
    by = "USING COVERING INDEX challenge_entry_by_challenge"
    assert entries
    assert all(by in step for step in entries), entries
    assert not [step for step in steps if step.startswith("CORRELATED")], steps
    assert f"LIMIT {STRANGERS_WORDS_MAX + 1}" in SQL


async def test_what_nobody_asks_for_is_not_looked_at(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA foreign_keys = OFF")
        (place,) = database.execute(
            "INSERT INTO namespace (key) VALUES (?) ON CONFLICT DO UPDATE SET key = key"
            " RETURNING number",
            (COMMONS,),
        ).fetchone()
        numbers = count(1)

        def say(seed: int, ticks: int) -> None:
            rows = (
                (number, place, number.to_bytes(32), GLIDER, f"did:key:{number}", 1, 1, b"{}")
                for number in (next(numbers) for _ in range(EACH))
            )
            database.executemany(
                f"INSERT INTO attestation VALUES (?, ?, ?, ?, ?, ?, ?, ?, '{JUDGE.hex()}',"
                f" {seed}, {ticks})",
                rows,
            )

        def steps() -> int:
            found = [0]

            def one() -> None:
                found[0] += 1

            database.set_progress_handler(one, 1)
            database.execute(SQL, ASKED).fetchall()
            database.set_progress_handler(None, 0)
            return found[0]

        say(OPEN.seeds[0], OPEN.ticks)
        before = steps()
        assert before > EACH, "what is asked for is looked at"
        say(OPEN.seeds[0], OPEN.ticks + 1)
        say(max(OPEN.seeds) + 1, OPEN.ticks)
        assert steps() - before < EACH / 10


async def test_what_was_there_before_is_told_by_its_json(tmp_path: Path) -> None:
    path = tmp_path / "p.db"
    migrate(path, [one for one in migrations() if one.number <= 32])
    said = {
        "evaluator": JUDGE.hex(), "seed": 1, "ticks": 5,
        "entered": [{"challenge": "chal-0", "at_us": 1}, {"challenge": HERE, "at_us": 7}],
    }  # fmt: skip
    with closing(sqlite3.connect(path)) as database:
        database.execute(
            "INSERT INTO attestation VALUES (1, 1, x'01', x'02', 'did', 1, 7, ?)",
            (json.dumps(said).encode(),),
        )
        database.execute("INSERT INTO challenge_entry VALUES (1, ?, 1, 'did')", (HERE,))
        database.commit()
    migrate(path)
    with closing(sqlite3.connect(path)) as database:
        asked = database.execute("SELECT evaluator, seed, ticks FROM attestation").fetchall()
        entered = database.execute("SELECT at_us FROM challenge_entry").fetchall()
    assert (asked, entered) == ([(JUDGE.hex(), 1, 5)], [(7,)])
