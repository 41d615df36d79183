"""`backup`, `restore`: all of a home in one file, and a new home from it."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from node.commands.console import home, node, print_result, say, wants_json
from node.commands.files import keep_what_is_there, whole_file
from node.commands.identity import new_passphrase, passphrase
from node.commands.progress import Progress
from node.exit_codes import UNVERIFIED, exit_code
from node.failure import Json, failed, failure
from node.text import printable, size_text

if TYPE_CHECKING:
    from node.lacking import Lacking
    from node.services.restore import Contents

# Silence from the node, not the whole.
SILENCE_S = 300.0

PASSPHRASE_FILE = click.option(
    "--passphrase-file", type=click.Path(exists=True, dir_okay=False, path_type=Path)
)


@click.command("backup")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--all", "everything", is_flag=True, help="Also what others wrote.")
@click.option("--force", is_flag=True, help="Replace FILE.")
@PASSPHRASE_FILE
def backup_command(file: Path, everything: bool, force: bool, passphrase_file: Path | None) -> None:
    """Write all that is yours here to FILE, its keys sealed by a passphrase.

    That is the author's key and those of your namespaces, what you published with its files, what
    is installed, your rights, names and settings, and whom you block. Where your key is sealed
    already, give its passphrase. Exit 7: some of it is not whole here, or not here at all;
    the rest is in FILE.
    """
    from node.lacking import Passing

    keep_what_is_there(file, force=force)
    client = node()
    is_sealed = client.get("/api/identity")["sealed"]
    secret = passphrase(passphrase_file) if is_sealed else new_passphrase(passphrase_file)
    body = {"passphrase": secret, "everything": everything}
    with whole_file(file, mode=0o600, force=force) as out, Progress() as bars:
        passing = Passing(out)
        size = client.save("/api/backup", body, passing.write, bars.bytes_of(file.name), SILENCE_S)
    lacking = passing.lacking
    if wants_json():
        print_result("backup", {"file": str(file), "size": size, "not_whole": asdict(lacking)})
    else:
        say(f"wrote {size_text(size)} to {printable(str(file))}", fg="green")
        say("Keep the passphrase apart from it: without both it cannot be restored.")
        say_lacking(lacking, "The rest of them is in it. Mend them, and make it again: ")
    if lacking.blobs:
        click.get_current_context().exit(UNVERIFIED)


@click.command("restore")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Check the file, and list what is in it.")
@PASSPHRASE_FILE
def restore_command(file: Path, dry_run: bool, passphrase_file: Path | None) -> None:
    """Make a new home from a backup.

    The new home is a new device of yours. If the old one is lost, remove it then: panspermia device
    remove
    """
    from node.home import Home
    from node.services.restore import read_contents, restore

    size = file.stat().st_size
    if not file.is_file():  # a pipe
        raise failed("not-a-file", "The file is read twice", f"{file}: copy it to a disk first")
    with told_plainly(), file.open("rb") as source, Progress() as bars:
        shows = bars.bytes_of(file.name)
        if dry_run:
            return print_contents(file, read_contents(source, size, shows))
        secret = passphrase(passphrase_file)
        restored = asyncio.run(
            restore(
                Home(Path(home())),
                source,
                size,
                secret,
                entropy=os.urandom,
                clock_us=lambda: time.time_ns() // 1_000,
                progress=shows,
            )
        )
    former = did_of(restored.contents)
    if wants_json():
        withheld = [asdict(one) for one in restored.not_installed]
        more = {
            "device": restored.device,
            "refused": restored.refused,
            "not_installed": withheld,
        }
        return print_result("restore", {**contents_json(restored.contents), **more})
    say(f"restored {restored.author}", fg="green")
    say(f"This home is a new device of theirs: {restored.device}")
    then = "To fetch what is missing from peers who have it: panspermia up, then "
    say_lacking(restored.contents.lacking, then)
    if restored.refused:
        say(f"{restored.refused:,} entries were not taken; see: panspermia refused", fg="yellow")
    for one in restored.not_installed:
        say(f"not installed: {printable(one.why)}", fg="yellow")
    if restored.not_installed:
        say("Who knows better installs it: panspermia install NAME --accept-risk ADVISORY")
    say(f"If the old one is lost: panspermia up, then panspermia device remove {former}")


def say_lacking(lacking: Lacking, then: str) -> None:
    """What of a backup is not whole, if anything, and what to do."""
    counts = ((lacking.snapshots, "snapshot"), (lacking.others, "other blob"))
    told = [f"{n:,} {what}{'' if n == 1 else 's'}" for n, what in counts if n > 0]
    if told:
        count = lacking.snapshots + lacking.others
        more = f", {lacking.absent:,} of them not there at all" if lacking.absent else ""
        say(f"{' and '.join(told)} {'is' if count == 1 else 'are'} not whole{more}:", fg="yellow")
        for of in lacking.of:
            say(f"  {printable(of)}")
        if lacking.absent < count:
            say(f"{then}panspermia scrub")
        if lacking.absent:
            say("What is not there at all comes from peers with: panspermia universe open")


@contextmanager
def told_plainly() -> Generator[None]:
    """An error of ours ends the command with its sentence and its exit code."""
    from node.errors import NodeError
    from node.outcomes import outcome_of
    from storage.errors import StorageError

    try:
        yield
    except (NodeError, StorageError) as error:
        outcome = outcome_of(error)
        assert outcome is not None
        code = outcome.code or str(getattr(error, "reason", "failed"))
        title = (type(error).__doc__ or "").split("\n")[0]
        raise failure(code, title, str(error), exit_code(outcome.status, code)) from error


def did_of(contents: Contents) -> str:
    """The device that made it."""
    from crdt.did import encode_did_key

    return encode_did_key(contents.head.device)


def contents_json(contents: Contents) -> Json:
    from crdt.did import encode_did_key
    from node import drops

    counts = contents.counts
    return {
        "author": encode_did_key(contents.head.author),
        "made_by": did_of(contents),
        "made_at": datetime.fromtimestamp(contents.head.made_us / 1e6, UTC).isoformat(),
        "everything": contents.head.is_everything,
        "entries": counts[drops.ENTRY],
        "blobs": counts[drops.BLOB],
        "blob_bytes": contents.chunk_bytes,
        "capabilities": counts[drops.RIGHT],
        "names": counts[drops.PETNAME],
        "blocked": counts[drops.BLOCKED],
        "installed": counts[drops.INSTALLED],
        "namespaces": contents.namespaces,
        "settings": bool(counts[drops.SETTINGS]),
        "not_whole": asdict(contents.lacking),
    }


def print_contents(file: Path, contents: Contents) -> None:
    """What a dry run shows."""
    fields = contents_json(contents)
    if wants_json():
        return print_result("restore", {**fields, "dry_run": True})
    say(f"{printable(str(file))} is whole, and signed by a device of its author", fg="green")
    say(f"author        {fields['author']}")
    say(f"made          {fields['made_at']} by {fields['made_by']}")
    of = "everybody" if fields["everything"] else "the author"
    say(f"entries       {fields['entries']:,} of {of}")
    say(f"blobs         {fields['blobs']:,}, {size_text(fields['blob_bytes'])}")
    say(f"namespaces    {printable(', '.join(fields['namespaces'])) or 'none but commons'}")
    say(f"capabilities  {fields['capabilities']:,}")
    say(f"names         {fields['names']:,}")
    say(f"blocked       {fields['blocked']:,}")
    say(f"installed     {fields['installed']:,} modules")
    say(f"settings      {'yes' if fields['settings'] else 'none'}")
    say_lacking(contents.lacking, "Restored, they are completed from peers who have them: ")
