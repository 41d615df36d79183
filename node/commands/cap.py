"""`cap`: who may do what, given, listed, explained and taken back."""

from __future__ import annotations

import re
import sys
from functools import partial
from pathlib import Path

import click

from node.client import path_of
from node.commands.console import (
    DRY_RUN,
    is_terminal,
    may_ask,
    node,
    print_json,
    print_table,
    say,
    wants_json,
)
from node.commands.files import keep_what_is_there, write_whole
from node.commands.petnames import petnames, spelled_out
from node.commands.proofs_in_words import print_proof, proof_in
from node.commands.rights_in_words import (
    changes,
    print_effect,
    print_explanation,
    print_links,
    print_rights,
    print_statements,
)
from node.commands.secrets import PASSPHRASE_FILE, opened_where_sealed
from node.commands.stdout import write_stdout
from node.failure import failed
from node.text import printable

# A judgement of many documents: a revocation of somebody who wrote 100,000 records.
JUDGE_TIMEOUT_S = 600.0
ID = re.compile("[0-9a-fA-F]{8,64}")

NAMESPACE = click.option(
    "--namespace", metavar="NAME|DID", default="commons", show_default=True, help="Where."
)
AREA = click.option("--area", metavar="AREA", help="WHOSE/class/kind/record@FROM..UNTIL, or less.")
RECORD = click.option(
    "--record",
    metavar="RECORD",
    help="Only this: [WHOSE/]ID of a module, or [WHOSE/]class/kind/record.",
)
YES = click.option("--yes", "-y", is_flag=True, help="Do not ask.")


