"""Passages: proposing, accepting, closing and finding them.

    PASSAGE    its id, one's own before others', or its full name `did:key:…/passage:1`
    UNIVERSE   its id for one's own, or its full name

The two halves of a passage are joined each time from the rows of their records.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from shlex import quote
from typing import Final

import msgspec

from crdt.change import DocumentId
from crdt.did import decode_did_key
from crdt.keys import COMMONS, AuthorKey, NamespaceKey
from node.errors import Conflict, NotAllowed, NotFound, Rejected
from node.identity import Identity
from node.services.signers import Signers
from registry.deletion import is_deleted
from registry.errors import MalformedRecord, quoted
from registry.fields import Plain
from registry.head import Words
from storage.store import Store
from universe.names import parse_full_name, parse_universe_id
from universe.passage import (
    CLASS,
    KIND,
    STABILITY_MAX,
    WORD,
    Half,
    Passage,
    Said,
    half_of,
    listed_half,
    passages_of,
    say_passage,
)

PAGE_MAX: Final = 1_000
"""Rows of one's own halves that are read at once."""


@dataclass(frozen=True, slots=True)
class Ferry:
    """What passages and travel need of the node."""

    store: Store
    identity: Identity
    clock_us: Callable[[], int]
    namespace: NamespaceKey = COMMONS

    @property
    def signers(self) -> Signers:
        return Signers(self.identity, self.store, self.clock_us)

    @property
    def did(self) -> str:
        return self.identity.did


def document_of(name: str, kind: str, namespace: NamespaceKey) -> DocumentId:
    """Of a full name. Raises `InvalidName`."""
    author, id = parse_full_name(name)
    return DocumentId(namespace, AuthorKey(decode_did_key(author)), CLASS, kind, id.encode())


def full_name(by: Ferry, text: str) -> str:
    """`did/id`; a bare id is one's own. Raises `InvalidName`."""
    if "/" in text:
        parse_full_name(text, WORD)
        return text
    return f"{by.did}/{parse_universe_id(text, WORD)}"


async def read_value(by: Ferry, document: DocumentId) -> Plain | None:
    """What the record says; None where there is none, or it is deleted."""
    state = await by.store.read(document)
    if state is None or is_deleted(state.value) or not state.value.get("head"):
        return None
    return state.value


async def passage_called(by: Ferry, text: str) -> Passage:
    """By what proposes it, or by what accepts it.

    Raises `NotFound` (`unknown-passage`), `Conflict` (`ambiguous-passage`), `InvalidName`.
    """
    if "/" in text:
        name = full_name(by, text)
    else:
        own, followed = await by.store.own_authors(), await by.store.followed_authors()
        same = await by.store.namesakes(WORD, text, by.namespace, own=own, followed=followed)
        halves = [listed_half(one.row.listing.fields) for one in same]
        names = {one.proposal or one.full_name for one in halves}
        mine = {one.proposal or one.full_name for one in halves if one.author == by.did}
        found = sorted(mine or names)
        if len(found) > 1:
            detail = f"{len(found)} authors propose {quoted(text)}; say whose"
            raise Conflict(detail, code="ambiguous-passage", candidates=tuple(found))
        name = found[0] if found else f"{by.did}/{parse_universe_id(text, WORD)}"
    half = await _half(by, name)
    passage = None if half is None else await passage_named(by, half.proposal or name)
    if passage is None:
        detail = f"no passage {quoted(text)} is known here; `panspermia sync` may bring it"
        raise NotFound(detail, code="unknown-passage")
    return passage


async def passage_named(by: Ferry, name: str) -> Passage | None:
    """By the full name of its proposal; None where that is not here, or is none."""
    proposed = await _half(by, name)
    if proposed is None:
        return None
    authors = {parse_full_name(one)[0] for one in (proposed.source, proposed.target)}
    others = [await _half(by, f"{author}/{proposed.id}") for author in authors - {proposed.author}]
    joined = passages_of([proposed, *(one for one in others if one is not None)])
    return next((one for one in joined if one.name == name), None)


