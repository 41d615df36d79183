"""Which passage, which universe and which end a request means by what it says."""

import shlex
from contextlib import suppress
from dataclasses import dataclass

from crdt.keys import COMMONS, NamespaceKey
from node.api.bare_ids import bare_ids
from node.errors import Conflict, NotAllowed, NotFound, Rejected
from node.services.names import author_meant
from node.services.passages import Ferry, passage_called
from node.services.places import places_meant
from node.services.universes import PRIVATE, universe_meant
from node.wiring import Node
from registry.errors import UnknownRecord, quoted
from universe.names import parse_full_name
from universe.passage import Passage


@dataclass(frozen=True, slots=True)
class FoundEnd:
    """Its full name, and where it lies; None for one that only its name is known of."""

    name: str
    namespace: NamespaceKey | None


def ferry_in(node: Node, namespace: NamespaceKey) -> Ferry:
    return Ferry(node.store, node.identity, node.clock_us, namespace)


async def passage_meant(node: Node, text: str, place: str | None) -> tuple[Ferry, Passage]:
    """The passage that is meant, of those in all namespaces one's own before others'."""
    name = await name_meant(node, text)
    found: list[tuple[Ferry, Passage]] = []
    for namespace in await places_meant(node.store, place):
        by = ferry_in(node, namespace)
        with suppress(NotFound):
            found.append((by, await passage_called(by, name)))
    found = [one for one in found if one[1].half_of(node.identity.did)] or found
    if not found:
        detail = f"no passage {quoted(text)} is known here; `panspermia sync` may bring it"
        raise NotFound(detail, code="unknown-passage")
    if len(found) > 1:
        names = tuple(dict.fromkeys(one.name for _, one in found))
        detail = f"{text} is the name of {len(found)} passages: say whose, or in which namespace"
        raise Conflict(detail, code="ambiguous-passage", candidates=names)
    return found[0]


async def name_meant(node: Node, text: str) -> str:
    """With a petname before the slash as the did:key it stands for."""
    whose, slash, id = text.rpartition("/")
    return f"{await author_meant(node.store, whose)}/{id}" if slash else text


async def universe_end(node: Node, text: str, place: str | None, *, bare_is_own: bool) -> FoundEnd:
    """As `universe_meant`.

    What is named in full need not be here yet. Raises as `universe_meant`.
    """
    try:
        places = await places_meant(node.store, place)
        row = await universe_meant(node.store, text, places, bare_is_own=bare_is_own)
    except UnknownRecord:
        if "/" not in text:
            raise
        name = await name_meant(node, text)
        parse_full_name(name)
        return FoundEnd(name, None)
    return FoundEnd(row.listing.target, row.namespace)


async def place_of_both(node: Node, source: FoundEnd, target: FoundEnd) -> NamespaceKey:
    """Where a passage between them lies. Raises `Conflict` (`not-together`)."""
    places = {each.namespace for each in (source, target) if each.namespace is not None}
    if not places:
        raise Conflict("neither universe is known here", code="not-together")
    if len(places) > 1:
        raise Conflict(await _apart(node, source, target), code="not-together")
    return places.pop()


async def _apart(node: Node, source: FoundEnd, target: FoundEnd) -> str:
    """Why two universes of two namespaces are not joined, and what can be."""
    called = {one.namespace: one.name for one in await node.store.joined()}
    ends = sorted((source, target), key=lambda end: end.namespace != COMMONS)
    ids = await bare_ids(node.store, [end.name for end in ends])
    first, second = (ids[end.name] for end in ends)
    place = called.get(ends[1].namespace, "") if ends[1].namespace else ""
    why = "who reads one end could not tell who is in the other"
    if ends[0].namespace != COMMONS or not place:
        return (
            f"{first} and {second} lie in two namespaces: {why}. Join two that the same people may"
            " read: `panspermia universe fork` makes one for other readers"
        )
    flag = "--private" if place == PRIVATE else f"--in {shlex.quote(place)}"
    fork = f"panspermia universe fork {shlex.quote(first)} --name NAME {flag}"
    return (
        f"{first} is public and {second} is not: {why}. Fork the public one for the readers of the"
        f" other, and join that: `{fork}`"
    )


async def end_meant(node: Node, passage: Passage, text: str | None) -> str:
    """This author's end that is meant: of two of one id, or where none is named.

    Raises `NotAllowed` (`not-your-universe`, `not-your-passage`), `Rejected` (`not-an-end`).
    """
    ends = passage.proposed.ends[:2]
    own = [end for end in ends if parse_full_name(end)[0] == node.identity.did]
    if text is not None:
        name = await name_meant(node, text)
        same = [end for end in (*own, *ends) if name in (end, end.partition("/")[2])]
        if not same:
            detail = f"{passage.name} does not lead from {quoted(text)}"
            raise Rejected(detail, code="not-an-end")
        if same[0] not in own:
            detail = f"{same[0]} is not yours: its owner sends from there, and calls back"
            raise NotAllowed(detail, code="not-your-universe")
        return same[0]
    if not own:
        raise NotAllowed("neither universe is yours", code="not-your-passage")
    if len(own) == 2:
        detail = "both ends are yours: say which it leaves (`from`, --from in the shell)"
        raise Rejected(detail, code="not-an-end")
    return own[0]
