"""How much room a node takes, against what its quotas allow: docs/protocol/quotas.md.

What lies in the file is added up once more here, entry by entry, by who wrote what in whose place:
the store's own sums are only compared with that. No entry may take more than it is counted for, and
the file as a whole no more than the quotas and what a person wants of it, times `FILE_FACTOR`.
"""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from crdt.change import DocumentId
from crdt.entry import encode_entry
from crdt.keys import is_communal
from crdt.order import ITEM_ID_BYTES
from storage import ended as rules
from storage.lazily import CHECKPOINT_PAGES
from storage.quota import Quota
from tests.simulation.hostile.seen import Seen

SIGNATURE_BYTES = 64
KEPT_OUT_BYTES = 128  # of each id that is remembered, in two indexes
# Rows lie in pages of 4 KiB, each of which may be half empty, and an entry in three indexes.
FILE_FACTOR = 2
EMPTY_BYTES = 612 << 10  # of a file without entries: its tables, names, rights, and offenders
# The log is written back at so many pages; one transaction may come on top of that.
LOG_BYTES_MAX = (CHECKPOINT_PAGES + 1_000) * (4_096 + 24)


@dataclass(frozen=True, slots=True)
class Kept:
    """What a file says of what it holds. By 16-byte ids of entries: their bytes, who brought them.

    `beside`: of documents, what they take beside their entries.
    """

    numbers: Mapping[bytes, int]
    """In the order they came."""
    sizes: Mapping[bytes, int]
    sources: Mapping[bytes, tuple[str, bytes | None]]
    beside: Mapping[DocumentId, int]
    used_bytes: int
    file_bytes: int
    log_bytes: int


def read_kept(path: Path) -> Kept:
    """From a file that a store has open."""
    log = Path(f"{path}-wal")
    with closing(sqlite3.connect(path)) as database:
        (pages,) = database.execute("PRAGMA page_count").fetchone()
        (free,) = database.execute("PRAGMA freelist_count").fetchone()
        (size,) = database.execute("PRAGMA page_size").fetchone()
        rows = database.execute(
            f"SELECT substr(e.id, 1, {ITEM_ID_BYTES}), e.number, o.size, s.key, s.author"
            " FROM entry e"
            " LEFT JOIN origin o ON o.entry = e.number LEFT JOIN source s ON s.number = o.source"
        ).fetchall()
        beside = database.execute(
            "SELECT d.id, x.size FROM document d LEFT JOIN derived x ON x.document = d.number"
        ).fetchall()
    return Kept(
        {id: number for id, number, *_ in rows},
        {id: size for id, _, size, _, _ in rows},
        {id: (key, author) for id, _, _, key, author in rows},
        {DocumentId.decode(id): size for id, size in beside},
        used_bytes=(pages - free) * size,
        file_bytes=pages * size,
        log_bytes=log.stat().st_size if log.exists() else 0,
    )


def real_bytes(one: Seen) -> int:
    """Of an entry, what has to be on the disk whatever the schema is."""
    signed = one.signed
    return len(encode_entry(signed.entry)) + len(signed.payload) + SIGNATURE_BYTES


def guest_of(one: Seen, followed: frozenset[bytes]) -> bytes:
    """Whom the owner of the place let in, who wrote this or let in whoever did; else empty."""
    owner, chain = bytes(one.document.subspace), one.chain
    if one.statement is not None or owner not in followed or owner not in chain[:-2]:
        return b""
    return chain[chain.index(owner) + 1]


def is_wanted(one: Seen, followed: frozenset[bytes]) -> bool:
    """Whether an entry has room whatever others take: by who is followed, or a statement.

    A statement has it as far as it judges something here, which is not looked into; each log is
    bounded by itself.
    """
    document, hands = one.document, frozenset(one.chain[-2:])
    if one.statement is not None:
        return True
    if is_communal(document.namespace):
        return not followed.isdisjoint(hands)
    return document.subspace in followed & hands


