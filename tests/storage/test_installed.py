"""What is installed, changed as a whole."""

from dataclasses import replace

from crdt.blob import BlobId
from storage.installed import InstallChanges, Installed
from storage.store import Store
from tests.storage.people import NOW_US

CLOCK = Installed(
    "did:key:z/io.clock", "1.2.0", "ab" * 32, BlobId(bytes(32)), 77, True, "^1", {"x": "*"}, NOW_US
)
TIMER = replace(CLOCK, module="did:key:z/io.timer", is_requested=False)


async def test_a_plan_is_applied_whole(store: Store) -> None:
    await store.apply_install(InstallChanges(put=[TIMER, CLOCK]))
    assert await store.installed_list() == [CLOCK, TIMER]
    newer = replace(CLOCK, version="2.0.0")
    await store.apply_install(InstallChanges(put=[newer], remove=[TIMER.module]))
    assert await store.installed_list() == [newer]
