"""One state of a world to the node: its bytes as they are, and beside them what is said of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import IO, TYPE_CHECKING, Any, Final, cast

from node.client import Client, path_of
from node.failure import Json

if TYPE_CHECKING:
    from node.commands.world_files import WorldFiles
    from universe.event import Event
    from universe.formats import ImportedSnapshot

UPLOAD_TIMEOUT_S: Final = 600.0
WRAPPED_BYTES_MAX: Final = 48 << 20
"""Of a state that goes to the node as its program would send it, in JSON around it."""
BOM: Final = b"\xef\xbb\xbf"


Heard = Callable[[int, int], None]
"""Of how far one state is: bytes, of all bytes."""


def send(
    node: Client, files: WorldFiles, id: str, snapshot: ImportedSnapshot, heard: Heard
) -> Json:
    """One state to the node, its bytes as they are. Raises `Failure`, `InvalidFile`."""
    from universe.formats.decays import decay_json
    from universe.formats.taking import pieces_of

    about: dict[str, Any] = {"type": snapshot.kind_kept, "at": snapshot.at_us}
    if snapshot.day is not None:
        about["day"] = snapshot.day
    decay = snapshot.decay
    policy = None if decay is None else decay_json(decay)
    path = path_of("/api/universe", id, "snapshot")
    checksum = snapshot.content.checksum.hex()
    size = snapshot.content.size
    if snapshot.is_wrapped and size <= WRAPPED_BYTES_MAX:
        data = b"".join(pieces_of(files, snapshot.source))
        if is_whole_json(data):
            told: dict[str, Any] = {"tick": snapshot.tick, **about}
            if snapshot.event:
                told["canonEvent"] = event_body(snapshot.event)
            if policy:
                told["decayPolicy"] = policy
            body = json.dumps(told)[:-1].encode() + b', "snapshot": ' + data + b"}"
            query = {"checksum": checksum, "at": about["at"]}
            return upload(node, path, query, iter([body]), len(body), "application/json", heard)
    query = {**about, "tick": snapshot.tick, "checksum": checksum}
    if snapshot.event:
        query["event"] = json.dumps(event_body(snapshot.event), ensure_ascii=False)
    if snapshot.is_wrapped and decay is not None and decay.goes:
        policy = decay_json(replace(decay, after=None))  # as plain bytes it would go by itself
    if policy:
        query["decay"] = json.dumps(policy, ensure_ascii=False)
    pieces = pieces_of(files, snapshot.source)
    return upload(node, path, query, pieces, size, snapshot.media, heard)


def upload(
    node: Client,
    path: str,
    query: Json,
    pieces: Iterator[bytes],
    size: int,
    media: str,
    heard: Heard,
) -> Json:
    file = cast("IO[bytes]", Pieces(pieces))
    return node.upload(path, query, file, size, heard, UPLOAD_TIMEOUT_S, media=media)


class Pieces:
    """Pieces as a file that is read from its beginning."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces, self._held = pieces, b""

    def read(self, size: int) -> bytes:
        while not self._held:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._held = piece
        found, self._held = self._held[:size], self._held[size:]
        return found


def is_whole_json(data: bytes) -> bool:
    """One value of JSON with nothing around it: in a body it stays what it is, byte by byte."""
    import msgspec

    from universe.formats.halves import whole_characters

    if not data or data[:1].isspace() or data[-1:].isspace() or data.startswith(BOM):
        return False
    try:
        msgspec.json.decode(whole_characters(data), type=msgspec.Raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return True


def event_body(event: Event) -> dict[str, Any]:
    found: dict[str, Any] = {
        "type": event.type,
        "title": event.title,
        "tick": event.tick,
        "timestamp": event.at_us // 1_000,
        "importance": event.importance,
    }
    if event.description:
        found["description"] = event.description
    if event.day is not None:
        found["day"] = event.day
    lists = {"entities": event.entities, "souls": event.souls, "parents": event.parents}
    return found | {key: [*names] for key, names in lists.items() if names}
