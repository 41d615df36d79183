"""Players: registering one, finding one, their universes, and what others sign of them (S1)."""

from collections.abc import Sequence
from typing import Any

from crdt.keys import NamespaceKey
from node.api.asked import page_of
from node.api.bare_ids import ids_told, is_theirs, metas_told
from node.api.endpoint import Call, reads, writes
from node.api.models import InNamespace, NoQuery, micros
from node.api.player_models import (
    NewPlayer,
    OnePlayer,
    PlayerDone,
    Players,
    PlayerShown,
    PlayersQuery,
    PlayersUniverses,
    PlayersUniversesQuery,
    ReputationShown,
    cleaned_player,
    show_listed,
    show_player,
    show_reputation,
)
from node.errors import NotAllowed, NotFound
from node.services.curate import Curator
from node.services.passages import Ferry
from node.services.places import place_meant
from node.services.players import Met, find_player, listed, register, reputation
from node.services.universes import joined_places
from node.wiring import Node
from storage.listings import ListedRow
from storage.namespaces import COMMONS_NAME
from universe.player import WORD, register_player


async def register_as(node: Node, call: Call[NoQuery, NewPlayer]) -> PlayerDone:
    """Say who a player is, as this node's author; said again, what is given is said anew."""
    body = call.body
    if call.has_no_token and body.namespace != COMMONS_NAME:  # unread: which there are is private
        raise NotAllowed("without a token players are registered in commons alone")
    by = Curator(node.signers, await place_meant(node.store, body.namespace))
    edit = register_player(
        body.display_name,
        body.about,
        body.links,
        now_us=node.clock_us(),
        created_us=micros(body.created_at),
    )
    met, entry = await register(by, body.id, edit, dry_run=body.dry_run)
    return PlayerDone(
        success=True,
        player=await _shown(node, met) if met else None,
        entry=entry.hex() if entry else None,
        dry_run=body.dry_run,
    )


async def list_players(node: Node, call: Call[PlayersQuery, None]) -> Players:
    """Players, a page at a time; who changed last is first."""
    rows, more = await page_of(node, WORD, call.query, call.query.sort_by)
    return Players(tuple(show_listed(listed(row)) for row in rows), more)


async def get_player(node: Node, call: Call[InNamespace, None]) -> OnePlayer:
    """One player. Of a bare id one's own first; `alsoBy` names others who say they are."""
    return OnePlayer(await _shown(node, await _met(node, call)))


async def list_players_universes(
    node: Node, call: Call[PlayersUniversesQuery, None]
) -> dict[str, Any]:
    """The universes of a player by their ids: what names the player as owner, or nobody else.

    Of an id under which nobody is registered: the universes that name it as owner.
    """
    query, places = call.query, await joined_places(node.store)
    try:
        met = await _met(node, call)
    except NotFound:
        id, rows = call.path["player"], await _owned(node, call, places)
        if not rows and not is_theirs(node, call):
            raise
        return await _universes_told(node, call, id, rows, None)
    one = met.player
    where = f"universes of {one.full_name} {query.includeMetadata}"
    rows = await node.store.universes_of_player(
        one.author,
        one.id,
        places,
        limit=query.limit,
        after=_place(node.cursors.open(where, query.cursor)),
    )
    is_full = len(rows) == query.limit
    last = f"{rows[-1].number} {rows[-1].listing.record}" if is_full else None
    return await _universes_told(node, call, one.id, rows, node.cursors.seal(where, last))


async def _owned(
    node: Node, call: Call[PlayersUniversesQuery, None], places: Sequence[NamespaceKey]
) -> list[ListedRow]:
    """Universes that name as owner who was never registered: one's own, else anybody's.

    All of them at once, as of an `ownerId`. None where it is said whose player is meant.
    """
    id = call.path["player"]
    if "/" in id or call.query.cursor is not None:
        return []
    found = await node.store.universes_of_owner(id, places)
    own = await node.store.own_authors()
    return [row for row in found if row.listing.author in own] or found


async def _universes_told(
    node: Node,
    call: Call[PlayersUniversesQuery, None],
    id: str,
    rows: Sequence[ListedRow],
    more: str | None,
) -> dict[str, Any]:
    if call.query.includeMetadata:
        universes = await metas_told(node, call, rows)
        return {"playerId": id, "universes": universes, "next": more}
    ids = await ids_told(node, call, [row.listing.target for row in rows])
    return {"playerId": id, "universeIds": ids, "next": more}


def _place(text: str | None) -> tuple[str, int]:
    """Of a cursor that this node sealed."""
    number, _, id = (text or "0 ").partition(" ")
    return id, int(number)


async def get_reputation(node: Node, call: Call[InNamespace, None]) -> ReputationShown:
    """What others sign of a player's author, each thing with where it can be looked at."""
    met = await _met(node, call)
    by = Ferry(node.store, node.identity, node.clock_us, met.row.namespace)
    found = await reputation(by, met.player.author)
    return show_reputation(found, call.query.namespace)


async def _met(node: Node, call: Call[Any, None]) -> Met:
    place = await place_meant(node.store, call.query.namespace)
    return await find_player(node.store, call.path["player"], place)


async def _shown(node: Node, met: Met) -> PlayerShown:
    author, places = met.player.author, await joined_places(node.store)
    seen_us = await node.store.last_signed_us(author, places)
    universes = await node.store.count_universes(author, met.player.id, places)
    return show_player(met, seen_us // 1_000, universes)


ONE = "/api/player/{player:lineage}"
ENDPOINTS = (
    writes(
        "/api/player", register_as, PlayerDone, body=NewPlayer, status=201, problems=(404,),
        opened_by=("compat",), clean=cleaned_player, has_halves=True,
    ),
    reads("/api/players", list_players, Players, query=PlayersQuery, problems=(404, 422)),
    reads(
        f"{ONE}/reputation", get_reputation, ReputationShown, query=InNamespace,
        problems=(409, 422),
    ),
    reads(
        f"{ONE}/universes", list_players_universes, PlayersUniverses,
        query=PlayersUniversesQuery, problems=(409, 422),
    ),
    reads(ONE, get_player, OnePlayer, query=InNamespace, problems=(409, 422)),
)  # fmt: skip
