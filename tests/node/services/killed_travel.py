"""Run as a program by test_killed_travel.py: two gates send and let in until they are killed.

A line each for what was acknowledged: `sent` with a migration and its departure, `signed` with a
receipt that the other may have heard of, `recalled` with a migration.
"""

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from node.home import Home
from node.identity import load_or_create
from node.projection import project
from node.services.passages import Ferry, passage_called
from node.services.passengers import Passenger
from storage.database import nothing
from storage.store import open_store
from tests.node.services.test_travel import Person, opened
from tests.storage import killed
from tests.storage.people import NOW_US
from universe.passage import Passage

BEFORE = "before"
MOMENTS = ("COMMIT", "COMMITTED")  # what is written before is as if it never had been
HOMES = (("alice", "universe:meadow"), ("bob", "universe:reef"))
# Each wish has a number of its own, who goes, from where, and at which tick.
FOX, HEN = Passenger(b'{"legs":4}', "fox"), Passenger(b'{"legs":2}', "hen")
WISHES = {1: (FOX, "alice"), 2: (HEN, "alice"), 3: (FOX, "bob")}
RECALLED = 2


@asynccontextmanager
async def two_gates(
    home: Path, on_step: Callable[[str], None] = nothing
) -> AsyncGenerator[tuple[Person, Person]]:
    """Alice with the meadow and bob with the reef, as they lie there."""
    async with AsyncExitStack() as stack:
        found: list[Person] = []
        for name, _ in HOMES:
            place = Home(home / name)
            place.make()
            identity = load_or_create(place, os.urandom)
            store = await stack.enter_async_context(
                open_store(
                    place.database, project=project, clock_us=lambda: NOW_US, on_step=on_step
                )
            )
            found.append(Person(Ferry(store, identity, lambda: NOW_US)))
        yield found[0], found[1]


async def prepare(home: Path) -> None:
    """A passage that is open, a gate at each end."""
    async with two_gates(home) as (alice, bob):
        for one, (_, id) in zip((alice, bob), HOMES, strict=True):
            await one.makes(id)
        await opened(alice, bob)


async def wishes(number: int, alice: Person, bob: Person) -> str:
    """The departure; of what was wished before the one that was signed then."""
    who, whose = WISHES[number]
    one, id = (alice, HOMES[0][1]) if whose == "alice" else (bob, HOMES[1][1])
    passage: Passage = await passage_called(one.ferry, f"{alice.ferry.did}/passage:1")
    sent = await one.gates.send(passage, one.universe(id), bytes([number]) * 16, who, number)
    return sent.departure.id.hex()


async def answers(one: Person, id: str) -> None:
    for signed in await one.gates.answer(one.universe(id)):
        print("signed", signed.id.hex(), flush=True)


async def travel(alice: Person, bob: Person) -> None:
    """The fox goes there and back; the hen is called back before anybody lets it in."""
    meadow, reef = HOMES[0][1], HOMES[1][1]
    for number in (1, 2):
        print("sent", f"{number}:{await wishes(number, alice, bob)}", flush=True)
    await alice.gates.recall(alice.universe(meadow), bytes([RECALLED]) * 16)
    print("recalled", RECALLED, flush=True)
    await bob.hears(alice)
    await answers(bob, reef)
    print("sent", f"3:{await wishes(3, alice, bob)}", flush=True)
    await alice.hears(bob)
    await answers(alice, meadow)
    await bob.hears(alice)


async def main(home: Path, stop_at: int) -> None:
    shutil.copytree(home.parent / BEFORE, home, dirs_exist_ok=True)
    steps = killed.Steps(stop_at, MOMENTS)
    steps.is_counting = False
    async with two_gates(home, steps) as (alice, bob):
        steps.is_counting = True
        await travel(alice, bob)


if __name__ == "__main__":
    asyncio.run(prepare(Path(sys.argv[1]) / BEFORE))
    killed.main(main)
