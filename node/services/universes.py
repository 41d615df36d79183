"""Universes as this node knows them: made, found, shown, and their snapshots found.

A universe lies where its readers are: a public one in commons, one that is shared in an owned
namespace, a private one in an owned namespace that this node made for such and told nobody of. A
universe that was public stays so: what others have read nobody takes back.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

import msgspec

from crdt.change import DocumentId, Signer
from crdt.did import decode_did_key
from crdt.keys import COMMONS, AuthorKey, NamespaceKey
from node.errors import BadRequest, Conflict, NotAllowed, NotFound, Rejected
from node.services.deleting import refuse_deleted, was_deleted
from node.services.gone import refuse_gone
from node.services.joining import Joining
from node.services.names import author_meant
from node.services.namespaces import Keeper, create_namespace, is_admin
from node.services.offered import Kept
from node.services.places import place_meant
from node.services.signers import Signers
from node.services.snapshot_change import Came
from registry.deletion import delete, undelete
from registry.errors import UnknownRecord
from registry.head import Words
from storage.listing import SnapshotRow
from storage.listings import ListedRow
from storage.store import Store
from universe.event import Event
from universe.names import made_id, parse_new_id, parse_universe_id
from universe.record import (
    CLASS,
    KIND,
    WORD,
    Facts,
    Visibility,
    create_universe,
    fork_universe,
)
from universe.snapshot import SignedSnapshot

PRIVATE: Final = "private"
"""What the namespace of private universes is called here."""
ID_BYTES: Final = 16
LATEST: Final = "latest"
TICK_DIGITS_MAX: Final = 19
OWN_MAX: Final = 100
SHOWN_MAX: Final = 5
"""Of universes that somebody may mean who says a name."""

Became: TypeAlias = Literal["created", "updated", "unchanged", "restored"]


@dataclass(frozen=True, slots=True)
class Hand:
    """Who makes universes and writes into them."""

    keeper: Keeper
    signers: Signers
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Whoever looks what is there, and writes by what it finds, does so in turn."""
    uploads: Joining[Came, Kept] = field(default_factory=Joining[Came, Kept])
    """Snapshots whose bytes are here; those of one universe are named together."""
    tellings: Joining[Event, bytes] = field(default_factory=Joining[Event, bytes])
    """Events, which are told likewise; each has its id for an answer."""

    @property
    def store(self) -> Store:
        return self.keeper.store

    @property
    def clock_us(self) -> Callable[[], int]:
        return self.signers.clock_us


@dataclass(frozen=True, slots=True)
class Given:
    """A universe to make. `id` "": one is made up."""

    words: Words
    facts: Facts
    id: str = ""
    namespace: str | None = None
    """Of those who are to read it; with it, it is shared."""
    origin: tuple[str, SignedSnapshot] | None = None
    """Of a fork: its parent (`did/id`) and what it begins with."""


def document_of(row: ListedRow) -> DocumentId:
    """Where a universe that is listed lies; its first epoch."""
    owner = AuthorKey(decode_did_key(row.listing.author))
    return DocumentId(row.namespace, owner, CLASS, KIND, row.listing.record.encode())


async def signer_of(by: Hand, row: ListedRow) -> Signer:
    """Who signs what is said of it.

    Raises `NotAllowed` as `Signers.for_document`; of another's universe who plays can read it.
    """
    try:
        return await by.signers.for_document(document_of(row))
    except NotAllowed as error:
        if row.listing.author == by.keeper.identity.did:
            raise
        detail = (
            f"{row.listing.target} is another player's: fork it, and go on in the fork, or ask"
            f" whose it is for the right to write. {error.detail}"
        )
        raise NotAllowed(detail, code=error.reason) from error


CANDIDATES_MAX: Final = 100
"""Universes of one bare id: more than a person would read through."""


async def joined_places(store: Store) -> list[NamespaceKey]:
    """Where universes are looked for: in all that this node takes part in."""
    return [one.namespace for one in await store.joined()]


async def universe_meant(
    store: Store,
    text: str,
    places: Sequence[NamespaceKey] | None = None,
    *,
    bare_is_own: bool = False,
) -> ListedRow:
    """`did/id`, `petname/id`, or an id: one's own, else that of the only one who has it.

    `bare_is_own`: nobody else's, for a game that knows its own by nothing else.
    Raises `InvalidName`, `UnknownPetname`, `UnknownRecord`, or `Conflict` (`ambiguous-universe`).
    """
    owner, slash, id = text.rpartition("/")
    parse_universe_id(id)
    places = await joined_places(store) if places is None else places
    whose = [await author_meant(store, owner)] if slash else await store.own_authors()
    found = await store.called(WORD, id, places, authors=whose)
    if not (found or slash or bare_is_own):
        found = await store.called(WORD, id, places, CANDIDATES_MAX)
    if not found:
        await refuse_gone(store, text, places)
        detail = f"no universe {text} is known here"
        if slash:  # one's own, as most that are named without it, no sync brings
            detail += "; `panspermia sync` may bring it"
        if same := await _own_called(store, text, places):
            detail = f"no universe has the id {text}, which is what you call {', '.join(same)}"
        raise UnknownRecord(detail)
    if len(found) > 1:
        names = tuple(dict.fromkeys(row.listing.target for row in found))
        said = f"{text} is the name of {len(found)} universes"
        how = "say whose: WHOSE/ID" if len(names) > 1 else "say in which `namespace`"
        raise Conflict(f"{said}; {how}", code="ambiguous-universe", candidates=names)
    return found[0]


