"""Timelines, forks and what is kept of universes, at the addresses of multiverse servers."""

import os
from typing import Any, Final

import msgspec
from starlette.responses import Response

from crdt.blob import BlobId
from crdt.keys import COMMONS
from node.api.bare_ids import (
    id_told,
    is_theirs,
    limit_told,
    meta_told,
    metas_told,
    next_told,
    updated_told,
)
from node.api.cleaned import cleaned_list
from node.api.endpoint import Call, Endpoint, reads, writes
from node.api.models import micros
from node.api.passages_meant import ferry_in
from node.api.problems import ENCODER
from node.api.requests import answer_cached
from node.api.routes.universes import A_UNIVERSE, OPENED, hand_of, name_taken, universe_called
from node.api.snapshot_bodies import tick_of
from node.api.timeline_models import (
    EventDone,
    ForkDone,
    ForkedFrom,
    ForksQuery,
    ForksShown,
    Nearest,
    NearestQuery,
    NewEvent,
    NewFork,
    NewPruning,
    PruneDone,
    PruneQuery,
    TimelineEntry,
    TimelineQuery,
    TimelineShown,
    TreePlace,
)
from node.api.universe_models import UniverseQuery
from node.api.universes_shown import day_of, entries_of, entry_of, gone_of
from node.errors import NotAllowed
from node.services.let_go import snapshot_ever
from node.services.pruning import due, prune, rule_text, set_retention
from node.services.telling import tell
from node.services.timelines import (
    entry_told,
    family_of,
    fork,
    forks_page,
    open_at,
    published_of,
    timeline_of,
    with_deleted,
)
from node.services.universes import (
    ID_BYTES,
    LATEST,
    Given,
    config_text,
    events_for,
    parse_tick,
)
from node.wiring import Node
from registry.head import Words
from registry.published import tags_split
from universe.event import Event, event_word
from universe.forks import Forks, Place, drawn
from universe.record import Facts
from universe.retention import parse_policy, policy_words, write_policy
from universe.timeline import Entry

_WORDS: Final = {
    "auto": "autosave", "manual": "saved", "canonical": "canonical", "fork": "forked here",
    "passage:departure": "left", "passage:arrival": "arrived", "passage:refusal": "refused",
    "passage:return": "came back",
}  # fmt: skip


async def show_timeline(node: Node, call: Call[TimelineQuery, None]) -> TimelineShown:
    """Snapshots and events of a universe in one line, the lowest tick first; by default all."""
    row = await universe_called(node, call)
    query = call.query
    where = f"timeline {row.number} {query.canonicalOnly} {query.since} {query.until}"
    last = node.cursors.open(where, query.cursor)
    after = None if last is None else _place(last)
    is_as_sent = is_theirs(node, call)
    line = await timeline_of(ferry_in(node, row.namespace), row, is_as_sent=is_as_sent)
    wanted = [
        one
        for one in line.entries
        if query.since <= one.tick <= query.until
        and (one.is_canonical or not query.canonicalOnly)
        and (after is None or one.order > after)
    ]
    page = wanted[: query.limit]
    more = _place_text(page[-1]) if len(wanted) > len(page) else None
    ids = dict.fromkeys(one.snapshot.id for one in page if one.snapshot is not None)
    rows = [line.snapshots[id] for id in ids]
    shown = entries_of(rows, line.events, is_as_sent=is_as_sent)
    canonical = tuple(one for one in shown if one.type == "canonical")
    own = [one.at_us for one in line.snapshots.values() if not one.is_inherited]
    return TimelineShown(
        universeId=await id_told(node, call, row.listing.target),
        fullName=row.listing.target,
        lastUpdated=updated_told(node, call, row, max(own, default=0)),
        entries=tuple(timeline_entry(one, is_as_sent=is_as_sent) for one in page),
        snapshots=() if query.bare else shown,
        canonicalEvents=canonical if query.canonicalOnly else None,
        next=node.cursors.seal(where, more),
        whole=line.is_whole,
    )


