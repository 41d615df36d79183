"""`passage`: ways between universes, and who travels through them."""

from __future__ import annotations

import base64
import sys
from pathlib import Path
from shlex import quote

import click

from node.client import path_of, with_query
from node.commands.console import (
    IN_NAMESPACE,
    is_terminal,
    node,
    print_json,
    print_table,
    say,
    wants_json,
)
from node.commands.files import is_stream, keep_what_is_there, whole_file
from node.commands.passage_pages import passages_known
from node.commands.passage_text import (
    behind_text,
    end_text,
    late_text,
    place_text,
    rest_text,
    stability_text,
    state_text,
    travellers_text,
    universe_text,
    waiting_text,
)
from node.commands.petnames import Petnames, own_did, petnames
from node.commands.reading import read_named, shown_errors
from node.commands.stdout import write_stdout
from node.commands.traveller_files import MIGRATION, TRAVELLER_BYTES_MAX, checked, too_large
from node.failure import Json, failed
from node.text import printable, size_text

PATH = "/api/passage"
TYPES = ["thread", "bridge", "gate", "confluence"]
ARRIVALS = click.option(
    "--arrivals",
    type=click.Choice(["accept", "ask", "refuse"]),
    help="What your gate does with who comes: accept, unless you said else before.",
)
STABILITY = click.option(
    "--stability", type=click.IntRange(0, 100), help="100, unless you said else before."
)
SOUL = click.option("--soul", help="Who is meant, where several left under that migration.")
ORIGIN = click.option(
    "--origin", metavar="UNIVERSE", help="The same, where they are of one soul: whence it comes."
)
FROM = click.option("--from", "source", metavar="UNIVERSE", help="Where both ends are yours.")
TAKE_TIMEOUT_S = 330.0  # the node itself gives a fetch 300 s
MIGRATE_ENTITY = "primordium-migration"
COLORS = {"open": "green", "proposed": "yellow", "closed": None, "gone": "red"}


@click.group("passage")
def passage_command() -> None:
    """Join universes, and send travellers from one to the other.

    PASSAGE and UNIVERSE are ids, or WHOSE/ID. A traveller is in exactly one universe or on its way:
    what gates sign says where.
    """


@passage_command.command("create")
@click.argument("source")
@click.argument("target")
@click.option("--type", "type", type=click.Choice(TYPES), default="thread", show_default=True)
@click.option("--id", "id", help="Made where none is given.")
@click.option("--name", help="What others see.")
@STABILITY
@click.option(
    "--every", type=click.IntRange(1, 3650), metavar="DAYS", help="When to look after it."
)
@ARRIVALS
@IN_NAMESPACE
def create(
    source: str,
    target: str,
    type: str,
    id: str | None,
    name: str | None,
    stability: int | None,
    every: int | None,
    arrivals: str | None,
    namespace: str | None,
) -> None:
    """Propose a passage; between two universes of yours it is open at once."""
    body = {
        "sourceUniverseId": source, "targetUniverseId": target, "type": type, "id": id,
        "name": name, "stability": stability, "arrivals": arrivals,
        "maintenanceEvery": None if every is None else every * 86_400_000,
        "namespace": namespace,
    }  # fmt: skip
    return print_done(node().post(PATH, body))


@passage_command.command("accept")
@click.argument("passage")
@STABILITY
@ARRIVALS
@IN_NAMESPACE
def accept(
    passage: str, stability: int | None, arrivals: str | None, namespace: str | None
) -> None:
    """Accept a passage to a universe of yours that somebody proposes, or open your half again."""
    body = {"stability": stability, "arrivals": arrivals, "namespace": namespace}
    return print_done(node().post(path_of(PATH, passage, "accept"), body))


@passage_command.command("list")
@click.option("--universe", metavar="UNIVERSE", help="Only those of this one.")
@IN_NAMESPACE
def list_(universe: str | None, namespace: str | None) -> None:
    """List passages that are known here: of each universe's owner, or yours, before others'."""
    found = list(passages_known({"universeId": universe, "namespace": namespace}))
    if wants_json():
        return print_json("passage", {"passages": found})
    if not found:
        where = "" if universe is None else " to or from that universe"
        return say(f"No passage{where} is known here. To propose one: panspermia passage create")
    called = petnames(own_did())
    rows = (
        (
            one["id"], one["type"], one["state"], universe_text(one["source"], called),
            universe_text(one["target"], called), f"{one['stabilityNow']}",
        )
        for one in found
    )  # fmt: skip
    print_table(("ID", "TYPE", "STATE", "FROM", "TO", "STABILITY"), rows)
    return None


