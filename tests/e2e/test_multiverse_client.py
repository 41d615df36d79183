"""What a client of the original multiverse server does, in its very requests, against one node.

It sends no token and no User-Agent of a browser, leaves the `:` of ids as they are, names more
fields than the server reads, and writes null where it has nothing to say.
"""

import base64
import gzip
import http.client
import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any, Final

import pytest

from node.commands.nodes import LocalNode
from tests.e2e.story import StartNode

pytestmark = pytest.mark.nodes

STATS: Final = "/multiverse/stats"
MAIN: Final = "universe:0b7a9d1c-6a3e-4f0e-9d6e-3f1b5c2a8e11"
OTHER: Final = "universe:2c1d"
SAVE: Final[dict[str, Any]] = {
    "$schema": "https://example.org/savefile.json", "$version": 1,
    "header": {"createdAt": 1_760_000_000_000.0, "name": "Größe 😀", "thumbnail": None},
    "universes": [{"identity": {"id": MAIN}, "time": {"absoluteTick": "1200"}, "config": {}}],
}  # fmt: skip
META: Final = {
    "id": str, "name": str, "ownerId": str, "createdAt": int, "lastSnapshotAt": int,
    "snapshotCount": int, "canonicalEventCount": int, "isPublic": bool,
}  # fmt: skip
ENTRY: Final = {
    "tick": int, "timestamp": int, "day": int, "type": str, "fileSize": int, "checksum": str,
    "filename": str,
}  # fmt: skip
PASSAGE: Final = {
    "id": str, "sourceUniverseId": str, "targetUniverseId": str, "type": str, "active": bool,
    "createdAt": int, "createdBy": str, "stability": int, "lastMaintenance": int,
}  # fmt: skip
PLAYER: Final = {
    "id": str, "displayName": str, "createdAt": int, "lastSeen": int, "universeCount": int,
}  # fmt: skip


class Browser:
    """One connection that stays open, as a browser's. `base`: where this one asks for things."""

    def __init__(self, node: LocalNode, base: str) -> None:
        self._base = base
        self._connection = http.client.HTTPConnection(node.client.host, node.client.port)

    def close(self) -> None:
        self._connection.close()

    def ask(
        self, method: str, path: str, body: object = None, **headers: str
    ) -> tuple[int, dict[str, Any]]:
        """(status, JSON)"""
        data = None if body is None else json.dumps(body, separators=(",", ":"))
        sent = {"accept": "*/*", "accept-language": "*", "sec-fetch-mode": "cors"}
        if data is not None:
            sent["content-type"] = "application/json"
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        at = "/api" if path == STATS else self._base  # all of them look there whether it is up
        self._connection.request(method, f"{at}{path}", data and data.encode(), sent)
        answer = self._connection.getresponse()
        return answer.status, json.loads(answer.read())

    def get(self, path: str) -> dict[str, Any]:
        status, answer = self.ask("GET", path)
        assert status == 200, answer
        return answer

    def post(self, path: str, body: object, **headers: str) -> dict[str, Any]:
        status, answer = self.ask("POST", path, body, **headers)
        assert (status, answer["success"]) == (201, True), answer
        return answer

    def delete(self, path: str) -> dict[str, Any]:
        status, answer = self.ask("DELETE", path)
        assert (status, answer["success"]) == (200, True), answer
        assert answer["message"]
        return answer


def has(shape: Mapping[str, type], value: Mapping[str, Any]) -> Mapping[str, Any]:
    """`value`, whose fields are these; it may have others."""
    assert {name: type(value.get(name)) for name in shape} == shape
    return value


def ids(values: Sequence[Mapping[str, Any]]) -> list[str]:
    return [one["id"] for one in values]


@pytest.mark.parametrize("base", ["/api/multiverse", "/api"], ids=["later", "first"])
def test_a_client_of_the_multiverse_finds_all_that_it_knows(node: StartNode, base: str) -> None:
    with closing(Browser(node("alice", "--compat"), base)) as client:
        it_does_all_that_it_can(client)


