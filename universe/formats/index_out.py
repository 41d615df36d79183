"""A universe as we write of it ourselves: what `index` reads."""

from collections.abc import Mapping, Sequence
from typing import Any

from universe.event import Event
from universe.formats.between import list_json, passage_json, player_json
from universe.formats.decays import decay_json
from universe.formats.leaving import Laid, OutSnapshot, OutUniverse, Written
from universe.formats.notes import TYPE as NOTES_TYPE
from universe.formats.raw import TYPE


def index_json(
    universe: OutUniverse, laid: Sequence[Laid], written: Mapping[str, Written]
) -> dict[str, Any]:
    """Of `raw`; `written` by the ids of snapshots."""
    files = {one.snapshot.id: one.path for one in laid}
    listed = [
        {
            "id": one.snapshot.id,
            **_listed(one.snapshot, one.path),
            "size": written[one.snapshot.id].size,
            "sha256": written[one.snapshot.id].sha256.hex(),
        }
        for one in laid
    ]
    begun = [written[one.snapshot.id] for one in laid if one.snapshot.is_inherited]
    return {
        "type": TYPE,
        **_facts(universe, {"sha256": begun[0].sha256.hex()} if begun else {}),
        "events": _events(universe, files),
        "snapshots": listed,
        **_beside(universe),
    }


def notes_json(
    universe: OutUniverse, laid: Sequence[Laid], folder: str | None = None
) -> dict[str, Any]:
    """Of files of another program, below `folder`; None: it has no place for anything else."""
    top = "" if folder is None else f"{folder}/"
    files = {one.snapshot.id: one.path.removeprefix(top) for one in laid}
    begun = [one.checksum for one in universe.snapshots if one.is_inherited]
    return {
        "type": NOTES_TYPE,
        **_facts(universe, {"checksum": begun[0]} if begun else {}),
        "events": _events(universe, files),
        "snapshots": [_listed(one.snapshot, files[one.snapshot.id]) for one in laid],
        **(_beside(universe) if folder is None else {}),
    }


def _facts(universe: OutUniverse, begun: Mapping[str, str]) -> dict[str, Any]:
    """`begun`: the sum of what a fork began with: of its tick the parent may have several."""
    fork = universe.fork_of
    said = universe.said
    return {
        "id": universe.id,
        "name": universe.name,
        "owner": universe.owner,
        "created_us": universe.created_us,
        "is_public": universe.is_public,
        "config": universe.config,
        "description": said.description,
        "tags": [*said.tags],
        "license": said.license,
        "card": said.card,
        "retention": said.retention,
        "fork_of": fork and {"universe": fork.universe, "tick": fork.tick, **begun},
    }


def _listed(one: OutSnapshot, file: str) -> dict[str, Any]:
    return {
        "file": file,
        "tick": one.tick,
        "kind": one.kind,
        "at_us": one.at_us,
        "day": one.day,
        "media": one.media,
        "wrapped": one.is_wrapped,
        "checksum": one.checksum,
        "event": one.event and _event(one.event),
        "decay": one.decay and decay_json(one.decay),
        "inherited": one.is_inherited,
    }


def _beside(universe: OutUniverse) -> dict[str, Any]:
    return {
        "passages": [passage_json(one) for one in universe.passages],
        "players": [{**player_json(one), **list_json(one)} for one in universe.players],
    }


def _events(universe: OutUniverse, files: Mapping[str, str]) -> list[dict[str, Any]]:
    """Also those that name a snapshot: which it is say its tick, its bytes and its file."""
    by_id = {one.id: one for one in universe.snapshots}
    named = [
        {**_event(event), "snapshot": _pointed(by_id[id], files.get(id, ""))}
        for event, id in universe.named
    ]
    return [*map(_event, universe.events), *named]


def _pointed(one: OutSnapshot, file: str) -> dict[str, Any]:
    return {"tick": one.tick, "checksum": one.checksum, "file": file}


def _event(event: Event) -> dict[str, Any]:
    return {
        "tick": event.tick,
        "at_us": event.at_us,
        "type": event.type,
        "title": event.title,
        "description": event.description,
        "day": event.day,
        "importance": event.importance,
        "entities": [*event.entities],
        "souls": [*event.souls],
        "parents": [*event.parents],
    }
