"""`convert`: what one program wrote, as another reads it. For a file no node has to run."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from node.commands.console import is_terminal, print_json, print_table, say, wants_json
from node.commands.files import keep_what_is_there, write_whole
from node.commands.reading import read_contents, read_named, shown_errors
from node.commands.stdout import write_stdout
from node.text import printable, size_text


@click.command("convert")
@click.argument("file", metavar="[FILE|ID|-]", required=False, type=click.Path(allow_dash=True))
@click.option("--to", "target", metavar="FORMAT", help="What to make of it: see --list.")
@click.option("--from", "source", metavar="FORMAT", help="What FILE is; else by what is in it.")
@click.option("--item", type=click.IntRange(min=1), help="Which of the items that FILE holds.")
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="What the target needs to know."
)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write here.")
@click.option("--force", is_flag=True, help="Replace the file that is there.")
@click.option("--list", "lists", is_flag=True, help="Show the formats, and what leads where.")
def convert_command(
    file: str | None,
    target: str | None,
    source: str | None,
    item: int | None,
    settings: tuple[str, ...],
    output: Path | None,
    force: bool,
    lists: bool,
) -> None:
    """Convert FILE from one program's format to another's.

    Says what gets lost on the way; the file itself stays as it is. ID is that of a published
    genome or seed, which the running node is asked for; for files none has to run.
    """
    if lists:
        return show_list()
    if file is None or target is None:
        raise click.UsageError("give a FILE and --to FORMAT; --list shows the formats there are")
    if output is None and wants_json():
        raise click.UsageError("with --json, give -o FILE: the result is no JSON of ours")
    if output is not None:
        keep_what_is_there(output, force=force)
    options = {key: value for key, _, value in (pair.partition("=") for pair in settings)}
    with shown_errors():
        made, report = converted(file, source, target, item, options)
    if output is None:
        if not is_terminal(sys.stdout) or made.isascii():
            write_stdout(made)
        else:
            say(made.decode(errors="replace"), nl=False)
    else:
        write_whole(output, made)
        report |= {"file": str(output)}
    if wants_json():
        return print_json("convert", report)
    if output is not None:
        say(f"wrote {size_text(len(made))} to {printable(str(output))}")
    if report["loses"]:
        say(f"lost on the way: {report['loses']}", dim=True, err=True)


def converted(
    file: str, source: str | None, target: str, item: int | None, options: dict[str, str]
) -> tuple[bytes, dict[str, object]]:
    """The bytes, and what is told of them. Raises the registry's own errors."""
    from registry.formats import Format, convert, find_conversion, format_of, item_of

    named, wanted = read_named(file), format_of(target)
    contents = read_contents(named, source)
    data, format = named.data, contents.format
    if item is not None or format is Format.PRIMORDIUM_REGISTRY:
        one = item_of(contents.found, item)
        data, format = one.data, one.format
    made = convert(data, format, wanted, options, name=named.name)
    loses = "" if format is wanted else find_conversion(format, wanted).loses
    return made, {"from": format.value, "to": wanted.value, "size": len(made), "loses": loses}


def show_list() -> None:
    from registry.formats import CONVERSIONS, TITLES, Format

    hidden = (Format.PICKLE, Format.UNKNOWN)
    if wants_json():
        formats = [{"format": each.value, "title": TITLES[each]} for each in Format]
        ways = [
            {"from": way.source.value, "to": way.target.value, "loses": way.loses,
             "options": [*way.options]}
            for way in CONVERSIONS
        ]  # fmt: skip
        return print_json("convert", {"formats": formats, "conversions": ways})
    print_table(("FORMAT", "WHAT"), ((each, TITLES[each]) for each in Format if each not in hidden))
    say()
    rows = ((way.source, way.target, way.loses or "nothing") for way in CONVERSIONS)
    print_table(("FROM", "TO", "LOSES"), rows)
    for way in CONVERSIONS:
        if way.options:
            say(f"\n--set for {way.target}: {', '.join(way.options)}", dim=True)
