"""What a file that is written anew says of what was lost."""

import sqlite3
from contextlib import closing
from pathlib import Path

from storage.vault.opening import make_vault
from storage.vault.rescue import is_noted, note_damage, rescue


def rows(path: Path, asked: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as opened:
        return opened.execute(asked).fetchall()


def test_all_that_is_said_of_what_was_lost_is_in_the_new_file(tmp_path: Path) -> None:
    path = tmp_path / "snapshots.db"
    make_vault(path)
    columns = [str(name) for (name,) in rows(path, "SELECT name FROM pragma_table_info('lost')")]
    values = {column: number for number, column in enumerate(columns, 7)} | {"key": bytes(32)}
    marks = ",".join("?" * len(columns))
    with closing(sqlite3.connect(path)) as opened, opened:
        opened.execute(f"INSERT INTO lost VALUES ({marks})", [values[name] for name in columns])
    note_damage(path)
    assert rescue(path, make_vault)
    assert not is_noted(path)
    assert rows(path, "SELECT * FROM lost") == [tuple(values.values())]