@passage_command.command("show")
@click.argument("passage")
@click.option("--limit", type=click.IntRange(1, 1000), help="Of travellers; 1000, if not said.")
@click.option("--cursor", help="Go on where the last page ended.")
@click.option("--migration", type=MIGRATION, help="Only who left under it.")
@IN_NAMESPACE
def show(passage: str, namespace: str | None, **page: int | str | None) -> None:
    """Show a passage, and where each of its travellers is: who is under way is first."""
    query = {"namespace": namespace}
    one = node().get(path_of(PATH, passage), query)["passage"]
    found = node().get(path_of(PATH, one["fullName"], "travellers"), {**page, **query})
    if wants_json():
        return print_json("passage", {"passage": one, **found})
    own = own_did()
    called = petnames(own)
    print_passage(one, called, own)
    for line in travellers_text(found, called):
        say(line)
    for line in waiting_text(one, found, own):
        say(line, fg="yellow")
    for universe in found["doubtful"]:
        text = f"The gate of {printable(universe)} signed two receipts with one number."
        say(text, fg="red")
    for universe in found["behind"]:
        say(behind_text(universe), fg="red")
    for universe, why in found["rests"].items():
        say(rest_text(called.universe(universe), why), fg="yellow")
    if not found["whole"]:
        say("Some are left out: what they went through is too much to read.", fg="yellow")
    if found["next"]:
        say(f"More: --cursor {printable(found['next'])}", dim=True)
    return None


@passage_command.command("send")
@click.argument("passage")
@click.argument("file")
@click.option("--soul", help="Who it is; of a MigrateEntity its migration id, if not said.")
@click.option("--format", "format", help="`json` if not said; MigrateEntity is found out.")
@FROM
@click.option("--origin", metavar="UNIVERSE", help="In full, where several of that soul are there.")
@click.option(
    "--migration",
    type=MIGRATION,
    help="Names this journey: again is the same one. A MigrateEntity says its own.",
)
@click.option("--tick", type=click.IntRange(min=0), help="The highest told of, if not said.")
@IN_NAMESPACE
def send(
    passage: str,
    file: str,
    soul: str | None,
    format: str | None,
    source: str | None,
    origin: str | None,
    migration: str | None,
    tick: int | None,
    namespace: str | None,
) -> None:
    """Send a traveller, whose bytes FILE has, through a passage."""
    path = Path(file)
    if path.is_file() and (size := path.stat().st_size) > TRAVELLER_BYTES_MAX:
        raise too_large(file, size)  # before it is read
    with shown_errors():
        data = read_named(file).data
    if not data:
        raise failed("traveller-too-large", "No traveller", f"{printable(file)} is empty")
    if len(data) > TRAVELLER_BYTES_MAX:
        raise too_large(file, len(data))
    if format is None:
        format = MIGRATE_ENTITY if b'"MigrateEntity"' in data else "json"
    if not soul and format != MIGRATE_ENTITY:
        raise click.UsageError("say who travels: --soul NAME")
    body = {
        "data": base64.b64encode(data).decode(), "soul": soul, "format": format, "from": source,
        "origin": origin, "migration": migration, "tick": tick,
        "namespace": namespace,
    }  # fmt: skip
    return print_travel(node().post(path_of(PATH, passage, "travel"), body))


@passage_command.command("take")
@click.argument("passage")
@click.argument("migration", type=MIGRATION)
@click.option("-o", "--output", metavar="FILE|-", help="Where its bytes go; - is stdout.")
@click.option("--force", is_flag=True, help="Replace the file that is there.")
@SOUL
@ORIGIN
@IN_NAMESPACE
def take(
    passage: str,
    migration: str,
    output: str | None,
    force: bool,
    soul: str | None,
    origin: str | None,
    namespace: str | None,
) -> None:
    """Write the bytes of a traveller to a file, as it left; what is not here comes from peers.

    MIGRATION is what `passage show` says of it. It moves nobody: whoever may read the passage may
    take a copy, and where the traveller is the receipts say.
    """
    to_stdout = output in (None, "-")
    if to_stdout and (wants_json() or is_terminal(sys.stdout)):
        raise click.UsageError("bytes do not belong on a terminal; give -o FILE")
    if not to_stdout:
        keep_what_is_there(Path(str(output)), force=force)
    query = {"migration": migration, "soul": soul, "origin": origin, "namespace": namespace}
    path = path_of(PATH, passage, "travellers")
    found = node().get(path, query)["travellers"]
    data = node().get_bytes(with_query(path, {**query, "raw": "true"}), timeout_s=TAKE_TIMEOUT_S)
    one = checked(found, migration, data)
    if to_stdout:
        write_stdout(data)
        return
    target = Path(str(output))
    with whole_file(target, force=force) as file:
        file.write(data)
    shown = {name: value for name, value in one.items() if name != "data"}
    if wants_json():
        body = {"traveller": shown, "file": str(target), "size": len(data)}
        return print_json("passage", body)
    aside = is_stream(target)
    done = f"{printable(one['soul'])}, {one['format']}, {size_text(len(data))}"
    say(f"{done} in {printable(str(target))}", fg="green", err=aside)
    return say(place_text(one, petnames(own_did())), err=aside)


