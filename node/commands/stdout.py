"""Bytes to stdout: what goes wrong there is said of it, and not of the node that they come from."""

from __future__ import annotations

import sys
from collections.abc import Generator
from contextlib import contextmanager

import click

from node.exit_codes import FAILED
from node.failure import failed


def write_stdout(data: bytes) -> None:
    """All of it, also past a buffer. Raises as `Stdout.write`."""
    out = Stdout()
    out.write(data)
    out.flush()


class Stdout:
    """What a file opened for writing is, as far as it is written to."""

    def write(self, data: bytes) -> int:
        """Raises `Failure` (`cannot-write`); ends the command where whoever read has left."""
        with _told():
            sys.stdout.buffer.write(data)
        return len(data)

    def flush(self) -> None:
        """Raises as `write`."""
        with _told():
            sys.stdout.buffer.flush()


@contextmanager
def _told() -> Generator[None]:
    try:
        yield
    except BrokenPipeError as error:  # `| head`, say: there is nobody to tell
        raise click.exceptions.Exit(FAILED) from error
    except OSError as error:
        detail = f"stdout: {error.strerror}. What came is not all of it; make room there, or name"
        raise failed("cannot-write", "The output cannot be written", f"{detail} a file") from error