@click.group("cap", invoke_without_command=True)
@click.pass_context
def cap_command(ctx: click.Context) -> None:
    """Give, list, explain and take back rights."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_)


@cap_command.command("grant")
@click.argument("to", metavar="DID|NAME")
@click.option("--read", "rights", flag_value="read", multiple=True, help="May read all of it.")
@click.option(
    "--write", "rights", flag_value="write", multiple=True, help="May write theirs; reads nothing."
)
@click.option(
    "--admin", "rights", flag_value="admin", multiple=True, help="May write all; reads nothing."
)
@AREA
@NAMESPACE
@RECORD
@click.option("--until", metavar="DATE", help="Until before that moment, in UTC.")
@PASSPHRASE_FILE
def grant(
    to: str,
    rights: tuple[str, ...],
    area: str | None,
    namespace: str,
    record: str | None,
    until: str | None,
    passphrase_file: Path | None,
) -> None:
    """Give an author rights, as a code to hand over.

    With --record or --area and nothing else it is to write there: so a module gets another
    publisher. In a group of your own a right to write is none to read: add --read. (`invite`
    gives both.)
    """
    body: dict[str, object] = {"to": spelled(to), "rights": rights, "area": area}
    body |= {"namespace": namespace, "record": record, "until": until}
    give(body, passphrase_file)


@cap_command.command("delegate")
@click.argument("capability")
@click.argument("to", metavar="DID|NAME")
@AREA
@RECORD
@click.option("--until", metavar="DATE", help="Until before that moment, in UTC.")
@PASSPHRASE_FILE
def delegate(
    capability: str,
    to: str,
    area: str | None,
    record: str | None,
    until: str | None,
    passphrase_file: Path | None,
) -> None:
    """Pass on a capability that you hold, or a part of it.

    CAPABILITY is how its digest begins, as `cap list --held` shows it.
    """
    body: dict[str, object] = {"to": spelled(to), "capability": capability, "area": area}
    body |= {"record": record, "until": until}
    give(body, passphrase_file)


def give(body: dict[str, object], passphrase_file: Path | None) -> None:
    said = {key: one for key, one in body.items() if one is not None}
    answer = opened_where_sealed(partial(node().post, "/api/grants"), said, passphrase_file)
    if wants_json():
        return print_json("cap", answer)
    for right in answer["capabilities"]:
        say(printable(right["words"]))
    if answer["note"]:
        say(answer["note"], fg="yellow")
    say()
    say("Hand this over; it is no secret, and of use to them only:", dim=True)
    for code in str(answer["code"]).splitlines():
        say(f"panspermia accept {code}")


@cap_command.command("list")
@click.option("--given", "which", flag_value="given", help="Only those given to others.")
@click.option("--held", "which", flag_value="held", help="Only those that this node holds.")
@click.option("--namespace", metavar="NAME|DID", help="Only of this namespace.")
@click.option(
    "--record",
    metavar="RECORD",
    help="Who may write this: [WHOSE/]ID of a module, or [WHOSE/]class/kind/record.",
)
def list_(
    which: str | None = None, namespace: str | None = None, record: str | None = None
) -> None:
    """List the rights held and given, how each stands, and what was taken back.

    With --record: who may write that record beside its owner, by all that is known here.
    """
    if record is not None:
        if which is not None:
            raise click.UsageError("of a record all rights are listed: leave --given or --held out")
        return list_publishers(record, namespace or "commons")
    client = node()
    page = client.get("/api/capabilities", {"which": which or "all", "namespace": namespace})
    said = client.get("/api/statements", {"type": "revoke", "namespace": namespace})
    revocations = said["statements"]
    if wants_json():
        return print_json("cap", {**page, "revocations": revocations})
    print_rights("Held", page["capabilities"])
    print_rights("Given", page["given"])
    print_statements(revocations)
    return None


def list_publishers(record: str, namespace: str) -> None:
    wanted = {"record": spelled_out(record), "namespace": namespace}
    page = node().get("/api/publishers", wanted)
    if wants_json():
        return print_json("cap", page)
    if not page["publishers"]:
        say("Nobody was let in to write it, by all that is known here.")
    print_rights("May write it", page["publishers"])
    return None


@cap_command.command("inspect")
@click.argument("what", metavar="CODE|HEX|FILE")
def inspect(what: str) -> None:
    """Show a code or a capability link by link, or check a proof; without a node."""
    if (data := proof_in(what)) is not None:
        return print_proof(data)
    links = print_links(what)
    if wants_json():
        print_json("cap", {"capabilities": links})
    if not all(one["valid"] for one in links):
        raise failed("bad-delegation", "It does not hold", "The first link that fails is named.")
    return None


@cap_command.command("revoke")
@click.argument("key", metavar="DID|NAME")
@AREA
@RECORD
@NAMESPACE
@click.option("--since", metavar="TIME|ENTRY", help="What was signed from then on goes too.")
@click.option("--reason", default="", help="Shown to everybody.")
@DRY_RUN
@YES
@PASSPHRASE_FILE
def revoke(
    key: str,
    area: str | None,
    record: str | None,
    namespace: str,
    since: str | None,
    reason: str,
    dry_run: bool,
    yes: bool,
    passphrase_file: Path | None,
) -> None:
    """Take back what came from you through a key, however far it was passed on.

    Nothing that is here goes, unless --since says from when on; what they write later counts
    nowhere.
    """
    body: dict[str, object] = {"key": spelled(key), "area": area, "record": record, "since": since}
    body |= {"namespace": namespace, "reason": reason}
    carry_out("/api/revocations", body, passphrase_file, dry_run=dry_run, yes=yes)


@cap_command.command("unrevoke")
@click.argument("statement")
@DRY_RUN
@YES
@PASSPHRASE_FILE
def unrevoke(statement: str, dry_run: bool, yes: bool, passphrase_file: Path | None) -> None:
    """Take a revocation of yours back: all that it cut counts again.

    STATEMENT is its id, as `cap revoke` and `cap list` show it.
    """
    if not ID.fullmatch(statement):
        detail = (
            f"{printable(statement)} is no id of a revocation; to see them: panspermia cap list"
        )
        raise click.BadParameter(detail, param_hint="STATEMENT")
    body: dict[str, object] = {"statement": statement}
    carry_out("/api/unrevocations", body, passphrase_file, dry_run=dry_run, yes=yes)


def carry_out(
    path: str, body: dict[str, object], passphrase_file: Path | None, *, dry_run: bool, yes: bool
) -> None:
    """What it would do is shown before it is asked whether it should."""
    send = partial(node().post, path, timeout_s=JUDGE_TIMEOUT_S)
    body = {name: value for name, value in body.items() if value is not None}
    if dry_run or (may_ask() and not yes):
        plan = opened_where_sealed(send, {**body, "dry_run": True}, passphrase_file)
        if wants_json():
            return print_json("cap", plan)
        print_effect(plan)
        if dry_run:
            return None
        click.confirm("Say so?", abort=True)
    answer = opened_where_sealed(send, body, passphrase_file)
    if wants_json():
        return print_json("cap", answer)
    print_effect(answer)
    return None


@cap_command.command("heartbeat")
@NAMESPACE
@PASSPHRASE_FILE
def heartbeat(namespace: str, passphrase_file: Path | None) -> None:
    """Say that your key still watches, so that others know how old their knowledge is."""
    send = partial(node().post, "/api/heartbeats")
    answer = opened_where_sealed(send, {"namespace": namespace}, passphrase_file)
    if wants_json():
        return print_json("cap", answer)
    say(f"said so: {answer['statement']}")


@cap_command.command("checkpoint")
@NAMESPACE
@click.option("--keep", metavar="ENTRY", help="Of two branches, this entry's is to count.")
def checkpoint(namespace: str, keep: str | None) -> None:
    """Say what is here of your own records, so that nobody can put anything before it later."""
    body = {"namespace": namespace, **({"keep": keep} if keep else {})}
    answer = node().post("/api/checkpoints", body, timeout_s=JUDGE_TIMEOUT_S)
    if wants_json():
        return print_json("cap", answer)
    say(f"{answer['documents']:,} documents are stated: {answer['statement']}")


@cap_command.command("explain")
@click.argument("what", metavar="ENTRY|NAME")
@NAMESPACE
def explain(what: str, namespace: str) -> None:
    """Say who could write there, and why; what counts and what does not."""
    wanted = what if "/" not in what else spelled_out(what)
    found = node().get("/api/explain", {"what": wanted, "namespace": namespace})
    if wants_json():
        return print_json("cap", found)
    print_explanation(found)


@cap_command.command("proof")
@click.argument("entry")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write here.")
@click.option("--force", is_flag=True, help="Replace the file that is there.")
def proof(entry: str, output: Path | None, force: bool) -> None:
    """Write the proof that the key of an entry was used in two places.

    Whoever has the file can check it, without a node: panspermia cap inspect FILE. It has both
    entries in it as they were signed: of a private namespace, too, what they say.
    """
    if output is None and (wants_json() or is_terminal(sys.stdout)):
        raise click.UsageError("bytes do not belong on a terminal; give -o FILE")
    if output is not None:
        keep_what_is_there(output, force=force)
    found = node().get_bytes(path_of("/api/proofs", entry))
    if output is None:
        write_stdout(found)
        return
    write_whole(output, found)
    if wants_json():
        return print_json("cap", {"file": str(output), "size": len(found)})
    say(f"wrote {output}; to check it: panspermia cap inspect {output}")


@cap_command.command("reapply")
@click.argument("name")
@NAMESPACE
@DRY_RUN
def reapply(name: str, namespace: str, dry_run: bool) -> None:
    """Make again what you had written and what fell with what others lost."""
    body = {"record": name, "namespace": namespace, "dry_run": dry_run}
    answer = node().post("/api/reapply", body, timeout_s=JUDGE_TIMEOUT_S)
    if wants_json():
        return print_json("cap", answer)
    print_table(("PLACE", "VALUE"), ((one["place"], one["value"]) for one in answer["places"]))
    done = "would be made again" if dry_run else "made again"
    if answer["entry"] is None and not dry_run:
        done = "looked at; there was nothing to change"
    say(f"{changes(answer['changes'])} {done}")
    for count, what in ((answer["unreadable"], "changes"), (answer["left"], "places")):
        if count:
            say(f"{count:,} {what} could not be", fg="yellow")


def spelled(to: str) -> str:
    """A did:key for a petname; a wrong one is the node's to tell."""
    return to if to.startswith("did:") else petnames().authors.get(to, to)