def it_does_all_that_it_can(client: Browser) -> None:
    assert client.get(STATS) == {
        "universeCount": 0, "passageCount": 0, "playerCount": 0, "totalSnapshots": 0,
        "canonicalEvents": 0,
    }  # fmt: skip
    it_registers(client)
    it_makes_universes(client)
    it_saves_and_loads(client)
    it_goes_back_in_time(client)
    it_plays_as_somebody_else(client)
    it_joins_two_universes(client)
    it_is_told_what_is_wrong(client)
    it_cleans_up(client)
    stats = client.get(STATS)
    assert (stats["universeCount"], stats["playerCount"], stats["canonicalEvents"]) == (3, 2, 1)
    gone = client.delete(f"/universe/{OTHER}")
    assert gone["success"] is True
    assert client.ask("GET", f"/universe/{OTHER}")[0] == 404
    assert len(client.get("/universes?limit=50")["universes"]) == 2


def it_registers(client: Browser) -> None:
    said = {"id": "player:ann", "displayName": "Ann", "lastSeen": 5, "avatar": None}
    player = has(PLAYER, client.post("/player", said)["player"])
    assert (player["id"], player["displayName"], player["universeCount"]) == (
        "player:ann", "Ann", 0,
    )  # fmt: skip
    again = client.ask("POST", "/player", {"id": "player:ann", "displayName": None})
    assert again[0] in (200, 201), again
    assert client.get("/player/player:ann")["player"]["displayName"] == "Ann"
    universes = client.get("/player/player:ann/universes")
    assert universes == {"playerId": "player:ann", "universeIds": []} | universes
    assert universes["universeIds"] == []


def it_makes_universes(client: Browser) -> None:
    config = {"timeScale": 1.5, "magicLevel": 3, "techLevel": 0}
    said = {
        "id": MAIN, "name": "Main", "ownerId": "player:ann", "isPublic": True, "config": config,
        "createdAt": 7, "seed": None,
    }  # fmt: skip
    made = has(META, client.post("/universe", said)["universe"])
    assert {name: made[name] for name in ("id", "name", "ownerId", "isPublic", "config")} == {
        "id": MAIN, "name": "Main", "ownerId": "player:ann", "isPublic": True, "config": config,
    }  # fmt: skip
    assert "forkOf" not in made
    other = {"id": OTHER, "name": "Other", "ownerId": "player:ann", "isPublic": True}
    client.post("/universe", other | {"config": None})
    assert client.get(f"/universe/{MAIN}")["universe"] == made
    for query in (
        "",
        "?publicOnly=true",
        "?ownerId=player:ann",
        "?publicOnly=true&ownerId=player:ann",
    ):
        found = client.get(f"/universes{query}")["universes"]
        assert sorted(ids(found)) == sorted([MAIN, OTHER]), query
    assert client.get("/universes?ownerId=player:bob")["universes"] == []
    owned = client.get("/player/player:ann/universes")["universeIds"]
    assert sorted(owned) == sorted([MAIN, OTHER])
    metas = client.get("/player/player:ann/universes?includeMetadata=true")
    assert metas["playerId"] == "player:ann"
    assert [has(META, one)["ownerId"] for one in metas["universes"]] == ["player:ann"] * 2
    assert client.get("/player/player:ann")["player"]["universeCount"] == 2


