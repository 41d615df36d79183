"""What `universe import` makes of a plan before it sends anything."""

import json

from node.commands.universe_import import without_decay
from tests.universe.formats.memory import MemoryFiles, as_json
from tests.universe.formats.test_origins import FORK, exported, world
from universe.formats import WorldFormat, plan


def test_all_is_kept_of_what_a_fork_began_with_too() -> None:
    """It is sent as its own where it can be no fork here."""
    files = exported(world(), WorldFormat.RAW)
    path = f"{FORK}/universe.json"
    index = json.loads(files[path])
    for one in index["snapshots"]:
        one["decay"] = {"decayAfterTicks": 5}
    found = plan(MemoryFiles({**files, path: as_json(index)}))
    fork = found.universes[1]
    assert fork.copy is not None
    assert [one.decay and one.decay.after for one in (fork.copy, *fork.snapshots)] == [5, 5]
    kept = without_decay(found).universes[1]
    assert kept.copy is not None
    assert [one.decay for one in (kept.copy, *kept.snapshots)] == [None, None]
    assert kept.copy.content == fork.copy.content
