"""Who could write here, and why; which entries count, which do not, and what might change that."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from crdt.capability import (
    WRITE,
    Capability,
    capability_digest,
    decode_capability,
    encode_capability,
)
from crdt.change import DocumentId
from crdt.held import Reason
from crdt.keys import COMMONS, NamespaceKey
from node.errors import NotFound
from node.services.granting import Standing, stand
from node.services.modules import full_name, module_document
from node.services.namespaces import Keeper
from node.services.records import is_place, record_meant
from node.services.revoking import entry_named, is_digits
from registry.errors import UnknownModule
from registry.names import parse_reference
from storage.authority import place_of
from storage.explaining import Said, Told
from storage.forks import Fork

LEFT_OUT_SHOWN_MAX: Final = 200
"""Entries that do not count in one explanation; how many there are is said."""
WRITERS_MAX: Final = 200
"""Capabilities in one explanation, those in use first."""


@dataclass(frozen=True, slots=True)
class Why:
    """A reason in words, and what may change it."""

    why: str
    may_return: str


WHYS: Final[Mapping[str, Why]] = {
    Reason.MISSING_DEPENDENCY: Why(
        "it builds on a change, or follows an entry, that is not here",
        "it counts once that arrives: panspermia sync",
    ),
    Reason.UNKNOWN_AUTHORITY: Why(
        "its author knew a statement of who may write that is not here",
        "it counts once that arrives: panspermia sync",
    ),
    Reason.REVOKED: Why(
        "the right it was signed with was revoked, and it is not among what the revocation leaves",
        "whoever revoked can take that back: panspermia cap unrevoke",
    ),
    Reason.BACKDATED: Why(
        "its right had ended, and a checkpoint made after that does not know it",
        "only if that checkpoint falls",
    ),
    Reason.LOST_BRANCH: Why(
        "its device signed two changes of one number, and the other one won",
        "a checkpoint of the owner may choose this one: panspermia cap checkpoint --keep",
    ),
    Reason.EXCLUDED_DEPENDENCY: Why(
        "it is honest work, but builds on a change that does not count",
        "it counts again with that; its author can make it again: panspermia cap reapply",
    ),
    Reason.BROKEN_CHAIN: Why(
        "its number, its operations or the entry it names do not continue what it builds on",
        "never; its author can make the change again",
    ),
    Reason.OVER_LIMIT: Why(
        "the document is full", "only if something before it falls; a new epoch has room"
    ),
    Reason.REPEATED: Why("another entry carries the same change, and counts", "it need not"),
}
OTHERWISE: Final = Why("the library cannot read it", "never; its author can make it again")


@dataclass(frozen=True, slots=True)
class Writer:
    """A right that reaches the record, and what was written with it by its receiver."""

    standing: Standing
    counted: int
    left_out: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Verdict:
    """An entry, why it counts or not, and the revocations that hit its right."""

    told: Told
    why: Why | None
    """None where it counts."""
    cuts: tuple[Said, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Of a record, or of one entry and its record."""

    document: DocumentId
    entry: Verdict | None
    writers: tuple[Writer, ...]
    writers_more: int
    """Rights that reach there beyond these."""
    left_out: tuple[Verdict, ...]
    left_out_count: int
    incomplete: int
    """Changes that revocations leave, and that are not here: until they come too much is cut."""
    forks: tuple[Fork, ...]
    """Of the root keys concerned, and of devices in this record."""


async def explain(
    node: Keeper, what: str, namespace: NamespaceKey = COMMONS, *, now_us: int
) -> Explanation:
    """`what` is an entry (hex digits of its id), or a module as it is named elsewhere.

    Raises `NotFound`, `Conflict`, and what a name may raise.
    """
    if is_digits(what):
        told = await entry_named(node.store, what)
        entry, document = await _verdict(node, told), told.document
    else:
        entry, document = None, await record_named(node, what, namespace)
    tallies = await node.store.tallies(document)
    if not tallies:
        raise NotFound(f"nothing of {what} is held here", code="unknown-module")
    fell = await node.store.told(document, left_out_only=True, limit=LEFT_OUT_SHOWN_MAX)
    forks = await node.store.forks(await _issuers(node, document))
    forks += await node.store.forks_in(document)
    could_write, more = await writers(node, document, now_us=now_us)
    return Explanation(
        document,
        entry,
        tuple(could_write),
        more,
        tuple([await _verdict(node, one) for one in fell]),
        sum(count for (_, code), count in tallies.items() if code is not None),
        await node.store.heads_missing(document),
        tuple(dict.fromkeys(forks)),
    )


