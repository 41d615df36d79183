"""Alice installs a tree of bob's modules: what she does for each, and what for all together."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import msgspec
import pytest_asyncio

from tests.node.api.test_advisories import warn
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


async def story(alice: Alice, **wanted: object) -> list[dict[str, Any]]:
    answer = await alice.client.post(
        "/api/install", json=wanted, headers={"accept": "application/x-ndjson"}
    )
    return [msgspec.json.decode(line) for line in answer.content.splitlines()]


async def test_a_story_may_begin_with_its_plan(alice: Alice, bob: Alice) -> None:
    await tree(alice, bob)
    planned = (await alice.client.post("/api/resolve", json={"requirements": [ROOT]})).json()
    first, *more, last = await story(alice, requirements=[ROOT], tell_plan=True)
    assert first == {"event": "plan", **planned}
    assert [one["id"] for one in first["plan"]["add"]] == [one["id"] for one in last["installed"]]
    assert {line["event"] for line in more} == {"progress"}
    assert "plan" not in [line["event"] for line in await story(alice, requirements=[ROOT])]
    (failed,) = await story(alice, requirements=["org.example.none"], tell_plan=True)
    assert (failed["event"], failed["code"]) == ("error", "unknown-module")


async def test_a_plan_is_told_before_it_is_refused(alice: Alice, bob: Alice) -> None:
    await tree(alice, bob)
    await warn(bob, ROOT, kind="malicious", range="*")
    await give(bob, alice)
    first, last = await story(alice, requirements=[ROOT], tell_plan=True)
    assert (first["event"], len(first["risks"])) == ("plan", 1)
    assert (last["event"], last["code"]) == ("error", "malicious")
    assert not (await alice.client.get("/api/installed")).json()["installed"]
