"""What judges documents: the revocations, checkpoints and authority heads that concern them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from crdt.area import Area
from crdt.change import DocumentId
from crdt.envelope import AUTH_HEADS_MAX
from crdt.held import Checkpoint, Revocation
from crdt.keys import NamespaceKey
from crdt.order import ITEM_ID_BYTES
from crdt.statement import is_statement_class
from storage.database import Reading
from storage.materialise import Authority, Work
from storage.statements import area_of, hashes, standing

NOTHING: frozenset[bytes] = frozenset()


async def add_authority(view: Reading, works: Sequence[Work]) -> None:
    """Gives every work what judges it, as far as it is held."""
    logs = {work.number: work for work in works if is_statement_class(work.document.cls)}
    numbers = [number for number in logs if number is not None]
    for number, entries in (await standing(view, numbers)).items():
        logs[number].authority = Authority(standing=frozenset(entries))
    by_namespace: dict[NamespaceKey, list[Work]] = {}
    for work in works:
        if not is_statement_class(work.document.cls):
            by_namespace.setdefault(work.document.namespace, []).append(work)
    for namespace, those in by_namespace.items():
        known = await _known(view, namespace, those)
        revocations = await _revocations(view, namespace, those)
        for work in those:
            work.authority = Authority(
                frozenset(known.intersection(_cited(work))) if known else frozenset(),
                tuple(revocations.get(work.document, ())),
                tuple(await _checkpoints(view, work)) if _may_need_checkpoints(work) else (),
            )


def place_of(document: DocumentId) -> Area:
    """The area of all of a document's epochs."""
    return Area(document.subspace, (document.cls.encode(), document.kind.encode(), document.record))


@dataclass(frozen=True, slots=True)
class Cut:
    """A revocation in force, before it is asked for one document."""

    number: int
    revocation: Revocation
    is_known: bool
    """Whether what it leaves is known: else its frontier is a blob that is not here."""


async def _revocations(
    view: Reading, namespace: NamespaceKey, works: Sequence[Work]
) -> dict[DocumentId, list[Revocation]]:
    """Those in force that hit an entry of these documents, with the heads that they leave."""
    chains = {work.document: {one.chain for one in work.held.values()} for work in works}
    cuts = await cuts_of(
        view, namespace, {key for those in chains.values() for chain in those for key in chain}
    )
    by_pair: dict[tuple[bytes, bytes], list[Cut]] = {}
    for cut in cuts:
        by_pair.setdefault((cut.revocation.issuer, cut.revocation.key), []).append(cut)
    found: dict[DocumentId, set[tuple[bytes, bytes, frozenset[bytes]]]] = {}
    for document, those in chains.items() if cuts else ():
        place = place_of(document)
        pairs = {pair for chain in those for pair in combinations(chain, 2)} & by_pair.keys()
        hits = [
            cut for pair in pairs for cut in by_pair[pair] if cut.revocation.area.includes(place)
        ]
        kept = await frontiers_of(view, [cut.number for cut in hits], document)
        # Who says it a thousand times cuts off no more than at first.
        found[document] = {
            (cut.revocation.issuer, cut.revocation.key, kept.get(cut.number, NOTHING))
            for cut in hits
        }
    return {document: [Revocation(*one) for one in all] for document, all in found.items()}


async def cuts_of(view: Reading, namespace: NamespaceKey, keys: set[bytes]) -> list[Cut]:
    """The revocations in force in this namespace that cut one of these keys off."""
    rows = await view.rows_in(
        "SELECT s.entry, s.issuer, s.key, s.area, s.is_known FROM statement s"
        " WHERE s.namespace = (SELECT number FROM namespace WHERE key = ?)"
        " AND s.in_force AND s.key IN (*)",
        list(keys),
        namespace,
    )
    return [
        Cut(number, Revocation(issuer, key, area=area_of(area)), bool(is_known))
        for number, issuer, key, area, is_known in sorted(rows)
        if issuer in keys
    ]


async def cited_heads(
    view: Reading, namespace: NamespaceKey, chain: Iterable[bytes]
) -> list[bytes]:
    """Ids of the newest entry under `/_auth` of each of these keys, to be cited by a new one."""
    rows = await view.rows_in(
        "SELECT e.id, max(e.seq) FROM statement s JOIN entry e ON e.number = s.entry"
        " WHERE s.namespace = (SELECT number FROM namespace WHERE key = ?)"
        " AND s.type <> 'checkpoint' AND s.issuer IN (*) GROUP BY s.issuer",
        list(dict.fromkeys(chain)),
        namespace,
    )
    return [id for id, _ in rows][:AUTH_HEADS_MAX]


async def frontiers_of(
    view: Reading, statements: Sequence[int], document: DocumentId
) -> dict[int, frozenset[bytes]]:
    """What each of these revocations leaves of the document, as far as it names it."""
    if not statements:
        return {}
    rows = await view.rows_in(
        "SELECT statement, heads FROM frontier WHERE document = ? AND statement IN (*)",
        statements,
        document.encode(),
    )
    return {number: frozenset(hashes(heads)) for number, heads in rows}


def _cited(work: Work) -> set[bytes]:
    return {head for one in work.held.values() for head in one.auth_heads}


async def _known(view: Reading, namespace: NamespaceKey, works: Sequence[Work]) -> set[bytes]:
    cited = {head for work in works for head in _cited(work)}
    if not cited:
        return cited
    rows = await view.rows_in(
        "SELECT e.id FROM entry e JOIN document d ON d.number = e.document"
        " WHERE d.class = '_auth' AND d.namespace = (SELECT number FROM namespace WHERE key = ?)"
        f" AND substr(e.id, 1, {ITEM_ID_BYTES}) IN (*)",
        [head[:ITEM_ID_BYTES] for head in cited],
        namespace,
    )
    return {id for (id,) in rows}


def _may_need_checkpoints(work: Work) -> bool:
    """Whether a device used a number twice, or some right to write here has an end."""
    held = work.held.values()
    if any(one.until is not None for one in held):
        return True
    changes = {(one.device, one.seq, one.change) for one in held}
    return len(changes) != len({(device, seq) for device, seq, _ in changes})


async def _checkpoints(view: Reading, work: Work) -> list[Checkpoint]:
    document = work.document
    rows = await view.rows(
        "SELECT s.at, coalesce(f.heads, x'') FROM statement s LEFT JOIN frontier f"
        " ON f.statement = s.entry AND f.document = ?"
        " WHERE s.namespace = (SELECT number FROM namespace WHERE key = ?) AND s.issuer = ?"
        " AND s.type = 'checkpoint' AND s.stands AND s.is_known",
        (document.encode(), document.namespace, document.subspace),
    )
    return [Checkpoint(frozenset(hashes(heads)), at) for at, heads in sorted(rows)]
