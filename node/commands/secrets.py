"""The passphrase of an author's key, for commands that let the running node open it."""

from __future__ import annotations

from pathlib import Path

import click

from node.commands.console import may_ask, node

PASSPHRASE_FILE = click.option(
    "--passphrase-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Opens the author's key, where it is sealed.",
)


def with_passphrase(body: dict[str, object], file: Path | None) -> dict[str, object]:
    """The body of a request that needs the author's key: from `file`, or asked for if sealed."""
    if file is not None:
        return {**body, "passphrase": file.read_text().rstrip("\r\n")}
    if may_ask() and node().get("/api/identity")["sealed"]:
        asked: str = click.prompt("Passphrase", hide_input=True, err=True)
        return {**body, "passphrase": asked}
    return body
