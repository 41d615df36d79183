"""Genomes and seeds that lie in a module's folder: told, and never published unasked.

What lies beside a gen.toml belongs to the module: a network that its tests read is nobody's genome.
Whoever meant them as such hears of them, and how they are published.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from node.commands.console import say
from node.commands.folders import walk
from node.text import printable

LOOKED_AT_MAX: Final = 1_000
"""Files of one command, whatever it publishes."""
LOOKED_FOR_S: Final = 2.0
"""By one command: what it finds is a hint, and whoever publishes waits for it."""
HEAD_BYTES: Final = 64 << 10
"""Of each: what it is shows at its beginning."""
SHOWN_MAX: Final = 10


def known_files(folders: Iterable[Path], now_s: Callable[[], float] = time.monotonic) -> list[Path]:
    """Those of known formats in folders of modules, at any depth.

    As far as `LOOKED_AT_MAX` and `LOOKED_FOR_S` go, for all of the folders together.
    """
    until_s = now_s() + LOOKED_FOR_S
    files = islice(_files(folders, lambda: now_s() >= until_s), LOOKED_AT_MAX)
    return [file for file in files if _is_known(file)]


def _files(modules: Iterable[Path], is_late: Callable[[], bool]) -> Iterator[Path]:
    for module in modules:
        for where, folders, names in walk(str(module), _pass_over):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for name in names:
                if is_late():
                    return
                if name != "gen.toml" and not name.endswith(".wasm") and not name.startswith("."):
                    yield Path(where, name)
            if is_late():
                return


def _pass_over(_: str, error: OSError) -> None:
    """What cannot be read here is no part of what is published."""


def _is_known(file: Path) -> bool:
    from registry.formats import Format, detect

    try:
        with file.open("rb") as opened:
            head = opened.read(HEAD_BYTES)
    except OSError:  # it is no part of what is published
        return False
    return detect(file.name, head) not in (Format.UNKNOWN, Format.PICKLE)


def say_left_alone(files: Iterable[str]) -> None:
    """By name, and what to do about them."""
    if not (found := list(files)):
        return
    names = ", ".join(found[:SHOWN_MAX])
    if (more := len(found) - SHOWN_MAX) > 0:
        names += f" and {more:,} more"
    say(printable(f"left alone, as parts of a module: {names}"), fg="yellow", err=True)
    say("To publish one by itself: panspermia publish FILE", dim=True, err=True)
