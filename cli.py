"""The `panspermia` command: names, shared flags, and how a run ends.

Only click and the standard library are imported here; a command's module is imported when it is
called, and what is heavy inside the function that needs it, so `panspermia status` takes little
more than `import click`: not even pathlib is paid for. The commands live in `node/commands/`.
"""

import gc
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from typing import Any, NoReturn, cast

import click

WRONG_USAGE = 2
INTERRUPTED = 130
COMPLETION = "_PANSPERMIA_COMPLETE"

# Problems of the line itself, or of the settings it names: listed by `panspermia refused`.
SLIPS = ("usage", "bad-setting")

# name: (module in node.commands, short help); a test compares each help with the command's own.
COMMANDS = {
    "advisory": ("advisory", "Warn of versions of a module, and list what others warn of."),
    "audit": ("advisory", "Check what is installed against the advisories held here."),
    "blob": ("blob", "Add, list and remove files that are named by what is in them."),
    "block": ("block", "Never hear from an author or a device again."),
    "accept": ("invite", "Show in words what a code gives, and take it."),
    "cap": ("cap", "Give, list, explain and take back rights."),
    "attest": ("attest", "Run an evaluation of a genome again, and sign what it gives."),
    "backup": ("backup", "Write all that is yours here to FILE, its keys sealed by a passphrase."),
    "challenge": ("challenge", "Call for challenges, enter genomes, and see who stands where."),
    "completion": ("completion", "Install or print the shell completion."),
    "config": ("config", "Show or change the settings, and where each comes from."),
    "connect": ("peers", "Connect to a peer at HOST:PORT."),
    "convert": ("convert", "Convert FILE from one program's format to another's."),
    "delete": ("delete", "Show a record of yours to nobody any more."),
    "demo": ("demo", "Run two real nodes on this machine and do the main job."),
    "deprecate": ("curate", "Discourage a version of your own module."),
    "device": ("device", "Add, list and remove the devices of your author."),
    "diff": (
        "diff",
        "Compare two genomes or two seeds.",
    ),
    "doctor": ("doctor", "Look for what could go wrong, with a fix for each finding."),
    "down": ("lifecycle", "Stop the running node."),
    "events": ("events", "Print what happens in the node, one event a line."),
    "fetch": ("verify", "Fetch the bytes of a genome, a seed, a module version or a blob."),
    "gc": (
        "upkeep",
        "Collect blobs that nothing refers to, an hour after they came at the earliest.",
    ),
    "hall-of-fame": ("life", "List the ten lineages of the highest civilisation level."),
    "id": ("identity", "Show, export or import the author's identity."),
    "info": (
        "find",
        "Show one module, genome, seed, lineage or challenge, and what others say of it.",
    ),
    "install": ("install", "Install modules with their dependencies."),
    "invite": ("invite", "Make a code that lets somebody in."),
    "list": ("install", "List the installed modules, or the genomes, seeds or lineages known."),
    "name": ("name", "Call authors by names of your own."),
    "namespace": ("namespace", "Make, join and list namespaces."),
    "open": (
        "lifecycle",
        "Open the node's page in the browser, and show the code that lets it act.",
    ),
    "outdated": ("install", "List installed modules that have newer versions."),
    "peers": ("peers", "Show how it stands with the peers: who, by what, how far behind, and why."),
    "picture": (
        "picture",
        "Draw a genome as SVG or PNG: cells and networks.",
    ),
    "passage": ("passage", "Join universes, and send travellers from one to the other."),
    "player": ("player", "Say who you are in games, and see what others sign of players."),
    "publish": ("publish", "Publish a module, genomes or seeds: a file or a directory of them."),
    "quota": ("quota", "Show how much room others take, and who takes most."),
    "letter": ("letter", "Write to people through a relay, and read what they wrote."),
    "relay": ("relay", "Run a node in the relay role, in the foreground."),
    "rate": ("curate", "Rate a module, a genome, a seed or a lineage from 1 to 5 stars."),
    "refused": ("peers", "List what was refused, and why."),
    "reindex": ("upkeep", "Rebuild the search index from the store."),
    "restore": ("backup", "Make a new home from a backup."),
    "run": ("run", "Run an export of an installed module."),
    "scrub": ("upkeep", "Read everything kept of blobs, and fetch again what the disk damaged."),
    "search": ("find", "Search what this node knows."),
    "status": ("status", "Show whether the node runs, and how it does."),
    "sync": ("peers", "Exchange with the connected peers now."),
    "uninstall": ("install", "Remove installed modules."),
    "universe": ("universe", "Keep the worlds of games: their snapshots, timelines and forks."),
    "up": ("lifecycle", "Run the node in the foreground."),
    "update": ("install", "Bring installed modules to the newest versions their ranges allow."),
    "verify": (
        "verify",
        "Check hashes and signatures of a published module, genome or seed, or of a directory.",
    ),
    "version": ("lifecycle", "Print the version."),
    "yank": ("curate", "Withdraw a version of your own module from new installations."),
}