def judge_budgets(
    kept: Kept, seen: Mapping[bytes, Seen], quota: Quota, followed: frozenset[bytes]
) -> Counter[str]:
    """Every budget holds, as counted; gives how full they are, in percent of each, the fullest."""
    assert kept.sizes.keys() == seen.keys(), "what is held is not what is counted"
    for id, one in seen.items():
        assert kept.sizes[id] >= real_bytes(one), "an entry takes more than it is counted for"
    assert all(kept.beside.values()), "a document that nothing is counted for"
    strangers, authors, peers = 0, Counter[bytes](), Counter[str]()
    groups, members = Counter[bytes](), Counter[tuple[bytes, bytes]]()
    guests = Counter[tuple[bytes, bytes]]()
    for id, one in seen.items():
        if is_wanted(one, followed):
            continue
        size, (source, author) = kept.sizes[id], kept.sources[id]
        namespace, subspace = one.document.namespace, one.document.subspace
        if guest := guest_of(one, followed):
            guests[subspace, guest] += size
            continue
        if not is_communal(namespace):
            groups[namespace] += size
            if subspace not in followed:
                members[namespace, subspace] += size
            continue
        strangers += size
        authors[subspace] += size
        if author is not None and author not in followed:
            peers[source] += size
    fullest = Counter[str]()
    for name, sizes, limit in (
        ("strangers", [strangers], quota.strangers_bytes),
        ("author", authors.values(), quota.author_bytes),
        ("peer", peers.values(), quota.peer_bytes),
        ("namespace", groups.values(), quota.namespace_bytes),
        ("member", members.values(), quota.member_bytes),
        ("member of guests", guests.values(), quota.member_bytes),
    ):
        most = max(sizes, default=0)
        assert most <= limit, f"quota.{name}: {most:,} bytes of {limit:,}"
        fullest[name] = 100 * most // limit
    return fullest


def judge_ended(
    kept: Kept, seen: Mapping[bytes, Seen], ended: Mapping[bytes, bytes]
) -> Counter[str]:
    """Little is kept of what came after all that was ever said there, by rights that were over.

    `ended`: by 16-byte ids, those that a revocation hits for sure, with the key that it revoked.
    Gives the most of one document, and of one key, in percent of the rules.
    """
    spoken = Counter[bytes]()
    order = sorted((number, id) for id, number in kept.numbers.items() if id in seen)
    speaker: tuple[str, bytes | None] | None = None
    for number, id in order:
        place = bytes(seen[id].document.namespace)
        if seen[id].statement is not None:
            speaker = kept.sources[id]
            spoken[place] = number
        elif kept.sources[id] == speaker:  # it may have come together with what was said
            spoken[place] = number
        else:
            speaker = None
    documents, keys = Counter[DocumentId](), Counter[tuple[bytes, bytes]]()
    for id, key in ended.items():
        document = seen[id].document
        if kept.numbers[id] > spoken[document.namespace]:
            documents[document] += 1
            keys[document.namespace, key] += kept.sizes[id]
    most, most_bytes = max(documents.values(), default=0), max(keys.values(), default=0)
    assert most <= rules.ENDED_ENTRIES_MAX, f"{most} entries of a document by ended rights"
    assert most_bytes <= rules.ENDED_BYTES_MAX, f"{most_bytes:,} bytes by a right that was over"
    return Counter(
        {
            "ended": 100 * most // rules.ENDED_ENTRIES_MAX,
            "ended bytes": 100 * most_bytes // rules.ENDED_BYTES_MAX,
        }
    )


def judge_file(kept: Kept, seen: Iterable[Seen], quota: Quota, followed: frozenset[bytes]) -> int:
    """The file is no larger than it may be; gives how many percent of that it is."""
    everything = list(seen)
    wanted = sum(real_bytes(one) for one in everything if is_wanted(one, followed))
    owned = {key for one in everything if not is_communal(key := one.document.namespace)}
    guests = {(one.document.subspace, guest_of(one, followed)) for one in everything}
    budgets = quota.strangers_bytes + len(owned) * quota.namespace_bytes
    budgets += sum(guest != b"" for _, guest in guests) * quota.member_bytes
    allowed = EMPTY_BYTES + FILE_FACTOR * (budgets + wanted)
    allowed += quota.kept_out_max * KEPT_OUT_BYTES
    assert kept.file_bytes <= allowed, f"a file of {kept.file_bytes:,} bytes, of {allowed:,}"
    assert kept.log_bytes <= LOG_BYTES_MAX, f"a log of {kept.log_bytes:,} bytes"
    return 100 * kept.file_bytes // allowed
