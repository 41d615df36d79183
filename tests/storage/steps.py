"""How much SQLite does for a question, on any machine the same."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import aiosqlite

from storage.database import Database, nothing

INSTRUCTIONS = 10
"""Of SQLite's own, in one step."""


@asynccontextmanager
async def counted(path: Path) -> AsyncGenerator[tuple[Database, list[None]]]:
    """A connection of its own to a store's file, and a list that has one more with each step."""
    steps: list[None] = []
    async with aiosqlite.connect(path, isolation_level=None) as own:
        await own.set_progress_handler(lambda: steps.append(None), INSTRUCTIONS)
        yield Database(own, [own], nothing), steps
