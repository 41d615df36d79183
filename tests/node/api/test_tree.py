"""Alice installs a tree of bob's modules: what she does for each, and what for all together."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from crdt.change import DocumentId
from node.api.install_models import PlannedPackage, PlanTold
from node.api.routes.install import line_of
from node.client import LINE_BYTES_MAX
from node.config import Config, InstallConfig
from node.services.install import AHEAD_MAX
from p2p.protocol.errors import PeerLeft
from registry.plan import Placed, Plan
from storage.store import Store
from tests.node.api.test_advisories import warn
from tests.node.api.test_install import give, install, publish, sign_other_bytes
from tests.node.api.test_streams import connected
from tests.node.modules import ADD, calling
from tests.node.parts import Alice, Wish, Wishes, open_alice

ROOT, LEAVES = "org.example.root", [f"org.example.leaf{number}" for number in range(6)]


@pytest_asyncio.fixture
async def bob(tmp_path: Path) -> AsyncGenerator[Alice]:
    async with open_alice(tmp_path / "bob") as bob:
        yield bob


async def tree(alice: Alice, bob: Alice, leaves: Sequence[str] = LEAVES) -> None:
    """Bob's root needs every leaf; alice knows all of them, and has no bytes."""
    for number, leaf in enumerate(leaves):
        await publish(bob, leaf, "1.0.0", ADD.replace("(module", f"(module (memory {number})"))
    needs = dict.fromkeys(leaves, "^1.0")
    await publish(bob, ROOT, "1.0.0", calling(leaves[0]), needs=needs)
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


def test_a_plan_that_is_no_line_is_told_without_its_packages() -> None:
    """Ten thousand modules, each with a kilobyte of what it imports."""
    package = PlannedPackage("io.x", "1.0.0", "", "", 1, {}, ("i" * 1_000,), cached=False)
    plan = Plan(add=(Placed("io.x", "1.0.0"),))
    told = PlanTold(plan, (package,) * 10_000, ("io.x is deprecated",))
    line = line_of(told)
    assert line.index(b"\n") == len(line) - 1 < LINE_BYTES_MAX
    shown = msgspec.json.decode(line)
    assert (shown["event"], shown["packages"]) == ("plan", [])
    assert [one["id"] for one in shown["plan"]["add"]] == ["io.x"]
    assert "10,000 modules" in shown["warnings"][0]
    few = PlanTold(plan, (package,) * 10, ())
    assert len(msgspec.json.decode(line_of(few))["packages"]) == 10


async def test_a_plan_is_told_before_it_is_refused(alice: Alice, bob: Alice) -> None:
    await tree(alice, bob)
    await warn(bob, ROOT, kind="malicious", range="*")
    await give(bob, alice)
    first, last = await story(alice, requirements=[ROOT], tell_plan=True)
    assert (first["event"], len(first["risks"])) == ("plan", 1)
    assert (last["event"], last["code"]) == ("error", "malicious")
    assert not (await alice.client.get("/api/installed")).json()["installed"]


async def test_who_waits_for_another_installation_is_told(alice: Alice, bob: Alice) -> None:
    """Nothing can be planned before it ends; then the plan is told as ever."""
    await tree(alice, bob)
    head = [(name.lower().encode(), value.encode()) for name, value in alice.bearer().items()]
    head += [(b"accept", b"application/x-ndjson"), (b"content-type", b"application/json")]
    wanted = msgspec.json.encode({"requirements": [ROOT], "tell_plan": True})
    await alice.node.installing.acquire()
    async with connected(alice, "http", "/api/install", *head, method="POST") as told:
        told.given.put_nowait({"type": "http.request", "body": wanted, "more_body": False})
        assert (await told.next())["status"] == 200
        waits = msgspec.json.decode(await told.text())
        assert (waits["stage"], waits["waits"]) == ("resolve", "another installation")
        alice.node.installing.release()
        assert msgspec.json.decode(await told.text())["event"] == "plan"


@dataclass
class Meddling(Wishes):
    """While a blob comes something else happens, once."""

    meanwhile: list[Callable[[], Awaitable[object]]] = field(
        default_factory=list[Callable[[], Awaitable[object]]]
    )

    async def bring(self, wish: Wish) -> None:
        if self.meanwhile:
            await self.meanwhile.pop()()
        await super().bring(wish)


async def refused(alice: Alice) -> tuple[str, str]:
    """The code of what went wrong, and the sentence; then nothing at all is installed."""
    *_, last = await story(alice, requirements=[ROOT])
    assert last["event"] == "error", last
    assert not (await alice.client.get("/api/installed")).json()["installed"]
    return last["code"], last["detail"]


async def test_what_is_signed_otherwise_by_now_is_not_installed(tmp_path: Path, bob: Alice) -> None:
    """Bob signs other bytes of one leaf while the blobs of another come."""
    network = Meddling()
    async with open_alice(tmp_path / "alice", network=network) as alice:
        await tree(alice, bob)

        async def sign_others() -> None:
            await sign_other_bytes(bob, LEAVES[5], "1.0.0", '(module (func (export "x")))')
            await give(bob, alice)

        network.meanwhile.append(sign_others)
        code, detail = await refused(alice)
        assert code == "verification-failed"
        assert f"{LEAVES[5]} 1.0.0 has changed" in detail
        assert "signed other bytes" not in detail
        assert not network.meanwhile


