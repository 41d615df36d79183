"""What an upload says: in its query and headers beside the bytes, or in JSON around them."""

import asyncio
import codecs
import re
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final, TypeVar

import msgspec
from starlette.requests import ClientDisconnect, Request

from node.api.arriving import cut_off, pieces_arriving
from node.api.problems import ProblemError
from node.api.requests import read_large
from node.api.universe_models import (
    WRAPPED_BODY_BYTES_MAX,
    WRAPPED_PLAIN_BYTES_MAX,
    DecayPolicy,
    GivenEvent,
    SnapshotUpload,
    WrappedSnapshot,
)
from node.errors import BadRequest, Fault, Rejected
from node.services.universes import Offered, parse_tick
from node.services.uploads import STEP_BYTES, Gzip
from universe.event import IMPORTANCE_MAX, Event
from universe.snapshot import Decay, media_problem

T = TypeVar("T")

OCTETS: Final = "application/octet-stream"
JSON: Final = "application/json"
FORM: Final = "application/x-www-form-urlencoded"
"""What curl says of any file where nobody says something else."""

SMALL_BODY_BYTES_MAX: Final = 1 << 20
"""Of JSON around a snapshot: any number of these may be held at once."""
WRAPPED_READ_S_MAX: Final = 120
"""For the whole of such a body: it is held meanwhile, and the next large one waits."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What takes much is held by one at a time, until `held` is left."""

    lock: asyncio.Lock
    held: AsyncExitStack


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload, taken apart; `data` is there where it came inside of JSON."""

    offered: Offered
    encoding: str
    checksum: bytes | None
    size_bytes: int | None
    data: memoryview | None = None


def upload_of(
    request: Request, query: SnapshotUpload, size_bytes: int | None, *, now_us: int
) -> Upload:
    """Of a body that is the snapshot itself. Raises `BadRequest`, `Rejected`."""
    tick, encoding = parse_tick(query.tick), _encoding(request)
    media = request.headers.get("content-type", "").strip() or OCTETS
    if media == FORM:
        media = OCTETS
    if wrong := media_problem(media):
        raise BadRequest(f"Content-Type: {wrong}", code="bad-media-type")
    event = _said(query.event, GivenEvent, "event") if query.event else None
    decay = _said(query.decay, DecayPolicy, "decay") if query.decay else None
    offered = Offered(
        tick=tick,
        kind=query.type,
        media=media,
        day=query.day,
        event=_event(event, tick, query.day, now_us if query.at is None else query.at),
        decay=_decay(decay),
        at_us=query.at,
    )
    size = size_bytes if encoding == "identity" else None
    return Upload(offered, encoding, _checksum(request, query), size)


def _is_large(request: Request) -> bool:
    """Whether a body takes much to hold, or does not say how much."""
    length = request.headers.get("content-length", "")
    return not length.isdecimal() or int(length[:20]) > SMALL_BODY_BYTES_MAX


async def read_wrapped(
    request: Request, query: SnapshotUpload, turn: Turn, *, now_us: int
) -> Upload:
    """Of JSON around one: all of it is held. Raises `ProblemError`, `BadRequest`, `Rejected`.

    What is large, or compressed and so may become large, waits for its turn.
    """
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media != JSON:
        detail = "say at which `tick` it was taken: …/snapshot?tick=1200"
        raise BadRequest(detail, code="bad-tick")
    if _encoding(request) != "identity":
        detail = "a body without `tick` in its query is JSON as it is, without an encoding"
        raise ProblemError(415, "content-encoding", detail)
    is_large = _is_large(request)
    if is_large:
        await turn.held.enter_async_context(turn.lock)
    try:
        async with asyncio.timeout(WRAPPED_READ_S_MAX):
            body = await read_large(request, WRAPPED_BODY_BYTES_MAX)
    except ClientDisconnect as gone:
        raise cut_off() from gone
    except TimeoutError as late:
        detail = (
            f"the body was not here after {WRAPPED_READ_S_MAX} s, and others wait; nothing was"
            " stored. Send the snapshot as the body, with ?tick="
        )
        raise BadRequest(detail, code="cut-off") from late
    wrapped = await asyncio.to_thread(_decoded, body)
    del body
    if wrapped.compressedSnapshot is not None and not is_large:
        await turn.held.enter_async_context(turn.lock)
    wrapped, data = await asyncio.to_thread(_unwrapped, wrapped)
    tick = _tick_of(wrapped.tick)
    day = None if wrapped.day is None else _whole(wrapped.day, "day")
    offered = Offered(
        tick=tick,
        kind=wrapped.type or "manual",
        media=JSON,
        day=day,
        wrapped=True,
        event=_event(wrapped.canonEvent, tick, day, now_us if query.at is None else query.at),
        decay=_decay(wrapped.decayPolicy),
        at_us=query.at,
    )
    return Upload(offered, "identity", _checksum(request, query), len(data), data)


async def pieces_of(request: Request, upload: Upload) -> AsyncGenerator[bytes]:
    """The body, or what came inside of it. Raises `BadRequest` (`cut-off`)."""
    if upload.data is not None:
        for at in range(0, len(upload.data), STEP_BYTES):
            yield bytes(upload.data[at : at + STEP_BYTES])
        return
    async for piece in pieces_arriving(request):
        yield piece


def _decoded(body: bytearray) -> WrappedSnapshot:
    try:
        return msgspec.json.decode(body, type=WrappedSnapshot)
    except msgspec.ValidationError as error:
        raise ProblemError(422, "invalid-body", str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProblemError(400, "not-json", str(error)) from error


def _unwrapped(wrapped: WrappedSnapshot) -> tuple[WrappedSnapshot, memoryview]:
    """What it says, and the JSON of the snapshot: a part of the body, or what comes out of it."""
    if wrapped.compressedSnapshot is not None:
        data = bytearray()
        for piece in _inflated(wrapped.compressedSnapshot):
            data += piece
        _check_json(data, "what `compressedSnapshot` holds")
        return msgspec.structs.replace(wrapped, compressedSnapshot=None), memoryview(data)
    view = memoryview(wrapped.snapshot)
    if bytes(view[:5]) in (b"", b"null"):
        detail = "the body holds no snapshot: send `snapshot`, or `compressedSnapshot`"
        fault = Fault("/snapshot", "is missing")
        raise Rejected(detail, code="invalid-body", faults=(fault,))
    _check_text(view, "`snapshot`")
    return wrapped, view


def _inflated(data: bytes) -> Iterator[bytes]:
    inflater, size = Gzip(), 0
    for piece in inflater.push(data):
        size += len(piece)
        if size > WRAPPED_PLAIN_BYTES_MAX:
            detail = (
                f"`compressedSnapshot` comes to more than {WRAPPED_PLAIN_BYTES_MAX:,} bytes: send"
                " the snapshot as the body, with ?tick="
            )
            raise Rejected(detail, code="swells-too-much")
        yield piece
    inflater.finish()


def _check_json(data: bytearray, what: str) -> None:
    try:
        msgspec.json.decode(data, type=msgspec.Raw)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ProblemError(400, "not-json", f"{what} is no JSON: {error}") from error
    _check_text(memoryview(data), what)


def _check_text(data: memoryview, what: str) -> None:
    """What is not decoded is not looked at either: half a character would spoil the answer."""
    reader = codecs.getincrementaldecoder("utf-8")()
    try:
        for at in range(0, len(data), STEP_BYTES):
            reader.decode(data[at : at + STEP_BYTES])
        reader.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise ProblemError(400, "not-json", f"{what} is no UTF-8: {error.reason}") from error


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
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise BadRequest(f"`{name}` in the query: {error}", code="bad-query") from error


def _tick_of(said: object) -> int:
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
