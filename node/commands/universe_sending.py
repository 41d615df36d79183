"""One state of a world to the node: its bytes as they are, and beside them what is said of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import IO, TYPE_CHECKING, Any, Final, cast

from node.client import Client, path_of
from node.failure import Failure, Json

if TYPE_CHECKING:
    from node.commands.world_files import WorldFiles
    from universe.event import Event
    from universe.formats import ImportedSnapshot

UPLOAD_TIMEOUT_S: Final = 600.0
HELD_BYTES_MAX: Final = 32 << 20
"""Of a state that is looked at whole: in pieces that takes ten times as long, and more. Of longer
ones the node alone does it."""
TICKS_LEFT: Final = (
    "is not one value of JSON from its first byte to its last, and goes as plain bytes: that it may"
    " go after {:,} ticks is left out; it stays until the rule of its universe lets it go, or"
    " `panspermia universe prune --rule RULE` does"
)
"""What is told of such a state: see `as_it_goes`."""
OF_EVENTS: Final = frozenset({"invalid-record", "bad-query", "universe-full"})
"""How the node refuses what is said in an event, or one more of them."""
EVENT_LEFT: Final = "the state is there without this event"
BOM: Final = b"\xef\xbb\xbf"
NULL: Final = b"null"
NO_JSON: Final = frozenset({"checksum-mismatch", "connection-lost", "invalid-body", "not-json"})
"""What a node says of a body where the state in it is none; it may not wait for all of it."""
OF_NUMBERS: Final = b"-+.0123456789eE"


Heard = Callable[[int, int], None]
"""Of how far one state is: bytes, of all bytes."""


def behind(begun: int, heard: Callable[[int], None]) -> Heard:
    """The same, of what comes behind so many bytes."""
    return lambda done, _: heard(begun + done)


@dataclass(frozen=True, slots=True)
class Sent:
    answer: Json
    """The node's."""
    is_wrapped: bool = False
    """It went inside of JSON."""
    ticks_left: int | None = None
    """After how many ticks it was to go, where that was left out: see `as_it_goes`."""
    event_left: Failure | None = None
    """Why the node refused its event, which was left out: see `with_or_without_event`."""


def as_it_goes(
    files: WorldFiles, snapshot: ImportedSnapshot, heard: Heard | None = None
) -> tuple[ImportedSnapshot, int | None]:
    """As the node is to have it, and the ticks that are left out for that.

    What its program sends inside of JSON goes so too, and its ticks let nothing go by themselves.
    What cannot go so is plain bytes: there they would, so it goes without. `heard`: of how much is
    looked through. Raises `InvalidFile`.
    """
    if not snapshot.is_wrapped:
        return snapshot, None
    pieces = looked_at(files, snapshot, heard)
    if is_whole_json(pieces, snapshot.content.size):
        return snapshot, None
    return as_plain(snapshot)


def as_plain(snapshot: ImportedSnapshot) -> tuple[ImportedSnapshot, int | None]:
    """See `as_it_goes`."""
    from universe.snapshot import Decay

    decay = snapshot.decay
    if decay is None or not decay.goes:
        return replace(snapshot, is_wrapped=False), None
    stays = replace(decay, after=None)
    kept = None if stays == Decay() else stays
    return replace(snapshot, is_wrapped=False, decay=kept), decay.after


def send(
    node: Client, files: WorldFiles, id: str, snapshot: ImportedSnapshot, heard: Heard
) -> Sent:
    """One state to the node, its bytes as they are. Raises `Failure`, `InvalidFile`.

    A long one inside of JSON is looked through by the node alone, while it takes it.
    """
    if not snapshot.is_wrapped or snapshot.content.size <= HELD_BYTES_MAX:
        goes, ticks_left = as_it_goes(files, snapshot)
        return Sent(_sent(node, files, id, goes, heard), goes.is_wrapped, ticks_left)
    if might_be_json(looked_at(files, snapshot)):
        try:
            return Sent(_sent(node, files, id, snapshot, heard), is_wrapped=True)
        except Failure as wrong:
            if wrong.problem.get("code") not in NO_JSON:
                raise
            goes, ticks_left = as_it_goes(files, snapshot)
            if goes.is_wrapped:
                raise
    else:
        goes, ticks_left = as_plain(snapshot)
    return Sent(_sent(node, files, id, goes, heard), goes.is_wrapped, ticks_left)


def _sent(
    node: Client, files: WorldFiles, id: str, snapshot: ImportedSnapshot, heard: Heard
) -> Json:
    """What the node answers. Raises as `send`."""
    from universe.formats.decays import decay_json

    path = path_of("/api/universe", id, "snapshot")
    checksum = snapshot.content.checksum.hex()
    size, pieces = snapshot.content.size, looked_at(files, snapshot)
    if snapshot.is_wrapped:
        told: dict[str, Any] = {"tick": snapshot.tick, "type": snapshot.kind_kept}
        if snapshot.day is not None:
            told["day"] = snapshot.day
        if snapshot.event:
            told["canonEvent"] = event_body(snapshot.event)
        if snapshot.decay and (policy := decay_json(snapshot.decay)):
            told["decayPolicy"] = policy
        before, behind = json.dumps(told)[:-1].encode() + b', "snapshot": ', b"}"
        query: Json = {"checksum": checksum, "at": snapshot.at_us}
        size += len(before) + len(behind)
        pieces = chain([before], pieces, [behind])
        return upload(node, path, query, pieces, size, "application/json", heard)
    return upload(node, path, beside(snapshot), pieces, size, snapshot.media, heard)