def it_saves_and_loads(client: Browser) -> None:
    at = f"/universe/{MAIN}/snapshot"
    assert client.ask("GET", f"{at}/latest")[0] == 404
    made_at = client.get(f"/universe/{MAIN}")["universe"]["createdAt"]
    for line in ("timeline", "snapshots"):
        assert client.get(f"/universe/{MAIN}/{line}")["lastUpdated"] == made_at
    plain = {"snapshot": SAVE, "tick": 1200, "day": 0.0, "type": "auto", "canonEvent": None}
    first = has(
        ENTRY, client.post(at, plain | {"decayPolicy": {"decayAfterTicks": 72_000}})["entry"]
    )
    assert first["decayPolicy"] == {"decayAfterTicks": 72_000}
    assert (first["tick"], first["day"], first["type"]) == (1200, 0, "auto")
    event = {
        "type": "union:formed", "title": "Two by two", "description": "Ann and Bob.", "day": 3,
        "importance": 8, "entities": ["ann", "bob"],
    }  # fmt: skip
    later: dict[str, Any] = SAVE | {"universes": []}
    packed = base64.b64encode(gzip.compress(json.dumps(later).encode(), mtime=0)).decode()
    canonical = {
        "compressedSnapshot": packed, "tick": 2400, "day": 3, "type": "canonical",
        "canonEvent": event | {"tick": 2400},
        "decayPolicy": {"neverDecay": True, "preservationReason": "The first."},
    }  # fmt: skip
    second = client.post(at, canonical, x_snapshot_compressed="gzip-base64")["entry"]
    assert {name: second["canonEvent"][name] for name in event} == event
    assert client.get(f"{at}/1200")["snapshot"] == SAVE
    latest = client.get(f"{at}/latest")
    assert (latest["snapshot"], latest["entry"]) == (later, second)
    assert client.ask("GET", f"{at}/1300")[0] == 404
    listed = client.get(f"/universe/{MAIN}/snapshots")
    assert (listed["universeId"], listed["snapshots"]) == (MAIN, [first, second])
    assert listed["lastUpdated"] >= second["timestamp"]
    meta = client.get(f"/universe/{MAIN}")["universe"]
    assert (meta["snapshotCount"], meta["canonicalEventCount"]) == (2, 1)
    assert meta["lastSnapshotAt"] == second["timestamp"]


def it_goes_back_in_time(client: Browser) -> None:
    line = client.get(f"/universe/{MAIN}/timeline")
    assert line["universeId"] == MAIN
    assert [has(ENTRY, one)["tick"] for one in line["snapshots"]] == [1200, 2400]
    assert line["lastUpdated"] >= line["snapshots"][-1]["timestamp"]
    assert [(one["tick"], one["canFork"], one["hasSnapshot"]) for one in line["entries"]] == [
        (1200, True, True), (2400, True, True),
    ]  # fmt: skip
    canonical = client.get(f"/universe/{MAIN}/timeline?canonicalOnly=true")
    assert canonical["universeId"] == MAIN
    (only,) = canonical["canonicalEvents"]
    assert (only["tick"], only["canonEvent"]["title"]) == (2400, "Two by two")
    said = {"snapshotTick": 1200, "name": "What if", "ownerId": "player:ann", "config": None}
    forked = client.post(f"/universe/{MAIN}/fork", said)
    universe = has(META, forked["universe"])
    origin = {"universeId": MAIN, "snapshotTick": 1200}
    assert {name: universe["forkOf"][name] for name in origin} == origin
    assert {name: forked["forkedFrom"][name] for name in origin} == origin
    forks = client.get(f"/universe/{MAIN}/forks")
    assert (forks["sourceUniverseId"], ids(forks["forks"])) == (MAIN, [universe["id"]])
    assert (universe["snapshotCount"], universe["lastSnapshotAt"]) == (1, universe["createdAt"])
    assert len(client.get(f"/universe/{universe['id']}/snapshots")["snapshots"]) == 1
    begun = client.get(f"/universe/{universe['id']}/snapshot/latest")
    assert (begun["snapshot"], begun["entry"]["tick"]) == (SAVE, 1200)


def it_plays_as_somebody_else(client: Browser) -> None:
    """Who makes a universe is a player to its own server, registered or not."""
    made = client.post("/universe", {"name": "Bob's", "ownerId": "player:bob"})["universe"]
    bob = has(PLAYER, client.get("/player/player:bob")["player"])
    assert (bob["id"], bob["displayName"], bob["universeCount"]) == ("player:bob", "player:bob", 1)
    client.delete(f"/universe/{made['id']}")
    assert client.ask("GET", "/player/player:bob")[0] == 404
    client.post("/player", {"id": "player:bob", "displayName": "Bob"})
    assert client.get("/player/player:bob?_=5")["player"]["displayName"] == "Bob"


