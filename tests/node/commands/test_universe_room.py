"""What a rule lets go keeps its room until `panspermia gc`: who saves is told so."""

import logging
from pathlib import Path

import pytest

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
