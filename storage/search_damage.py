"""A search index whose files are lost: what is raised then, and what is said."""

from collections.abc import Generator
from contextlib import contextmanager

from storage.errors import BrokenIndex

# What tantivy raises where files are missing, damaged or cannot be written, and on a dead writer.
BROKEN = (OSError, RuntimeError, ValueError)


@contextmanager
def damage_told() -> Generator[None]:
    """Raises `BrokenIndex` in their place."""
    try:
        yield
    except BROKEN as error:
        raise BrokenIndex(
            f"The search index is damaged: {error}. `panspermia reindex` makes it anew."
        ) from error
