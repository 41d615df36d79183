"""A command line that was refused before any node was asked, noted for `panspermia refused`.

Only where a node's home is there already: by the node that runs in it, else in its spool. Whoever
mistyped never waits long for that, and what they are told does not depend on it. A line that names
a passphrase or a token is noted without a word of what stood on it.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import click

from node import spool
from node.client import find_client, resolve_home
from node.failure import Failure
from node.text import printable

if TYPE_CHECKING:
    from collections.abc import Collection

# A node on this machine answers in milliseconds; one that hangs must not hold up a person's slip.
NOTE_S = 1.0

# Less than the API takes: of an argument of megabytes this much tells enough.
WHERE_CHARACTERS_MAX = 200
DETAIL_CHARACTERS_MAX = 600

SOURCE = "command line"

# Tells a home from any other folder: what makes a home makes this in it.
MARK = "identity"

# As options (`--relay-token X`, `--tokenX`), settings (`config set relay.token X`), before a `=`.
# Rather too much: what is withheld costs one sentence.
SECRET = re.compile(r"(?i)pass|pwd|secret|token|credential|private|mnemonic|key")

# Of these every word may be a passphrase that was put in the wrong place, or an invite's secret.
SECRET_COMMANDS = re.compile(r"panspermia (id|accept)\b")
USER_IN_URL = re.compile(r"//[^/]*@")


def note(
    error: click.ClickException,
    code: str,
    flag: str | None,
    arguments: Sequence[str],
    commands: Collection[str],
    environment: Mapping[str, str],
) -> None:
    """Have it listed as `code`. `flag` is --home as far as it was read."""
    home = home_of(flag, arguments, environment)
    if home is None or not os.path.isdir(os.path.join(home, MARK)):
        return
    where, detail = shown(error, arguments, commands)
    try:
        said = {"where": where, "code": code, "detail": detail, "source": SOURCE}
        with at_most(NOTE_S):
            find_client(home).post("/api/refused", said, timeout_s=NOTE_S)
    except (Failure, OSError):
        with suppress(OSError):
            spool.put(home, spool.Spooled(where, code, detail, time.time_ns() // 1_000))


@contextmanager
def at_most(seconds: float) -> Generator[None]:
    """`TimeoutError` in the block when they are over. A socket's own timeout begins anew with every
    byte that comes, and a file that is a pipe has none.
    """
    import signal

    def stop(number: int, frame: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def home_of(
    flag: str | None, arguments: Sequence[str], environment: Mapping[str, str]
) -> str | None:
    """As for any command; where the line was refused before --home was read, from the line itself.

    None where --home is what is wrong: then no home was meant that we know.
    """
    for place, argument in enumerate(arguments):
        if argument == "--home":
            if place + 1 == len(arguments):
                return None
            flag = arguments[place + 1]
        elif argument.startswith("--home="):
            flag = argument.removeprefix("--home=")
    return resolve_home(flag, environment)


def shown(
    error: click.ClickException, arguments: Sequence[str], commands: Collection[str]
) -> tuple[str, str]:
    """(command and parameter, sentence), within bounds, with nothing secret and no controls.

    The sentences of click and of our own checks quote the argument that they are about.
    """
    path, parameter = place_of(error, arguments, commands)
    is_quoting = not isinstance(error, click.MissingParameter)
    may_hold = SECRET_COMMANDS.match(path) or names_secret(arguments) or SECRET.search(parameter)
    if is_quoting and may_hold:
        is_ours = getattr(error, "param", None) is not None  # else it is a word of the line
        where = f"{path} {parameter * is_ours}".rstrip()
        return where, "The line is wrong; it may hold something secret, so nothing of it is kept."
    where = cut(f"{path} {parameter}".rstrip(), WHERE_CHARACTERS_MAX)
    said = error.problem.get("detail") if isinstance(error, Failure) else error.format_message()
    sentence = USER_IN_URL.sub("//…@", " ".join(str(said).splitlines()))
    return where, cut(sentence, DETAIL_CHARACTERS_MAX)


def place_of(
    error: click.ClickException, arguments: Sequence[str], commands: Collection[str]
) -> tuple[str, str]:
    """`panspermia id export` and `--force`; the parameter is "" where the sentence alone tells."""
    context: click.Context | None = getattr(error, "ctx", None)
    if context is None:
        name = next((argument for argument in arguments if argument in commands), "")
        return f"panspermia {name}".rstrip(), ""
    parameter: Any = getattr(error, "param", None)
    if isinstance(parameter, click.Option):
        return context.command_path, max(parameter.opts, key=len)
    if isinstance(parameter, click.Argument):
        return context.command_path, parameter.human_readable_name
    return context.command_path, str(getattr(error, "option_name", ""))


def names_secret(arguments: Sequence[str]) -> bool:
    """Whether an option, a setting, or what stands before a `=`, is called like a secret."""
    is_setting = "config" in arguments

    def name(argument: str) -> str:
        before, equals, _ = argument.rpartition("=")
        return before if equals else argument if is_setting or argument.startswith("-") else ""

    return any(SECRET.search(name(argument)) for argument in arguments)


def cut(text: str, characters_max: int) -> str:
    """Printable, with the middle left out where it is too long."""
    text = printable(text.encode(errors="backslashreplace").decode())
    if len(text) <= characters_max:
        return text
    half = (characters_max - 40) // 2
    return f"{text[:half]}… {len(text) - 2 * half:,} characters …{text[-half:]}"
