"""Events of an imported universe on their way to the node, and how far they are."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from node.client import Client, path_of
from node.commands.progress import Progress
from node.commands.universe_sending import Heard, event_body
from node.commands.universe_together import Sized, together
from node.failure import Failure, Json

if TYPE_CHECKING:
    from universe.formats import ImportedUniverse, Source

LISTED_MAX: Final = 10_000
Bodies: TypeAlias = "list[dict[str, Any]]"


def bodies_of(one: ImportedUniverse, named: Callable[[Source], str | None]) -> Bodies:
    """Those that no snapshot was taken for; `named`: the id of the one that lies there."""
    taken = {snapshot.event for snapshot in one.snapshots}
    bodies = [event_body(event) for event in one.events if event not in taken]
    for event, source in one.named:
        id = named(source)
        bodies.append({**event_body(event), **({} if id is None else {"snapshot": id})})
    return bodies


def untold(node: Client, universe: str, bodies: Bodies) -> Bodies:
    """Without those that are there, of a snapshot too that their file has no place for."""
    if not any("snapshot" not in body for body in bodies):
        return bodies
    there = {_plain(entry) for entry in timeline_in(node, universe) if entry.get("event")}
    return [body for body in bodies if "snapshot" in body or _plain(body) not in there]


def timeline_in(
    node: Client, universe: str, only: Mapping[str, Any] | None = None
) -> Iterator[dict[str, Any]]:
    """Entries of a universe's timeline, as the node tells them: all, or those of a query."""
    query: dict[str, Any] = {**(only or {}), "bare": "true", "limit": LISTED_MAX}
    while True:
        page = node.get(path_of("/api/universe", universe, "timeline"), query)
        yield from page["entries"]
        if page["next"] is None:
            return
        query["cursor"] = page["next"]


def _plain(event: Json) -> str:
    """What is said of it, but for the snapshot that it names; times in ms."""
    lists = [[*(event.get(key) or ())] for key in ("entities", "souls", "parents")]
    words = [event[key] for key in ("tick", "timestamp", "type", "title")]
    more = [event.get("description") or "", event.get("importance") or 0, event.get("day")]
    return json.dumps([*words, *more, *lists])


def tell_all(
    node: Client, universe: str, id: str, bodies: Sequence[Json], bars: Progress
) -> Iterator[tuple[Json, Failure]]:
    """Tells them; gives those that the node refuses. `universe`: its full name, `id` its own."""
    path = path_of("/api/universe", universe, "timeline")
    total = sum(map(_bytes_of, bodies))
    line: Json = {"stage": "tell", "id": id, "called": f"{id}: events", "total": total}

    def sized(body: Json) -> Sized:
        return _bytes_of(body), _bytes_of(body)

    def post(body: Json, _: Heard) -> Json:
        return node.post(path, body)

    def heard(done: int) -> None:
        bars.show({**line, "done": done})

    for body, answer in together(bodies, sized, post, heard):
        try:
            answer()
        except Failure as wrong:
            yield body, wrong


def _bytes_of(body: Json) -> int:
    return len(json.dumps(body))
