"""The process is killed at every few steps of settling and collecting snapshots."""

import os
from itertools import pairwise
from pathlib import Path

import pytest

from crdt.chunking import content_manifest_of
from storage.vault.collecting import Collection
from storage.vault.ids import next_id
from tests.storage.killed import killed_at
from tests.storage.vault.killed_vault import KEPT, SERIES, VAULT
from tests.storage.vault.worlds import count, objects_of, open_vault, restored, settle

STEPS_MAX = 1_000  # one that ends by itself is the last, and comes much earlier
EVERY = 11  # of them: a prime, so that in the end all kinds of steps come up


@pytest.mark.skipif(os.name != "posix", reason="kills by signal")
async def test_killed_anywhere_every_snapshot_is_read_and_it_goes_on_later(tmp_path: Path) -> None:
    program = Path(__file__).with_name("killed_vault.py")
    step, last = await killed_at(range(0, STEPS_MAX, EVERY), program, tmp_path, check)
    assert step > 200, "it writes in many steps"
    assert {kind for kind, _ in last} == {"stored", "settled", "collected"}


async def check(home: Path, words: list[tuple[str, str]]) -> None:
    done = {kind for kind, _ in words}
    roots = [content_manifest_of(data).parsed for data in SERIES]
    kept = range(len(SERIES)) if "settled" not in done else KEPT
    with open_vault(home / VAULT) as vault:
        assert vault.execute("PRAGMA vault.integrity_check").fetchall() == [("ok",)]
        for at in kept:
            assert restored(vault, roots[at]) == SERIES[at]
        if "settled" not in done:
            for older, newer in pairwise(roots):
                settle(vault, older, newer)
            assert [restored(vault, root) for root in roots] == SERIES
        collection = Collection(vault, below=next_id(vault))
        for at in KEPT:
            collection.mark(objects_of(vault, roots[at]))
        while collection.step():
            pass
        live = {hash for at in KEPT for hash in objects_of(vault, roots[at])}
        assert count(vault, "whole") + count(vault, "delta") == count(vault, "name") == len(live)
        assert [restored(vault, roots[at]) for at in KEPT] == [SERIES[at] for at in KEPT]
