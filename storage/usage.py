"""Who brought what and how much room it takes, counted in the transaction that changes it.

    origin    each entry: its source and its size      ┐ sums of both: usage, by author, guest,
    derived   each document: what it takes beside them ┘ namespace and source; of these: weight

A size is what the bytes take on disk at the most, by formulas of the schema (`entry_size`,
`derived_size`). Whoever deletes a document calls `release` first. A *guest* is whom an author let
write in records of theirs, and whoever came in through that one (`storage.claim`).
"""

import json
from collections.abc import Iterable, Mapping, Sequence

from crdt.change import CheckedEntry
from crdt.did import decode_did_key
from crdt.entry import encode_entry
from crdt.errors import CrdtError
from crdt.keys import AuthorKey
from storage.claim import guest_of
from storage.database import Reading, Writing

PAGE_BYTES = 4_096
PAGE_ROOM_BYTES = 4_000
ENTRY_BYTES = 512  # item and indexes beside the signed bytes
ROW_BYTES = 192  # digests, signature, counters
DOCUMENT_BYTES = 2_048  # of a new document beside its entries, before it is known
AUTHOR_PREFIX_BYTES = 8  # enough in `kept_out`: a clash lets go of what may be asked for again

# Whether what a document `d` holds is a stranger's: by nobody who is followed.
IS_STRANGER = "NOT EXISTS (SELECT 1 FROM followed f WHERE f.author = d.author)"
_ADD = (
    " ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes,"
    " entries = entries + excluded.entries"
)
_IN_AREA = (
    "d.namespace = (SELECT number FROM namespace WHERE key = a.namespace)"
    " AND (a.author IS NULL OR d.author = a.author) AND (a.class IS NULL OR d.class = a.class)"
    " AND (a.kind IS NULL OR d.kind = a.kind) AND (a.record IS NULL OR d.record = a.record)"
)


def size_of(one: CheckedEntry) -> int:
    """What the entry will take, as `entry_size` says once it is here."""
    signed = len(encode_entry(one.signed.entry))
    row = ROW_BYTES + signed + len(one.signed.payload)
    row += sum(map(len, one.change.dependencies)) + sum(map(len, one.auth_heads))
    pages = PAGE_BYTES // (PAGE_ROOM_BYTES // row) if row <= PAGE_ROOM_BYTES else row + PAGE_BYTES
    return pages + signed + len(one.signed.capability) + ENTRY_BYTES


async def source_number(write: Writing, key: str, author: AuthorKey | None = None) -> int:
    """The number of who brings something; `author` is for whom that device speaks."""
    await write.run(
        "INSERT INTO source (key, author) VALUES (?1, ?2) ON CONFLICT DO UPDATE"
        " SET author = excluded.author WHERE excluded.author IS NOT author"
        " AND excluded.author IS NOT NULL",
        (key, author),
    )
    return await write.number("SELECT number FROM source WHERE key = ?", (key,))


async def account(
    write: Writing,
    source: str,
    entries: Mapping[int, CheckedEntry],
    documents: Iterable[int | None],
) -> None:
    """Counts entries just written, and what their documents have become; by numbers of both."""
    number = await source_number(write, source)
    if entries:
        span = (min(entries), max(entries))  # those of one transaction are numbered without a gap
        await write.run(
            "INSERT INTO origin (entry, source, size)"
            " SELECT entry, ?, size FROM entry_size WHERE entry BETWEEN ? AND ?",
            (number, *span),
        )
        await write.run_many(
            "UPDATE origin SET guest = ? WHERE entry = ?",
            (
                (guest, entry)
                for entry, one in entries.items()
                if (guest := guest_of(one.document, one.capability))
            ),
        )
        await write.run_each(
            [
                (
                    "INSERT INTO usage SELECT d.author, o.guest, d.namespace, o.source,"
                    f" sum(o.size), count(*), {IS_STRANGER} FROM origin o"
                    " JOIN entry e ON e.number = o.entry JOIN document d ON d.number = e.document"
                    " WHERE o.entry BETWEEN ? AND ?"
                    f" GROUP BY d.author, o.guest, d.namespace, o.source{_ADD}",
                    span,
                ),
                (
                    "UPDATE area_quota AS a SET bytes = bytes + (SELECT coalesce(sum(o.size), 0)"
                    " FROM origin o JOIN entry e ON e.number = o.entry"
                    " JOIN document d ON d.number = e.document"
                    f" WHERE o.entry BETWEEN ? AND ? AND {_IN_AREA})",
                    span,
                ),
            ]
        )
    await account_derived(write, documents, number)


async def account_derived(
    write: Writing, documents: Iterable[int | None], source: int | None = None
) -> None:
    """Counts anew what documents take beside their entries; it is of whom the first of them is.

    `source` None: what is new of it is nobody's in particular.
    """
    numbers = json.dumps(sorted({number for number in documents if number is not None}))
    if source is None:
        source = await write.number("SELECT min(number) FROM source")
    await write.run_each(
        [
            (
                "INSERT INTO derived (document, source, size, guest) SELECT j.value, ?1, 0,"
                " coalesce((SELECT o.guest FROM entry e JOIN origin o ON o.entry = e.number"
                " WHERE e.document = j.value ORDER BY e.number LIMIT 1), x'')"
                " FROM json_each(?2) j"
                " WHERE NOT EXISTS (SELECT 1 FROM derived x WHERE x.document = j.value)",
                (source, numbers),
            ),
            (
                "INSERT INTO usage SELECT d.author, x.guest, d.namespace, x.source,"
                f" sum(v.size - x.size), 0, {IS_STRANGER}"
                " FROM json_each(?) j JOIN document d ON d.number = j.value"
                " JOIN derived_size v ON v.document = d.number"
                " JOIN derived x ON x.document = d.number"
                f" GROUP BY d.author, x.guest, d.namespace, x.source{_ADD}",
                (numbers,),
            ),
            (
                "UPDATE derived AS x SET size = (SELECT v.size FROM derived_size v WHERE"
                " v.document = x.document) WHERE x.document IN (SELECT value FROM json_each(?))",
                (numbers,),
            ),
        ]
    )


