"""How much SQLite does for a question, on any machine the same."""

import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from pathlib import Path

from storage.connection import connect
from storage.database import STATEMENTS, Database, nothing
from storage.lazily import BUSY_TIMEOUT_S, Lazy
from storage.packs import Packs
from storage.vault.attached import ATTACH, open_vault
from storage.vault.opening import vault_beside

INSTRUCTIONS = 10
"""Of SQLite's own, in one step."""


@asynccontextmanager
async def counted(path: Path) -> AsyncGenerator[tuple[Database, list[None]]]:
    """Connections of its own to a store's file, and a list that has one more with each step."""
    steps: list[None] = []
    own = await connect(path, timeout_s=BUSY_TIMEOUT_S, cached_statements=STATEMENTS)
    try:
        await own.set_progress_handler(lambda: steps.append(None), INSTRUCTIONS)
        beside = vault_beside(path)
        await own.execute(ATTACH, (str(beside),))
        lazy = Lazy(sqlite3.connect(path), Packs(path.with_name("none")), nothing)
        with closing(lazy), closing(sqlite3.connect(path, isolation_level=None)) as at_once:
            at_once.execute(ATTACH, (str(beside),))
            at_once.set_progress_handler(lambda: steps.append(None), INSTRUCTIONS)
            with open_vault(beside) as vault:
                yield Database(own, [own], at_once, lazy, vault, nothing), steps
    finally:
        await own.close()
