"""`doctor`: what could go wrong, each finding with its fix."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from node.client import Client, find_client
from node.commands.console import home, print_json, say, wants_json
from node.commands.status import SLIPS, refused_counts
from node.failure import Failure, Json
from node.text import printable, size_text

# SQLite, the index and a migration's backup want room beside what is held.
FREE_BYTES_MIN = 1 << 30

# More than this behind for a while means that the indexer stands still.
INDEX_BEHIND_MAX = 10_000

PRIVATE = ("token", "node.json", "identity/author.key", "identity/device.key", "identity/token.key")


@dataclass(frozen=True, slots=True)
class Finding:
    """`fix` is a command or a sentence; empty where all is well."""

    name: str
    ok: bool
    detail: str
    fix: str = ""


@click.command("doctor")
@click.option("--exit-code", is_flag=True, help="Exit 1 if something is wrong.")
@click.pass_context
def doctor_command(ctx: click.Context, exit_code: bool) -> None:
    """Look for what could go wrong, with a fix for each finding."""
    findings = [*home_findings(Path(home())), *node_findings(home())]
    if wants_json():
        print_json("doctor", {"findings": [asdict(finding) for finding in findings]})
    for finding in () if wants_json() else findings:
        say("ok    " if finding.ok else "look  ", fg="green" if finding.ok else "yellow", nl=False)
        say(f"{finding.name}: {printable(finding.detail)}")
        if finding.fix:
            say(f"      → {printable(finding.fix)}")
    if exit_code and not all(finding.ok for finding in findings):
        ctx.exit(1)


def home_findings(place: Path) -> Iterator[Finding]:
    """What can be seen without asking the node."""
    if not place.is_dir():
        yield Finding("home", False, f"{place} is not there yet", "panspermia up")
        return
    writable = os.access(place, os.W_OK | os.X_OK)
    fix = "" if writable else f"chown it to yourself, or choose another: --home (now {place})"
    yield Finding("home", writable, f"{place} {'is' if writable else 'is not'} writable", fix)
    open_ones = [name for name in PRIVATE if is_open_to_others(place / name)]
    fix = " && ".join(f"chmod 600 {place / name}" for name in open_ones)
    detail = f"others can read {', '.join(open_ones)}" if open_ones else "only you can read them"
    yield Finding("keys", not open_ones, detail, fix)
    free = shutil.disk_usage(place).free
    fix = "" if free >= FREE_BYTES_MIN else "panspermia gc, or make room on that disk"
    yield Finding("disk", not fix, f"{size_text(free)} free", fix)


def is_open_to_others(path: Path) -> bool:
    try:
        return bool(stat.S_IMODE(path.stat().st_mode) & 0o077)
    except OSError:
        return False


def node_findings(place: str) -> Iterator[Finding]:
    """What the running node says of itself."""
    try:
        client = find_client(place)
        status = client.get("/api/status")
    except Failure as error:
        fix = str(error.problem.get("detail", "")).removeprefix("Start it with: ")
        yield Finding("node", False, error.message.lower(), fix)
        return
    yield Finding("node", True, f"{status['state']} at {status['api']}")
    yield from peer_findings(client, status)
    behind = status["index"]["behind"]
    fix = "" if behind <= INDEX_BEHIND_MAX else "panspermia reindex"
    yield Finding("index", not fix, f"{behind:,} changes behind", fix)
    refused, slips = refused_counts(status)
    fix = "panspermia refused" if refused else ""
    yield Finding("refused", not refused, f"{refused:,} of what others sent was refused", fix)
    yield Finding("slips", True, f"{slips:,} {SLIPS}: panspermia refused")
    ended = status["last_end"]
    if ended["words"]:
        fix = "panspermia scrub, and look at the disk" if ended["lost"] else ""
        yield Finding("start", not ended["lost"], ended["words"], fix)
    for warning in status["warnings"]:
        yield Finding("warning", False, warning)


def peer_findings(client: Client, status: Json) -> Iterator[Finding]:
    if (relay := status.get("relay")) is not None:
        fix = "start it again once it has stopped" if relay["draining"] else ""
        yield Finding("relay", not fix, relay["words"], fix)
    connected, known = status["peers"]["connected"], status["peers"]["known"]
    is_fine = bool(connected) or relay is not None  # others come to a relay
    fix = "" if is_fine else "panspermia up on another machine here, or: panspermia connect"
    yield Finding("peers", is_fine, f"{connected} connected, {known} known", fix)
    host = status["p2p"].rpartition(":")[0]
    is_local = host.startswith("127.") or host in ("[::1]", "localhost")
    fix = "panspermia config set p2p.listen 0.0.0.0:4747" if is_local else ""
    where = "only this machine can reach it" if is_local else "other machines can reach it"
    yield Finding("listening", not is_local, f"at {status['p2p']}: {where}", fix)
    failing = [peer for peer in client.get("/api/peers")["peers"] if peer["last_error"]]
    for peer in failing:
        yield Finding("peer", False, f"{peer['address']}: {peer['last_error']}", "panspermia peers")
