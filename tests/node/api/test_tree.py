"""Alice installs a tree of bob's modules: what she does for each, and what for all together."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest_asyncio

from tests.node.api.test_install import give, install, publish
from tests.node.modules import calling
from tests.node.parts import Alice, open_alice

ROOT, LEAVES = "org.example.root", [f"org.example.leaf{number}" for number in range(6)]


@pytest_asyncio.fixture
async def bob(tmp_path: Path) -> AsyncGenerator[Alice]:
    async with open_alice(tmp_path / "bob") as bob:
        yield bob


async def tree(alice: Alice, bob: Alice) -> None:
    """Bob's root needs every leaf; alice knows all of them, and has no bytes."""
    for leaf in LEAVES:
        await publish(bob, leaf, "1.0.0")
    needs = dict.fromkeys(LEAVES, "^1.0")
    await publish(bob, ROOT, "1.0.0", calling(LEAVES[0]), needs=needs)
    await give(bob, alice)


async def test_children_start_for_what_is_new_alone(alice: Alice, bob: Alice) -> None:
    await tree(alice, bob)
    await alice.client.post("/api/resolve", json={"requirements": [ROOT]})
    assert alice.node.workers.pids == (None, None), "a plan starts nothing"
    assert len((await install(alice, ROOT))["installed"]) == 1 + len(LEAVES)
    assert None not in alice.node.workers.pids
    await alice.node.workers.close()
    assert not (await install(alice, ROOT))["installed"]
    assert alice.node.workers.pids == (None, None), "nothing to judge"
