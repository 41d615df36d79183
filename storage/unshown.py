"""What a document names and does not show: what it would say undeleted, or if nothing had fallen,
and what has no place in its lists.

    entries ─▸ judged ─▸ built ─▸ deleted? ─▸ without the mark ─┐
                  └─▸ something fell? ─▸ as if nothing were     ├─▸ named, without a size
                        │                revoked, no mark ──────┤
                        └─▸ then too? ─▸ what its changes put ──┘

All may come back, and then want their bytes. Where they came in turn, the rows of before name them
and stay (`storage.append`); here it is told from the entries alone, so that a restored home, or
another device, which has them all at once, keeps as much. Of this person's own documents only:
of others nothing is wanted before it is shown.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Final

from crdt.held import WAITING
from crdt.marks import DELETED
from storage.database import Writing
from storage.documents import Materialiser, load_raws
from storage.epoch_says import named_by, named_in
from storage.listing import Listing, Projection
from storage.materialise import Authority, Built, fallen, is_incremental, judge, projected

_NAME: Final = (
    "INSERT OR IGNORE INTO blob_use (document, blob, namespace)"
    " SELECT number, ?2, namespace FROM document WHERE number = ?1"
)


async def name_unshown(
    write: Writing, built: Sequence[Built], materialiser: Materialiser, *, is_anew: bool = False
) -> None:
    """To be called before the rows of what is shown are written: it has those of before.

    `is_anew`: nothing is taken to be named already.
    """
    marked = [one for one in built if one.value.get(DELETED) is not None]
    deleted = [one for one in marked if is_anew or _says_more(one)]
    fell = [one for one in built if fallen(one.left_out) and (is_anew or _falls_more(one))]
    crowded = [one for one in built if _is_crowded(one) and (is_anew or _says_more(one))]
    if not (deleted or fell or crowded):
        return
    own = {author for (author,) in await write.rows("SELECT author FROM followed WHERE is_own")}
    rows = [(one, await _undeleted(one, materialiser)) for one in deleted if _is_of(one, own)]
    rows += [(one, one.projection) for one in crowded if _is_of(one, own)]
    for one in fell:
        if _is_of(one, own):
            would_be = one
            if _is_cut(one):
                would_be = await _unrevoked(write, one, materialiser)
                rows.append((one, would_be.projection))
            await _name_lost(write, one, would_be, materialiser, is_anew=is_anew)
    for one, row in rows:
        if isinstance(row, Listing):
            await _name(write, one.work.number, row, materialiser)


def _is_of(one: Built, authors: Collection[bytes]) -> bool:
    return one.work.document.subspace in authors


def _says_more(one: Built) -> bool:
    """Whether something counts that did not before."""
    return not one.work.held.keys() - one.left_out.keys() <= one.work.counted


def _falls_more(one: Built) -> bool:
    """Whether something fell that had not counted before, or what fell was built on comes."""
    held, known, fell = one.work.held, one.work.counted | one.work.fell, fallen(one.left_out)
    new = {id for id in held.keys() - known if one.left_out.get(id) not in WAITING}
    changes = {held[id].change for id in new}
    return not new.isdisjoint(fell) or any(
        held[id].prev in new or not changes.isdisjoint(held[id].dependencies) for id in fell
    )


def _is_cut(one: Built) -> bool:
    """Whether what fell might not have if nothing were revoked."""
    by = one.work.authority
    return bool(by.revocations or by.checkpoints)


def _is_crowded(one: Built) -> bool:
    """Whether devices that were apart keep more than it lists."""
    row = one.projection
    return isinstance(row, Listing) and row.parts is not None and bool(row.parts.beyond)


async def _undeleted(one: Built, materialiser: Materialiser) -> Projection:
    row, _ = await materialiser.workers.run(
        projected, one.work.document, one.value, materialiser.undeleted
    )
    return row


async def _unrevoked(write: Writing, one: Built, materialiser: Materialiser) -> Built:
    # Nothing tells that something came which an entry cites that fell: it is taken to be here.
    cited = frozenset(head for held in one.work.held.values() for head in held.auth_heads)
    free = replace(one.work, authority=Authority(known=cited))
    ever = await materialiser.workers.run(judge, free)
    if not is_incremental(free, ever):
        await load_raws(write, [free])
    (would_be,) = await materialiser.build(write, [(free, ever)], materialiser.undeleted)
    return would_be


async def _name_lost(
    write: Writing, one: Built, would_be: Built, materialiser: Materialiser, *, is_anew: bool
) -> None:
    """What the changes put that do not count, nor `would_be` if nothing were revoked: a branch that
    lost, what no longer fits.

    No document can be made of all of them, and of each branch it would cost as much as the whole;
    nor would it say less, as what they were built on was let go since.
    """
    work = one.work
    lost = fallen(one.left_out) & fallen(would_be.left_out)
    if not is_anew:  # what counted before, or fell, is named
        lost -= work.counted | work.fell
    if not lost:
        return
    row = would_be.projection
    if not isinstance(row, Listing):
        row = await _undeleted(one, materialiser)
    if not isinstance(row, Listing) or row.parts is None:
        return  # only of what universes say is it known how it stands in their changes
    if not lost <= work.raws.keys():
        await load_raws(write, [work])
    raws = [work.raws[id] for id in sorted(lost)]
    run = materialiser.workers.run
    named = await run(named_in, raws, row.parts, materialiser.verified)
    await write.run_many(_NAME, ((work.number, blob) for blob in named))


async def _name(
    write: Writing, number: int | None, row: Listing, materialiser: Materialiser
) -> None:
    known: dict[bytes, bytes] = {}
    if row.parts is not None:
        sql = "SELECT id, blob FROM snapshot WHERE document = ? AND blob IS NOT NULL"
        known = dict(await write.rows(sql, (number,)))
    named = await materialiser.workers.run(named_by, [row], known, materialiser.verified)
    await write.run_many(_NAME, ((number, blob) for blob in {*named.values()}))
