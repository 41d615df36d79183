"""`universe import`: worlds of other programs, planned first, then told to the node one by one.

The files are read here, by whoever named them; the node gets bytes and what is said of them. What
is there already stays as it is, so the same command goes on where it was stopped.

```
import_command ─▸ Importing ─▸ Making        each universe to the node
                            └▸ Foreseeing    with --dry-run: what that would be
```
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from node.commands.console import DRY_RUN
from node.commands.going_on import goes_on
from node.commands.progress import Progress
from node.commands.universe_importing import Importing
from node.commands.universe_underway import Underway
from node.failure import Failure, failed
from node.text import printable

if TYPE_CHECKING:
    from universe.formats import Plan

FORMATS: Final = ("ai-village", "savefile", "primordium", "raw")
AGAIN: Final = "What came is kept: the same command goes on, and sends nothing twice."


@click.command("import")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--format", "format", type=click.Choice(FORMATS), help="Else by what is there.")
@click.option("--id", "id", metavar="ID", help="What it is to be called, where it is only one.")
@click.option(
    "--visibility",
    type=click.Choice(["public", "private", "as-said"]),
    default="private",
    show_default=True,
    help="Who may read it; `as-said` as the files have it.",
)
@click.option("--keep-all", is_flag=True, help="Leave out how long states are kept, and the rule.")
@DRY_RUN
def import_command(
    path: Path,
    format: str | None,
    id: str | None,
    visibility: str,
    keep_all: bool,
    dry_run: bool,
) -> None:
    """Take universes out of PATH: an ai_village server's folder, SaveFiles, a Primordium world.

    Duplicates, missing files and checksums that prove nothing are told, and end nothing. What is
    in a .gz is kept unpacked, for states share what is the same. Players are registered as yours,
    and passages between universes that come together are open. PATH stays as it is, and what is
    there already too.
    """
    from node.commands.world_files import world_files
    from registry.formats.errors import InvalidFile
    from universe.formats import WorldFormat, plan

    try:
        files = world_files(path)
        with Progress() as bars:
            files.heard = bars.bytes_of(files.listing.name, "read")
            found = plan(files, None if format is None else WorldFormat(format))
        files.heard = None
    except InvalidFile as wrong:
        raise refused_all(wrong) from wrong
    if id is not None:
        found = named(found, id)
    if keep_all:
        found = without_decay(found)
    importing = Importing(Underway(files, found, visibility, dry_run))
    with goes_on(AGAIN):
        importing.go()
    importing.tell()


def refused_all(wrong: Exception) -> Failure:
    return failed("not-a-world", "Nothing there can be imported", printable(str(wrong)))


def named(found: Plan, id: str) -> Plan:
    """The one universe under another id. Raises `Failure`."""
    from registry.errors import InvalidName
    from universe.names import parse_new_id

    if len(found.universes) != 1:
        detail = f"{len(found.universes)} universes are there: --id is for one"
        raise failed("not-one-universe", "Which is to be called so?", detail)
    try:
        parse_new_id(id)
    except InvalidName as wrong:
        raise failed("invalid-name", "Invalid name", wrong.detail) from wrong
    return replace(found, universes=(replace(found.universes[0], id=id),))


def without_decay(found: Plan) -> Plan:
    """The same, and no state goes by itself."""
    universes = tuple(
        replace(
            one,
            said=replace(one.said, retention=""),
            snapshots=tuple(replace(each, decay=None) for each in one.snapshots),
            copy=one.copy and replace(one.copy, decay=None),
        )
        for one in found.universes
    )
    return replace(found, universes=universes)
