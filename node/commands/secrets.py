"""The passphrase of an author's key, for commands that let the running node open it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import click

from node.commands.console import may_ask, node
from node.failure import Failure, Json, failed
from node.text import printable

# As much as the API takes.
PASSPHRASE_BYTES_MAX = 1_024

PASSPHRASE_FILE = click.option(
    "--passphrase-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Opens the author's key, where it is sealed.",
)


def passphrase_in(file: Path) -> str:
    """Without the newline at its end. Raises `Failure` for what nobody could type."""
    with file.open("rb") as source:
        data = source.read(PASSPHRASE_BYTES_MAX + 1)
    try:
        if len(data) <= PASSPHRASE_BYTES_MAX:
            return data.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        pass
    detail = f"{printable(str(file))} is no text of at most {PASSPHRASE_BYTES_MAX} bytes"
    raise failed("bad-passphrase", "The passphrase cannot be read", detail)


def with_passphrase(body: dict[str, object], file: Path | None) -> dict[str, object]:
    """The body of a request that needs the author's key: from `file`, or asked for if sealed."""
    if file is not None:
        return {**body, "passphrase": passphrase_in(file)}
    if may_ask() and node().get("/api/identity")["sealed"]:
        return {**body, "passphrase": ask()}
    return body


def opened_where_sealed(
    send: Callable[[Json], Json], body: dict[str, object], file: Path | None
) -> Json:
    """What the node answers to `body`, with the passphrase in `file`, or asked for if it is needed.

    For what may do without: nobody types it in vain. Raises `Failure`.
    """
    if file is not None:
        return send({**body, "passphrase": passphrase_in(file)})
    try:
        return send(body)
    except Failure as error:
        if error.problem.get("code") != "sealed" or not may_ask():
            raise
    return send({**body, "passphrase": ask()})


def ask() -> str:
    """On the terminal, never shown."""
    asked: str = click.prompt("Passphrase", hide_input=True, err=True)
    return asked
