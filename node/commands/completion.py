"""`completion`: of the shell, printed or put where the shell looks for it."""

from __future__ import annotations

import os
from pathlib import Path

import click

from node.commands.console import print_json, say, wants_json
from node.commands.files import write_atomically
from node.failure import failed

SHELLS = ["bash", "zsh", "fish"]


@click.group("completion")
def completion_command() -> None:
    """Install or print the shell completion."""


@completion_command.command("show")
@click.argument("shell", type=click.Choice(SHELLS), required=False)
@click.pass_context
def show(ctx: click.Context, shell: str | None) -> None:
    """Print the completion script."""
    say(script(ctx, shell or this_shell()), nl=False)


@completion_command.command("install")
@click.argument("shell", type=click.Choice(SHELLS), required=False)
@click.pass_context
def install(ctx: click.Context, shell: str | None) -> None:
    """Write the completion script where the shell looks for it."""
    shell = shell or this_shell()
    path = script_path(shell)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, script(ctx, shell).encode())
    if wants_json():
        return print_json("completion", {"shell": shell, "file": str(path)})
    say(f"wrote {path}; it works in the next shell")
    if shell == "zsh":
        say(f"if not, put this into .zshrc before compinit: fpath=({path.parent} $fpath)")


def script(ctx: click.Context, shell: str) -> str:
    from click.shell_completion import get_completion_class

    completion = get_completion_class(shell)
    assert completion
    root = ctx.find_root()
    # click asks bash for its version, and gives up on one that is older than 4.4.
    return completion(root.command, {}, "panspermia", "_PANSPERMIA_COMPLETE").source() + "\n"


def script_path(shell: str) -> Path:
    """Where each shell loads completions of this user from, by name."""
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share")
    config = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return {
        "bash": data / "bash-completion/completions/panspermia",
        "zsh": data / "zsh/site-functions/_panspermia",
        "fish": config / "fish/completions/panspermia.fish",
    }[shell]


def this_shell() -> str:
    shell = Path(os.environ.get("SHELL", "")).name
    if shell not in SHELLS:
        detail = f"Name one: panspermia completion install {'|'.join(SHELLS)}"
        raise failed("unknown-shell", f"No completion for the shell {shell!r}", detail)
    return shell