def it_cleans_up(client: Browser) -> None:
    at = f"/universe/{MAIN}"
    shown = client.get(f"{at}/decay-preview?currentTick=100000")
    assert (shown["universeId"], shown["currentTick"]) == (MAIN, 100_000)
    assert (shown["snapshotsToDecay"], shown["snapshots"]) == (0, []), "a fork began with it"
    save = {"snapshot": SAVE, "tick": 1300, "day": 1, "type": "manual", "canonEvent": None}
    kept = client.post(f"{at}/snapshot", save | {"decayPolicy": {"decayAfterTicks": 72_000}})
    client.post(f"{at}/snapshot", save | {"tick": 1400})  # what was kept last stays
    shown = client.get(f"{at}/decay-preview?currentTick=100000")
    (old,) = shown["snapshots"]
    assert (old["tick"], old["tau"], old["filename"]) == (1300, 98_700, kept["entry"]["filename"])
    status, done = client.ask("POST", f"{at}/cleanup", {"currentTick": 100_000})
    assert (status, done["success"], bool(done["message"])) == (200, True, True)
    assert done["cleanup"] == {
        "totalSnapshots": 4, "decayed": 1, "preserved": 3, "bytesFreed": old["fileSize"],
    }  # fmt: skip
    left = client.get(f"{at}/snapshots?sorted=by-tick")["snapshots"]
    assert [one["tick"] for one in left] == [1200, 1400, 2400]


def it_joins_two_universes(client: Browser) -> None:
    said = {
        "sourceUniverseId": MAIN, "targetUniverseId": OTHER, "type": "bridge",
        "createdBy": "player:ann", "stability": 5,
    }  # fmt: skip
    passage = has(PASSAGE, client.post("/passage", said)["passage"])
    assert (passage["active"], passage["stability"]) == (True, 100)
    assert passage["lastMaintenance"] >= passage["createdAt"]
    assert passage["id"].startswith("passage:")
    assert {name: passage[name] for name in ("sourceUniverseId", "targetUniverseId", "type")} == {
        "sourceUniverseId": MAIN, "targetUniverseId": OTHER, "type": "bridge",
    }  # fmt: skip
    assert has(PASSAGE, client.get(f"/passage/{passage['id']}")["passage"])["id"] == passage["id"]
    for universe in (MAIN, OTHER):
        found = client.get(f"/passages?universeId={universe}")["passages"]
        assert ids(found) == [passage["id"]], universe
    assert client.get(STATS)["passageCount"] == 1
    client.delete(f"/passage/{passage['id']}")
    assert client.get(f"/passage/{passage['id']}")["passage"]["active"] is False


def it_is_told_what_is_wrong(client: Browser) -> None:
    snapshot, passage = f"/universe/{MAIN}/snapshot", {"type": "gate", "createdBy": "player:ann"}
    missing = {"sourceUniverseId": MAIN, "targetUniverseId": "universe:none"} | passage
    for method, path, body, status in (
        ("POST", "/universe", {"ownerId": "player:ann"}, {400, 422}),
        ("GET", "/universe/universe:none", None, {404}),
        ("DELETE", "/universe/universe:none", None, {404}),
        ("POST", snapshot, {"tick": 5}, {400, 422}),
        ("POST", snapshot, {"snapshot": SAVE}, {400}),
        ("POST", snapshot, {"compressedSnapshot": "AAAA", "tick": 5}, {400, 422}),
        ("POST", "/universe/universe:none/snapshot", {"snapshot": SAVE, "tick": 5}, {404}),
        ("GET", "/universe/universe:none/snapshots", None, {404}),
        ("GET", "/universe/universe:none/timeline", None, {404}),
        ("POST", f"/universe/{MAIN}/fork", {"name": "x", "snapshotTick": -1}, {400, 422}),
        ("POST", "/universe/universe:none/fork", {"snapshotTick": 1, "name": "x"}, {404}),
        ("POST", "/passage", passage, {400, 422}),
        ("POST", "/passage", missing, {404}),
        ("GET", "/passage/passage:none", None, {404}),
        ("POST", "/player", {"displayName": "Nobody"}, {400, 422}),
        ("GET", "/player/player:none", None, {404}),
    ):
        told, answer = client.ask(method, path, body)
        assert (told in status, bool(answer.get("error"))) == (True, True), (path, told, answer)