async def release(write: Writing, documents: Sequence[int]) -> int:
    """Before documents are deleted: they count no more. Gives how many bytes that are."""
    numbers = (json.dumps(documents),)
    entries = (
        "SELECT e.document, o.source, o.guest, o.size, 1 AS entries FROM json_each(?1) j"
        " JOIN entry e ON e.document = j.value JOIN origin o ON o.entry = e.number"
    )
    both = (
        f"{entries} UNION ALL SELECT x.document, x.source, x.guest, x.size, 0"
        " FROM json_each(?1) j"
        " JOIN derived x ON x.document = j.value"
    )
    freed = await write.number(f"SELECT sum(size) FROM ({both})", numbers)
    await write.run(
        "INSERT INTO usage SELECT d.author, s.guest, d.namespace, s.source, -sum(s.size),"
        f" -sum(s.entries), 0 FROM ({both}) s JOIN document d ON d.number = s.document"
        f" GROUP BY d.author, s.guest, d.namespace, s.source{_ADD}",
        numbers,
    )
    await write.run(
        "UPDATE area_quota AS a SET bytes = bytes - (SELECT coalesce(sum(s.size), 0)"
        f" FROM ({entries}) s JOIN document d ON d.number = s.document WHERE {_IN_AREA})",
        numbers,
    )
    await write.run(
        "DELETE FROM usage WHERE entries = 0 AND bytes = 0 AND author IN"
        " (SELECT d.author FROM json_each(?1) j JOIN document d ON d.number = j.value)",
        numbers,
    )
    await write.run(
        "DELETE FROM origin WHERE entry IN"
        " (SELECT e.number FROM json_each(?1) j JOIN entry e ON e.document = j.value)",
        numbers,
    )
    await write.run(
        "DELETE FROM derived WHERE document IN (SELECT value FROM json_each(?1))", numbers
    )
    return freed


async def measure_areas(write: Writing) -> None:
    """Adds up anew what lies in each area of the settings."""
    await write.run(
        "UPDATE area_quota AS a SET bytes = (SELECT coalesce(sum(o.size), 0) FROM document d"
        " JOIN entry e ON e.document = d.number JOIN origin o ON o.entry = e.number"
        f" WHERE {_IN_AREA})"
    )


# --- whom this node follows ------------------------------------------------------------------


async def followed(view: Reading) -> frozenset[bytes]:
    """The one answer to whom this node follows: whose records are kept whatever strangers bring.

    This node's own author, whoever has a petname, and the authors of what is installed.
    """
    return frozenset(author for (author,) in await view.rows("SELECT author FROM followed"))


async def refollow(write: Writing) -> None:
    """After names or installed modules changed: who is followed now, and what that moves."""
    own = {author for (author,) in await write.rows("SELECT author FROM followed WHERE is_own")}
    now = await _named(write) | own
    before = await followed(write)
    if now == before:
        return
    await write.run_many("DELETE FROM followed WHERE author = ?", ((one,) for one in before - now))
    await write.run_many("INSERT INTO followed VALUES (?, 0)", ((one,) for one in now - before))
    await _move(write, before ^ now)
    await write.run_many(
        "DELETE FROM kept_out WHERE author = ?",
        ((one[:AUTHOR_PREFIX_BYTES],) for one in now - before),
    )


def _key_of(did: str) -> bytes | None:
    """None for what names nobody's key."""
    try:
        return decode_did_key(did)
    except CrdtError:
        return None


async def _named(view: Reading) -> frozenset[bytes]:
    """Who has a petname, or wrote what is installed."""
    rows = await view.rows(
        "SELECT author FROM petname"
        " UNION SELECT substr(module, 1, instr(module, '/') - 1) FROM installed"
    )
    return frozenset(key for (did,) in rows if (key := _key_of(did)))


async def is_own(view: Reading, authors: frozenset[AuthorKey]) -> bool:
    """Whether these are known to be this node, and all that is counted is in step with it."""
    rows = await view.rows("SELECT author FROM followed WHERE is_own")
    own = frozenset(AuthorKey(author) for (author,) in rows)
    stale = await view.row(f"SELECT 1 FROM usage d WHERE is_stranger <> {IS_STRANGER} LIMIT 1")
    is_followed = await _named(view) | authors == await followed(view)
    return is_followed and not stale and own == authors


async def set_own(write: Writing, authors: Iterable[AuthorKey]) -> None:
    """Who this node is; on every start."""
    await write.run("DELETE FROM followed WHERE is_own")
    await write.run_many("INSERT OR REPLACE INTO followed VALUES (?, 1)", ((a,) for a in authors))
    await refollow(write)
    await _move(write, {row[0] for row in await write.rows("SELECT DISTINCT author FROM usage")})


async def _move(write: Writing, authors: Iterable[bytes]) -> None:
    """Between what strangers take and what is followed."""
    await write.run_many(
        f"UPDATE usage AS d SET is_stranger = {IS_STRANGER}"
        f" WHERE d.author = ? AND d.is_stranger <> {IS_STRANGER}",
        ((one,) for one in authors),
    )
