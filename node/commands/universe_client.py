"""`universe client`: the file that a game takes along to save into a node by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from node.commands.console import print_json, say, wants_json
from node.commands.files import keep_what_is_there, read_file, write_whole
from node.commands.stdout import write_stdout
from node.text import printable

FOLDER: Final = Path(__file__).parent.parent / "clients"
FILES: Final = {"python": "panspermia_autosave.py", "typescript": "panspermia_autosave.ts"}
BYTES_MAX: Final = 1 << 20
STDOUT: Final = Path("-")


@click.command("client")
@click.argument("language", type=click.Choice(sorted(FILES)))
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path, allow_dash=True),
    help="Write here, - to stdout; else under its name into this folder.",
)
@click.option("--force", is_flag=True, help="Replace the file that is there.")
def client(language: str, output: Path | None, force: bool) -> None:
    """Write the file with which a game saves into a node by itself.

    One file without dependencies: a save is kept on the disk first, or in the browser, and sent
    when the node is there. No node has to run for this.
    """
    name = FILES[language]
    data = read_file(FOLDER / name, BYTES_MAX)
    output = output or Path(name)
    if output == STDOUT:
        if wants_json():
            raise click.UsageError("with --json give -o FILE")
        write_stdout(data)
        return
    keep_what_is_there(output, force=force)
    write_whole(output, data)
    if wants_json():
        return print_json(
            "universe", {"language": language, "file": str(output), "size": len(data)}
        )
    say(f"wrote {printable(str(output))}; how to use it stands at its beginning")
