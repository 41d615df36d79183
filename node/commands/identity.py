"""`id`: whom this node speaks for. Works without a running node.

The author's key leaves a home only sealed by a passphrase; the device's key never leaves it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from node.commands.console import home, is_terminal, print_json, say, wants_json
from node.commands.files import keep_what_is_there, write_whole
from node.commands.secrets import passphrase_in
from node.exit_codes import NOT_ALLOWED, NOT_FOUND, UNVERIFIED
from node.failure import Failure, failed, failure
from node.text import printable

# Argon2id makes guessing slow, not a short passphrase good.
PASSPHRASE_CHARACTERS_MIN = 8

# An exported key has well under a hundred bytes.
EXPORT_BYTES_MAX = 64 << 10


@click.group("id", invoke_without_command=True)
@click.pass_context
def id_command(ctx: click.Context) -> None:
    """Show, export or import the author's identity."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(show)


@id_command.command("show")
def show() -> None:
    """Print the author's did:key and this device's."""
    from node.errors import BadHome, BadIdentity
    from node.home import Home
    from node.identity import load

    place = Home(Path(home()))
    if not place.device_file.exists():
        detail = "The first start makes one: panspermia up. Or bring yours: panspermia id import"
        raise failure("no-identity", "There is no identity yet", detail, NOT_FOUND)
    try:
        identity = load(place)
    except (BadHome, BadIdentity) as error:
        raise bad_identity(error.reason, error.detail) from error
    if wants_json():
        fields = {"did": identity.did, "device": identity.device_did}
        fields |= {"fingerprint": identity.fingerprint}
        return print_json("id", {**fields, "sealed": identity.is_sealed})
    say(f"author       {identity.did}")
    say(f"fingerprint  {identity.fingerprint}")
    say(f"device       {identity.device_did}")
    say(f"at rest      {'sealed' if identity.is_sealed else 'readable by this user only'}")


@id_command.command("export")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--passphrase-file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Replace FILE.")
def export(file: Path, passphrase_file: Path | None, force: bool) -> None:
    """Write the author's key to FILE, sealed by a passphrase.

    Of your namespaces' keys, rights and records nothing is in it: that is in a backup.
    """
    from node.errors import BadHome, BadIdentity
    from node.home import Home
    from node.identity import export_author, load

    keep_what_is_there(file, force=force)
    place = Home(Path(home()))
    passphrase = new_passphrase(passphrase_file)
    try:
        identity = load(place)
        current = passphrase if identity.is_sealed else None
        sealed = export_author(place, passphrase, os.urandom, current=current)
    except (BadHome, BadIdentity) as error:
        raise bad_identity(error.reason, error.detail) from error
    write_whole(file, sealed, mode=0o600)
    if wants_json():
        return print_json("id", {"did": identity.did, "file": str(file)})
    say(f"wrote the key of {identity.did} to {printable(str(file))}")
    say("Keep the passphrase apart from it: without both it cannot be opened.")


@id_command.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--passphrase-file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def import_(file: Path, passphrase_file: Path | None) -> None:
    """Become the author of an exported key, on a new device, in a new home.

    Or bring the key to a home that is a device of that author already.
    """
    from node.errors import BadHome, BadIdentity
    from node.home import Home
    from node.identity import import_author

    with file.open("rb") as exported:
        sealed = exported.read(EXPORT_BYTES_MAX)
    try:
        identity = import_author(
            Home(Path(home())), sealed, passphrase(passphrase_file), os.urandom
        )
    except (BadHome, BadIdentity) as error:
        raise bad_identity(error.reason, error.detail) from error
    if wants_json():
        return print_json("id", {"did": identity.did, "device": identity.device_did})
    say(f"this home now speaks for {identity.did}")


@id_command.command("seal")
@click.option("--passphrase-file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--current-passphrase-file", type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Opens the keys, where they are sealed already.",
)  # fmt: skip
def seal(passphrase_file: Path | None, current_passphrase_file: Path | None) -> None:
    """Keep the author's key and those of your namespaces sealed by a passphrase here, too.

    The node runs without it. It is asked for where the key is needed: to let others in, to add and
    remove devices. Again, it changes the passphrase.
    """
    from node.errors import BadHome, BadIdentity
    from node.home import Home
    from node.identity import load, seal_author

    place = Home(Path(home()))
    try:
        identity = load(place)
        current = passphrase(current_passphrase_file) if identity.is_sealed else None
        seal_author(place, new_passphrase(passphrase_file), current=current)
    except (BadHome, BadIdentity) as error:
        raise bad_identity(error.reason, error.detail) from error
    if wants_json():
        return print_json("id", {"did": identity.did, "sealed": True})
    say(f"the keys of {identity.did} are sealed; keep the passphrase where you find it again")


def bad_identity(code: str, detail: str) -> Failure:
    if code == "bad-home":  # a full disk, say: what was there before is as it was
        return failed(code, "A file of the home cannot be used", detail)
    exit = UNVERIFIED if code in ("wrong-passphrase", "damaged") else NOT_ALLOWED
    return failure(code, "The identity cannot be used", detail, exit)


def new_passphrase(file: Path | None) -> str:
    """Asked twice, or from a file. Raises `Failure` for one that is too short."""
    chosen = passphrase(file, confirm=True)
    if len(chosen) < PASSPHRASE_CHARACTERS_MIN:
        detail = f"At least {PASSPHRASE_CHARACTERS_MIN} characters; several words are best."
        raise failed("weak-passphrase", "The passphrase is too short", detail)
    return chosen


def passphrase(file: Path | None, *, confirm: bool = False) -> str:
    """From `file`, without its newline, else asked for on the terminal, never shown."""
    if file is not None:
        return passphrase_in(file)
    if not is_terminal(sys.stdin):
        raise click.UsageError("there is no terminal to ask on; give --passphrase-file FILE")
    asked: str = click.prompt("Passphrase", hide_input=True, confirmation_prompt=confirm, err=True)
    return asked
