"""Events of an imported universe on their way to the node, and how far they are."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from node.client import Client, path_of
from node.commands.progress import Progress
from node.commands.universe_sending import event_body
from node.failure import Failure, Json

if TYPE_CHECKING:
    from universe.formats import ImportedUniverse, Source

Bodies: TypeAlias = "list[dict[str, Any]]"


def bodies_of(one: ImportedUniverse, named: Callable[[Source], str | None]) -> Bodies:
    """Those that no snapshot was taken for; `named`: the id of the one that lies there."""
    taken = {snapshot.event for snapshot in one.snapshots}
    bodies = [event_body(event) for event in one.events if event not in taken]
    for event, source in one.named:
        id = named(source)
        bodies.append({**event_body(event), **({} if id is None else {"snapshot": id})})
    return bodies


def tell_all(
    node: Client, universe: str, id: str, bodies: Sequence[Json], bars: Progress
) -> Iterator[tuple[Json, Failure]]:
    """Tells them; gives those that the node refuses. `universe`: its full name, `id` its own."""
    path = path_of("/api/universe", universe, "timeline")
    sizes = [len(json.dumps(body)) for body in bodies]
    line: Json = {"stage": "tell", "id": id, "called": f"{id}: events", "total": sum(sizes)}
    done = 0
    for body, size in zip(bodies, sizes, strict=True):
        try:
            node.post(path, body)
        except Failure as wrong:
            yield body, wrong
        done += size
        bars.show({**line, "done": done})