async def _own_called(store: Store, name: str, places: Sequence[NamespaceKey]) -> Sequence[str]:
    """Ids of one's own universes of that name, of the ones that changed last."""
    ids: list[str] = []
    for author in sorted(await store.own_authors()):
        page = await store.listings(WORD, author=author, limit=OWN_MAX, namespaces=places)
        ids += [row.listing.record for row in page.rows if row.listing.name == name]
    return ids[:SHOWN_MAX]


async def make_universe(
    by: Hand, given: Given, drawn: bytes, *, brings_back: bool = False
) -> tuple[ListedRow, Became]:
    """Make it, or say anew what it is: the same said twice changes nothing.

    For whoever holds `by.turn`. `drawn`: random, for an id where none is given. `brings_back`: one
    that this author deleted is shown again, to the readers whom it had. Raises
    `InvalidName`, `InvalidRecord`, `NotAllowed`, `NotFound` (a namespace), `Conflict` where this
    author deleted it or has it elsewhere, `BadIdentity` where a private namespace needs a key that
    is sealed.
    """
    id = parse_new_id(given.id) if given.id else made_id(drawn)
    create_universe(given.words, given.facts, now_us=by.clock_us())  # before a namespace is made
    mine, is_back = await _there_by(by, id, given, brings_back=brings_back)
    place, facts = await _place_and_facts(by, given, mine, is_back=is_back)
    if mine and all(row.namespace != place for row in mine):
        detail = (
            f"{id} is there already for other readers, and they cannot be changed: what was public"
            " stays so. Fork it, or take another id"
        )
        raise Conflict(detail, code="universe-elsewhere")
    document = DocumentId(place, by.keeper.identity.author, CLASS, KIND, id.encode())
    signer = await by.signers.for_document(document)
    if given.id:
        await refuse_deleted(by.store, document)
    if given.origin is None:
        edit = create_universe(given.words, facts, now_us=by.clock_us())
    else:
        edit = fork_universe(given.words, facts, *given.origin, now_us=by.clock_us())
    committed = await by.store.commit(document, edit, signer)
    made = await _own_in(by, id, [place])
    if not made:
        raise NotFound(f"universe {id} was deleted at this very moment", code="unknown-record")
    if is_back:
        return made[0], "restored"
    if committed is None:
        return made[0], "unchanged"
    return made[0], "updated" if mine else "created"


async def _own_in(by: Hand, id: str, where: Sequence[NamespaceKey]) -> list[ListedRow]:
    return await by.store.called(WORD, id, where, authors=[by.keeper.identity.did])


async def _there_by(
    by: Hand, id: str, given: Given, *, brings_back: bool
) -> tuple[list[ListedRow], bool]:
    """What this author has of that id, and whether it was deleted and is back. Raises `Conflict`.

    An id that was made up just now is nobody's.
    """
    if not given.id:
        return [], False
    places = await joined_places(by.store)
    if mine := await _own_in(by, id, places):
        return mine, False
    for where in places:  # there would be two of one full name when it comes back
        document = DocumentId(where, by.keeper.identity.author, CLASS, KIND, id.encode())
        if brings_back and await _brought_back(by, document, given.facts.visibility):
            return await _own_in(by, id, places), True
        await refuse_deleted(by.store, document)
    return [], False


async def _place_and_facts(
    by: Hand, given: Given, mine: Sequence[ListedRow], *, is_back: bool
) -> tuple[NamespaceKey, Facts]:
    """Where it goes, and what it says of itself there: where it is, it stays, unless asked."""
    if is_back:
        return mine[0].namespace, msgspec.structs.replace(given.facts, visibility=None)
    if mine and given.facts.visibility is None and given.namespace is None:
        return mine[0].namespace, given.facts
    place, visibility = await _place_for(by, given)
    return place, msgspec.structs.replace(given.facts, visibility=visibility)


async def _brought_back(by: Hand, document: DocumentId, wanted: Visibility | None) -> bool:
    """Whether it was deleted: it is shown again then, to whom it was shown.

    Nothing is published that way which was not asked for, and nobody's namespace is written to.
    """
    is_private = await is_private_place(by.keeper, document.namespace)
    where: Visibility = "private" if is_private else "public"
    if where == "public" and (wanted != "public" or document.namespace != COMMONS):
        return False
    if not await was_deleted(by.store, document):
        return False
    await by.store.commit(document, undelete(), await by.signers.for_document(document))
    return True


