"""Universes of a plan to the node: made, or forked, or gone on with; their states, their events."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from node.client import path_of
from node.commands.console import node
from node.commands.progress import Progress
from node.commands.universe_beside import there
from node.commands.universe_once import Once
from node.commands.universe_sending import EVENT_LEFT
from node.commands.universe_telling import bodies_of, tell_all, untold
from node.commands.universe_together import sent_together
from node.commands.universe_underway import Underway
from node.failure import Failure, Json

if TYPE_CHECKING:
    from universe.formats import ImportedSnapshot, ImportedUniverse, Source


@dataclass(frozen=True, slots=True)
class Making:
    """`by`: the import that it is done for."""

    by: Underway

    def begin(self, one: ImportedUniverse, told: dict[str, Any]) -> None:
        """The universe is there. Raises `Failure` where it cannot be."""
        wanted = self.by.wanted(one)
        found = there(path_of("/api/universe", f"{self.by.did}/{one.id}"))
        if found is not None:
            self.by.refuse_other_readers(one, found["universe"])
            self.by.places[one.id] = found["universe"]["namespace"]
            told["state"] = "unchanged"
            told["is_fork"] = self.by.forking.has_begun(one, found["universe"])
            return
        body = universe_body(one, wanted)
        answer = self.by.forking.made(one, body, told)
        told["is_fork"] = answer is not None
        self._made(answer or node().post("/api/universe", body), told)

    def take(
        self,
        one: ImportedUniverse,
        snapshots: Sequence[ImportedSnapshot],
        told: dict[str, Any],
        bars: Progress,
        heard: Callable[[int], None],
    ) -> None:
        """Its states, which may be one more than its own, and its events."""
        ids = self._send_all(one.id, snapshots, told, heard)
        self._tell_events(one, ids, bars)

    def _made(self, answer: Json, told: dict[str, Any]) -> None:
        told["state"] = answer.get("state", "created")
        self.by.places[told["id"]] = answer["universe"]["namespace"]

    def _send_all(
        self,
        id: str,
        snapshots: Sequence[ImportedSnapshot],
        told: dict[str, Any],
        heard: Callable[[int], None],
    ) -> dict[Source, str]:
        """Ids of those that are there now, by where they lie."""
        from registry.formats.errors import InvalidFile

        ids: dict[Source, str] = {}
        once = Once(node(), self.by.files, f"{self.by.did}/{id}", snapshots)
        for snapshot, answer in sent_together(snapshots, once.send, heard):
            try:
                sent = answer()
            except (Failure, InvalidFile) as wrong:
                self.by.refuse(wrong, id, snapshot.source.path)
            else:
                told["known" if sent.answer["known"] else "new"] += 1
                ids[snapshot.source] = str(sent.answer["id"])
                self.by.tell_left(snapshot, sent.ticks_left)
                if sent.event_left is not None and snapshot.event is not None:
                    self.by.refuse(sent.event_left, id, f"{snapshot.event.title}: {EVENT_LEFT}")
        return ids

    def _tell_events(self, one: ImportedUniverse, ids: dict[Source, str], bars: Progress) -> None:
        """Those that no snapshot was taken for. `ids`: of its own snapshots that are there now."""
        bodies = bodies_of(one, lambda source: ids.get(source) or self._begun(one, source))
        name = f"{self.by.did}/{one.id}"
        for body, wrong in tell_all(node(), name, one.id, untold(node(), name, bodies), bars):
            self.by.refuse(wrong, one.id, body["title"])

    def _begun(self, one: ImportedUniverse, source: Source) -> str | None:
        """Id of what it began with, where that is what lies there."""
        if one.copy is None or one.copy.source != source:
            return None
        begun = self.by.forking.begun(one.id)
        return None if begun is None else str(begun["id"])


def universe_body(one: ImportedUniverse, visibility: str) -> dict[str, Any]:
    """As the node makes it."""
    said = one.said
    body: dict[str, Any] = {
        "id": one.id,
        "name": one.name,
        "visibility": visibility,
        "ownerId": one.owner,
        "createdAt": one.created_us // 1_000,
        "description": said.description,
        "tags": [*said.tags],
        "license": said.license,
        "card": said.card,
    }
    for key, text in (("config", one.config), ("retention", said.retention)):
        body[key] = json.loads(text) if text else None
    return {key: value for key, value in body.items() if value}