async def show_nearest(node: Node, call: Call[NearestQuery, None]) -> Nearest:
    """The snapshot that opens at a tick: the last at or before it. Nothing is fetched for it.

    One that was let go opens by its id, `snapshot`, as long as its bytes are here (`dropped`).
    """
    row = await universe_called(node, call)
    at = call.path["tick"]
    is_gone = False
    if at == LATEST or call.query.snapshot:
        found, is_gone = await snapshot_ever(node.store, row, LATEST, call.query.snapshot)
    else:
        found = await open_at(node.store, row, parse_tick(at))
    events = await events_for(node.store, row, [found])
    blob = BlobId(found.blob)
    state = await node.store.blob_state(blob)
    is_held = state is not None and state.is_complete
    return Nearest(
        row.listing.record,
        row.listing.target,
        entry_of(found, events.get(found.event or b""), is_as_sent=is_theirs(node, call)),
        found.blob.hex(),
        is_held,
        not is_held and await node.store.is_damaged(blob),
        is_gone,
    )


async def add_event(node: Node, call: Call[UniverseQuery, NewEvent]) -> Response:
    """Add an event to the timeline of one's own universe. The same said twice is one event."""
    row = await universe_called(node, call)
    body = call.body
    at_ms = node.clock_us() // 1_000 if body.timestamp is None else int(body.timestamp)
    event = Event(
        tick=body.tick,
        at_us=at_ms * 1_000,
        type=body.type,
        title=body.title or event_word(body.type),
        description=body.description or "",
        day=None if body.day is None else int(body.day),
        importance=int(body.importance or 0),
        entities=body.entities or (),
        souls=body.souls or (),
        parents=body.parents or (),
        snapshot=None if body.snapshot is None else bytes.fromhex(body.snapshot),
    )
    id, _ = await tell(hand_of(node), row, event)
    row = await universe_called(node, call)  # its document may have gone on in a new epoch
    entry = await entry_told(node.store, row, id, event)
    shown = timeline_entry(entry, is_as_sent=is_theirs(node, call))
    answer = EventDone(success=True, id=id.hex(), entry=shown)
    return answer_cached(call.request, answer, 201)


FOR_ALL: Final = (
    "its parent is not public, and a public fork tells everybody its name and the statement of the"
    ' snapshot that it begins with: leave `isPublic` out, or say `"visibility": "public"` with a'
    " token"
)


async def make_fork(node: Node, call: Call[UniverseQuery, NewFork]) -> Response:
    """A new universe of your own that begins with a snapshot of this one. Nothing is copied.

    Of anybody's universe that is known here; it lies where its parent does unless you say else.
    What others share with you stays with those who may read it: else it is for you alone. A fork
    that more people may read than its parent tells them of that: `warning` says what.
    """
    body = call.body
    if call.has_no_token and body.namespace is not None:  # unread: which there are is private
        raise NotAllowed("without a token a fork is for those who may read its parent")
    parent = await universe_called(node, call)
    visibility = body.visibility
    if visibility is None and body.isPublic is not None and body.namespace is None:
        if body.isPublic and parent.namespace != COMMONS:
            raise NotAllowed(FOR_ALL)
        visibility = "public" if body.isPublic else "private"
    tags = tags_split(body.tags) if isinstance(body.tags, str) else body.tags
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
    at = LATEST if body.snapshotTick is None else str(tick_of(body.snapshotTick))
    async with node.making:
        row, taken = await fork(
            hand_of(node),
            parent,
            at,
            body.snapshot or "",
            given,
            os.urandom(ID_BYTES),
            has_no_token=call.has_no_token,
        )
    told = await id_told(node, call, parent.listing.target)
    answer = {
        "success": True,
        "universe": await meta_told(node, call, row),
        "forkedFrom": ForkedFrom(told, parent.listing.target, taken.tick, taken.id.hex()),
        "warning": published_of(parent, row, taken.tick),
    }
    return answer_cached(call.request, answer, 201)


async def list_forks(node: Node, call: Call[ForksQuery, None]) -> dict[str, Any]:
    """Universes that were forked from this one, a page at a time; with `tree`, its whole tree.

    To clients without a token, which know of no pages, a thousand.
    """
    row = await universe_called(node, call)
    where = f"forks {row.number}"
    page = await forks_page(
        node.store,
        row,
        after=node.cursors.open(where, call.query.cursor),
        limit=limit_told(node, call, call.query.limit),
    )
    answer: dict[str, Any] = {
        "sourceUniverseId": await id_told(node, call, row.listing.target),
        "forks": await metas_told(node, call, page.rows),
    }
    if (more := next_told(node, call, node.cursors.seal(where, page.next))) is not msgspec.UNSET:
        answer["next"] = more
    if call.query.tree:
        forks, _ = await family_of(node.store, row)
        places = await with_deleted(node.store, forks.whole_tree(row.listing.target))
        answer["tree"] = [_tree_place(forks, one) for one in places]
        answer["lines"] = list(drawn(places, row.listing.target))
    return answer


