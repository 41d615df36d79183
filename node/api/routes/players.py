"""Players: registering one, finding one, their universes, and what others sign of them (S1)."""

from collections.abc import Sequence
from typing import Any

from node.api.asked import page_of
from node.api.bare_ids import ids_told, is_theirs, metas_told
from node.api.cleaned import cleaned_list
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
    show_owner,
    show_player,
    show_reputation,
)
from node.errors import Conflict, NotAllowed, NotFound
from node.services.curate import Curator
from node.services.passages import Ferry
from node.services.places import place_meant
from node.services.players import (
    UNKNOWN,
    Met,
    find_player,
    listed,
    register,
    reputation,
    unknown_player,
)
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
    """One player. Of a bare id one's own first; `alsoBy` names others who say they are.

    To clients without a token also who never registered, as far as universes name them as owner.
    """
    if not is_theirs(node, call):
        return OnePlayer(await _shown(node, await _met(node, call)))
    met, owned = await _met_or_owned(node, call)
    if met is not None:
        return OnePlayer(await _shown(node, met))
    if len({row.listing.author for row in owned}) != 1:  # of several strangers none is meant
        raise unknown_player(call.path["player"])
    author, places = owned[0].listing.author, await joined_places(node.store)
    seen_us = await node.store.last_signed_us(author, places)
    return OnePlayer(show_owner(author, call.path["player"], owned, seen_us // 1_000))


async def list_players_universes(
    node: Node, call: Call[PlayersUniversesQuery, None]
) -> dict[str, Any]:
    """The universes of a player by their ids: what names the player as owner, or nobody else.

    Of an id under which nobody is registered: the universes that name it as owner.
    """
    query, places = call.query, await joined_places(node.store)
    met, rows = await _met_or_owned(node, call)
    if met is None:
        if not rows and not is_theirs(node, call):
            raise unknown_player(call.path["player"])
        rows = [] if query.cursor else rows  # all at once, so there is no page after it
        return await _universes_told(node, call, call.path["player"], rows, None)
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


async def _met_or_owned(node: Node, call: Call[Any, None]) -> tuple[Met | None, list[ListedRow]]:
    """Who is registered; else universes that name who is not as their owner, if there are any.

    To multiverse clients an id alone is one's own player, registered or not, before any other's.
    Raises as `find_player`, but for who is not known: that is None and no universe.
    """
    place = await place_meant(node.store, call.query.namespace)
    id, own = call.path["player"], await node.store.own_authors()
    met = several = None
    try:
        met = await find_player(node.store, id, place)
    except Conflict as error:
        several = error
    except NotFound as error:
        if error.reason != UNKNOWN:
            raise
    if met is not None and (met.player.author in own or not is_theirs(node, call)):
        return met, []
    named = (
        []
        if "/" in id
        else await node.store.universes_of_owner(id, await joined_places(node.store), first=own)
    )
    of_own = [row for row in named if row.listing.author in own]
    if met is not None:
        return (None, of_own) if of_own else (met, [])
    if several is not None and not (of_own and is_theirs(node, call)):
        raise several
    return None, of_own or named


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
        query=PlayersUniversesQuery, problems=(409, 422), clean_query=cleaned_list,
    ),
    reads(
        ONE, get_player, OnePlayer, query=InNamespace, problems=(409, 422),
        clean_query=cleaned_list,
    ),
)  # fmt: skip
