"""Which universe is meant on the line."""

from __future__ import annotations

from typing import Final

import click

from node.commands.console import node
from node.text import printable

PATH: Final = "/api/universe"
UNIVERSE = click.argument("universe", required=False)
SHOWN_MAX: Final = 10
TICK: Final = click.IntRange(0, (1 << 63) - 1)


def meant(universe: str | None) -> str:
    """What was named; else the only universe of one's own. Raises `click.UsageError` where there
    is none or several."""
    if universe is not None:
        return universe
    client = node()
    own = client.get("/api/identity")["did"]
    found = client.get("/api/universes", {"author": own, "limit": SHOWN_MAX})["universes"]
    if len(found) == 1:
        return str(found[0]["fullName"])
    if not found:
        detail = "you have none yet: panspermia universe create NAME; or name somebody's"
    else:
        names = ", ".join(printable(one["id"]) for one in found)
        detail = f"you have several: {names}{', …' if len(found) == SHOWN_MAX else ''}"
    raise click.UsageError(f"say which universe is meant: {detail}")