class LazyGroup(click.Group):
    """Knows names and short helps; imports a command's module when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"node.commands.{COMMANDS[cmd_name][0]}")
        gc.freeze()  # nothing of it is garbage, then or later
        gc.enable()
        command = getattr(module, f"{cmd_name.replace('-', '_')}_command")
        assert isinstance(command, click.Command)
        return with_shared_options(command)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        # click would suggest only among commands that are already loaded.
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise click.NoSuchCommand(args[0], possibilities=COMMANDS, ctx=ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        # The inherited one imports every command to ask for its short help.
        with formatter.section("Commands"):
            formatter.write_dl([(name, help) for name, (_, help) in sorted(COMMANDS.items())])


def remember(ctx: click.Context, parameter: click.Parameter, value: object) -> None:
    """Keep a shared flag for the command, wherever on the line it stood."""
    assert parameter.name
    shared = cast("dict[str, Any]", ctx.ensure_object(dict))
    if value or parameter.name not in shared:
        shared[parameter.name] = value
    if parameter.name == "color":
        ctx.color = ctx.find_root().color = wanted_color(shared["color"] or "auto", os.environ)


def shared_options() -> list[click.Option]:
    """The same on every command, before or after its name."""
    settings: dict[str, Any] = {"expose_value": False, "callback": remember, "is_eager": True}
    return [
        click.Option(
            ["--home"],
            type=click.Path(file_okay=False),
            help="The node's folder (else PANSPERMIA_HOME, else the platform's).",
            **settings,
        ),
        click.Option(["--json"], is_flag=True, help="One JSON object on stdout.", **settings),
        click.Option(
            ["--color"],
            type=click.Choice(["auto", "always", "never"]),
            help="Colours; auto heeds NO_COLOR and TERM=dumb.",
            **settings,
        ),
        click.Option(["-v", "--verbose"], is_flag=True, help="Say more.", **settings),
    ]


def with_shared_options(command: click.Command) -> click.Command:
    """The command, taking the shared flags too; once, for a group all the way down."""
    own = {flag for parameter in command.params for flag in parameter.opts}
    if "--home" not in own:
        command.params.extend(
            option for option in shared_options() if own.isdisjoint(option.opts[-1:])
        )
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            with_shared_options(inner)
    return command


def wanted_color(choice: str, environment: Mapping[str, str]) -> bool | None:
    """None leaves it to click, which looks for a terminal but not at NO_COLOR."""
    if choice != "auto":
        return choice == "always"
    if environment.get("NO_COLOR") or environment.get("TERM") == "dumb":
        return False
    return True if environment.get("FORCE_COLOR") else None


def print_version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from node._version import __version__

        click.echo(f"panspermia {__version__}")
        ctx.exit()


cli = LazyGroup(
    "panspermia",
    params=[
        *shared_options(),
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=print_version,
            help="Print the version.",
        ),
    ],
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    help="A local-first peer-to-peer node for artificial life.",
    epilog="Start with `panspermia up`, or see it all work with `panspermia demo`.",
)


def main() -> NoReturn:
    """Run one command and exit with the code of docs: 0, 1–8, or 130 for Ctrl-C."""
    shared: dict[str, Any] = {}
    gc.disable()  # until the command is loaded
    ensure_streams()
    try:
        code = cli.main(prog_name="panspermia", standalone_mode=False, obj=shared)
        sys.stdout.flush()
    except click.ClickException as error:
        code = refuse(error, shared)
    except (click.Abort, KeyboardInterrupt):
        code = INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has left, `| head` say: nothing more to say, and no traceback.
        give_up_stdout()
        code = 1
    except Exception as error:
        if shared.get("verbose"):
            raise
        code = refuse(unexpected(error), shared)
    end_stdout()
    gc.freeze()  # Python looks through all that is left, and then gives it back in any case
    sys.exit(code if isinstance(code, int) else 0)


def ensure_streams() -> None:
    """Python has none where the shell closed them, `>&-` say: what is printed is lost, no more."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))


def end_stdout() -> None:
    """What could not be written was told; Python would try, fail and exit with 120."""
    try:
        sys.stdout.flush()
    except OSError:
        give_up_stdout()


def give_up_stdout() -> None:
    """What is still to be flushed goes nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def unexpected(error: Exception) -> click.ClickException:
    """A bug of ours, or a full disk: one sentence; -v shows the traceback."""
    if isinstance(error, UnicodeEncodeError):
        # Python hands us bytes of the line that are no UTF-8 as characters that nothing encodes.
        return click.UsageError(f"{error.object!r} is no text: what it says must be UTF-8")
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return click.ClickException(f"{said}\nRun it again with -v to see where.")


def refuse(error: click.ClickException, shared: Mapping[str, Any]) -> int:
    """Show it first; then have a wrong line listed, which changes nothing of how the run ends."""
    exit_code = show(error, shared)
    code = "usage" if exit_code == WRONG_USAGE else getattr(error, "problem", {}).get("code")
    is_asked_for = isinstance(error, click.exceptions.NoArgsIsHelpError)
    if code in SLIPS and not is_asked_for and COMPLETION not in os.environ:
        with suppress(Exception, KeyboardInterrupt):
            sys.stdout.flush()
            from node import slips

            slips.note(error, code, shared.get("home"), sys.argv[1:], COMMANDS, os.environ)
    return exit_code


def show(error: click.ClickException, shared: Mapping[str, Any]) -> int:
    """Print what went wrong: the problem object on stdout, or a sentence on stderr."""
    exit_code = int(getattr(error, "exit", error.exit_code))
    # Where the line itself is wrong, its flags may not have been read.
    if not shared.get("json") and "--json" not in sys.argv:
        context = click.Context(cli)
        context.color = wanted_color(shared.get("color") or "auto", os.environ)
        with context.scope():
            error.show()
        return exit_code
    from node.commands.console import json_line

    code = "usage" if isinstance(error, click.UsageError) else "failed"
    problem = {
        "type": f"/problems/{code}",
        "title": "Wrong usage" if code == "usage" else "The command failed",
        "status": 400 if code == "usage" else 500,
        "code": code,
        "detail": error.format_message(),
    }
    try:
        click.echo(json_line(getattr(error, "problem", problem)))
    except OSError:  # a full disk, say
        give_up_stdout()
        error.show()
    return exit_code


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    main()
