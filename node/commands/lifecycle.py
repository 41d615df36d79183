"""`up`, `down`, `open`, `version`: the node's life."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from node._version import __version__
from node.commands.console import home, is_verbose, node, print_event, print_json, say, wants_json
from node.exit_codes import NETWORK
from node.failure import Failure, failed, failure
from node.text import printable

if TYPE_CHECKING:
    from node.home import Home

# A node that starts writes node.json within this, migrations of a large home included.
STARTING_S = 20.0

# The daemon ends its tasks within this after it was asked to.
STOPPING_S = 30.0

POLL_S = 0.05


@click.command("up")
@click.option("--port", type=click.IntRange(0, 65_535), help="Of the page; 0 picks a free one.")
@click.option("--listen", metavar="HOST:PORT", help="For peers; port 0 picks a free one.")
@click.option("--no-mdns", is_flag=True, help="Neither announce nor look on the local network.")
@click.option("--peer", "peers", metavar="HOST:PORT", multiple=True, help="Keep in touch with it.")
@click.option("--relay", "relays", metavar="URL", multiple=True, help="Be reachable through it.")
@click.option("--compat", is_flag=True, help="Take writes of the original clients, no token asked.")
@click.option("--open", "opens", is_flag=True, help="Open the page once the node is ready.")
def up_command(
    port: int | None,
    listen: str | None,
    no_mdns: bool,
    peers: tuple[str, ...],
    relays: tuple[str, ...],
    compat: bool,
    opens: bool,
) -> None:
    """Run the node in the foreground."""
    flags = {
        "api.port": port,
        "p2p.listen": listen,
        "p2p.mdns": False if no_mdns else None,
        "p2p.peers": peers or None,
        "p2p.relays": relays or None,
        "api.compat": True if compat else None,
    }
    run_here(flags, opens=opens)


def run_here(flags: Mapping[str, object], *, opens: bool = False) -> None:
    """A node of this home in the foreground, whatever its role; or where the one that runs is."""
    if sys.platform == "win32":
        detail = "Run it in WSL 2; the other commands work against it from there."
        raise failed("unsupported", "A node does not run on Windows itself yet", detail)
    from node.errors import AlreadyRunning
    from node.home import Home

    flags = {**flags, "log.level": "debug" if is_verbose() else None}
    place = Home(Path(home()))
    with own_errors():
        try:
            serve(place, flags, opens=opens)
        except AlreadyRunning:
            print_running(place)


def serve(place: Home, flags: Mapping[str, object], *, opens: bool) -> None:
    """Run until a signal or `panspermia down`. Raises `AlreadyRunning`."""
    from node.heap import kept

    with kept():
        from node.daemon import Ready, run
        from node.errors import AlreadyRunning
        from node.settings import load_config

    text = place.config_text()
    config = load_config(flags, os.environ, text, source=str(place.config_file)).config
    if place.is_locked():
        raise AlreadyRunning(str(place.path))

    def ready(news: Ready) -> None:
        print_ready(news.api, news.p2p, news.did, place, news.relay)
        if opens:
            click.launch(news.api)

    run(config, place, ready=ready, notify_socket=os.environ.get("NOTIFY_SOCKET"))


@contextmanager
def own_errors() -> Generator[None]:
    """Any error of ours ends the command with its sentence, not with a traceback."""
    try:
        yield
    except (Failure, click.exceptions.Exit):
        raise
    except Exception as raised:
        from node.outcomes import problem_of

        error = cause_of(raised)
        found = problem_of(error)
        if found is None or is_verbose():
            raise
        title = (type(error).__doc__ or found.problem.title).split("\n")[0]
        raise failed(found.problem.code, title, found.problem.detail) from error


def cause_of(error: Exception) -> Exception:
    """The one error in a group of tasks that ended with it; else the error itself."""
    group: object = error
    if isinstance(group, ExceptionGroup):
        several = cast("ExceptionGroup[Exception]", group).exceptions
        if len(several) == 1:
            return cause_of(several[0])
    return error


def print_ready(api: str, p2p: str, did: str, place: Home, relay: str = "") -> None:
    """The one line that programs wait for, or a few for people."""
    if wants_json():
        where = {"api": api, "p2p": p2p, "did": did, "home": str(place.path)}
        return print_event("ready", where | ({"relay": relay} if relay else {}))
    say(f"panspermia {__version__} is ready", fg="green")
    say(f"author  {did}")
    say(f"home    {printable(str(place.path))}")
    say(f"page    {api}")
    say(f"peers   {p2p}")
    if relay:
        say(f"relay   {relay}")
    say("Stop with Ctrl-C, or: panspermia down", dim=True)


def print_running(place: Home) -> None:
    """A second `up` says where the first one is, and that is no failure."""
    deadline = time.monotonic() + STARTING_S
    while (running := place.read_node_file()) is None or not is_alive(running.pid):
        if time.monotonic() > deadline or not place.is_locked():
            detail = f"{place.path} is locked, but nothing there answers; look for its process."
            raise failed("already-starting", "A node is starting or stopping here", detail)
        time.sleep(POLL_S)
    if wants_json():
        return print_ready(running.api, running.p2p, running.did, place)
    say(f"already running at {running.api} (process {running.pid})")


def is_alive(pid: int) -> bool:
    """A node.json of a process that was killed names a process that is gone."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@click.command("down")
@click.option("--timeout", "timeout_s", type=click.FloatRange(min=0.1), default=STOPPING_S)
def down_command(timeout_s: float) -> None:
    """Stop the running node."""
    from node.home import Home

    node().post("/api/shutdown")
    place, deadline = Home(Path(home())), time.monotonic() + timeout_s
    while place.is_locked():
        if time.monotonic() > deadline:
            detail = f"It was asked to, but still runs after {timeout_s:g} s."
            raise failure("still-running", "The node did not stop", detail, NETWORK)
        time.sleep(POLL_S)
    if wants_json():
        return print_json("down", {"stopped": True})
    say("stopped")


@click.command("open")
def open_command() -> None:
    """Open the node's page in the browser, and show the code that lets it act."""
    client = node()
    made = client.post("/api/page/codes", {})
    opened = click.launch(client.url) == 0
    if wants_json():
        return print_json("open", {"url": client.url, "opened": opened, **made})
    say(client.url)
    if not opened:
        say("No browser could be started; open the address above.", err=True)
    say("To invite people and act otherwise from the page, type there, within ten minutes:")
    say(made["code"], bold=True)


@click.command("version")
def version_command() -> None:
    """Print the version."""
    if not wants_json():
        return say(f"panspermia {__version__}")
    python = ".".join(map(str, sys.version_info[:3]))
    print_json("version", {"version": __version__, "python": python, "platform": sys.platform})
