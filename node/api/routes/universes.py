"""Universes: the addresses of multiverse servers, whose clients work against these unchanged."""

import logging
import os
from collections.abc import Sequence
from typing import Any, Final

from starlette.responses import Response

from crdt.keys import COMMONS, NamespaceKey
from node.api.bare_ids import is_theirs, limit_told, meta_told, told
from node.api.cleaned import cleaned_list, one_line
from node.api.endpoint import UNIVERSE_REF, Call, Endpoint, Opening, reads, writes
from node.api.models import NoQuery, micros
from node.api.problems import ENCODER
from node.api.requests import answer_cached
from node.api.universe_models import (
    UNIVERSE_BODY_BYTES_MAX,
    MultiverseStats,
    NewUniverse,
    UniverseDeleted,
    UniverseDeletion,
    UniverseDone,
    UniverseList,
    UniverseQuery,
    UniverseShown,
    UniversesQuery,
)
from node.api.universes_shown import meta_made, metas_of
from node.errors import NotAllowed
from node.services.deleting import undo_text
from node.services.names import author_meant
from node.services.namespaces import Keeper
from node.services.places import place_meant
from node.services.pruning import rule_of, rule_text
from node.services.timelines import forks_of
from node.services.universes import (
    ID_BYTES,
    Given,
    Hand,
    config_text,
    delete_universe,
    document_of,
    joined_places,
    make_universe,
    universe_meant,
)
from node.wiring import Node
from registry.head import Words
from registry.manifest import NAME_CHARACTERS_MAX
from registry.published import tags_split
from storage.listings import ListedRow
from universe.record import Facts
from universe.retention import policy_words

log = logging.getLogger(__name__)

OPENED: Final[tuple[Opening, ...]] = ("compat",)


async def create_universe(node: Node, call: Call[NoQuery, NewUniverse]) -> Response:
    """Make a universe, or say anew what it is. Without `isPublic`, it is for nobody else.

    What was public stays so: others may have read it. A public one cannot be made private. One that
    was deleted is brought back for a client that has no token; else it is refused, and told how.
    """
    body = call.body
    if call.has_no_token and body.namespace is not None:
        raise NotAllowed("without a token a universe is public or private, never shared")
    visibility = body.visibility
    if visibility is None and body.isPublic is not None and body.namespace is None:
        visibility = "public" if body.isPublic else "private"
    tags = body.tags
    if tags is not None:
        tags = tags_split(tags) if isinstance(tags, str) else tuple(dict.fromkeys(tags))
    given = Given(
        Words(
            name_taken(call, body.name),
            body.description,
            body.license,
            body.card,
            tags,
            micros(body.createdAt),
        ),
        Facts(
            owner=body.ownerId,
            visibility=visibility,
            config=config_text(body.config),
            retention=rule_text(body.retention),
        ),
        body.id or "",
        body.namespace,
    )
    hand = hand_of(node)
    async with hand.turn:
        row, state = await make_universe(
            hand, given, os.urandom(ID_BYTES), brings_back=call.has_no_token
        )
    if state == "restored":
        log.info("%s was deleted, and a client without a token goes on with it", body.id)
    answer = {
        "success": True,
        "universe": await meta_told(node, call, row),
        "state": state,
        "rule": policy_words(rule_of(row)),
    }
    return answer_cached(call.request, answer, 201)


async def get_universe(node: Node, call: Call[UniverseQuery, None]) -> dict[str, Any]:
    """One universe. Of a bare id one's own first."""
    row = await universe_called(node, call)
    return {"universe": await meta_told(node, call, row), "rule": policy_words(rule_of(row))}


async def remove_universe(node: Node, call: Call[UniverseDeletion, None]) -> UniverseDeleted:
    """Show a universe to nobody any more. Its forks stay, and what it keeps can come back."""
    row, is_dry = await universe_called(node, call), call.query.dryRun
    await delete_universe(hand_of(node), row, is_dry=is_dry)
    id, back = row.listing.record, f"`{undo_text(document_of(row))}` brings it back"
    if is_dry:
        counts = await node.store.universe_counts([row.number])
        count = counts[row.number].snapshots if row.number in counts else 0
        forks = len(await forks_of(node.store, row))
        message = (
            f"{id} with {count:,} snapshots would be shown to nobody any more, {forks:,} forks of"
            f" it stay (dry run); {back}"
        )
        return UniverseDeleted(True, message, dryRun=True)
    return UniverseDeleted(True, f"deleted; {back}")


