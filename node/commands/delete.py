"""`delete`: a record of one's own goes out of sight, comes back, or goes for good."""

from __future__ import annotations

from pathlib import Path

import click

from node.client import with_query
from node.commands.console import IN_NAMESPACE, may_ask, node, print_json, say, wants_json
from node.commands.secrets import PASSPHRASE_FILE, with_passphrase
from node.text import printable, size_text, undo_command


@click.command("delete")
@click.argument("name")
@click.option("--undo", is_flag=True, help="Bring it back as it was.")
@click.option("--for-good", is_flag=True, help="Let its bytes go everywhere; it is deleted by now.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@IN_NAMESPACE
@PASSPHRASE_FILE
def delete_command(
    name: str,
    undo: bool,
    for_good: bool,
    yes: bool,
    namespace: str | None,
    passphrase_file: Path | None,
) -> None:
    """Show a record of yours to nobody any more.

    NAME is a module, genome/ID, seed/ID or lineage/ID, or a record of any kind where it lies:
    WHOSE/class/kind/record, as in rate/mod/did:key:…/io.example.clock, your rating of a clock.

    Lists and searches leave it out, wherever that is heard of; what is installed stays. With
    --for-good every node also lets its bytes go, at its next `gc`, and nobody can bring it back.
    """
    if undo and for_good:
        raise click.UsageError("--undo and --for-good are two different things")
    shown = printable(name)
    if for_good and not yes:
        if not may_ask():
            raise click.UsageError("nobody can be asked here, and nothing undoes it: say --yes")
        click.confirm(f"Let {shown} go for good, everywhere?", abort=True)
    body: dict[str, object] = {"record": name, "undo": undo, "for_good": for_good}
    if for_good:
        body = with_passphrase(body, passphrase_file)
    answer = node().post(with_query("/api/records/deletion", {"namespace": namespace}), body)
    if wants_json():
        return print_json("delete", answer)
    if undo:
        return say(f"{shown} is back")
    if for_good:
        return say(f"let {shown} go for good: {size_text(answer['bytes_freed'])} here")
    undone = printable(undo_command(name, namespace))
    return say(f"deleted {shown}; `{undone}` brings it back")
