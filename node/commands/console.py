"""What every command shares: the flags of this run, and printing.

Text that came from a peer goes through `printable` before it meets a terminal.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import IO, Any

import click

from node.client import Client, find_client, resolve_home
from node.failure import Json
from node.text import printable

IN_NAMESPACE = click.option(
    "--namespace", metavar="NAME|DID", help="Only in this namespace: see `namespace list`."
)
"""Of a command that looks into one namespace: commons, where none is named."""
DRY_RUN = click.option("--dry-run", is_flag=True, help="Only say what it would do.")


def shared(name: str) -> Any:  # noqa: ANN401 - a flag's value, typed by the functions below
    context = click.get_current_context(silent=True)
    flags: dict[str, Any] = (context.find_root().obj or {}) if context else {}
    return flags.get(name)


def wants_json() -> bool:
    return bool(shared("json"))


def is_verbose() -> bool:
    return bool(shared("verbose"))


def home() -> str:
    """The folder of the node that this run is about."""
    return resolve_home(shared("home"), os.environ)


def node() -> Client:
    """The running node. Raises `Failure` with the command that starts it."""
    return find_client(home())


def is_terminal(stream: IO[str]) -> bool:
    """False also for a closed stream, as a service manager may hand it to us."""
    return not stream.closed and stream.isatty()


def may_ask() -> bool:
    return not wants_json() and is_terminal(sys.stdin)


def shows_progress() -> bool:
    return not wants_json() and is_terminal(sys.stderr)


def print_json(command: str, body: Json) -> None:
    """The one object of a command; within a schema version fields are only added."""
    click.echo(json_line({"schema": f"panspermia.{command}/1", **body}))


def json_line(body: Json) -> str:
    """JSON that any reader takes: bytes of a file's name that are no text are escaped in it."""
    text = json.dumps(body, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(body)
    return text


def print_event(event: str, body: Json) -> None:
    """One line of a long command's story, flushed so that a reader sees it at once."""
    click.echo(json_line({"event": event, **body}))


def print_result(command: str, body: Json) -> None:
    """The last line of a long command, and its only one where it was not long."""
    print_event("result", {"schema": f"panspermia.{command}/1", **body})


def say(text: str = "", **style: Any) -> None:  # noqa: ANN401 - click.style's own parameters
    click.secho(text, **style)


def fits(head: Sequence[str], rows: Iterable[Sequence[object]]) -> bool:
    """Whether a table is no wider than the terminal; what is no terminal takes any width."""
    if not is_terminal(sys.stdout):
        return True
    from shutil import get_terminal_size  # loads what compresses archives

    cells = [list(head), *([printable(str(cell)) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return sum(widths) + 2 * (len(widths) - 1) <= get_terminal_size().columns


def print_table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Columns as wide as their longest cell; the last one runs on."""
    cells = [[printable(str(cell)) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(head, *cells, strict=True)]
    for number, row in enumerate([list(head), *cells]):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.secho(line.rstrip(), bold=number == 0)