async def record_named(node: Keeper, text: str, namespace: NamespaceKey) -> DocumentId:
    """A module that is listed, or one whose author is named, or one's own; or any record."""
    if is_place(text):
        return await record_meant(node, text, namespace)
    try:
        name = await full_name(node.store, parse_reference(text), namespace)
    except UnknownModule:
        return await record_meant(node, text, namespace)
    return module_document(str(name.author), name.id, namespace)


async def writers(node: Keeper, document: DocumentId, *, now_us: int) -> tuple[list[Writer], int]:
    """Rights that reach there, by all that is known: used, held or given; and how many more.

    What the owner gave comes before what was passed on, so whoever passes a right on to many keys
    hides nobody.
    """
    tallies = await node.store.tallies(document)
    counted = {device: n for (device, code), n in tallies.items() if code is None}
    rights = sorted(
        await _reaching(node, document),
        key=lambda one: (len(one.chain), -counted.get(one.receiver, 0), one.receiver),
    )
    shown = [
        Writer(
            await stand(node, right, now_us=now_us),
            counted.get(right.receiver, 0),
            {
                str(code): count
                for (device, code), count in sorted(tallies.items(), key=str)
                if device == right.receiver and code is not None
            },
        )
        for right in rights[:WRITERS_MAX]
    ]
    return shown, len(rights) - len(shown)


async def _reaching(node: Keeper, document: DocumentId) -> list[Capability]:
    place = place_of(document)
    known = {encode_capability(one): one for one in await node.store.rights_known(document)}
    for held in await node.store.capabilities_held(document.namespace, mode=WRITE):
        area = held.capability.granted_area
        reaches = place.path[: len(area.path)] == area.path
        if reaches and area.subspace in (None, place.subspace):
            known.setdefault(held.encoded, held.capability)
    # Root keys sign no records themselves: what they passed on is listed.
    return [
        one
        for one in known.values()
        if one.delegations and one.receiver not in (place.subspace, one.namespace, one.user)
    ]


async def publishers(node: Keeper, document: DocumentId, *, now_us: int) -> list[Standing]:
    """Whom the owner let write this record beside their own devices, and how that stands.

    For this record, or for all of its kind. Who was given a whole class of what is the owner's is
    as one of their devices, and listed with those.
    """
    path = place_of(document).path
    found: dict[bytes, Capability] = {}
    for whole in await _reaching(node, document):
        for right in whole.prefixes():
            area = right.granted_area
            is_of_kind = len(area.path) >= len(path) - 1
            if is_of_kind and right.delegations and area.subspace == document.subspace:
                found[capability_digest(encode_capability(right))] = right
                break
    first = sorted(found, key=lambda digest: (len(found[digest].chain), digest))[:WRITERS_MAX]
    return [await stand(node, found[digest], now_us=now_us) for digest in sorted(first)]


async def _verdict(node: Keeper, told: Told) -> Verdict:
    why = None if told.code is None else WHYS.get(told.code, OTHERWISE)
    chain = decode_capability(told.capability).chain
    cuts = await node.store.cuts_on(chain, told.document)
    return Verdict(told, why, tuple(cuts))


async def _issuers(node: Keeper, document: DocumentId) -> set[bytes]:
    """The root keys whose statements have a bearing on the record."""
    issuers: set[bytes] = {document.subspace, document.namespace}
    for right in await node.store.rights_known(document):
        issuers |= set(right.chain[:-1])
    return issuers
