"""Run as a program by test_killed_uploads.py: keeps states of a world until it is killed.

A line each for what was acknowledged: `kept` with a tick and its snapshot, `settled`, `dropped`
with a snapshot, `collected`.
"""

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from blake3 import blake3

from node.home import Home
from node.identity import load_or_create
from node.projection import project
from node.services.namespaces import Keeper
from node.services.offered import Kept, Offered
from node.services.signers import Signers
from node.services.snapshots import keep_snapshot
from node.services.universes import (
    Given,
    Hand,
    document_of,
    make_universe,
    universe_meant,
)
from registry.head import Words
from storage.collecting import GRACE_US
from storage.database import nothing
from storage.store import open_store
from tests.node.services.test_joining import until
from tests.storage import killed
from tests.storage.people import NOW_US
from tests.storage.vault.worlds import World
from universe.record import Facts, drop_snapshots

BEFORE = "before"
MAIN = "universe:main"
MOMENTS = ("COMMIT", "COMMITTED", "COMMIT LAZILY", "COMMITTED LAZILY")
# The last one comes in several parts, each on the disk before the next.
NOISE = blake3(b"noise").digest(length=5 << 20)
WORLDS = dict(enumerate([*World(entities=500).series(3), NOISE]))
DROPPED = 1
PIECE = 1 << 20


@asynccontextmanager
async def one_hand(
    home: Path,
    on_step: Callable[[str], None] = nothing,
    clock_us: Callable[[], int] = lambda: NOW_US,
) -> AsyncGenerator[Hand]:
    place = Home(home)
    place.make()
    identity = load_or_create(place, os.urandom)
    async with open_store(
        place.database, project=project, clock_us=clock_us, on_step=on_step
    ) as store:
        keeper = Keeper(place, identity, store, os.urandom)
        yield Hand(keeper, Signers(identity, store, clock_us))


async def prepare(home: Path) -> None:
    async with one_hand(home) as hand:
        facts = Facts(visibility="public")
        await make_universe(hand, Given(Words("Main"), facts, MAIN), os.urandom(16))


async def keep(hand: Hand, tick: int) -> Kept:
    async def pieces() -> AsyncGenerator[bytes]:
        for at in range(0, len(WORLDS[tick]), PIECE):
            yield WORLDS[tick][at : at + PIECE]

    row = await universe_meant(hand.store, MAIN)
    return await keep_snapshot(hand, row, Offered(tick), pieces())


async def drop(hand: Hand, id: bytes) -> None:
    document = document_of(await universe_meant(hand.store, MAIN))
    signer = await hand.signers.for_document(document)
    await hand.store.commit(document, drop_snapshots((id,), now_us=hand.clock_us()), signer)


async def main(home: Path, stop_at: int) -> None:
    shutil.copytree(home.parent / BEFORE, home, dirs_exist_ok=True)
    now_us = NOW_US
    steps = killed.Steps(stop_at, MOMENTS)
    steps.is_counting = False
    async with one_hand(home, steps, lambda: now_us) as hand:
        steps.is_counting = True
        ids: dict[int, bytes] = {}

        async def told(tick: int) -> None:
            ids[tick] = (await keep(hand, tick)).row.id
            print("kept", f"{tick}:{ids[tick].hex()}", flush=True)

        await told(0)
        async with asyncio.TaskGroup() as tasks, hand.turn:  # they wait for it: one change
            for tick in WORLDS.keys() - {0}:
                tasks.create_task(told(tick))
            await until(lambda: len(hand.uploads) == len(WORLDS) - 1)
        await hand.store.settled()
        print("settled", 0, flush=True)
        await drop(hand, ids[DROPPED])
        print("dropped", ids[DROPPED].hex(), flush=True)
        now_us += GRACE_US + 1
        await hand.store.gc()
        print("collected", 0, flush=True)


if __name__ == "__main__":
    asyncio.run(prepare(Path(sys.argv[1]) / BEFORE))
    killed.main(main)