async def prune_universe(node: Node, call: Call[PruneQuery, NewPruning]) -> PruneDone:
    """Drop the snapshots that the universe's rule does not keep; with `dryRun`, only say which.

    Canonical ones, the newest, and what forks and events need stay, whatever the rule says. Who
    sets none keeps up to 2,000 autosaves; of more, the oldest are thinned to the last of each hour,
    day and week, as many as are too many.
    """
    row = await universe_called(node, call)
    said = call.body.retention
    policy = None if said is None else parse_policy(ENCODER.encode(said).decode())
    hand, is_dry = hand_of(node), call.query.dryRun or call.body.dryRun
    async with hand.turn:  # nothing is told or kept between what is found due and its going
        found = await due(
            node.store,
            row,
            now_us=node.clock_us(),
            policy=policy,
            is_decay_asked=call.body.decayed,
        )
        if not is_dry:
            await prune(hand, row, found.dropped)
            if policy is not None:  # by now: a record that is full has no room for it before
                await set_retention(hand, row, policy)
    return PruneDone(
        success=True,
        dryRun=is_dry,
        dropped=tuple(map(gone_of, found.dropped)),
        kept=found.kept,
        bytes=sum(one.snapshot.size for one in found.dropped),
        rule=policy_words(found.policy),
        retention=msgspec.Raw(write_policy(found.policy).encode()),
    )


def timeline_entry(one: Entry, *, is_as_sent: bool) -> TimelineEntry:
    """`is_as_sent`: as in `entry_of`."""
    return TimelineEntry(
        tick=one.tick,
        day=day_of(one.day, is_as_sent=is_as_sent),
        timestamp=one.at_us // 1_000,
        type=one.type,
        word=_WORDS.get(one.type, one.type) if one.event is None else event_word(one.type),
        title=one.title,
        description=one.description,
        canFork=one.can_fork,
        hasSnapshot=one.has_snapshot,
        snapshot=one.snapshot.id.hex() if one.snapshot else None,
        event=one.event.hex() if one.event else None,
        names=one.names.hex() if one.names else None,
        fileSize=one.snapshot.size if one.snapshot else None,
        importance=one.importance,
        entities=one.entities,
        souls=one.souls,
        parents=one.parents,
        other=one.other or None,
        migration=None if one.migration is None else one.migration.hex(),
    )


def _tree_place(forks: Forks, one: Place) -> TreePlace:
    return TreePlace(
        universe=one.branch.universe,
        name=one.branch.name,
        depth=one.depth,
        tick=one.branch.tick if one.depth else 0,
        parent=forks.parent(one.branch.universe),
        isKnown=one.is_known,
        isDeleted=one.is_deleted,
        isCut=one.is_cut,
    )


def _place_text(one: Entry) -> str:
    tick, at_us, id = one.order
    return f"{tick} {at_us} {id.hex()}"


def _place(text: str) -> tuple[int, int, bytes]:
    tick, at_us, id = text.split(" ")
    return int(tick), int(at_us), bytes.fromhex(id)


ENDPOINTS: tuple[Endpoint[Any, Any], ...] = (
    reads(
        f"{A_UNIVERSE}/timeline", show_timeline, TimelineShown, query=TimelineQuery,
        problems=(404, 409, 422), clean_query=cleaned_list,
    ),
    reads(
        f"{A_UNIVERSE}/nearest/{{tick}}", show_nearest, Nearest, query=NearestQuery,
        problems=(404, 409, 422),
    ),
    writes(
        f"{A_UNIVERSE}/timeline", add_event, EventDone, body=NewEvent, query=UniverseQuery,
        status=201, problems=(404, 409, 422, 507), opened_by=OPENED, has_halves=True,
    ),
    writes(
        f"{A_UNIVERSE}/fork", make_fork, ForkDone, body=NewFork, query=UniverseQuery, status=201,
        problems=(404, 409, 422), opened_by=OPENED, has_halves=True,
    ),
    reads(
        f"{A_UNIVERSE}/forks", list_forks, ForksShown, query=ForksQuery,
        problems=(404, 409, 422), clean_query=cleaned_list,
    ),
    writes(
        f"{A_UNIVERSE}/prune", prune_universe, PruneDone, body=NewPruning, query=PruneQuery,
        problems=(404, 409, 422),
    ),
)  # fmt: skip
