"""Events: server-sent, resumable by Last-Event-ID; and the same over a WebSocket with topics."""

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import Annotated, Final

import msgspec
from msgspec import Meta, Struct
from starlette.responses import StreamingResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from node.api.endpoint import Call, reads
from node.api.models import EventsQuery
from node.api.problems import ProblemError
from node.api.tokens import allows
from node.events import PING, TYPES, Events, encode_sse
from node.wiring import Node

SUBPROTOCOL: Final = "panspermia.v1"
FIRST_MESSAGE_S: Final = 10.0
"""A client that opened a socket and asks for nothing is let go."""
MESSAGE_BYTES_MAX: Final = 4_096
UNSUPPORTED, POLICY = 1003, 1008  # RFC 6455


class Topics(Struct, frozen=True, forbid_unknown_fields=True):
    """The first message of a WebSocket."""

    topics: Annotated[tuple[str, ...], Meta(max_length=len(TYPES))] = ()
    after: Annotated[int, Meta(ge=0, le=(1 << 53) - 1)] | None = None


async def follow_events(node: Node, call: Call[EventsQuery, None]) -> StreamingResponse:
    """What happens, as it happens (text/event-stream).

    `Last-Event-ID` resumes; `gap` says that events in between are lost: read the lists anew.
    """
    types = frozenset(filter(None, call.query.types.split(",")))
    if unknown := types - set(TYPES):
        detail = f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(TYPES)}"
        raise ProblemError(400, "unknown-event-type", detail)
    last = call.request.headers.get("last-event-id")
    if last is not None and not re.fullmatch("[0-9]{1,15}", last, re.ASCII):
        raise ProblemError(400, "bad-last-event-id", "a number, as in `id:`")
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    stream = _sse(node.events, None if last is None else int(last), types)
    return StreamingResponse(stream, 200, headers, "text/event-stream")


async def _sse(
    events: Events, after: int | None, types: frozenset[str]
) -> AsyncGenerator[bytes, None]:
    yield b": open\n\n"
    async with aclosing(events.follow(after, types)) as stream:
        async for event in stream:
            yield encode_sse(event)


def websocket(node: Node) -> Callable[[WebSocket], Awaitable[None]]:
    """`{"topics": […], "after"?: n}` in, then `{"id", "type", "data"}` out."""

    async def stream(socket: WebSocket) -> None:
        if not allows(socket.state.access, "read"):
            await socket.close(POLICY)
            return
        offered: list[str] = socket.scope.get("subprotocols", [])
        await socket.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)
        try:
            topics = await _first_message(socket)
            if topics is None:
                await socket.close(UNSUPPORTED, "send {topics: [...]} first")
                return
            await _talk(socket, node.events, topics)
        except WebSocketDisconnect:
            return

    return stream


async def _first_message(socket: WebSocket) -> Topics | None:
    try:
        async with asyncio.timeout(FIRST_MESSAGE_S):
            text = await socket.receive_text()
        topics = msgspec.json.decode(text[:MESSAGE_BYTES_MAX], type=Topics)
    except (TimeoutError, KeyError, msgspec.DecodeError, UnicodeError):
        return None
    return topics if set(topics.topics) <= set(TYPES) else None


async def _talk(socket: WebSocket, events: Events, topics: Topics) -> None:
    """Sends until either side ends it. What the client sends after its topics is not asked for."""
    async with asyncio.TaskGroup() as tasks:
        sending = tasks.create_task(_send(socket, events, topics), name="websocket events")
        receiving = tasks.create_task(_until_gone(socket), name="websocket client")
        await asyncio.wait({sending, receiving}, return_when=asyncio.FIRST_COMPLETED)
        sending.cancel()
        receiving.cancel()


async def _send(socket: WebSocket, events: Events, topics: Topics) -> None:
    async with aclosing(events.follow(topics.after, topics.topics)) as stream:
        async for event in stream:
            if event is PING:
                continue  # a WebSocket has pings of its own
            message = {"id": event.id, "type": event.type, "data": msgspec.Raw(event.data)}
            try:
                await socket.send_text(msgspec.json.encode(message).decode())
            except WebSocketDisconnect:  # here, or the group would tell of it as a failure
                return
    await socket.close()


async def _until_gone(socket: WebSocket) -> None:
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass


ENDPOINTS = (reads("/api/events", follow_events, "text/event-stream", query=EventsQuery),)
