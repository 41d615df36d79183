"""One more tick of a world between two real nodes; and from nodes that know no deltas, or lie."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import AsyncExitStack, closing
from functools import partial
from pathlib import Path
from random import Random

import pytest

from crdt.blob import Chunking
from crdt.chunking import content_manifest_of, cut
from crdt.digest import payload_digest
from p2p.protocol import limits
from p2p.protocol.errors import PeerLeft
from p2p.protocol.frames import Delta, Get, Part
from p2p.protocol.pieces import PAGE, ROOT, pack_against
from p2p.transport.fetching import NoPeerHasIt
from tests.e2e.mallory import Call, Mallory
from tests.p2p.transport.test_network import Node, open_node, until

WITHIN_S = 60.0
TEXT = b'{"id":"entity-%08d","x":%d,"y":%d,"energy":%d}\n'


def world(tick: int, entities: int = 60_000) -> bytes:
    """Of 3 MB; at each tick one entity in fifty changes."""
    random = Random(1)
    places = [[random.randrange(4_096), random.randrange(4_096), 100] for _ in range(entities)]
    for step in range(tick):
        moved = Random(step)
        for number in moved.sample(range(entities), entities // 50):
            places[number] = [moved.randrange(4_096), moved.randrange(4_096), 99 - step]
    return b"".join(TEXT % (number, *place) for number, place in enumerate(places))


OLDER, NEWER = world(3), world(4)
CHUNKS = list(cut([NEWER], Chunking.CONTENT))
OLD, NEW = content_manifest_of(OLDER), content_manifest_of(NEWER)


async def received(node: Node) -> int:
    return sum(one.session.report.received_bytes for one in node.network.connections)


async def fetch(node: Node, *, relative: bool) -> int:
    """How many bytes came for it."""
    before = await received(node)
    relative_to = [OLD.id] if relative else []
    await node.network.fetch_blob(NEW.id, size_bytes_max=len(NEWER), relative_to=relative_to)
    assert await node.store.read_blob(NEW.id) == NEWER
    return await received(node) - before


async def test_one_more_tick_moves_what_changed(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack, asyncio.timeout(WITHIN_S):
        alice, bob, carol = [
            await stack.enter_async_context(open_node(tmp_path / name, number))
            for number, name in enumerate("abc", 1)
        ]
        for node, held in ((alice, OLDER), (alice, NEWER), (bob, OLDER), (carol, OLDER)):
            await node.store.put_blob(held, chunking=Chunking.CONTENT)
        for node in (bob, carol):
            await node.network.connect(alice.address)
            await until(partial(greeted, node))
        delta, plain = await fetch(bob, relative=True), await fetch(carol, relative=False)
        assert delta < plain / 10, (delta, plain)
        assert delta < len(NEWER) / 50


@pytest.mark.parametrize("whose", ["a", "b"])
async def test_a_base_that_rotted_costs_only_what_it_would_have_saved(
    tmp_path: Path, whose: str
) -> None:
    async with AsyncExitStack() as stack, asyncio.timeout(WITHIN_S):
        alice, bob = [
            await stack.enter_async_context(open_node(tmp_path / name, number))
            for number, name in enumerate("ab", 1)
        ]
        for node, held in ((alice, OLDER), (alice, NEWER), (bob, OLDER)):
            await node.store.put_blob(held, chunking=Chunking.CONTENT)
        with closing(sqlite3.connect(tmp_path / f"{whose}.snapshots.db")) as vault, vault:
            rotted = [payload_digest(one) for one in cut([OLDER], Chunking.CONTENT)]
            vault.executemany(
                "UPDATE whole SET data = zeroblob(length(data))"
                " WHERE id = (SELECT id FROM name WHERE key = ?)",
                [(hash,) for hash in rotted if hash not in set(map(payload_digest, CHUNKS))],
            )
        await bob.network.connect(alice.address)
        await until(partial(greeted, bob))
        assert await fetch(bob, relative=True) > 0


async def greeted(node: Node) -> bool:
    return any(one.is_greeted for one in node.network.connections)


def plain_of(get: Get) -> bytes:
    """What an honest node gives."""
    if get.piece == ROOT:
        return NEW.root
    if get.piece == PAGE:
        return NEW.pages[get.index]
    return b"".join(CHUNKS[get.index : get.index + get.count])


def as_it_is(get: Get) -> Part:
    """What whoever knows no deltas says: the base is an element more, which it does not look at."""
    assert len(plain_of(get)) <= limits.RUN_BYTES_MAX
    return Part(get.number, plain_of(get), 0)


def other_bytes(get: Get) -> Part | Delta:
    """Right in form: only the hash tells."""
    if get.base is None:
        return as_it_is(get)
    size = len(plain_of(get))
    return Delta(get.number, pack_against(bytes(size), OLDER[:9]), size)


async def give(call: Call, answer: Callable[[Get], Part | Delta], asked: list[Get]) -> str:
    """Why she was left."""
    try:
        while True:
            get = await call.hear_until(Get)
            assert isinstance(get, Get)
            asked.append(get)
            await call.say(answer(get))
    except PeerLeft as left:
        return left.code


async def test_a_node_that_knows_no_deltas_gives_it_all_the_same(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack, asyncio.timeout(WITHIN_S), asyncio.TaskGroup() as tasks:
        bob = await stack.enter_async_context(open_node(tmp_path / "b", 2))
        await bob.store.put_blob(OLDER, chunking=Chunking.CONTENT)
        call = await stack.enter_async_context(Mallory().meets(bob.address))
        await until(partial(greeted, bob))
        asked: list[Get] = []
        giving = tasks.create_task(give(call, as_it_is, asked))
        await bob.network.fetch_blob(NEW.id, size_bytes_max=len(NEWER), relative_to=[OLD.id])
        assert await bob.store.read_blob(NEW.id) == NEWER
        assert {get.base.blob for get in asked if get.base} == {OLD.id}
        giving.cancel()


async def test_who_lies_in_deltas_is_left_and_others_give_it(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack, asyncio.timeout(WITHIN_S), asyncio.TaskGroup() as tasks:
        alice = await stack.enter_async_context(open_node(tmp_path / "a", 1))
        bob = await stack.enter_async_context(open_node(tmp_path / "b", 2))
        for node, held in ((alice, OLDER), (alice, NEWER), (bob, OLDER)):
            await node.store.put_blob(held, chunking=Chunking.CONTENT)
        call = await stack.enter_async_context(Mallory().meets(bob.address))
        await until(partial(greeted, bob))
        lying = tasks.create_task(give(call, other_bytes, []))
        with pytest.raises(NoPeerHasIt):
            await fetch(bob, relative=True)
        assert await lying == "blob-hash"
        await bob.network.connect(alice.address)
        await fetch(bob, relative=True)
