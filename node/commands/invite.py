"""`invite`, `accept`: pairing by a short code or a QR, and rights handed over as a long code."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click

from node.client import broken, path_of
from node.commands.console import (
    is_terminal,
    may_ask,
    node,
    print_json,
    print_table,
    say,
    shows_progress,
    wants_json,
)
from node.commands.going_on import goes_on
from node.commands.letter import print_sent, send_letter
from node.commands.secrets import PASSPHRASE_FILE, opened_where_sealed, with_passphrase
from node.exit_codes import NETWORK, NOT_RUNNING
from node.failure import Failure, Json, failed
from node.qr import QUIET, qr_of, qr_rows
from node.text import printable, short_did

# Of a code, with the line breaks that a mail may put into it.
CODE_CHARACTERS_MAX = 1 << 20

TERMINAL = "-"

# As `node.services.live_invites` has it, which is not imported for a flag.
LIFE_S_MIN, LIFE_S_MAX = 10, 7 * 86_400
UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}

HALVES = {(True, True): "█", (True, False): "▀", (False, True): "▄", (False, False): " "}

# A node that starts again in its process answers within a second or two.
AGAIN_S = 30.0
POLL_S = 0.1

AGAIN = "The same code again goes on where this stopped: what was given to you stays yours."

# Every address of a code is called, one after the other.
ACCEPT_TIMEOUT_S = 180.0


@click.command("invite")
@click.option("--for", "receiver", metavar="DID|NAME", help="A long code, for this author only.")
@click.option("--namespace", default="commons", show_default=True, help="Where.")
@click.option("--cap", "areas", metavar="AREA", multiple=True, help="Only this area; see above.")
@click.option("--read", "level", flag_value="read", help="To read [default].")
@click.option("--write", "level", flag_value="write", help="To read, and write what is theirs.")
@click.option("--admin", "level", flag_value="admin", help="To do everything, and let others in.")
@click.option("--until", metavar="DATE", help="The right ends then: 2027-01-01, in UTC.")
@click.option("--note", default="", help="A few words for them.")
@click.option("--as", "called", metavar="NAME", help="What to be called there: a proposal.")
@click.option("--address", "addresses", metavar="HOST:PORT", multiple=True, help="Of this node.")
@click.option("--device", is_flag=True, help="Whoever uses it becomes a device of yours.")
@click.option("--expires", metavar="TIME", help="The code ends after 90s, 15m [default], 2h, 1d.")
@click.option(
    "--qr",
    is_flag=False,
    flag_value=TERMINAL,
    metavar="[FILE]",
    help="Show a QR code; or write it to FILE.svg or FILE.png.",
)
@click.option("--send", is_flag=True, help="With --for: send it to them through a relay.")
@click.option("--list", "is_list", is_flag=True, help="List the short codes made here.")
@click.option("--cancel", metavar="ID", help="Have one be of no use any more.")
@PASSPHRASE_FILE
def invite_command(
    receiver: str | None,
    namespace: str,
    areas: tuple[str, ...],
    level: str | None,
    until: str | None,
    note: str,
    called: str | None,
    addresses: tuple[str, ...],
    device: bool,
    expires: str | None,
    qr: str | None,
    send: bool,
    is_list: bool,
    cancel: str | None,
    passphrase_file: Path | None,
) -> None:
    """Make a code that lets somebody in.

    A short one is secret, of use once, for 15 minutes: tell it to one person, or have them scan the
    QR. They say `panspermia accept CODE`, and are shown what you give. This node has to run
    meanwhile, and you need not be there. With --for the code is long, and for that author only.

    An AREA is WHOSE/class/kind/record@FROM..UNTIL, each part as far as it is wanted; WHOSE is a
    did:key, a name, `me`, or * for everyone: me/pub/mod/org.example.clock@..2027-01-01
    """
    if is_list:
        return print_invites()
    if cancel is not None:
        return cancel_invite(cancel)
    check_given(level, namespace, areas)
    if send and receiver is None:
        raise click.UsageError("--send goes with --for: whom to send it to")
    if qr is not None and receiver is not None:
        raise click.UsageError("a long code is too long for a QR: leave --for out, or --qr")
    body: dict[str, object] = {"namespace": namespace, "areas": areas, "until": until, "note": note}
    if level is not None:
        body["level"] = level
    if addresses:
        body["addresses"] = addresses
    if receiver is not None:
        if device or expires is not None or called is not None:
            what = "--device, --expires and --as"
            raise click.UsageError(f"{what} are of a short code: leave --for out")
        body["receiver"] = receiver
        made = node().post("/api/invites", with_passphrase(body, passphrase_file))
        return send_code(receiver, made) if send else print_code("invite", made)
    if called is not None:
        body["called"] = called
    body |= {"device": device, "expires_s": seconds_in(expires or "15m")}
    file = None if qr in (None, TERMINAL) else qr_file(qr)

    def make(more: Json) -> Json:
        return node().post("/api/invites", more)

    print_live(opened_where_sealed(make, body, passphrase_file), shows_qr=qr == TERMINAL, file=file)


def check_given(level: str | None, namespace: str, areas: Sequence[str]) -> None:
    """Raises `click.UsageError` where what was asked for would give nothing, or all by a slip."""
    if not all(area.strip() for area in areas):  # an empty one means everything of everyone
        raise click.UsageError("--cap names no area; for everything of everyone: --cap '*'")
    if level in ("write", "admin") and namespace == "commons" and not areas:
        raise click.UsageError(
            f"--{level} gives no right in commons, where everybody writes what is theirs:"
            " say in which namespace (--namespace NAME), or which area (--cap AREA)"
        )


def send_code(receiver: str, made: Json) -> None:
    """The code in a letter to them. Raises `Failure`."""
    sent = send_letter(receiver, made["code"], "code", None)
    if wants_json():
        return print_json("invite", {**made, **sent})
    for line in made["words"]:
        say(printable(line), err=True)
    print_sent(receiver, sent)
    say("They say: panspermia letter list", err=True, dim=True)


def seconds_in(text: str) -> int:
    """Of `90s`, `15m`, `2h`, `1d`. Raises `click.UsageError`."""
    number, unit = text[:-1], text[-1:]
    if unit not in UNITS_S or not number.isdecimal() or len(number) > 6:
        raise click.UsageError(f"{text!r} is no time: write it as 90s, 15m, 2h or 1d")
    seconds = int(number) * UNITS_S[unit]
    if not LIFE_S_MIN <= seconds <= LIFE_S_MAX:
        raise click.UsageError(f"a code is of use for 10s to 7d, not for {text}")
    return seconds


def qr_file(name: str | None) -> Path:
    """Raises `click.UsageError` for what no QR is written to."""
    path = Path(name or "")
    if path.suffix.lower() not in (".svg", ".png"):
        raise click.UsageError(f"{str(path)!r} is no picture: give FILE.svg or FILE.png")
    return path


def print_live(made: Json, *, shows_qr: bool, file: Path | None) -> None:
    """The short code alone on stdout, so that it can be piped; the rest beside it."""
    if file is not None:
        write_qr(made["link"], file)
    if wants_json():
        return print_json("invite", made)
    for line in made["words"]:
        say(printable(line), err=True)
    is_terminal_there = is_terminal(sys.stderr) and is_terminal(sys.stdout)
    if shows_qr or is_terminal_there:
        say(qr_text(made["link"]), err=True)
    say(f"Or this link: {made['link']}", err=True, dim=True)
    if file is not None:
        say(f"The QR is in {printable(str(file))}", err=True)
    say(f"Once, until {made['expires_at']}; to take it back:", err=True, dim=True)
    say(f"  panspermia invite --cancel {made['id'][:8]}", err=True, dim=True)
    say("They say: panspermia accept CODE, with this code:", err=True, dim=True)
    say(made["code"])


def qr_text(link: str) -> str:
    """Two rows of modules in a line, dark on light as cameras want it, with a quiet zone."""
    rows = qr_rows(link)
    if len(rows) % 2:
        rows.append([False] * len(rows[0]))
    lines = [
        "".join(HALVES[upper, lower] for upper, lower in zip(*rows[at : at + 2], strict=True))
        for at in range(0, len(rows), 2)
    ]
    return "\n".join(f"\x1b[30;107m{line}\x1b[0m" for line in lines)


def write_qr(link: str, file: Path) -> None:
    """0600: it is as secret as the code. Raises `Failure`."""
    try:
        with open(file, "xb", opener=private) as target:
            qr_of(link).save(target, kind=file.suffix[1:].lower(), border=QUIET, scale=8)
    except FileExistsError as error:
        detail = f"{printable(str(file))} is there already; nothing of it was changed"
        raise failed("file-exists", "The QR was not written", detail) from error
    except OSError as error:
        detail = f"{printable(str(file))}: {error.strerror}"
        raise failed("failed", "The QR cannot be written", detail) from error


def private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def print_invites() -> None:
    page = node().get("/api/invites")
    if wants_json():
        return print_json("invite", page)
    if not page["invites"]:
        return say("No short code was made here yet: panspermia invite")
    head = ("ID", "STATE", "ENDS", "WRONG", "USED BY", "CHECK DIGITS", "GIVES")
    print_table(head, map(invite_row, page["invites"]))
    for line in naming_words(page["invites"]):
        say(line, err=True, dim=True)


def invite_row(one: Json) -> tuple[object, ...]:
    who = one["name"] or short_did(one["did"] or "")
    when = one["ended_at"] or one["expires_at"]
    digits = one["digits"] or ""
    return one["id"][:8], one["state"], when, one["wrong"], who, digits, "; ".join(one["words"])


def naming_words(invites: Sequence[Json]) -> list[str]:
    """How to take over what they call themselves; each author once, the newest word."""
    unnamed = {one["did"]: one["called"] for one in reversed(invites) if not one["name"]}
    return [
        f"They call themselves {printable(called)}; to do so too:"
        f" panspermia name set {printable(called)} {printable(did)}"
        for did, called in unnamed.items()
        if did and called
    ]


def cancel_invite(id: str) -> None:
    node().delete(path_of("/api/invites", id.lower()))
    if wants_json():
        return print_json("invite", {"cancelled": id})
    say(f"The code of {printable(id)} is of no use any more", fg="green")


def print_code(command: str, made: Json) -> None:
    """The code alone on stdout, so that it can be piped; what it says beside it."""
    if wants_json():
        return print_json(command, made)
    for line in made["words"]:
        say(printable(line), err=True)
    say("They say: panspermia accept CODE, with this code:", err=True, dim=True)
    say(made["code"])


@click.command("accept")
@click.argument("code", metavar="CODE|LINK|-", nargs=-1, required=True)
@click.option("--name", help="What to call who made a short code; of a long one, its namespace.")
@click.option("--no-name", is_flag=True, help="Do not call them as they propose.")
@click.option("--as", "called", metavar="NAME", help="What to be called there: a proposal.")
@click.option("--namespace", help="What to call its namespace here.")
@click.option("--replace", is_flag=True, help="Become somebody's device; keep the old key aside.")
@click.option("--dry-run", is_flag=True, help="Only say what it would do.")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@PASSPHRASE_FILE
def accept_command(
    code: tuple[str, ...],
    name: str | None,
    no_name: bool,
    called: str | None,
    namespace: str | None,
    replace: bool,
    dry_run: bool,
    yes: bool,
    passphrase_file: Path | None,
) -> None:
    """Show in words what a code gives, and take it.

    With - the code is read from the standard input. Who made a short one is looked for on this
    network and by the relays that are configured; a link says where to call. A code of `device
    add`, or of `invite --device`, makes this home a device of that author; the node starts again.
    """
    text = sys.stdin.read(CODE_CHARACTERS_MAX) if code == ("-",) else " ".join(code)
    if no_name and name is not None:
        raise click.UsageError("--name says what to call them, --no-name nothing: leave one out")
    body: dict[str, object] = {"code": text, "replace": replace, "unnamed": no_name}
    if name is not None:
        body["name"] = name
    if called is not None:
        body["called"] = called
    if namespace is not None:
        body["namespace"] = namespace
    shown = accepting({**body, "dry_run": True})
    if dry_run:
        return print_accepted(shown)
    if not wants_json():
        for line in shown["words"]:
            say(printable(line))
        if shown.get("digits"):
            say(f"Check digits of both nodes: {shown['digits']}")
    if not yes:
        if not may_ask():
            raise click.UsageError("nobody can be asked here: see --dry-run, then say --yes")
        click.confirm("Take it?", abort=True)
    if shown.get("offer"):
        answer = opened_where_sealed(accepting, {**body, "offer": shown["offer"]}, passphrase_file)
    else:
        answer = accepting(with_passphrase(body, passphrase_file))
    if answer["starts_again"]:
        wait_for_author(answer["giver"])
    print_accepted(answer)


def accepting(body: Json) -> Json:
    """What the node answers; how far it is, on the terminal. Raises `Failure`."""
    with goes_on(AGAIN):
        if not shows_progress():
            return node().post("/api/invites/accept", body, timeout_s=ACCEPT_TIMEOUT_S)
        for line in node().post_lines("/api/invites/accept", body, timeout_s=ACCEPT_TIMEOUT_S):
            if line.get("event") != "progress":
                return {name: value for name, value in line.items() if name != "event"}
            say(printable(line["text"]), err=True, dim=True)
        raise broken("It ended without a result.")


def wait_for_author(did: str) -> None:
    """Until the node answers again, as somebody else's device. Raises `Failure`."""
    deadline = time.monotonic() + AGAIN_S
    while time.monotonic() < deadline:
        try:
            if node().get("/api/identity")["did"] == did:
                return
        except Failure as gone:
            if gone.exit not in (NOT_RUNNING, NETWORK):
                raise
        time.sleep(POLL_S)
    raise failed("timeout", "The node did not start again in time", "See: panspermia status")


def print_accepted(answer: Json) -> None:
    if wants_json():
        return print_json("accept", answer)
    if answer["dry_run"]:
        for line in answer["words"]:
            say(printable(line))
        if answer.get("digits"):
            say(f"Check digits of both nodes: {answer['digits']}")
        return
    if aside := answer["set_aside"]:
        say(f"The key of this home's former author lies in {printable(aside)}", fg="yellow")
    if answer["starts_again"]:
        say("This node is one of their devices now; see: panspermia id", fg="green")
        return
    places = f"; you take part in {', '.join(answer['namespaces'])}" if answer["namespaces"] else ""
    if answer["type"] == "pair":
        who = f"{answer['name']}, {answer['giver']}" if answer["name"] else answer["giver"]
        say(f"Paired with {printable(who)}{printable(places)}", fg="green")
        say(f"Check digits, the same there (panspermia invite --list): {answer['digits']}")
    else:
        say(f"{answer['kept']} capabilities are kept{printable(places)}", fg="green")
    for one in answer["addresses"]:
        found = "connected" if one["connected"] else f"not reached: {one['detail']}"
        say(f"{printable(one['address'])}: {printable(found)}", dim=one["connected"])
