"""Petnames on the command line: read from what a person writes, shown in place of long keys.

The node alone knows what a name means; `--json` always has full names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from node.client import path_of
from node.commands.console import node
from node.text import short_did, short_name

# As many as the node keeps: one page has them all.
NAMES_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Petnames:
    """Name → did:key, in the order of the names."""

    authors: Mapping[str, str]
    own: str = ""
    """One's own did:key, where that is asked for too."""

    def of(self, did: str) -> tuple[str, ...]:
        """Every name of this author."""
        return tuple(name for name, author in self.authors.items() if author == did)

    def author(self, did: str) -> str:
        """`alice (z6Mkha…a2doK)`, or only the shortened key."""
        called = self.of(did)
        return f"{called[0]} ({short_did(did)})" if called else short_did(did)

    def module(self, module: str) -> str:
        """`alice/io.x`, which may be typed again; without a name `z6Mkha…a2doK/io.x`."""
        did, _, id = module.rpartition("/")
        called = self.of(did)
        return f"{called[0]}/{id}" if called else short_name(module)

    def universe(self, name: str) -> str:
        """As `module`; one's own is `universe:main (yours)`, as its id alone may be typed."""
        did, _, id = name.partition("/")
        return f"{id} (yours)" if did == self.own else self.module(name)


def own_did() -> str:
    """Of the running node's author. Raises `Failure`."""
    return str(node().get("/api/identity")["did"])


def petnames(own: str = "") -> Petnames:
    """Those of the running node. Raises `Failure`."""
    page = node().get("/api/names", {"limit": NAMES_MAX})
    return Petnames({one["name"]: one["author"] for one in page["names"]}, own)


def spelled_out(wanted: str) -> str:
    """`alice/io.x@^1` with the did:key for alice; what has no petname as it is.

    Raises `Failure` where alice is nobody.
    """
    owner, slash, rest = wanted.partition("/")
    if not slash or owner.startswith("did:") or "@" in owner or is_own_place(wanted):
        return wanted
    return f"{node().get(path_of('/api/names', owner))['author']}/{rest}"


def is_own_place(text: str) -> bool:
    """Whether a record of one's own begins so that is no module: pub/uni/earth."""
    from crdt.path import PUBLIC, RATING  # hashing comes with it, which no other name needs

    return re.match(f"(?:{PUBLIC}|{RATING})/[^/]+/.", text) is not None