async def test_what_no_device_signed_by_now_is_not_installed(
    tmp_path: Path, bob: Alice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The devices of bob count no more while the blobs of his tree come."""
    network = Meddling()
    async with open_alice(tmp_path / "alice", network=network) as alice:
        await tree(alice, bob)

        async def nobody(documents: Sequence[DocumentId]) -> list[frozenset[bytes]]:
            return [frozenset() for _ in documents]

        async def count_no_more() -> None:
            monkeypatch.setattr(Store, "devices_counting_in", staticmethod(nobody))

        network.meanwhile.append(count_no_more)
        code, detail = await refused(alice)
        assert code == "verification-failed"
        assert "has changed meanwhile; install again" in detail
        assert not network.meanwhile


async def test_what_is_yanked_by_now_is_warned_of(tmp_path: Path, bob: Alice) -> None:
    """Bob yanks one leaf while blobs come; another was deprecated before, which is told once."""
    network = Meddling()
    async with open_alice(tmp_path / "alice", network=network) as alice:
        await tree(alice, bob)
        path = "/api/modules/{}/versions/1.0.0/{}"

        async def mark(leaf: str, action: str, reason: str) -> None:
            answer = await bob.client.post(path.format(leaf, action), json={"reason": reason})
            assert answer.status_code == 200, answer.text
            await give(bob, alice)

        await mark(LEAVES[1], "deprecate", "It is old.")
        network.meanwhile.append(lambda: mark(LEAVES[5], "yank", "It adds wrongly."))
        warnings = (await install(alice, ROOT))["warnings"]
        did = bob.node.identity.did
        assert warnings == [
            f"{did}/{LEAVES[1]} 1.0.0 is deprecated: It is old.",
            f"{did}/{LEAVES[5]} 1.0.0 was yanked: It adds wrongly.",
        ]
        assert not network.meanwhile


async def test_one_leaf_that_fails_names_itself(tmp_path: Path, bob: Alice) -> None:
    """Its bytes are not given; the others come, are checked, and are not installed alone."""
    network = Withholding()
    async with open_alice(tmp_path / "alice", network=network) as alice:
        await tree(alice, bob)
        listed = (await alice.client.get(f"/api/modules/{LEAVES[3]}")).json()
        network.withheld = listed["versions"][0]["blob"]
        code, detail = await refused(alice)
        assert (code, network.withheld in detail) == ("blob-unreachable", True)
        network.withheld = ""
        assert len((await install(alice, ROOT))["installed"]) == 1 + len(LEAVES)


@dataclass
class Withholding(Wishes):
    withheld: str = ""

    async def bring(self, wish: Wish) -> None:
        if wish.blob.hex() == self.withheld:
            raise PeerLeft("unreachable", "nobody gives it.")
        await super().bring(wish)


@dataclass
class Counting(Wishes):
    """Once so many blobs came there is a file that says so."""

    wanted: int = 0
    told: Path = Path()

    async def bring(self, wish: Wish) -> None:
        await super().bring(wish)
        self.wanted -= 1
        if not self.wanted:
            self.told.touch()


async def test_blobs_come_while_others_are_checked(tmp_path: Path, bob: Alice) -> None:
    """The scanner gives no verdict on the first before the last is here."""
    told, script = tmp_path / "all-here", tmp_path / "scanner"
    waiting = f"while [ ! -e {told} ]; do sleep 0.01; done"
    script.write_text(f'#!/bin/sh\ncat > /dev/null\n{waiting}\necho \'{{"verdict": "allow"}}\'\n')
    script.chmod(0o755)
    config = Config(install=InstallConfig(scanner=str(script)))
    network = Counting(wanted=1 + len(LEAVES), told=told)
    async with open_alice(tmp_path / "alice", network=network, config=config) as alice:
        await tree(alice, bob)
        assert len((await install(alice, ROOT))["installed"]) == 1 + len(LEAVES)


@dataclass
class Ahead(Counting):
    """Counts how many blobs were asked for beyond those that the scanner has seen."""

    seen: Path = Path()
    begun: int = 0
    furthest: int = 0

    async def bring(self, wish: Wish) -> None:
        self.begun += 1
        self.furthest = max(self.furthest, self.begun - self.seen.read_text().count("\n"))
        await super().bring(wish)


async def test_blobs_come_a_few_ahead_and_no_more(tmp_path: Path, bob: Alice) -> None:
    """The scanner gives its first verdict when as many are here as may be."""
    told, seen, script = tmp_path / "enough", tmp_path / "seen", tmp_path / "scanner"
    seen.touch()
    waiting = f"while [ ! -e {told} ]; do sleep 0.01; done\necho >> {seen}"
    script.write_text(f'#!/bin/sh\ncat > /dev/null\n{waiting}\necho \'{{"verdict": "allow"}}\'\n')
    script.chmod(0o755)
    config = Config(install=InstallConfig(scanner=str(script)))
    network = Ahead(wanted=AHEAD_MAX, told=told, seen=seen)
    leaves = [f"org.example.leaf{number}" for number in range(AHEAD_MAX + 4)]
    async with open_alice(tmp_path / "alice", network=network, config=config) as alice:
        await tree(alice, bob, leaves)
        assert len((await install(alice, ROOT))["installed"]) == 1 + len(leaves)
    assert network.furthest == AHEAD_MAX
