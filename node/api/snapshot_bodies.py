"""What an upload says: in its query and headers beside the bytes, or in JSON around them."""

import asyncio
import re
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final, TypeVar

import msgspec
from starlette.requests import Request

from node.api.arriving import Turns, pieces_arriving, pieces_in_turn
from node.api.problems import ProblemError
from node.api.requests import BOM, Clean
from node.api.universe_models import (
    DecayPolicy,
    GivenEvent,
    SnapshotUpload,
    WrappedSnapshot,
)
from node.api.wrapped import Wrapped
from node.errors import BadRequest
from node.services.offered import Offered
from node.services.universes import parse_tick
from universe.event import IMPORTANCE_MAX, Event
from universe.formats.halves import whole_characters
from universe.formats.json_pieces import STEP_BYTES
from universe.snapshot import Decay, media_problem

T = TypeVar("T")

OCTETS: Final = "application/octet-stream"
JSON: Final = "application/json"
FORM: Final = "application/x-www-form-urlencoded"
"""What curl says of any file where nobody says something else."""

CLOCKS_SET_US: Final = 1_577_836_800_000_000
"""1 January 2020: a clock that shows less was never set."""
BESIDE_BYTES: Final = 32 << 10
"""Beside a snapshot in JSON: the largest event takes less, however it is written. Of more than that
there are few at once."""
BATCH_BYTES: Final = 256 << 10
"""Of what comes out of a body, in one turn of a thread."""


@dataclass(slots=True)
class Upload:
    """An upload, taken apart. `offered` is there after the last piece, where it came in JSON."""

    pieces: AsyncGenerator[bytes]
    encoding: str
    checksum: bytes | None
    size_bytes: int | None = None
    offered: Offered | None = None
    media: str | None = None
    """Of a body that is the snapshot itself: its Content-Type, where one is said."""

    def told(self) -> Offered:
        assert self.offered is not None, "it is told with the last piece"
        return self.offered


def upload_of(
    request: Request,
    query: SnapshotUpload,
    size_bytes: int | None,
    large: Turns,
    *,
    now_us: int,
) -> Upload:
    """Of a body that is the snapshot itself. Raises `BadRequest`, `Rejected`.

    `large`: as `Node.large`.
    """
    tick, encoding = parse_tick(query.tick), _encoding(request)
    media = request.headers.get("content-type", "").strip() or None
    if media == FORM:
        media = None
    if media and (wrong := media_problem(media)):
        raise BadRequest(f"Content-Type: {wrong}", code="bad-media-type")
    at_us = _taken_us(query, now_us)
    event = _said(query.event, GivenEvent, "event") if query.event else None
    decay = _said(query.decay, DecayPolicy, "decay") if query.decay else None
    offered = Offered(
        tick=tick,
        kind=query.type,
        media=media or OCTETS,
        day=query.day,
        event=_event(event, tick, query.day, now_us if at_us is None else at_us),
        decay=_decay(decay),
        at_us=at_us,
    )
    size = size_bytes if encoding == "identity" else None
    checksum = _checksum(request, query)
    is_zstd = encoding == "zstd"
    pieces = pieces_in_turn(request, large) if is_zstd else pieces_arriving(request)
    return Upload(pieces, encoding, checksum, size, offered, media)


def wrapped_upload(
    request: Request,
    query: SnapshotUpload,
    large: Turns,
    clean: Clean | None = None,
    *,
    now_us: int,
) -> Upload:
    """Of JSON around one, which is taken out as it comes. Raises `ProblemError`, `BadRequest`.

    `clean` makes what stands beside it fit; where that is long it waits for a turn of `large`.
    """
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != JSON:
        detail = (
            f"this came as {media or 'nothing'}: JSON around a snapshot is sent with"
            " `Content-Type: application/json`, and of a body that is the snapshot itself the query"
            " says at which `tick` it was taken: …/snapshot?tick=1200"
        )
        raise BadRequest(detail, code="bad-tick")
    if _encoding(request) != "identity":
        detail = "a body without `tick` in its query is JSON as it is, without an encoding"
        raise ProblemError(415, "content-encoding", detail)

    async def pieces() -> AsyncGenerator[bytes]:
        wrapped, mark = Wrapped(clean), BOM
        async with AsyncExitStack() as turn:
            is_small = True
            async for data in _gathered(pieces_arriving(request)):
                out, mark = wrapped.push(data.removeprefix(mark)), b""
                del data
                while some := await asyncio.to_thread(_some, out):
                    some.reverse()
                    while some:
                        yield some.pop()  # what is stored and what was read is not held here
                if is_small and wrapped.beside_bytes > BESIDE_BYTES:
                    is_small = False
                    await turn.enter_async_context(large.one())
            said = await asyncio.to_thread(wrapped.finish)
        upload.offered = _offered(said, query, now_us)

    upload = Upload(pieces(), "identity", _checksum(request, query))
    return upload


