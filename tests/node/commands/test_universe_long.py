"""Long work with universes: with `--json` commands tell how far it is, then what came of it."""

import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from blake3 import blake3
from click.testing import Result

from crdt.blob import Chunking
from node.commands import progress
from tests.node.api.test_damaged_snapshots import damage
from tests.node.api.test_scrub import Giving
from tests.node.parts import Alice, open_alice
from tests.node.served import shown, typed

PLACE = "/api/universe/universe:main"
WORLD = blake3(b"a world that takes long").digest(length=5 << 20)


@pytest_asyncio.fixture
async def alice(tmp_path: Path) -> AsyncGenerator[Alice]:
    async with open_alice(tmp_path / "alice", network=Giving()) as alice:
        body = {"id": "universe:main", "name": "Main", "isPublic": True}
        assert (await alice.client.post("/api/universe", json=body)).status_code == 201
        yield alice


@pytest_asyncio.fixture
async def home(alice: Alice, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Path]:
    monkeypatch.setattr(progress, "EVERY_S", 0.0)  # whatever there is to be told
    async with shown(alice) as home:
        yield home


def told(ran: Result) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """What a command said meanwhile, each a line of bytes done, and its result."""
    assert ran.exit_code == 0, ran.output
    *lines, last = map(json.loads, ran.stdout.splitlines())
    assert (last["event"], last["schema"]) == ("result", "panspermia.universe/1")
    assert lines
    for line in lines:
        assert line["event"] == "progress"
        assert 0 <= line["done"] <= line["total"]
    return lines, last


async def test_a_state_of_others_is_told_of_while_it_comes_and_is_written(
    alice: Alice, home: Path, tmp_path: Path
) -> None:
    sent = await alice.client.post(f"{PLACE}/snapshot?tick=1200", content=WORLD)
    assert sent.status_code == 201
    damage(alice, "ASC")
    assert (await alice.client.get(f"{PLACE}/snapshot/1200")).status_code == 504
    output = tmp_path / "world.bin"
    async with open_alice(tmp_path / "bob") as bob:
        await bob.node.store.put_blob(WORLD, chunking=Chunking.CONTENT)
        assert isinstance(alice.network, Giving)
        alice.network.bob = bob.node.store
        ran = await typed(home, "--json", "universe", "open", "universe:main", "-o", str(output))
    lines, result = told(ran)
    assert output.read_bytes() == WORLD
    again = await typed(home, "universe", "open", "universe:main", "-o", str(output))
    assert "or give --force" in again.output
    assert (result["size"], result["file"]) == (len(WORLD), str(output))
    name = f"{alice.node.identity.did}/universe:main"
    assert lines[0] == {
        "event": "progress", "stage": "fetch", "id": name, "tick": 1200,
        "done": 0, "total": len(WORLD),
    }  # fmt: skip
    assert "called" not in lines[0]
    written = [line for line in lines if line["stage"] == "write"]
    assert {line["id"] for line in written} == {"world.bin"}
    assert (written[-1]["done"], written[-1]["total"]) == (len(WORLD), len(WORLD))


async def test_a_birth_and_who_was_born_is_one_command(alice: Alice, home: Path) -> None:
    file = home / "state.bin"
    file.write_bytes(b"a state")
    kept = ("universe", "snapshot", "universe:main", str(file), "--tick", "5")
    born = ("--entity", "eve", "--entity", "abel", "--soul", "s:1", "--parent", "ann",
            "--importance", "7", "--title", "Eve")  # fmt: skip
    refused = await typed(home, *kept, *born[:2])
    assert (refused.exit_code, "--entity is of an event" in refused.output) == (2, True)
    ran = await typed(home, *kept, "--type", "canonical", "--event", "birth", *born)
    assert ran.exit_code == 0, ran.output
    (entry,) = (await alice.client.get(f"{PLACE}/snapshots")).json()["snapshots"]
    assert entry["canonEvent"] == {
        "type": "birth", "title": "Eve", "description": "", "importance": 7,
        "entities": ["eve", "abel"],
        "souls": ["s:1"], "parents": ["ann"],
    }  # fmt: skip


async def test_an_export_that_leaves_all_out_is_no_success(
    alice: Alice, home: Path, tmp_path: Path
) -> None:
    assert (await alice.client.post(f"{PLACE}/snapshot?tick=1", content=b"\0")).status_code == 201
    for more in ((), ("--json",)):
        out = tmp_path / f"out{len(more)}"
        ran = await typed(
            home, *more, "universe", "export", "universe:main", str(out), "--format", "savefile"
        )
        assert ran.exit_code == 1, ran.output
        assert not out.exists()


async def test_a_file_is_told_of_while_it_is_sent_and_a_universe_while_it_goes_out_and_in(
    alice: Alice, home: Path, tmp_path: Path
) -> None:
    file, folder = tmp_path / "world.bin", tmp_path / "out"
    file.write_bytes(WORLD)
    kept = ("universe", "snapshot", "universe:main", str(file), "--tick", "5")
    lines, result = told(await typed(home, "--json", *kept))
    assert result["tick"] == 5
    assert {(line["stage"], line["id"]) for line in lines} == {("send", "world.bin")}
    lines, result = told(
        await typed(home, "--json", "universe", "export", "universe:main", str(folder))
    )
    assert result["written"] == 1
    assert {(line["stage"], line["id"]) for line in lines} == {("write", "universe:main")}
    assert lines[-1]["done"] == len(WORLD)
    again = ("universe", "import", str(folder), "--id", "universe:again")
    lines, result = told(await typed(home, "--json", *again))
    assert [one["new"] for one in result["universes"]] == [1]
    stages = dict.fromkeys((line["stage"], line["id"]) for line in lines)
    assert [*stages] == [("read", "out"), ("send", "universe:again")]
    assert (lines[-1]["done"], lines[-1]["total"]) == (len(WORLD), len(WORLD))


async def test_events_are_told_of_while_they_go_in(
    alice: Alice, home: Path, tmp_path: Path
) -> None:
    for tick in range(3):
        event = {"type": "union", "title": f"The {tick}.", "tick": tick}
        answer = await alice.client.post(f"{PLACE}/timeline", json=event)
        assert answer.status_code == 201
    folder = tmp_path / "out"
    ran = await typed(home, "--json", "universe", "export", "universe:main", str(folder))
    assert ran.exit_code == 0, ran.output
    again = ("universe", "import", str(folder), "--id", "universe:again")
    lines, _ = told(await typed(home, "--json", *again))
    events = [line for line in lines if line["stage"] == "tell"]
    assert {line["id"] for line in events} == {"universe:again"}
    done = [line["done"] for line in events]
    assert done == sorted(done)
    assert len(set(done)) == 3
    assert events[-1]["done"] == events[-1]["total"] > 0