async def gone_of(by: Ferry, names: Iterable[str]) -> frozenset[str]:
    """Those universes that their owner deleted; of one that is not here nothing is known."""
    wanted = sorted(set(names))
    each = [(*parse_full_name(name), by.namespace) for name in wanted]
    rows = await by.store.listing_each("universe", each)
    gone: set[str] = set()
    for name, row in zip(wanted, rows, strict=True):
        if row is None:
            state = await by.store.read(document_of(name, "uni", by.namespace))
            if state is not None and is_deleted(state.value):
                gone.add(name)
    return frozenset(gone)


async def own_halves(by: Ferry) -> list[Half]:
    """What this author proposed or accepted, however many passages strangers make."""
    found: list[Half] = []
    cursor: str | None = None
    while True:
        page = await by.store.listings(
            WORD, author=by.did, limit=PAGE_MAX, cursor=cursor, namespaces=[by.namespace]
        )
        found += [listed_half(row.listing.fields) for row in page.rows]
        if (cursor := page.next) is None:
            return found


async def create_passage(by: Ferry, id: str, words: Words, said: Said) -> Passage:
    """Propose a passage, or say one's own anew; one's half that was closed is open again.

    Raises `NotAllowed` where neither end is this author's, `NotFound` for one's own universe that
    is not there, `Conflict` where the ends of one that was accepted would change or the id is that
    of what this author accepted, `InvalidRecord`.
    """
    name = full_name(by, id)
    before = await passage_named(by, name)
    if before is not None and before.accepted not in (None, before.proposed):
        ends = before.proposed.ends
        if any(new not in (None, old) for new, old in zip(_ends(said), ends, strict=True)):
            detail = f"{id} was accepted as it is: propose another passage"
            raise Conflict(detail, code="passage-accepted")
    stated = (said.source, said.target) if before is None else before.proposed.ends[:2]
    await _check_own(by, [end for end in stated if end is not None])
    own = await _half(by, name)
    if own is not None and own.proposal:
        detail = f"by {id} you accepted {own.proposal}: take another id, or leave it out"
        raise Conflict(detail, code="passage-exists")
    if said.stability is None and own is None:
        said = msgspec.structs.replace(said, stability=STABILITY_MAX)
    if own is not None and own.is_closed:
        said = msgspec.structs.replace(said, closed=False)
    await _say(by, name, words, said)
    return await _after(by, name)


async def accept_passage(by: Ferry, passage: Passage, said: Said) -> Passage:
    """Accept what another owner proposes, say one's own half anew, or open it again.

    Raises `NotAllowed` where this author owns neither end, `NotFound` as `create_passage`,
    `Conflict` (`own-passage`) where there is nothing to accept: it is a proposal of one's own.
    """
    proposed = passage.proposed
    await _check_own(by, proposed.ends[:2])
    if proposed.author == by.did:
        return await _open_own_again(by, passage, said)
    name = f"{by.did}/{proposed.id}"
    own = await _half(by, name)
    if own is not None and own.proposal != passage.name:
        detail = f"you have another passage {proposed.id}; they would have one name"
        raise Conflict(detail, code="passage-exists")
    half = Said(
        source=proposed.source,
        target=proposed.target,
        type=proposed.type,  # type: ignore[arg-type]  # it was read, so it is one of them
        stability=STABILITY_MAX if said.stability is None and own is None else said.stability,
        maintained_us=by.clock_us(),
        every_us=said.every_us,
        arrivals=said.arrivals,
        closed=False,
        proposal=passage.name,
        by=said.by,
    )
    await _say(by, name, Words(proposed.name or None, None, None, None, None), half)
    return await _after(by, passage.name)


async def _open_own_again(by: Ferry, passage: Passage, said: Said) -> Passage:
    if not passage.proposed.is_closed:
        detail = "it is your own: the other owner accepts it"
        if passage.is_open:
            detail = "it is your own, and open already"
        elif passage.accepted is not None:
            detail = "your half is open: the other owner closed theirs, and opens it again"
        raise Conflict(detail, code="own-passage")
    opened = msgspec.structs.replace(said, maintained_us=by.clock_us(), closed=False)
    await _say(by, passage.name, Words(None, None, None, None, None), opened)
    return await _after(by, passage.name)


