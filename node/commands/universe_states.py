"""Which snapshot is meant on the line: its id, or so much of it as lists show."""

from __future__ import annotations

import string
from typing import Any, Final

import click

from node.client import path_of
from node.commands.console import node
from node.exit_codes import CONFLICT, NOT_FOUND
from node.failure import Json, failure
from node.text import printable

DIGITS: Final = 64
DIGITS_MIN: Final = 8
LISTED: Final = 10_000
"""On one page: all there are, mostly."""
SHOWN_MAX: Final = 10


def state_meant(place: str, namespace: str | None, text: str | None) -> str | None:
    """The whole id of a snapshot of the universe at `place`; None where none is named.

    Raises `click.UsageError` for what is no id, `Failure` where none or several begin so.
    """
    if text is None:
        return None
    begun = text.lower()
    if not DIGITS_MIN <= len(begun) <= DIGITS or not set(begun) <= set(string.hexdigits):
        detail = (
            f"--snapshot {printable(text)!r} is no id of a snapshot: {DIGITS} hex digits, or the"
            f" first {DIGITS_MIN} and more, as `panspermia universe snapshots` shows them"
        )
        raise click.UsageError(detail)
    if len(begun) == DIGITS:
        return begun
    found = {str(one["id"]): one for one in _listed(place, namespace, begun)}
    if len(found) == 1:
        return next(iter(found))
    if not found:
        detail = (
            f"None begins with {begun}. See: panspermia universe snapshots. One that was let go is"
            f" found by all {DIGITS} digits of its id, until panspermia gc"
        )
        raise failure("unknown-snapshot", "There is no such snapshot", detail, NOT_FOUND)
    shown = [f"{id}  tick {found[id]['tick']:,}" for id in sorted(found)]
    more = f"\n… and {len(shown) - SHOWN_MAX:,} more" if len(shown) > SHOWN_MAX else ""
    detail = "\n".join(["Give more digits of one of these:", *shown[:SHOWN_MAX]]) + more
    raise failure(
        "ambiguous-digits", f"Several snapshots begin with {begun}", detail, CONFLICT,
        candidates=sorted(found),
    )  # fmt: skip


def _listed(place: str, namespace: str | None, begun: str) -> list[Json]:
    found: list[Json] = []
    query: dict[str, Any] = {"limit": LISTED, "namespace": namespace}
    while True:
        page = node().get(path_of(place, "snapshots"), query)
        found += [one for one in page["snapshots"] if str(one["id"]).startswith(begun)]
        if not page["next"]:
            return found
        query["cursor"] = page["next"]
