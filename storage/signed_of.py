"""What others sign of one author: ratings, runs of evaluations, advisories, and proofs.

Keys are free, so what strangers say is read up to a bound, and apart from what is said by authors
who count: of those all is read that is held.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from crdt.did import decode_did_key
from crdt.keys import COMMONS, NamespaceKey
from storage.advised import ABOUT
from storage.attestations import attestation_row
from storage.database import Reading, Row
from storage.forks import Fork, forks_by
from storage.list_pages import COLUMNS, IN_NAMESPACE
from storage.listing import AttestationRow, RatingRow
from storage.listings import ListedRow, listed_row
from storage.part import Part

STRANGERS_RATINGS_MAX: Final = 5_000
STRANGERS_RUNS_MAX: Final = 5_000
STRANGERS_ADVISORIES_MAX: Final = 500
ANSWERED_MAX: Final = 500
"""Evaluations that the author answered last: as many as are looked at."""

_IN: Final = "namespace = (SELECT number FROM namespace WHERE key = ?)"
_THESE: Final = "(SELECT value FROM json_each(?))"
_RATED: Final = (
    "r.document_id, r.target, r.kind, r.author, r.stars, r.review, r.installs, r.updated_us"
)
# By their documents: whom somebody follows are few, whoever rates what everybody rates are not.
_RATED_NEAR: Final = (
    f"SELECT {_RATED} FROM document d CROSS JOIN rating r ON r.document = d.number"
    f" WHERE r.target > ? AND r.target < ? AND r.{_IN} AND d.author IN (*)"
)
_RATED_FAR: Final = (
    f"SELECT {_RATED} FROM rating r WHERE r.target > ? AND r.target < ? AND r.{_IN}"
    f" AND r.author NOT IN {_THESE} ORDER BY r.target, r.document LIMIT ?"
)
_RUN: Final = "a.evaluation, a.genome, a.author, a.is_run, a.at_us, a.said"
_RAN: Final = (
    f"SELECT {_RUN} FROM attestation a WHERE a.{_IN} AND a.is_run AND a.author <> ?"
    f" AND (a.author IN {_THESE}) = ? AND a.evaluation IN (*)"
    " ORDER BY a.evaluation, a.author, a.document LIMIT ?"
)
_WARNED: Final = (
    f"SELECT {COLUMNS} FROM listing l WHERE l.kind = 'advisory' AND {ABOUT} > ? AND {ABOUT} < ?"
    f" AND {IN_NAMESPACE} AND l.author <> ? AND (l.author IN {_THESE}) = ?"
    f" ORDER BY {ABOUT}, l.document LIMIT ?"
)
_ALL: Final = -1
_CIRCLES: Final = (1, 0)
"""Of those who count, and of all others."""


@dataclass(frozen=True, slots=True)
class SignedOf:
    """All that is held of what others say of an author, as far as it was looked at."""

    ratings: tuple[RatingRow, ...]
    """That give stars; each signer's last word on each record."""
    answered: tuple[AttestationRow, ...]
    """What the author says of evaluations."""
    runs: tuple[AttestationRow, ...]
    """What others found who ran these."""
    advisories: tuple[ListedRow, ...]
    """On modules of the author's, withdrawn ones among them."""
    forks: tuple[Fork, ...]
    """Keys that signed two things with one number where the author's records lie."""
    is_whole: bool
    """Whether no bound was hit."""


class SignedOfAuthors(Part):
    async def signed_of(
        self, author: str, counting: Collection[str], namespace: NamespaceKey = COMMONS
    ) -> SignedOf:
        """Of `author` (a did:key), what `counting` (did:keys) say, and some of what others do."""
        near = json.dumps(sorted(counting))
        bounds = (f"{author}/", f"{author}0")  # what begins with the author and a slash
        async with self._database.reading() as view:
            ratings, all_ratings = await _ratings(view, bounds, counting, near, namespace)
            answered = await view.rows(
                f"SELECT {_RUN} FROM attestation a WHERE a.author = ? AND a.{_IN}"
                " ORDER BY a.at_us DESC, a.evaluation LIMIT ?",
                (author, namespace, ANSWERED_MAX + 1),
            )
            asked = [row[0] for row in answered[:ANSWERED_MAX]]
            runs, all_runs = await _runs(view, asked, author, near, namespace)
            warned, all_warned = await _advisories(view, bounds, author, near, namespace)
            forks = await forks_by(view, decode_did_key(author), namespace)
        return SignedOf(
            tuple(ratings),
            tuple(attestation_row(*row) for row in answered[:ANSWERED_MAX]),
            tuple(attestation_row(*row) for row in runs),
            tuple(listed_row(row) for row in warned),
            tuple(forks),
            all_ratings and all_runs and all_warned and len(answered) <= ANSWERED_MAX,
        )


async def _ratings(
    view: Reading,
    bounds: tuple[str, str],
    counting: Collection[str],
    near: str,
    namespace: NamespaceKey,
) -> tuple[list[RatingRow], bool]:
    keys = sorted(decode_did_key(did) for did in counting)
    rows = await view.rows_in(_RATED_NEAR, keys, *bounds, namespace)
    far = await view.rows(_RATED_FAR, (*bounds, namespace, near, STRANGERS_RATINGS_MAX + 1))
    rows += far[:STRANGERS_RATINGS_MAX]
    latest: dict[tuple[str, str, str], Row] = {}
    for row in rows:  # one signer may have said it in two epochs
        id, target, kind, author, *_, updated_us = row
        before = latest.setdefault((kind, target, author), row)
        if (updated_us, id) > (before[-1], before[0]):
            latest[kind, target, author] = row
    given = [RatingRow(*row[1:]) for row in latest.values()]
    return [one for one in given if one.stars is not None], len(far) <= STRANGERS_RATINGS_MAX


async def _runs(
    view: Reading, asked: Sequence[bytes], author: str, near: str, namespace: NamespaceKey
) -> tuple[list[Row], bool]:
    if not asked:
        return [], True
    sql = _RAN.replace("(*)", f"({','.join('?' * len(asked))})")
    rows, found = list[Row](), list[Row]()
    for is_near, limit in zip(_CIRCLES, (_ALL, STRANGERS_RUNS_MAX + 1), strict=True):
        found = await view.rows(sql, (namespace, author, near, is_near, *asked, limit))
        rows += found if is_near else found[:STRANGERS_RUNS_MAX]
    return rows, len(found) <= STRANGERS_RUNS_MAX


async def _advisories(
    view: Reading, bounds: tuple[str, str], author: str, near: str, namespace: NamespaceKey
) -> tuple[list[Row], bool]:
    rows, found = list[Row](), list[Row]()
    for is_near, limit in zip(_CIRCLES, (_ALL, STRANGERS_ADVISORIES_MAX + 1), strict=True):
        found = await view.rows(_WARNED, (*bounds, namespace, author, near, is_near, limit))
        rows += found if is_near else found[:STRANGERS_ADVISORIES_MAX]
    return rows, len(found) <= STRANGERS_ADVISORIES_MAX
