"""Taking rights back, taking that back, and saying what is held: statements of this home's keys.

    what is meant ─▸ Planned (nothing signed yet) ─▸ effect: what it would do ─▸ carry_out

A plan needs no secret, so that what it would do can be looked at before a key is opened.
"""

from dataclasses import dataclass, replace
from typing import Final

from crdt.area import Area
from crdt.change import Signer, log_of
from crdt.did import encode_did_key
from crdt.entry import tai_from_unix_us
from crdt.held import Revocation
from crdt.keys import NamespaceKey
from crdt.path import CHECKPOINT
from crdt.statement import (
    REASON_CHARACTERS_MAX,
    Checkpoint,
    Frontier,
    Heads,
    Heartbeat,
    Revoke,
    Statement,
    Unrevoke,
    frontier_of,
)
from node.errors import BadRequest, Conflict, NotAllowed, NotFound
from node.services.granting import DIGITS_MIN, Place, area_meant, key_meant
from node.services.namespaces import Keeper
from node.services.roots import Root, open_root, root_in, roots_in
from node.services.signers import Signers
from node.words import parse_moment
from storage.authorities import Committed, Effect
from storage.explaining import Said, Told
from storage.store import Store

NOTHING_GIVEN: Final = (
    "Nothing is known here that came from you through this key there: is it the right key, and the"
    " right --namespace?"
)


@dataclass(frozen=True, slots=True)
class Planned:
    """A statement that is not signed yet. `kept`: how many documents its frontier names."""

    root: Root
    statement: Statement
    kept: int = 0
    note: str = ""
    """What whoever says so may have overlooked."""


async def plan_revocation(
    node: Keeper,
    key: str,
    place: Place,
    *,
    since: str | None,
    reason: str,
    passphrase: str | None,
) -> Planned:
    """What came from this home through `key` ends; without `since` nothing that is held goes.

    `since`: a moment, or an entry, from which on what was signed goes. Raises `NotAllowed`,
    `NotFound`, `BadRequest`.
    """
    if len(reason) > REASON_CHARACTERS_MAX:
        detail = f"a reason of {len(reason)} characters, at most {REASON_CHARACTERS_MAX}"
        raise BadRequest(detail, code="bad-request")
    root = await root_in(node, place.namespace, passphrase)
    revoked = await key_meant(node, key)
    if revoked == root.key:
        detail = "a key takes back what it gave to others, not itself"
        raise BadRequest(detail, code="bad-grant")
    area = await area_meant(node, place) or Area()
    if area.start or area.end is not None:
        detail = "a revocation has no times of its own: say --since for what is to go"
        raise BadRequest(detail, code="bad-area")
    before = None if since is None else await _moment(node.store, since)
    heads = await node.store.frontier_now(
        place.namespace, Revocation(root.key, revoked, area=area), before=before
    )
    frontier = await _stated(node.store, heads)
    note = "" if await _is_known(node.store, root, revoked, area) else NOTHING_GIVEN
    return Planned(root, Revoke(revoked, frontier, area, reason), len(heads), note)


async def plan_unrevocation(node: Keeper, name: str, *, passphrase: str | None) -> Planned:
    """A revocation by a key of this home is taken back; what it cut comes back byte for byte.

    Raises `NotFound` (`unknown-statement`), `BadRequest` (`not-a-revocation`), `NotAllowed`.
    """
    said = await _statement_named(node.store, name)
    if not isinstance(said.statement, Revoke):
        raise BadRequest(f"{name} is no revocation", code="not-a-revocation")
    if not said.in_force:
        raise Conflict(f"{name} is not in force: nothing to take back", code="not-in-force")
    for root in await roots_in(node, said.namespace, passphrase):
        if root.key == said.issuer:
            return Planned(root, Unrevoke(said.digest))
    detail = f"{encode_did_key(said.issuer)} said so; only they take it back"
    raise NotAllowed(detail, code="no-capability")


async def effect_of(store: Store, planned: Planned) -> Effect:
    """What is held and would count no more, or again."""
    return await store.effect_of(planned.statement, planned.root.log, planned.root.right)


async def carry_out(node: Keeper, planned: Planned, *, passphrase: str | None) -> Committed:
    """Says it, and judges all that it concerns. Raises `BadIdentity` (`sealed`)."""
    signer = await open_root(node, planned.root, passphrase)
    done = await node.store.declare(planned.statement, planned.root.log, signer)
    await node.store.settle()
    return done


async def beat(node: Keeper, namespace: NamespaceKey, *, passphrase: str | None) -> Committed:
    """Says that the key still watches: the age of what is known of it begins anew."""
    root = await root_in(node, namespace, passphrase)
    return await carry_out(node, Planned(root, Heartbeat()), passphrase=passphrase)


