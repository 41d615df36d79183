"""A body that goes out while it is fetched: whole, or cut where its work ends early."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from starlette.types import Message

from node.api.followed import Followed, Take

Work = Callable[[Take], Awaitable[None]]


async def sent_by(work: Work, came: "asyncio.Queue[Message]") -> list[Message]:
    sent = list[Message]()

    async def send(message: Message) -> None:
        sent.append(message)
        if message.get("body") == b"leave":
            came.put_nowait({"type": "http.disconnect"})

    async with asyncio.timeout(30):
        try:
            await Followed(work, {"content-length": "9"})({"type": "http"}, came.get, send)
        except ValueError as error:
            sent.append({"type": str(error)})
    return sent


async def test_what_is_handed_over_goes_out_and_then_its_end() -> None:
    async def work(take: Take) -> None:
        await take(b"one")
        await take(b"two")

    start, *bodies = await sent_by(work, asyncio.Queue())
    assert (start["status"], start["headers"]) == (200, [(b"content-length", b"9")])
    assert [(one["body"], one["more_body"]) for one in bodies] == [
        (b"one", True), (b"two", True), (b"", False),
    ]  # fmt: skip


async def test_where_it_fails_there_is_no_end() -> None:
    async def work(take: Take) -> None:
        await take(b"one")
        raise ValueError("the giver is gone")

    _, body, last = await sent_by(work, asyncio.Queue())
    assert (body["body"], body["more_body"]) == (b"one", True)
    assert last == {"type": "the giver is gone"}


async def test_who_leaves_ends_it() -> None:
    ended = asyncio.Event()

    async def work(take: Take) -> None:
        await take(b"leave")
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    sent = await sent_by(work, asyncio.Queue())
    assert [one.get("body") for one in sent] == [None, b"leave"]
    assert ended.is_set()


@pytest.mark.parametrize("count", [0, 3])
async def test_a_body_of_nothing_and_of_much_are_both_whole(count: int) -> None:
    async def work(take: Take) -> None:
        for _ in range(count):
            await take(b"x" * 100_000)

    _, *bodies = await sent_by(work, asyncio.Queue())
    assert (len(bodies), bodies[-1]["more_body"]) == (count + 1, False)
