"""A vault for every test that asks for `vault`."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.storage.vault.worlds import open_vault


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with open_vault(tmp_path / "snapshots.db") as opened:
        yield opened
