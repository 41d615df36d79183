"""Which id is meant by its first digits: one rule for all that are named by a hash.

    own ─▸ followed ─▸ anybody's: whichever of these has such ids decides

Anybody can make an id that begins like another, so nobody has to be asked for more digits because
of somebody whom they do not know, but for strangers' records. Then those are named that may be
meant, what was held first before what came later: who makes many pushes none out of the list.
"""

from collections.abc import Sequence
from typing import Final

from crdt.keys import COMMONS, NamespaceKey
from node.errors import Conflict
from storage.store import Store

DIGITS_MIN: Final = 8
"""`registry.content.parse_beginning` has the same for genomes and seeds."""


async def whole_id(
    store: Store,
    word: str,
    begun: str,
    namespace: NamespaceKey = COMMONS,
    *,
    author: str | None = None,
) -> str | None:
    """The one id of this kind that begins so, of this author or whoever decides; None: no such.

    `begun` ends with a hex digit, in small letters. Raises `Conflict` (`ambiguous-digits`).
    """
    if author is not None:
        return one_of(word, begun, await store.beginning(word, begun, namespace, authors={author}))
    followed = await store.followed_authors()
    for authors in (await store.own_authors(), followed, None):
        if found := await store.beginning(word, begun, namespace, authors=authors):
            return one_of(word, begun, found)
    return None


def one_of(word: str, begun: str, ids: Sequence[str]) -> str | None:
    """None where there is none. Raises `Conflict` that names them where there are several."""
    if len(ids) > 1:
        detail = f"{len(ids)} {word}s or more begin with {begun}; give more of its digits"
        raise Conflict(detail, code="ambiguous-digits", candidates=tuple(ids))
    return next(iter(ids), None)
