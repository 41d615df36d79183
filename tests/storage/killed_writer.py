"""Run as a program by test_kill.py: writes until it kills itself, says what it acknowledged.

A line each: `entry` with its id, `blob` with its id, `plan` with how many were applied.
"""

from pathlib import Path

from crdt.blob import BlobId
from storage.installed import InstallChanges, Installed
from storage.store import open_store
from tests.storage import killed
from tests.storage.people import ALICE, BOB, NOW_US, named, project

BLOB = bytes(range(256)) * 2_000  # two chunks
PLANS = (
    {"io.alice.clock": "1.0.0", "io.alice.gears": "1.0.0"},
    {"io.alice.clock": "2.0.0", "io.alice.spring": "1.0.0"},
)


async def main(home: Path, stop_at: int) -> None:
    steps = killed.Steps(stop_at)
    document = ALICE.document("io.alice.clock")
    batch = [BOB.publishes(f"io.bob.{n}", named(f"m{n}")) for n in range(5)]
    async with open_store(
        home / "panspermia.db", project=project, clock_us=lambda: NOW_US, on_step=steps
    ) as store:
        for name in ("first", "second"):
            committed = await store.commit(document, named(name), ALICE.signer)
            assert committed is not None
            print("entry", committed.id.hex(), flush=True)
        received = await store.receive(batch, source="peer bob")
        print(*(f"entry {id.hex()}" for id in received.added), sep="\n", flush=True)
        blob = await store.put_blob(BLOB)
        print("blob", blob.hex(), flush=True)
        before: dict[str, str] = {}
        for number, plan in enumerate(PLANS, start=1):
            put = [installed(module, version, blob) for module, version in plan.items()]
            await store.apply_install(InstallChanges(put, [*(before.keys() - plan.keys())]))
            print("plan", number, flush=True)
            before = plan


def installed(module: str, version: str, blob: BlobId) -> Installed:
    return Installed(
        module, version, "00" * 32, blob, len(BLOB), is_requested=True, range="*",
        dependencies={}, installed_us=NOW_US,
    )  # fmt: skip


if __name__ == "__main__":
    killed.main(main)
