"""Run as a program by test_killed_judge.py: revokes, judges, takes back, until it kills itself."""

from pathlib import Path

from crdt.statement import Revoke, Unrevoke
from storage import append
from storage.store import open_store
from tests.storage import killed
from tests.storage.people import ALICE, NOW_US, named, project
from tests.storage.test_authority import LAPTOP, LOG, ROOT

RECORDS = 12


async def main(home: Path, stop_at: int) -> None:
    steps = killed.Steps(stop_at)
    async with open_store(
        home / "p.db", project=project, clock_us=lambda: NOW_US, on_step=steps
    ) as store:
        entries = [ALICE.publishes(f"io.alice.m{n}", named(f"m{n}")) for n in range(RECORDS)]
        await store.receive(entries, source="peer")
        revoked = await store.declare(Revoke(LAPTOP), LOG, ROOT)
        await store.settle()
        print("revoked", 1, flush=True)
        await store.declare(Unrevoke(revoked.signed.entry.payload_digest), LOG, ROOT)
        await store.settle()
        print("back", 1, flush=True)
        print("steps", steps.count, flush=True)


if __name__ == "__main__":
    append.STALE_AT_ONCE = 3  # so that there are many steps to be killed at
    killed.main(main)