async def list_universes(node: Node, call: Call[UniversesQuery, None]) -> Response:
    """Universes that this node knows, a page at a time; of an `ownerId` all of them.

    These are at most 1,000, one's own before others'.
    """
    query = call.query
    places = await _places(node, query)
    if query.ownerId is not None:
        own = await node.store.own_authors()
        found = await node.store.universes_of_owner(query.ownerId, places, first=own)
        return _list(await told(node, call, await metas_of(node.store, found)), None)
    author = None if query.author is None else await author_meant(node.store, query.author)
    where = f"universe {query.sort_by} {author} {sorted(query.tag)} {query.publicOnly}"
    where += "".join(sorted(one.hex() for one in places))
    page = await node.store.ready_universes(
        meta_made,
        places,
        author=author,
        tags=query.tag,
        sort=query.sort_by,
        limit=limit_told(node, call, query.limit),
        cursor=node.cursors.open(where, query.cursor),
    )
    return _list(await told(node, call, page.rows), node.cursors.seal(where, page.next))


async def multiverse_stats(node: Node, call: Call[NoQuery, None]) -> MultiverseStats:
    """How much of a multiverse this node knows; also a sign that it is there.

    To clients without a token whom universes name as owner is a player, registered or not.
    """
    places = await joined_places(node.store)
    totals = await node.store.universe_totals(places)
    players = await node.store.count_listings("player", namespaces=places)
    if is_theirs(node, call):
        players += await node.store.count_unregistered(places)
    return MultiverseStats(
        universeCount=totals.universes,
        passageCount=await node.store.count_listings("passage", namespaces=places),
        playerCount=players,
        totalSnapshots=totals.snapshots,
        canonicalEvents=totals.events,
    )


def name_taken(call: Call[Any, Any], name: str) -> str:
    """Of who has no token made to fit: a game whose world is refused for its name keeps nothing."""
    return one_line(name, NAME_CHARACTERS_MAX) if call.has_no_token else name


def hand_of(node: Node) -> Hand:
    keeper = Keeper(node.home, node.identity, node.store, os.urandom)
    return Hand(keeper, node.signers, node.making, node.uploads, node.tellings)


async def universe_called(node: Node, call: Call[Any, Any]) -> ListedRow:
    """The one that the path names. Raises as `universe_meant`, and `NotFound` for a namespace."""
    said: str | None = call.query.namespace
    places = None if said is None else [await place_meant(node.store, said)]
    id: str = call.path["universe"]
    return await universe_meant(node.store, id, places, bare_is_own=is_theirs(node, call))


async def _places(node: Node, query: UniversesQuery) -> list[NamespaceKey]:
    if query.publicOnly:
        return [COMMONS]
    if query.namespace is not None:
        return [await place_meant(node.store, query.namespace)]
    return await joined_places(node.store)


def _list(rows: Sequence[bytes], more: str | None) -> Response:
    """Of the rows as they are: to format or encode half a megabyte takes longer than to read it."""
    parts = (b'{"universes":[', b",".join(rows), b'],"next":', ENCODER.encode(more), b"}")
    return Response(b"".join(parts), media_type="application/json")


A_UNIVERSE: Final = f"/api/universe/{{universe:{UNIVERSE_REF}}}"
LISTS: tuple[Endpoint[Any, Any], ...] = (
    reads(
        "/api/universes", list_universes, UniverseList, query=UniversesQuery, problems=(404, 422),
        is_remembered=True, clean_query=cleaned_list,
    ),
    reads(
        "/api/multiverse/stats", multiverse_stats, MultiverseStats, clean_query=cleaned_list
    ),
    writes(
        "/api/universe", create_universe, UniverseDone, body=NewUniverse, status=201,
        problems=(404,), opened_by=OPENED, body_bytes_max=UNIVERSE_BODY_BYTES_MAX, has_halves=True,
    ),
)  # fmt: skip
ENDPOINTS: tuple[Endpoint[Any, Any], ...] = (
    reads(
        A_UNIVERSE, get_universe, UniverseShown, query=UniverseQuery, problems=(409, 422),
        clean_query=cleaned_list,
    ),
    Endpoint(
        "DELETE", A_UNIVERSE, remove_universe, "write", {200: UniverseDeleted}, UniverseDeletion,
        problems=(404, 409, 422), opened_by=OPENED,
    ),
)  # fmt: skip
"""Last of all that begins so: an id takes whatever is left of a path."""
