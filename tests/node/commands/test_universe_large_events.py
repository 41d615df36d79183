"""No state is left out of an import for the event that is said beside it."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.node.commands.test_universe_whole import MAIN, done
from tests.node.parts import Alice
from tests.node.served import shown
from universe import record
from universe.formats.raw import TYPE

JSON, PLAIN = "application/json", "application/octet-stream"
LISTS = ("entities", "souls", "parents")


def laid(top: Path, event: dict[str, Any], media: str) -> str:
    states = {f"states/{n}.json": b'{"k":%d}' % n for n in range(3)}
    (top / "states").mkdir(parents=True)
    for file, data in states.items():
        (top / file).write_bytes(data)
    listed: list[dict[str, Any]] = [
        {
            "file": file,
            "tick": tick,
            "kind": "canonical",
            "at_us": 1_768_000_000_000_000 + tick,
            "media": media,
            "wrapped": True,
            "sha256": hashlib.sha256(data).hexdigest(),
            "event": event if tick == 1 else None,
        }
        for tick, (file, data) in enumerate(states.items())
    ]
    index = {"type": TYPE, "id": MAIN, "name": "Main", "snapshots": listed}
    (top / "universe.json").write_text(json.dumps(index))
    return str(top)


async def told_in(alice: Alice) -> list[tuple[int, str, bool, bool]]:
    """By tick, each event: its title, whether its snapshot was taken for it, or it names one."""
    told = (await alice.client.get(f"/api/universe/{MAIN}/timeline")).json()["entries"]
    listed = (await alice.client.get(f"/api/universe/{MAIN}/snapshots")).json()["snapshots"]
    assert sorted(one["tick"] for one in listed) == [0, 1, 2]
    taken = {one["id"] for one in listed if one.get("canonEvent")}
    return [
        (one["tick"], one["title"], one["snapshot"] in taken, bool(one.get("names")))
        for one in told
        if one.get("event")
    ]


def crowded(character: str) -> dict[str, Any]:
    """An event of more names than it has room for."""
    names = {key: [f"{key[0]}{n:02}" + character * 120 for n in range(64)] for key in LISTS}
    return {"tick": 1, "at_us": 1, "type": "birth", "title": "t", **names}


@pytest.mark.parametrize(
    ("character", "media", "is_beside"),
    [
        pytest.param("é", JSON, True, id="in the body, where there is room for all"),
        pytest.param("é", PLAIN, True, id="in the address, where it has room"),
        pytest.param('"', JSON, True, id="in the body, each character written as two"),
        pytest.param('"', PLAIN, False, id="in the address, where it then has none"),
    ],
)
async def test_an_event_of_too_many_names_is_cut(
    alice: Alice, tmp_path: Path, character: str, media: str, is_beside: bool
) -> None:
    """What as it is cut has no room beside plain bytes yet is told by itself."""
    out = laid(tmp_path / "out", crowded(character), media)
    async with shown(alice) as home:
        planned = await done(home, "import", out, "--dry-run")
        imported = await done(home, "import", out)
        again = await done(home, "import", out)
    assert imported["counts"] == planned["counts"] == {"left": 1}
    assert [(one["new"], one["known"]) for one in imported["universes"]] == [(3, 0)]
    assert [(one["new"], one["known"]) for one in again["universes"]] == [(0, 3)]
    assert await told_in(alice) == [(1, "t", is_beside, not is_beside)]


async def test_a_state_whose_event_the_node_refuses_is_kept_without_it(
    alice: Alice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "EVENTS_MAX", 1)
    event = {"tick": 1, "at_us": 1, "type": "birth", "title": "One too many"}
    out = laid(tmp_path / "out", event, JSON)
    async with shown(alice) as home:
        first = {"id": MAIN, "name": "Main", "visibility": "private"}
        assert (await alice.client.post("/api/universe", json=first)).status_code == 201
        body = {"type": "war", "title": "The first", "tick": 0}
        place = f"/api/universe/{MAIN}/timeline"
        assert (await alice.client.post(place, json=body)).status_code == 201
        imported = await done(home, "import", out, exit=1)
    (refused,) = imported["refused"]
    assert refused["what"] == "One too many: the state is there without this event"
    assert "1 events, at most 1" in refused["detail"]
    assert [one["new"] for one in imported["universes"]] == [3]
    assert await told_in(alice) == [(0, "The first", False, False)]