def send_same(node: Client, id: str, snapshot: ImportedSnapshot, source: str) -> Json:
    """One state whose bytes the snapshot `source` of the universe has. Raises `Failure`."""
    path, query = path_of("/api/universe", id, "snapshot"), beside(snapshot)
    query["bytes_of"] = source
    return upload(node, path, query, iter(()), 0, snapshot.media, behind(0, lambda _: None))


def beside(snapshot: ImportedSnapshot) -> dict[str, Any]:
    """What the query says of plain bytes."""
    from universe.formats.decays import decay_json

    found: dict[str, Any] = {
        "tick": snapshot.tick,
        "type": snapshot.kind_kept,
        "at": snapshot.at_us,
        "checksum": snapshot.content.checksum.hex(),
    }
    if snapshot.day is not None:
        found["day"] = snapshot.day
    if snapshot.event:
        found["event"] = json.dumps(event_body(snapshot.event), ensure_ascii=False)
    if snapshot.decay and (policy := decay_json(snapshot.decay)):
        found["decay"] = json.dumps(policy, ensure_ascii=False)
    return found


def with_or_without_event(
    node: Client, id: str, snapshot: ImportedSnapshot, go: Callable[[ImportedSnapshot], Sent]
) -> Sent:
    """As `go` sends it; no state is lost for the event that is said beside it.

    That is told by itself then, of this state: beside plain bytes it has less room, in the address.
    """
    event = snapshot.event
    try:
        return go(snapshot)
    except Failure as wrong:
        if event is None or wrong.problem.get("code") not in OF_EVENTS:
            raise
    sent = go(replace(snapshot, event=None))
    body: Json = {**event_body(event), "snapshot": sent.answer["id"]}
    try:
        node.post(path_of("/api/universe", id, "timeline"), body)
    except Failure as wrong:
        return replace(sent, event_left=wrong)
    return sent


def looked_at(
    files: WorldFiles, snapshot: ImportedSnapshot, heard: Heard | None = None
) -> Iterator[bytes]:
    """Its bytes, as many as there were when it was looked at: one that grows is what it was.

    Raises `InvalidFile`, also where it has become shorter: that is said of this one state.
    """
    from registry.formats.errors import InvalidFile, Place
    from universe.formats.taking import pieces_of

    size, source = snapshot.content.size, snapshot.source
    done = 0
    for piece in pieces_of(files, source):
        yield piece[: size - done]
        done += len(piece)
        if heard is not None:
            heard(min(done, size), size)
        if done > size:
            return
    if done == size:
        return
    reason = f"has become shorter meanwhile: {done:,} of {size:,} bytes are there"
    raise InvalidFile(source.path, Place(), reason)


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


def is_whole_json(pieces: Iterator[bytes], size: int) -> bool:
    """One value of JSON with nothing around it, which a node keeps byte by byte out of a body.

    That is all that it takes there, but for null, which is no snapshot. Raises what `pieces`
    raises.
    """
    pieces = filter(None, pieces)
    first = next(pieces, b"")
    if first[:1].isspace() or first.startswith(BOM):
        return False
    pieces = chain([first], pieces)
    return _is_json(b"".join(pieces)) if size <= HELD_BYTES_MAX else _are_json(pieces)


def might_be_json(pieces: Iterator[bytes]) -> bool:
    """Whether it begins and ends as such: a tenth of the time. Raises what `pieces` raises."""
    from registry.formats.errors import InvalidFile
    from universe.formats.json_pieces import STEP_BYTES, Whole

    first = next(pieces, b"")
    end = first[-1:]
    for piece in pieces:
        end = piece[-1:] or end
    if first[:1].isspace() or end.isspace() or first.startswith(BOM):
        return False
    try:
        Whole("").push(first[:STEP_BYTES])
    except InvalidFile:
        return False
    return True


def _are_json(pieces: Iterator[bytes]) -> bool:
    """As the node reads it."""
    from registry.formats.errors import InvalidFile
    from universe.formats.json_pieces import Whole

    whole, last, size = Whole(""), b"", 0
    for piece in pieces:
        last, size = (last + piece)[-len(NULL) :], size + len(piece)
        try:
            whole.push(piece)
        except InvalidFile:
            return False
    try:
        whole.finish()
    except InvalidFile:
        return False
    return not last[-1:].isspace() and (size > len(NULL) or last != NULL)


def _is_json(data: bytes) -> bool:
    """The same, ten times as fast where it is held whole."""
    import msgspec

    from universe.formats.halves import whole_characters

    if not data or data[-1:].isspace() or data == NULL:
        return False
    try:
        if not data.isascii():
            data.decode()  # inside of texts nobody looks at it: see `msgspec.Raw`
        msgspec.json.decode(whole_characters(data), type=msgspec.Raw)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return False
    except RecursionError:  # of fewer brackets than a node takes
        return _are_json(iter([data]))
    return not _has_long_number(data) or _are_json(iter([data]))


def _has_long_number(data: bytes) -> bool:
    """One that a node might not take, or as many digits in a text."""
    from universe.formats.json_value import ATOM_BYTES_MAX

    # So long a row lies across one of these places.
    for at in range(ATOM_BYTES_MAX, len(data), ATOM_BYTES_MAX + 1):
        if data[at] in OF_NUMBERS:
            behind, ahead = data[at - ATOM_BYTES_MAX : at], data[at : at + ATOM_BYTES_MAX + 1]
            row = len(behind) - len(behind.rstrip(OF_NUMBERS))
            row += len(ahead) - len(ahead.lstrip(OF_NUMBERS))
            if row > ATOM_BYTES_MAX:
                return True
    return False


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