async def maintain_passage(by: Ferry, passage: Passage, stability: int | None = None) -> Passage:
    """Look after it: it is as stable as its owners say again. `stability`: what one says anew.

    Raises `NotAllowed` where this author has no half of it, `Conflict` (`passage-closed`).
    """
    half = passage.half_of(by.did)
    if half is None:
        raise NotAllowed(f"{passage.name} is not yours to look after", code="not-your-passage")
    if passage.state == "closed":
        raise Conflict(f"{passage.name} is closed", code="passage-closed")
    said = Said(maintained_us=by.clock_us(), stability=stability)
    await _say(by, half.full_name, Words(None, None, None, None, None), said)
    return await _after(by, passage.name)


async def close_passage(by: Ferry, passage: Passage) -> Passage:
    """Close one's own half: travellers that are under way are refused, and come back.

    Raises `NotAllowed` where this author has none.
    """
    half = passage.half_of(by.did)
    if half is None:
        raise NotAllowed(f"{passage.name} is not yours to close", code="not-your-passage")
    await _say(by, half.full_name, Words(None, None, None, None, None), Said(closed=True))
    return await _after(by, passage.name)


def check_carries(passage: Passage, now_us: int) -> None:
    """Raises `Conflict` (`passage-closed`, `passage-unstable`) where nobody is to leave by it."""
    if not passage.is_open:
        detail = f"{passage.name} is {passage.state}, not open"
        raise Conflict(detail, code="passage-closed")
    if passage.stability_at(now_us) == 0:
        owners = sorted({parse_full_name(end)[0] for end in passage.proposed.ends[:2]})
        detail = (
            f"{passage.name} carries nobody any more, as nobody looked after it:"
            f" {' or '.join(owners)} can, with `panspermia passage maintain {quote(passage.name)}`"
        )
        if passage.stability == 0:  # it would not help to say no number
            halves = [one for one in (passage.proposed, passage.accepted) if one is not None]
            said = sorted({one.author for one in halves if one.stability == 0})
            detail = (
                f"{passage.name} carries nobody, as {' and '.join(said)} gave it a stability of 0;"
                f" another one: `panspermia passage maintain {quote(passage.name)} --stability 100`"
            )
        raise Conflict(detail, code="passage-unstable")


def other_end(passage: Passage, source: str) -> str:
    """Where it leads from there. Raises `Rejected` (`not-an-end`)."""
    ends = passage.proposed.ends[:2]
    if source not in ends:
        raise Rejected(f"{passage.name} does not lead from {source}", code="not-an-end")
    return ends[1] if source == ends[0] else ends[0]


async def _after(by: Ferry, name: str) -> Passage:
    passage = await passage_named(by, name)
    assert passage is not None, "it was written just now"
    return passage


async def _say(by: Ferry, name: str, words: Words, said: Said) -> None:
    document = document_of(name, KIND, by.namespace)
    signer = await by.signers.for_document(document)
    await by.store.commit(document, say_passage(words, said, now_us=by.clock_us()), signer)


async def _half(by: Ferry, name: str) -> Half | None:
    document = document_of(name, KIND, by.namespace)
    value = await read_value(by, document)
    try:
        return None if value is None else half_of(document, value)
    except MalformedRecord:
        return None


async def _check_own(by: Ferry, ends: list[str] | tuple[str, ...]) -> None:
    own = [end for end in ends if parse_full_name(end)[0] == by.did]
    if not own:
        raise NotAllowed("neither universe is yours", code="not-your-passage")
    for end in own:
        if await read_value(by, document_of(end, "uni", by.namespace)) is None:
            detail = f"you have no universe {quoted(parse_full_name(end)[1])}"
            raise NotFound(detail, code="unknown-universe")


def _ends(said: Said) -> tuple[str | None, str | None, str | None]:
    return said.source, said.target, said.type
