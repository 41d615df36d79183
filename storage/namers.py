"""To whom the bytes of a blob are given: who had named it when they came here decides.

Whoever knows an id can name it in a record of theirs, which others may read; that must open to them
nothing that was private. So what counts is who had named a blob when its bytes came:

    authors in commons only          it is public, and stays so whoever names it in private later
    some authors in private only     it is for those who may read, of *each* of these, a record that
                                     names it: old or new, so its own author can make it public
    this node's own author, ever     it is also for those who may read that record

What does not count, as its device was revoked, is nobody's word, also where it did before: it keeps
bytes here (see `storage.unshown`), and opens none. In private it still closes: it may be of a
record that was deleted.

It is noted when the last piece of a fetch comes, and with an act of this node that names it; in
private also as it is named no more. Of what was not noted (a part, a frontier, what nothing named
then) all are asked who name it now.
"""

from collections.abc import Iterable, Sequence
from typing import TypeAlias

from crdt.area import Area
from crdt.blob import BlobId
from crdt.keys import COMMONS, AuthorKey, NamespaceKey, is_communal
from crdt.order import area_bounds
from storage.database import Reading, Writing
from storage.items import namespace_number, summary
from storage.part import Part

USES_MAX = 1_000  # records looked at that name one blob; those of a few versions do in practice
NAMERS_MAX = 64  # authors who named one blob in private; of more, nobody is let in
EVERYBODY = b""  # noted of what was public
UNCOUNTED = -1  # for the time at which a name was given: what gave it does not count

# The documents of namespace ?2 that name blob ?1, also where that does not count: records, and logs
# whose statements have it for a frontier. The author's own by their documents, since anybody can
# make many that name it.
_NAMING = (
    "SELECT document FROM blob_use WHERE blob = ?1 AND namespace = ?2 UNION ALL"
    " SELECT e.document FROM statement s JOIN entry e ON e.number = s.entry"
    " WHERE s.frontier = ?1 AND s.namespace = ?2"
)
_RECORDS_OF_AUTHOR = (
    "SELECT d.number FROM document d WHERE d.author = ?3 AND d.namespace = ?2 AND EXISTS"
    " (SELECT 1 FROM blob_use u WHERE u.document = d.number AND u.blob = ?1"
    f" AND u.at_us <> {UNCOUNTED})"
)
_STATEMENTS_OF_AUTHOR = (
    " UNION ALL SELECT e.document FROM statement s JOIN entry e ON e.number = s.entry"
    " WHERE s.issuer = ?3 AND s.namespace = ?2 AND s.frontier = ?1"
)
_NAMING_OF_AUTHOR = _RECORDS_OF_AUTHOR + _STATEMENTS_OF_AUTHOR
# In an owned namespace its administrators write in everybody's subspace. What they had a hand in
# speaks for the author only where nothing of the author's names the blob in another private one.
_BY_AUTHOR = (
    "SELECT 1 FROM entry e JOIN capability_key k ON k.capability = e.capability AND k.key = ?3"
    " WHERE e.document = d.number"
)
_BY_ANOTHER = (
    "SELECT 1 FROM entry e WHERE e.document = d.number AND NOT EXISTS"
    " (SELECT 1 FROM capability_key k WHERE k.key = ?3 AND k.capability = e.capability)"
)
_NAMED_ELSEWHERE = (
    "SELECT 1 FROM document o WHERE o.author = ?3 AND o.namespace NOT IN (?2, coalesce("
    f"(SELECT number FROM namespace WHERE key = x'{COMMONS.hex()}'), 0)) AND EXISTS"
    " (SELECT 1 FROM blob_use u WHERE u.document = o.number AND u.blob = ?1)"
)
_NAMING_IN_OWNED = (
    f"{_RECORDS_OF_AUTHOR} AND (NOT EXISTS ({_BY_ANOTHER}) OR EXISTS ({_BY_AUTHOR})"
    f" AND NOT EXISTS ({_NAMED_ELSEWHERE})){_STATEMENTS_OF_AUTHOR}"
)
# ?2 is commons here. Two ranges of the index: what lies there is not looked at.
_NAMED_IN_PRIVATE = (
    "SELECT d.author FROM blob_use u JOIN document d ON d.number = u.document"
    " WHERE u.blob = ?1 AND u.namespace < ?2 UNION"
    " SELECT d.author FROM blob_use u JOIN document d ON d.number = u.document"
    " WHERE u.blob = ?1 AND u.namespace > ?2 UNION"
    " SELECT issuer FROM statement WHERE frontier = ?1 AND namespace <> ?2 LIMIT ?3"
)
_IS_NAMED = (
    "SELECT 1 FROM blob_use WHERE blob = ?1 UNION ALL SELECT 1 FROM statement WHERE frontier = ?1"
)
_TO_NOTE = (
    "SELECT b.number, b.id FROM blob b WHERE b.is_complete AND b.id IN (*)"
    " AND NOT EXISTS (SELECT 1 FROM blob_namer n WHERE n.blob = b.number)"
    f" AND EXISTS (SELECT 1 FROM blob_use u WHERE u.blob = b.id AND u.at_us <> {UNCOUNTED})"
    # A node fetches frontiers unasked: that it has one says nothing of whose hands it came from.
    " AND NOT EXISTS (SELECT 1 FROM statement s WHERE s.frontier = b.id)"
)