async def check_point(
    node: Keeper, signers: Signers, namespace: NamespaceKey, keep: str | None
) -> tuple[Committed, int]:
    """Says, signed by this device, what is held of the author's own documents; gives how many.

    `keep` is an entry that another one with its number displaced: its branch is named instead.
    Raises `NotAllowed` (`no-capability`), `NotFound`, `BadRequest`, and `Conflict`
    (`would-not-count`) where an earlier checkpoint names the other.
    """
    log = log_of(namespace, node.identity.author, CHECKPOINT)
    signer = await signers.for_document(log)
    heads = await node.store.heads_of(namespace, node.identity.author)
    kept: Told | None = None
    if keep is not None:
        kept = await entry_named(node.store, keep)
        _check_lost(node, namespace, keep, kept)
        heads[kept.document.encode()] = await node.store.heads_keeping(kept)
    statement = Checkpoint(await _stated(node.store, heads))
    if kept is not None:
        await _check_counts(node.store, statement, namespace, signer, kept)
    done = await node.store.declare(statement, log, signer)
    await node.store.settle()
    return done, len(heads)


async def entry_named(store: Store, text: str) -> Told:
    """The entry whose id begins with these hex digits. Raises `NotFound`, `Conflict`."""
    found = await store.entries_beginning(digits_of(text, "unknown-entry"))
    if len(found) > 1:
        raise Conflict(f"several entries begin with {text}: give more of it", code="ambiguous-id")
    if not found:
        raise NotFound(f"no entry {text[:64]!r} is held here", code="unknown-entry")
    return found[0]


def is_digits(text: str) -> bool:
    """Whether it is the beginning of an id rather than a name or a date."""
    return len(text) >= DIGITS_MIN and all(one in "0123456789abcdef" for one in text.lower())


def digits_of(text: str, code: str) -> bytes:
    """The bytes of an even number of hex digits. Raises `NotFound` with this code."""
    if len(text) < DIGITS_MIN or len(text) % 2:
        detail = f"{text[:64]!r}: give an even number of hex digits, {DIGITS_MIN} or more"
        raise NotFound(detail, code=code)
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise NotFound(f"{text[:64]!r} is no hex", code=code) from error


async def _statement_named(store: Store, text: str) -> Said:
    found = await store.statements_named(digits_of(text, "unknown-statement"))
    if len(found) > 1:
        detail = f"several statements begin with {text}: give more of it"
        raise Conflict(detail, code="ambiguous-id")
    if not found:
        detail = f"no statement {text[:64]!r} is held here; see `panspermia cap list`"
        raise NotFound(detail, code="unknown-statement")
    return found[0]


async def _is_known(store: Store, root: Root, revoked: bytes, area: Area) -> bool:
    """Whether anything that came from this root key through `revoked` was given or seen there."""
    cut = Revocation(root.key, revoked, area=area)
    given = [one.capability for one in await store.capabilities_held(root.namespace)]
    return any(
        right.namespace == root.namespace
        and cut.hits(right.chain)
        and area.intersection(replace(right.granted_area, start=0, end=None)) is not None
        for right in (*given, *await store.rights_through(revoked))
    )


async def _moment(store: Store, since: str) -> int:
    """A moment, as entries have it, or that of an entry by its id."""
    is_date = len(since) == DIGITS_MIN and since.isdecimal()  # 20270101
    if is_digits(since) and not is_date:
        return tai_from_unix_us((await entry_named(store, since)).signed_us)
    return parse_moment(since)


async def _stated(store: Store, heads: dict[bytes, Heads]) -> Frontier:
    """A long one goes into a blob, which is collected where the statement is never made."""
    frontier, data = frontier_of(heads)
    return frontier if data is None else replace(frontier, blob=await store.put_blob(data))


def _check_lost(node: Keeper, namespace: NamespaceKey, text: str, kept: Told) -> None:
    place = kept.document
    if (place.namespace, place.subspace) != (namespace, node.identity.author):
        detail = f"{text} lies in what is another's, or in another namespace"
        raise BadRequest(detail, code="bad-request")
    if kept.code != "lost-branch":
        state = "counts already" if kept.code is None else f"is left out as {kept.code}"
        detail = f"{text} {state}; a checkpoint chooses among branches only"
        raise BadRequest(detail, code="bad-request")


async def _check_counts(
    store: Store, statement: Checkpoint, namespace: NamespaceKey, signer: Signer, kept: Told
) -> None:
    """Two checkpoints that name different branches decide nothing."""
    log = log_of(namespace, signer.author, CHECKPOINT)
    effect = await store.effect_of(statement, log, signer.capabilities[CHECKPOINT])
    if not any(one.id == kept.id for one in effect.back):
        detail = (
            "it would not count even then: an earlier checkpoint names the other branch, or what"
            " it is built on does not count"
        )
        raise Conflict(detail, code="would-not-count")
