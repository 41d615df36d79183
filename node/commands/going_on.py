"""What to do where the node breaks off in the middle of what takes long."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from node.failure import Failure

BROKEN_OFF = frozenset({"connection-lost", "timeout"})


@contextmanager
def goes_on(again: str) -> Generator[None]:
    """A `Failure` in the block that left its work half done says what doing it again does."""
    try:
        yield
    except Failure as failed:
        if failed.problem.get("code") not in BROKEN_OFF:
            raise
        detail = f"{again}\n{failed.problem.get('detail', '')}".rstrip()
        raise Failure({**failed.problem, "detail": detail}, failed.exit) from failed