_NOT_NOTED = (
    "SELECT b.number, b.id FROM blob b WHERE b.is_complete AND b.id IN (*)"
    " AND NOT EXISTS (SELECT 1 FROM blob_namer n WHERE n.blob = b.number)"
)

PrivateNamers: TypeAlias = Sequence[tuple[int, bytes, Sequence[bytes]]]
"""Blobs by number and id, with authors."""
Claims: TypeAlias = Sequence[tuple[NamespaceKey, Area]]


class Namers(Part):
    """Who is given a blob, and who may be asked for it."""

    async def may_read_blob(self, blob: BlobId, claims: Claims) -> bool:
        """Whether the blob is given to one who may read `claims`; see above.

        True also where nothing here ever named it: then it is no more private than its id.
        """
        async with self._database.reading() as view:
            namers = await _namers(view, blob)
            if len(namers) <= NAMERS_MAX and await _show_all(view, blob, claims, namers):
                return True
            own = await view.rows("SELECT author FROM followed WHERE is_own")
            return any([await _shows(view, blob, claims, author) for (author,) in own])

    async def may_know_blob(self, blob: BlobId, claims: Claims) -> bool:
        """Whether one who may read `claims` may read *any* record that names the blob, also one
        that does not count: who is asked for it then learns no id. True also where nothing here
        names it.
        """
        async with self._database.reading() as view:
            if not await view.rows(f"{_IS_NAMED} LIMIT 1", (blob,)):
                return True
            return await _shows(view, blob, claims)

    async def forget_namers(self) -> None:
        """Of every blob: a backup brings its bytes, and does not say whose hands they came from."""
        async with self._database.transaction() as write:
            await write.run("DELETE FROM blob_namer")


async def note_namers(write: Writing, blobs: Iterable[bytes]) -> None:
    """Of these blobs, as far as they are whole: who has named them by now, once for all."""
    rows = await write.rows_in(_TO_NOTE, list(dict.fromkeys(blobs)))
    for number, blob in rows:
        namers = await _in_private(write, blob) or [EVERYBODY]
        await write.run_many(
            "INSERT INTO blob_namer VALUES (?, ?)", ((number, author) for author in namers)
        )


async def private_namers(write: Writing, blobs: Iterable[bytes]) -> PrivateNamers:
    """Of those of these whole blobs of which nothing was noted: who names them in private, and not
    in commons. To be asked before a record names them no more; see `note_private`."""
    rows = await write.rows_in(_NOT_NOTED, list(dict.fromkeys(blobs)))
    return [(number, blob, await _in_private(write, blob)) for number, blob in rows]


async def names_as_own(view: Reading, author: bytes) -> bool:
    """Whether it is an author of this node's."""
    row = await view.row("SELECT 1 FROM followed WHERE author = ? AND is_own", (author,))
    return row is not None


async def note_private(write: Writing, before: PrivateNamers) -> None:
    """Of what nobody names in private any more, or an author of this node's does not: who did.
    Until `gc` nothing else would say it, and whoever else names it may have learned no more than
    its id."""
    for number, blob, authors in before:
        left = await _in_private(write, blob) if authors else []
        gone = [one for one in authors if one not in left]
        if authors and (not left or any([await names_as_own(write, one) for one in gone])):
            await write.run_many(
                "INSERT INTO blob_namer VALUES (?, ?)", ((number, author) for author in authors)
            )


async def _namers(view: Reading, blob: bytes) -> list[bytes]:
    """Authors of each of whom a record must be shown; none: it is public, or nothing names it."""
    noted = await view.rows(
        "SELECT n.author FROM blob b JOIN blob_namer n ON n.blob = b.number WHERE b.id = ?", (blob,)
    )
    if noted:
        return [author for (author,) in noted if author != EVERYBODY]
    return await _in_private(view, blob)


async def _in_private(view: Reading, blob: bytes) -> list[bytes]:
    """Who names it outside of commons, and not there; of too many one more than `NAMERS_MAX`."""
    commons = await namespace_number(view, COMMONS)
    rows = await view.rows(_NAMED_IN_PRIVATE, (blob, commons, NAMERS_MAX + 1))
    authors = [author for (author,) in rows]
    if len(authors) > NAMERS_MAX:  # whoever it is private to could be one that was not looked at
        return authors
    return [
        author
        for author in authors
        if not await view.rows(f"{_NAMING_OF_AUTHOR} LIMIT 1", (blob, commons, author))
    ]


async def _show_all(view: Reading, blob: BlobId, claims: Claims, authors: Sequence[bytes]) -> bool:
    for author in authors:
        if not await _shows(view, blob, claims, author):
            return False
    return True


async def _shows(view: Reading, blob: BlobId, claims: Claims, author: bytes | None = None) -> bool:
    """Whether an entry lies in `claims` of a document that names the blob: any, or the author's."""
    whole = Area()
    for namespace, area in claims:
        number = await namespace_number(view, namespace)
        naming = _NAMING
        if author is not None:
            naming = _NAMING_OF_AUTHOR if is_communal(namespace) else _NAMING_IN_OWNED
        places = await view.rows(
            "SELECT DISTINCT author, class, kind, record FROM document"
            f" WHERE number IN ({naming} LIMIT ?4)",
            (blob, number, author, 1 if area == whole else USES_MAX),
        )
        for owner, cls, kind, record in places:
            common = area.intersection(
                Area(AuthorKey(owner), (cls.encode(), kind.encode(), record))
            )
            if common is None:
                continue
            if (await summary(view, number, common, area_bounds(common))).count:
                return True
    return False
