"""Run as a program by test_kill.py: writes until it kills itself, says what it acknowledged."""

import asyncio
import os
import signal
import sys
from pathlib import Path

from storage.store import open_store
from tests.storage.people import ALICE, BOB, NOW_US, named, project


async def main(home: Path, stop_at: int) -> None:
    steps = 0

    def step(sql: str) -> None:
        nonlocal steps
        if steps == stop_at:
            os.kill(os.getpid(), signal.SIGKILL)
        steps += 1

    document = ALICE.document("io.alice.clock")
    batch = [BOB.publishes(f"io.bob.{n}", named(f"m{n}")) for n in range(5)]
    async with open_store(
        home / "panspermia.db", project=project, clock_us=lambda: NOW_US, on_step=step
    ) as store:
        for name in ("first", "second"):
            committed = await store.commit(document, named(name), ALICE.signer)
            assert committed is not None
            print(committed.id.hex(), flush=True)
        received = await store.receive(batch, source="peer bob")
        print(*(id.hex() for id in received.added), flush=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
