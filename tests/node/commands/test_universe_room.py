"""What a rule lets go keeps its room until `panspermia gc`: who saves is told so."""

import json
import logging
from pathlib import Path

import pytest
from click.testing import Result

from tests.node.commands.test_universe_whole import MAIN
from tests.node.parts import Alice
from tests.node.served import shown, typed

PLACE = f"/api/universe/{MAIN}"


async def test_who_saves_is_told_what_gives_the_room_back(
    alice: Alice, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rule = {"auto": {"newest": 1}}
    body = {"id": MAIN, "name": "Main", "retention": rule}
    assert (await alice.client.post("/api/universe", json=body)).status_code == 201
    file = tmp_path / "state"
    said = list[str]()
    async with shown(alice) as home:
        with caplog.at_level(logging.INFO):
            for tick in range(2):
                file.write_bytes(b"state %d" % tick)
                line = ("snapshot", MAIN, str(file), "--tick", str(tick), "--type", "auto")
                said.append((await typed(home, "universe", *line)).output)
        seen = (await typed(home, "universe", "show", MAIN)).output
    assert "panspermia gc" not in said[0]
    assert "1 older one went" in said[1]
    assert "panspermia gc gives its room back" in said[1]
    assert "tick 0  blob " in said[1]
    assert said[1].split()[-1] in caplog.text, "also where nobody looked at the answer"
    assert any("panspermia gc gives the room back" in one for one in caplog.messages)
    assert "what goes keeps its room until: panspermia gc" in seen


async def test_what_went_is_here_by_its_id_until_then(alice: Alice) -> None:
    body = {"id": MAIN, "name": "Main"}
    assert (await alice.client.post("/api/universe", json=body)).status_code == 201
    blobs = list[str]()
    for tick in range(2):
        path = f"{PLACE}/snapshot?tick={tick}&type=auto"
        kept = await alice.client.post(path, content=b"%d" % tick)
        blobs.append(kept.json()["entry"]["blob"])
    rule = {"retention": {"auto": {"newest": 1}}}
    pruned = await alice.client.post(f"{PLACE}/prune", json=rule)
    assert len(pruned.json()["dropped"]) == 1, pruned.text
    there = [(await alice.client.get(f"/api/blobs/{blob}")).status_code for blob in blobs]
    assert there == [200, 200]
    collected = (await alice.client.post("/api/gc", json={})).json()
    assert (collected["blobs"], collected["young"]) == (0, 1)
    assert (await alice.node.store.gc(grace_us=-1)).blobs == 1, "once its hour is over"
    assert (await alice.client.get(f"{PLACE}/snapshot/1")).content == b"1"


async def saves(alice: Alice, count: int) -> list[bytes]:
    """States of autosaves, from tick 0 on."""
    body = {"id": MAIN, "name": "Main"}
    assert (await alice.client.post("/api/universe", json=body)).status_code == 201
    states = [b"state %d" % tick for tick in range(count)]
    for tick, state in enumerate(states):
        path = f"{PLACE}/snapshot?tick={tick}&type=auto"
        assert (await alice.client.post(path, content=state)).status_code == 201
    return states


MISTYPED = json.dumps({"auto": {"newest": 1}})


async def test_what_a_mistyped_rule_let_go_comes_back_by_what_was_printed(
    alice: Alice, tmp_path: Path
) -> None:
    states = await saves(alice, 3)
    async with shown(alice) as home:
        pruned = await typed(home, "universe", "prune", MAIN, "--rule", MISTYPED)
        lines = [line.split() for line in pruned.output.splitlines()]
        head = next(at for at, line in enumerate(lines) if line[:1] == ["TICK"])
        assert lines[head][-1] == "BLOB", pruned.output
        blobs = {int(line[0]): line[-1] for line in lines[head + 1 : head + 3]}
        assert sorted(blobs) == [0, 1]
        for tick, blob in blobs.items():
            file = tmp_path / f"state {tick}"
            fetched = await typed(home, "fetch", blob, "-o", str(file))
            assert fetched.exit_code == 0, fetched.output
            assert file.read_bytes() == states[tick]


async def test_what_was_let_go_opens_by_its_id_until_gc(alice: Alice, tmp_path: Path) -> None:
    states = await saves(alice, 3)
    file = tmp_path / "state"
    async with shown(alice) as home:

        async def opened(id: str) -> Result:
            line = ("universe", "open", MAIN, "--snapshot", id, "-o", str(file), "--force")
            return await typed(home, *line)

        line = ("universe", "prune", MAIN, "--rule", MISTYPED)
        gone = json.loads((await typed(home, "--json", *line)).output)["dropped"]
        assert [one["tick"] for one in gone] == [0, 1]
        for one in gone:
            done = await opened(one["id"])
            assert done.exit_code == 0, done.output
            assert file.read_bytes() == states[one["tick"]]
            assert "it was let go, and is in no list" in done.output
        begun = await opened(gone[0]["id"][:8])
        assert (begun.exit_code, "all 64 digits of its id" in begun.output) == (1, True)
        place = f"{PLACE}/snapshot/%s?snapshot={gone[0]['id']}"
        assert (await alice.client.get(place % 0)).content == states[0]
        assert (await alice.client.get(place % 2)).status_code == 404, "it was of another tick"
        await alice.node.store.gc(grace_us=-1)
        late = await opened(gone[0]["id"])
    assert (late.exit_code, file.read_bytes()) == (1, states[1])
    assert "not all of its bytes are here any more" in late.output
    never = await alice.client.get(f"{PLACE}/nearest/latest?snapshot={'0' * 64}")
    assert (never.status_code, "let go" in never.text) == (404, False)
