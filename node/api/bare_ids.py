"""What multiverse clients call a universe: its id alone, as they ask for it by nothing else.

Many have one that is called `universe:main`, as every game calls its first. So to them an id alone
is this author's own, which they may save into, and nobody else's; of all others they are told the
full name, by which they can ask as well.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from node.api.endpoint import Call
from node.api.passage_models import PassageShown
from node.api.problems import ENCODER
from node.api.universes_shown import metas_of
from node.wiring import Node
from storage.listings import ListedRow
from storage.store import Store

THEIRS_MAX: Final = 1_000
"""What a client of theirs gets in one list: it knows of no pages."""


def is_theirs(node: Node, call: Call[Any, Any]) -> bool:
    """Whether a multiverse client may be asking: they have no token."""
    return node.config.api.compat and not call.request.state.has_token


def limit_told(node: Node, call: Call[Any, Any], limit: int) -> int:
    """How long a list is: to multiverse clients, who know of no pages, `THEIRS_MAX` unless they say
    else."""
    if is_theirs(node, call) and "limit" not in call.request.query_params:
        return THEIRS_MAX
    return limit


def next_told(node: Node, call: Call[Any, Any], more: str | None) -> str | UnsetType | None:
    """Where a list goes on; nothing at all to multiverse clients who have the whole of it."""
    return UNSET if more is None and is_theirs(node, call) else more


async def bare_ids(store: Store, names: Iterable[str]) -> Mapping[str, str]:
    """By full names: the id alone of one's own."""
    own = await store.own_authors()
    ends = {name: name.partition("/") for name in names}
    return {name: id if author in own else name for name, (author, _, id) in ends.items()}


async def metas_told(
    node: Node, call: Call[Any, Any], rows: Sequence[ListedRow]
) -> list[msgspec.Raw]:
    """As `told`, of what `metas_of` gives."""
    found = await told(node, call, await metas_of(node.store, rows))
    return [msgspec.Raw(one) for one in found]


async def told(node: Node, call: Call[Any, Any], found: Sequence[bytes]) -> Sequence[bytes]:
    """As they are; to multiverse clients with ids by which they can go on, and counted as they
    count."""
    if not is_theirs(node, call):
        return found
    universes: list[dict[str, Any]] = [msgspec.json.decode(one) for one in found]
    origins = [one["forkOf"] for one in universes if one.get("forkOf")]
    names = {one["fullName"] for one in universes} | {one["universe"] for one in origins}
    ids = await bare_ids(node.store, names)
    for origin in origins:
        origin["universeId"] = ids[origin["universe"]]
    for one in universes:
        one["id"] = ids[one["fullName"]]
        if one.get("forkOf"):  # what it began with is a snapshot as any other to them
            one["snapshotCount"] += 1
            one["lastSnapshotAt"] = one["lastSnapshotAt"] or one["createdAt"]
    return [ENCODER.encode(one) for one in universes]


async def meta_told(node: Node, call: Call[Any, Any], row: ListedRow) -> msgspec.Raw:
    (only,) = await metas_told(node, call, [row])
    return only


def updated_told(node: Node, call: Call[Any, Any], row: ListedRow, newest_us: int) -> int:
    """When a timeline changed last, ms since 1970: 0 where nothing is in it yet (`newest_us`).

    To multiverse clients it began with its universe: they show a time, whatever it is.
    """
    if not newest_us and is_theirs(node, call):
        newest_us = row.listing.created_us
    return newest_us // 1_000


async def ids_told(node: Node, call: Call[Any, Any], names: Sequence[str]) -> list[str]:
    """Of universes with these full names."""
    if is_theirs(node, call):
        ids = await bare_ids(node.store, names)
        return [ids[name] for name in names]
    return [name.partition("/")[2] for name in names]


async def id_told(node: Node, call: Call[Any, Any], name: str) -> str:
    """The same of one."""
    (id,) = await ids_told(node, call, [name])
    return id


async def passages_told(
    node: Node, call: Call[Any, Any], shown: Sequence[PassageShown]
) -> tuple[PassageShown, ...]:
    """With ends by which whoever asks can go on."""
    if not is_theirs(node, call):
        return tuple(shown)
    ids = await bare_ids(node.store, {end for one in shown for end in (one.source, one.target)})
    return tuple(
        replace(one, source_universe_id=ids[one.source], target_universe_id=ids[one.target])
        for one in shown
    )
