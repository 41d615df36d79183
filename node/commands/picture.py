"""`picture`: what a genome looks like, as SVG or PNG. For a file no node has to run."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

import click

from node.commands.console import is_terminal, print_json, say, wants_json
from node.commands.files import keep_what_is_there, write_whole
from node.commands.reading import read_one, shown_errors
from node.commands.stdout import write_stdout
from node.text import printable, size_text

KINDS = ("svg", "png")
OTHER_PICTURES = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".pdf", ".tiff", ".webp"})


def kind_of(output: Path | None) -> Literal["svg", "png"]:
    """By the end of the file's name. Raises `UsageError` for that of another kind of picture."""
    ends = "" if output is None else output.suffix.lower()
    if ends in OTHER_PICTURES:
        raise click.UsageError(f"{output}: a picture is drawn as .svg or .png, not as {ends}")
    return "png" if ends == ".png" else "svg"


@click.command("picture")
@click.argument("file", metavar="FILE|ID|-", type=click.Path(allow_dash=True))
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write here.")
@click.option("--as", "kind", type=click.Choice(KINDS), help="Else by the end of -o, else svg.")
@click.option("--from", "source", metavar="FORMAT", help="What FILE is; else by what is in it.")
@click.option("--item", type=click.IntRange(min=1), help="Which of the items that FILE holds.")
@click.option("--force", is_flag=True, help="Replace the file that is there.")
def picture_command(
    file: str,
    output: Path | None,
    kind: Literal["svg", "png"] | None,
    source: str | None,
    item: int | None,
    force: bool,
) -> None:
    """Draw a genome as SVG or PNG: cells and networks."""
    if kind is None:
        kind = kind_of(output)
    if output is None and (wants_json() or is_terminal(sys.stdout)):
        raise click.UsageError("a picture does not belong on a terminal; give -o FILE")
    if output is not None:
        keep_what_is_there(output, force=force)
    with shown_errors():
        from registry.pictures import picture_of

        found = read_one(file, source, item)
        data = picture_of(found.format, found.data, kind, title=found.name, file=file)
    if output is None:
        write_stdout(data)
        return
    write_whole(output, data)
    if wants_json():
        told = {"name": found.name, "format": found.format.value, "file": str(output)}
        return print_json("picture", {**told, "as": kind, "size": len(data)})
    say(f"drew {printable(found.name)} to {printable(str(output))}, {size_text(len(data))}")
