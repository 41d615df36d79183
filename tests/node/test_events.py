"""One ring, many readers: resume, gaps, types, and an end."""

import asyncio
from contextlib import aclosing

import msgspec

from node.events import RING_EVENTS_MAX, Event, Events, encode_sse


async def taken(events: Events, after: int | None, count: int, *types: str) -> list[Event]:
    async with aclosing(events.follow(after, types)) as stream:
        return [await anext(stream) for _ in range(count)]


async def test_a_reader_resumes_where_it_was() -> None:
    events = Events()
    for number in range(5):
        events.publish("record", {"number": number})
    resumed = await taken(events, 3, 2)
    assert [one.id for one in resumed] == [4, 5]
    assert msgspec.json.decode(resumed[0].data) == {"number": 3}


async def test_new_readers_hear_only_what_is_new() -> None:
    events = Events()
    events.publish("record", {})
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(taken(events, None, 1))
        await asyncio.sleep(0)
        events.publish("peer", {})
    assert [(one.id, one.type) for one in reading.result()] == [(2, "peer")]


async def test_types_are_filtered() -> None:
    events = Events()
    for number in range(6):
        events.publish("peer" if number % 2 else "record", {})
    assert [one.id for one in await taken(events, 0, 3, "peer")] == [2, 4, 6]


async def test_who_is_too_far_behind_finds_a_gap() -> None:
    events = Events()
    for _ in range(RING_EVENTS_MAX + 10):
        events.publish("record", {})
    gap, first = await taken(events, 3, 2)
    assert (gap.type, gap.id) == ("gap", 10)
    assert first.id == 11


async def test_a_number_of_an_earlier_run_is_a_gap() -> None:
    events = Events()
    events.publish("record", {})
    gap, first = await taken(events, 400, 2)
    assert (gap.type, gap.id) == ("gap", 0)
    assert first.id == 1


async def test_closing_ends_every_stream() -> None:
    events = Events()
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        streams = [tasks.create_task(collect(events)) for _ in range(50)]
        await asyncio.sleep(0)
        events.publish("record", {})
        events.close()
    assert all(stream.result() in ([], [1]) for stream in streams)


async def collect(events: Events) -> list[int]:
    return [event.id async for event in events.follow(None)]


def test_as_sent() -> None:
    sent = encode_sse(Event(7, "peer", b'{"did":"x"}'))
    assert sent == b'id: 7\nevent: peer\ndata: {"did":"x"}\n\n'
