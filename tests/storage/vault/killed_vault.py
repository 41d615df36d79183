"""Run as a program by test_killed_vault.py: settles and collects until it kills itself.

A line each for what it acknowledged: `stored` with how many snapshots, `settled`, `collected`.
"""

from itertools import pairwise
from pathlib import Path

from storage.vault.collecting import Collection, give_back
from storage.vault.ids import next_id
from tests.storage import killed
from tests.storage.vault.worlds import World, objects_of, open_vault, settle, store

SERIES = World(entities=1_500).series(5)
KEPT = (0, 3, 4)
VAULT = "snapshots.db"


async def main(home: Path, stop_at: int) -> None:
    with open_vault(home / VAULT) as vault:
        roots = [store(vault, data) for data in SERIES]
        print("stored", len(SERIES), flush=True)
        vault.set_trace_callback(killed.Steps(stop_at))
        for older, newer in pairwise(roots):
            settle(vault, older, newer)
        print("settled", 0, flush=True)
        collection = Collection(vault, below=next_id(vault))
        for at in KEPT:
            collection.mark(objects_of(vault, roots[at]))
        is_more = True
        while is_more:
            vault.execute("BEGIN IMMEDIATE")
            is_more = collection.step()
            vault.execute("COMMIT")
        collection.end()
        while give_back(vault):
            pass
        print("collected", 0, flush=True)


if __name__ == "__main__":
    killed.main(main)