@passage_command.command("recall")
@click.argument("passage")
@click.argument("migration", type=MIGRATION)
@FROM
@IN_NAMESPACE
def recall(passage: str, migration: str, source: str | None, namespace: str | None) -> None:
    """Ask for a traveller back; it comes unless the other gate let it in before."""
    body = {"migration": migration, "from": source, "namespace": namespace}
    done = node().post(path_of(PATH, passage, "recall"), body)
    print_travel(done)
    if not wants_json() and (late := late_text(done["traveller"])):
        say(late, fg="yellow")


@passage_command.command("decide")
@click.argument("passage")
@click.argument("migration", type=MIGRATION)
@click.option("--accept/--refuse", "is_accepted", required=True)
@click.option("--reason", default="", help="Why it is refused.")
@click.option("--tick", type=click.IntRange(min=0), help="The highest told of, if not said.")
@SOUL
@ORIGIN
@IN_NAMESPACE
def decide(
    passage: str,
    migration: str,
    is_accepted: bool,
    reason: str,
    tick: int | None,
    soul: str | None,
    origin: str | None,
    namespace: str | None,
) -> None:
    """Let a traveller in that waits at your gate, or send it back."""
    body = {
        "migration": migration, "accept": is_accepted, "reason": reason, "tick": tick,
        "soul": soul, "origin": origin, "namespace": namespace,
    }  # fmt: skip
    return print_travel(node().post(path_of(PATH, passage, "decide"), body))


@passage_command.command("maintain")
@click.argument("passage")
@click.option(
    "--stability", type=click.IntRange(0, 100), help="From now on; as before, if not said."
)
@IN_NAMESPACE
def maintain(passage: str, stability: int | None, namespace: str | None) -> None:
    """Look after a passage: where nobody does, it wears down and carries nobody."""
    body = {"stability": stability, "namespace": namespace}
    return print_done(node().post(path_of(PATH, passage, "maintain"), body))


@passage_command.command("close")
@click.argument("passage")
@IN_NAMESPACE
def close(passage: str, namespace: str | None) -> None:
    """Close your half: who is under way comes back, and nobody else leaves."""
    return print_done(node().delete(with_query(path_of(PATH, passage), {"namespace": namespace})))


@passage_command.command("gate")
@click.argument("universe")
@click.option(
    "--anyway", is_flag=True, help="Where receipts that others answered are lost for good."
)
@IN_NAMESPACE
def gate(universe: str, anyway: bool, namespace: str | None) -> None:
    """Make this device the gate of your universe, in place of one that is lost or stopped."""
    body = {"universe": universe, "anyway": anyway, "namespace": namespace}
    done = node().post("/api/gate", body)
    if wants_json():
        return print_json("passage", done)
    said = "is now" if done["changed"] else "was already"
    say(f"This device {said} the gate of {printable(done['universe'])}", fg="green")
    if done["lost"]:
        say(f"It goes on without receipts that {done['lost']} answers of others speak of.")
    return None


def print_done(done: Json) -> None:
    if wants_json():
        return print_json("passage", done)
    return print_passage(done["passage"], petnames(), own_did())


def print_passage(one: Json, called: Petnames, own: str) -> None:
    say(printable(one["name"] or one["id"]), bold=True)
    say(f"{'state':<14}{state_text(one, called, own)}", fg=COLORS[one["state"]])
    ends = (one["source"], one["target"])
    for label, value in (
        ("id", one["fullName"]), ("type", one["type"]),
        ("from", end_text(ends[0], called, own)), ("to", end_text(ends[1], called, own)),
        ("stability", stability_text(one)),
        *(
            ("arrivals", f"{said} at {end_text(end, called, own)}")
            for end in ends if (said := one["arrivals"].get(end.partition("/")[0]))
        ),
    ):  # fmt: skip
        say(f"{label:<14}{printable(value)}")
    if one["state"] != "proposed":
        return
    command = printable(f"panspermia passage accept {quote(one['fullName'])}")
    if own in one["arrivals"]:
        say(f"The other owner accepts it with: {command}", dim=True)
    elif any(end.startswith(f"{own}/") for end in ends):
        say(f"Accept it with: {command}", dim=True)


def print_travel(done: Json) -> None:
    if wants_json():
        return print_json("passage", done)
    one = done["traveller"]
    say(place_text(one, petnames(own_did())), fg="green" if one["state"] == "in" else None)
    if done["known"]:
        say("That was said before: nothing new was signed.", fg="yellow")
    return say(f"migration {done['migration']}", dim=True)