def _offered(wrapped: WrappedSnapshot, query: SnapshotUpload, now_us: int) -> Offered:
    tick, at_us = tick_of(wrapped.tick), _taken_us(query, now_us)
    day = None if wrapped.day is None else _whole(wrapped.day, "day")
    return Offered(
        tick=tick,
        kind=wrapped.type or "manual",
        media=JSON,
        day=day,
        wrapped=True,
        event=_event(wrapped.canonEvent, tick, day, now_us if at_us is None else at_us),
        decay=_decay(wrapped.decayPolicy),
        at_us=at_us,
    )


def _taken_us(query: SnapshotUpload, now_us: int) -> int | None:
    """None: now."""
    if query.at is not None:
        return query.at
    made_us = 1_000 * (query.made_ms or 0)
    return made_us if CLOCKS_SET_US <= made_us <= now_us else None


async def _gathered(pieces: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    """In steps: whoever sends a byte at a time has no thread woken by each."""
    some = bytearray()
    async for piece in pieces:
        some += piece
        del piece
        while len(some) >= STEP_BYTES:
            yield bytes(some[:STEP_BYTES])
            del some[:STEP_BYTES]
    if some:
        yield bytes(some)


def _some(pieces: Iterator[bytes]) -> list[bytes]:
    """The next ones, about `BATCH_BYTES` of them; none at the end."""
    some, size = list[bytes](), 0
    for piece in pieces:
        some.append(piece)
        size += len(piece)
        if size >= BATCH_BYTES:
            break
    return some


def _encoding(request: Request) -> str:
    return request.headers.get("content-encoding", "identity").strip().lower() or "identity"


def _checksum(request: Request, query: SnapshotUpload) -> bytes | None:
    """Raises `BadRequest`."""
    given = query.checksum or request.headers.get("x-checksum", "")
    if not given:
        return None
    if not re.fullmatch("[0-9a-fA-F]{64}", given):
        detail = "X-Checksum is the BLAKE3 of the plain bytes: 64 hex digits"
        raise BadRequest(detail, code="bad-checksum")
    return bytes.fromhex(given)


def _said(text: str, kind: type[T], name: str) -> T:
    try:
        return msgspec.json.decode(whole_characters(text.encode()), type=kind)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise BadRequest(f"`{name}` in the query: {error}", code="bad-query") from error


def tick_of(said: object) -> int:
    """A number or its text; JavaScript writes whole numbers as reals."""
    if isinstance(said, float) and said.is_integer():
        said = int(said)
    if isinstance(said, bool) or not isinstance(said, int | str):
        said = "" if said is None else str(said)
    return parse_tick(str(said))


def _whole(number: float, what: str) -> int:
    if not 0 <= number < 1 << 63:
        raise BadRequest(f"`{what}` is {number}, not 0 or more", code="invalid-body")
    return int(number)


def _event(said: GivenEvent | None, tick: int, day: int | None, now_us: int) -> Event | None:
    if said is None:
        return None
    return Event(
        tick=tick,
        at_us=now_us,
        type=said.type,
        title=said.title or said.type,
        description=said.description or "",
        day=day if said.day is None else _whole(said.day, "day"),
        importance=min(IMPORTANCE_MAX, _whole(said.importance or 0, "importance")),
        entities=said.entities or (),
        souls=said.souls or (),
        parents=said.parents or (),
    )


def _decay(said: DecayPolicy | None) -> Decay | None:
    if said is None:
        return None
    after = None if said.decayAfterTicks is None else _whole(said.decayAfterTicks, "decay")
    decay = Decay(after, bool(said.neverDecay), said.preservationReason or "")
    return None if decay == Decay() else decay
