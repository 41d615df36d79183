"""What does not fit into the bounds of one document, author, guest or area; the gate asks.

Each gives the ids of what has to stay out, taking the others in the order they came.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence

from crdt.change import CheckedEntry
from crdt.keys import AuthorKey, NamespaceKey, is_communal
from crdt.statement import is_statement_class
from storage.claim import guest_of
from storage.database import Writing
from storage.quota import AreaQuota, Quota
from storage.usage import size_of
from storage.waiting import CITED_TIMES

# Each arrival costs a judgement of all that is held of its document.
DOCUMENT_ENTRIES_MAX = 20_000
# Of a log of statements, which judges every document under it, and of all logs under one key.
AUTHORITY_ENTRIES_MAX = 4_000

# The statements that stand, of all to whom the right came through these keys: those of a namespace
# are gone through once for many keys, since each arrival may bring fifteen of its own.
_THROUGH = (
    "WITH stood AS MATERIALIZED (SELECT e.capability, s.issuer, count(e.number) AS n"
    " FROM statement s JOIN entry e ON e.number = s.entry"
    " WHERE s.namespace = (SELECT number FROM namespace WHERE key = ?) AND s.stands"
    " GROUP BY e.capability, s.issuer)"
    " SELECT k.key, sum(t.n) FROM capability_key k CROSS JOIN stood t"
    " ON t.capability = k.capability AND t.issuer <> k.key WHERE k.key IN (*) GROUP BY k.key"
)


async def beyond_documents(
    write: Writing, fresh: Sequence[CheckedEntry], cited: Collection[bytes]
) -> set[bytes]:
    """A document may have so many entries: each costs a judgement of all. Half of them are its
    owner's: nobody who was let in can fill it, revoked or not. `cited`: see `CITED_TIMES`.
    """
    held = Counter[bytes](
        dict(
            await write.rows_in(
                "SELECT d.id, (SELECT count(e.number) FROM entry e WHERE e.document = d.number)"
                " FROM document d WHERE d.id IN (*)",
                list({one.document.encode() for one in fresh}),
            )
        )
    )
    out: set[bytes] = set()
    for one in fresh:
        document, id = one.document, one.document.encode()
        most = AUTHORITY_ENTRIES_MAX * (CITED_TIMES if one.id in cited else 1)
        if not is_statement_class(document.cls):
            is_owners = document.subspace in one.capability.chain
            is_owners = is_owners and not guest_of(document, one.capability)
            most = DOCUMENT_ENTRIES_MAX if is_owners else DOCUMENT_ENTRIES_MAX // 2
        if held[id] >= most:
            out.add(one.id)
        else:
            held[id] += 1
    return out


async def beyond_branches(
    write: Writing, fresh: Sequence[CheckedEntry], cited: Collection[bytes]
) -> set[bytes]:
    """Of statements in an owned namespace: all of it are judged together, and whoever was let in
    may let in as many keys as they like. What each says itself is bounded by its own log.
    """
    above = {
        one.id: one.capability.chain[1:-1]
        for one in fresh
        if one.statement is not None and not is_communal(one.document.namespace)
    }
    asked: dict[NamespaceKey, set[bytes]] = {}
    for one in fresh:
        if one.id in above:
            asked.setdefault(one.document.namespace, set()).update(above[one.id])
    held = Counter[tuple[bytes, bytes]]()
    for namespace, keys in asked.items():
        for key, count in await write.rows_in(_THROUGH, list(keys), namespace):
            held[namespace, key] = count
    out: set[bytes] = set()
    for one in fresh:
        branches = [(one.document.namespace, key) for key in above.get(one.id, ())]
        most = AUTHORITY_ENTRIES_MAX * (CITED_TIMES if one.id in cited else 1)
        if any(held[branch] >= most for branch in branches):
            out.add(one.id)
        else:
            held.update(branches)
    return out


async def beyond_authors(
    write: Writing,
    fresh: Sequence[CheckedEntry],
    sizes: Mapping[bytes, int],
    budgets: Mapping[NamespaceKey, int],
    quota: Quota,
) -> set[bytes]:
    """Of those whom nobody here follows; `sizes` has theirs, by id."""
    theirs = [one for one in fresh if one.id in sizes]
    rows = await write.rows_in(
        "SELECT u.author, n.budget, sum(u.size) FROM (SELECT author, namespace, sum(bytes) AS size"
        " FROM usage WHERE author IN (*) GROUP BY author, namespace) u"
        " JOIN namespace n ON n.number = u.namespace GROUP BY u.author, n.budget",
        list({one.document.subspace for one in theirs}),
    )
    held = Counter({(author, budget): size for author, budget, size in rows})
    out: set[bytes] = set()
    for one in theirs:
        budget = budgets[one.document.namespace]
        held[one.document.subspace, budget] += sizes[one.id]
        if held[one.document.subspace, budget] > quota.author_bytes_of(budget):
            out.add(one.id)
    return out


async def beyond_guests(
    write: Writing, guests: Sequence[tuple[CheckedEntry, bytes, int]], quota: Quota
) -> set[bytes]:
    """Of entries by guests, each with the guest's key and its size."""
    by_author: dict[AuthorKey, set[bytes]] = {}
    for one, guest, _ in guests:
        by_author.setdefault(one.document.subspace, set()).add(guest)
    held = Counter[tuple[AuthorKey, bytes]]()
    for author, theirs in by_author.items():  # who is nobody's friend may have let in thousands
        rows = await write.rows_in(
            "SELECT u.guest, sum(u.bytes) FROM usage u WHERE u.author = ? AND u.guest IN (*)"
            " GROUP BY u.guest",
            list(theirs),
            author,
        )
        held.update({(author, guest): size for guest, size in rows})
    out: set[bytes] = set()
    for one, guest, size in guests:
        held[one.document.subspace, guest] += size
        if held[one.document.subspace, guest] > quota.member_bytes:
            out.add(one.id)
    return out


async def beyond_areas(
    write: Writing,
    fresh: Sequence[CheckedEntry],
    areas: Sequence[AreaQuota],
    is_exempt: Callable[[CheckedEntry], bool],
) -> set[bytes]:
    """Of what lies in an area of the settings."""
    if not areas:
        return set()
    held = Counter[str](dict(await write.rows("SELECT name, bytes FROM area_quota")))
    out: set[bytes] = set()
    for one in fresh:
        inside = [area for area in areas if area.includes(one)]
        size = size_of(one)
        if is_exempt(one):
            continue
        if any(held[area.name] + size > area.limit_bytes for area in inside):
            out.add(one.id)
        else:
            held.update({area.name: size for area in inside})
    return out