async def delete_universe(by: Hand, row: ListedRow, *, is_dry: bool = False) -> None:
    """Shown to nobody from now on; its forks stay what they are. `is_dry`: only checked.

    Raises as `Store.commit`.
    """
    document, edit = document_of(row), delete(now_us=by.clock_us())
    signer = await signer_of(by, row)
    if is_dry:
        await by.store.rehearse(document, edit, signer, is_letting_go=True)
    else:
        await by.store.commit(document, edit, signer, is_letting_go=True)


async def snapshot_meant(
    store: Store, row: ListedRow, at: str, id: str = "", *, is_nearest: bool = False
) -> SnapshotRow:
    """At a tick, the newest of several, or of this very `id`; `latest`: of the highest tick.

    `is_nearest`: where there is none at that tick, the one before it. Raises `BadRequest`
    (`bad-tick`, `bad-snapshot-id`), `NotFound` (`unknown-snapshot`).
    """
    tick = None if at == LATEST else parse_tick(at)
    if id:
        found = await store.snapshot(row.number, parse_snapshot_id(id))
        if found is not None and tick not in (None, found.tick):
            found = None
    elif tick is None:
        found = await store.newest_snapshot(row.number)
    elif is_nearest:
        found = await store.snapshot_before(row.number, tick)
    else:
        found = await store.snapshot_at(row.number, tick)
    if found is None:
        where = f"snapshot {id[:16]}" if id else "snapshot" if tick is None else f"tick {tick}"
        detail = f"{row.listing.record} has no {where}; its snapshots: …/snapshots"
        raise NotFound(detail, code="unknown-snapshot")
    return found


def parse_tick(text: str) -> int:
    """0 to 2^63 - 1. Raises `BadRequest` (`bad-tick`)."""
    if text.isascii() and text.isdecimal() and len(text) <= TICK_DIGITS_MAX:
        tick = int(text)
        if tick < 1 << 63:
            return tick
    detail = f"{text[:32]!r} is no tick: a whole number from 0 to 2^63 - 1"
    raise BadRequest(detail, code="bad-tick")


def parse_snapshot_id(text: str) -> bytes:
    """Raises `BadRequest` (`bad-snapshot-id`)."""
    try:
        id = bytes.fromhex(text)
    except ValueError:
        id = b""
    if len(id) != 32 or id.hex() != text:
        detail = "the id of a snapshot is 64 lower-case hex digits"
        raise BadRequest(detail, code="bad-snapshot-id")
    return id


async def events_for(
    store: Store, row: ListedRow, snapshots: Sequence[SnapshotRow]
) -> dict[bytes, bytes]:
    """The events that these were taken for, encoded, by their ids."""
    ids = [one.event for one in snapshots if one.event is not None]
    found = await store.events_each(row.number, ids) if ids else {}
    return {id: one.event for id, one in found.items()}


async def _place_for(by: Hand, given: Given) -> tuple[NamespaceKey, Visibility]:
    """Where a new universe is to lie. Raises `NotFound`, `Rejected`, and as `create_namespace`."""
    place = None if given.namespace is None else await place_meant(by.store, given.namespace)
    wanted = given.facts.visibility or ("private" if place is None else _of(place))
    match wanted:
        case "public" if place in (None, COMMONS):
            return COMMONS, wanted
        case "private" if place is None:
            return await private_place(by.keeper), wanted
        case "shared" if place is not None and place != COMMONS:
            return place, wanted
        case "shared":
            detail = "a shared universe needs a `namespace` whose members may read it"
        case _:
            detail = f"a {wanted} universe has its own namespace: leave `namespace` out"
    raise Rejected(detail, code="needs-namespace")


def _of(place: NamespaceKey) -> Visibility:
    return "public" if place == COMMONS else "shared"


async def is_private_place(keeper: Keeper, place: NamespaceKey) -> bool:
    """Whether it is the namespace of what is private here."""
    names = {one.name for one in await keeper.store.joined() if one.namespace == place}
    return PRIVATE in names and await is_admin(keeper, place)


async def private_place(keeper: Keeper) -> NamespaceKey:
    """The namespace of what is private; made once. Raises as `create_namespace`.

    Raises `Conflict` where another namespace is called so here.
    """
    for one in await keeper.store.joined():
        if one.name == PRIVATE:
            if await is_admin(keeper, one.namespace):
                return one.namespace
            detail = f"a namespace of somebody else's is called {PRIVATE} here: leave it first"
            raise Conflict(detail, code="name-taken")
    return (await create_namespace(keeper, PRIVATE, None)).namespace


def config_text(config: msgspec.Raw) -> str | None:
    """As the record keeps it; null is as nothing."""
    text = bytes(config)
    return None if text in (b"", b"null") else text.decode(errors="replace")
