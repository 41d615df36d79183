"""Real nodes, killed again and again while worlds are uploaded, made small and collected, and while
creatures travel: what was acknowledged is there, nothing else is, and the next start says so."""

import base64
import json
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from random import Random
from sqlite3 import connect
from threading import Lock, Thread
from typing import Any

import pytest
from blake3 import blake3

from node.commands.nodes import LocalNode, wait_for
from node.failure import Failure, Json
from tests.e2e.story import ARRIVE_S, Shell, StartNode

pytestmark = [
    pytest.mark.nodes,
    pytest.mark.skipif(os.name != "posix", reason="kills by signal"),
]

ROUNDS = 7
PIECE = 256 << 10
MARKS = range(10, 120)  # pieces and answers: some end before the first answer
WORLD = blake3(b"a world").digest(length=1 << 20)
NEW_BYTES = 64 << 10
GROWS_BYTES = 2 << 20
LARGE_BYTES = 9 << 20  # some of it is on the disk before its end
UNIVERSES = ("universe:one", "universe:two")
GONE = (OSError, HTTPException, Failure)


def state_of(universe: str, tick: int) -> bytes:
    """The world with some of it changed; now and then a large one that nothing else is like."""
    seed = f"{universe} {tick}".encode()
    if tick % 3 == 2:
        return blake3(seed).digest(length=LARGE_BYTES)
    new = blake3(seed).digest(length=NEW_BYTES)
    return WORLD[: tick * 9_000] + new + WORLD[tick * 9_000 :]


class Fate:
    """Kills a node at a moment that is counted, not timed."""

    def __init__(self, node: LocalNode, marks: int) -> None:
        self.node = node
        self._left = marks
        self._turn = Lock()

    def mark(self) -> None:
        with self._turn:
            self._left -= 1
            if self._left == 0:
                self.node.kill()

    def meet(self, *acts: Callable[["Fate"], None]) -> None:
        """All of them at once, again and again, until it is dead."""

        def again(act: Callable[[Fate], None]) -> None:
            while self._left > 0:
                try:
                    act(self)
                except GONE:
                    assert self._left <= 0, "it answers as long as it lives"

        threads = [Thread(target=again, args=(act,)) for act in acts]
        for one in threads:
            one.start()
        for one in threads:
            one.join()


class Game:
    """Uploads one state after the other of its universe, and knows which were acknowledged."""

    def __init__(self, universe: str) -> None:
        self.universe = universe
        self.tick = 0
        self.kept: dict[str, int] = {}
        """Ticks, by the ids of their snapshots."""

    def upload(self, fate: Fate) -> None:
        self.tick += 1
        data = state_of(self.universe, self.tick)

        def pieces() -> Iterator[bytes]:
            for at in range(0, len(data), PIECE):
                yield data[at : at + PIECE]
                fate.mark()

        done = self.send(fate.node, pieces(), blake3(data).hexdigest())
        self.kept[done["id"]] = self.tick
        fate.mark()

    def check(self, at: LocalNode) -> int:
        """What was acknowledged can be read, what is listed is whole; how many these are."""
        listed = at.client.get(f"/api/universe/{self.universe}/snapshots")["snapshots"]
        found = {one["id"]: one["tick"] for one in listed}
        assert found.items() >= self.kept.items(), "what was acknowledged is listed"
        for one in listed:
            data = state_of(self.universe, one["tick"])
            assert one["checksum"] == blake3(data).hexdigest()
            assert self._read(at, one) == data
        return len(listed)

    def send(self, to: LocalNode, pieces: Iterator[bytes], checksum: str) -> Json:
        client = to.client
        line = HTTPConnection(client.host, client.port, timeout=ARRIVE_S)
        headers = {"Authorization": f"Bearer {client.token}", "X-Checksum": checksum}
        path = f"/api/universe/{self.universe}/snapshot?tick={self.tick}"
        try:
            line.request("POST", path, pieces, headers, encode_chunked=True)
            answer = line.getresponse()
            done: Json = json.loads(answer.read())
        finally:
            line.close()
        assert answer.status == 201, done
        return done

    def _read(self, at: LocalNode, one: dict[str, Any]) -> bytes:
        line = HTTPConnection(at.client.host, at.client.port, timeout=ARRIVE_S)
        try:
            path = f"/api/universe/{self.universe}/snapshot/{one['tick']}?snapshot={one['id']}"
            line.request("GET", path)
            answer = line.getresponse()
            assert answer.status == 200
            return answer.read()
        finally:
            line.close()


def clear(fate: Fate) -> None:
    fate.node.client.post("/api/gc")


def collect(fate: Fate) -> None:
    clear(fate)
    fate.mark()


def cut_off(game: Game, node: LocalNode) -> None:
    """Kills it when much of an upload is on the disk, and not yet all of it."""
    vault = connect(f"file:{node.home / 'snapshots.db'}?mode=ro", uri=True)

    def size() -> int:
        """Bytes of what was committed: what no transaction ended goes with the node."""
        facts = ("page_count", "freelist_count", "page_size")
        pages, free, page_size = (vault.execute(f"PRAGMA {fact}").fetchone()[0] for fact in facts)
        return int((pages - free) * page_size)

    before, data = size(), blake3(b"cut off").digest(length=LARGE_BYTES)

    def pieces() -> Iterator[bytes]:
        yield data
        wait_for("some to be stored", ARRIVE_S, lambda: size() > before + GROWS_BYTES or None)
        node.kill()
        yield b"more"

    with closing(vault), pytest.raises(GONE):
        game.send(node, pieces(), blake3(data).hexdigest())


def cleaned(at: LocalNode) -> Json | None:
    ended: Json = at.client.get("/api/status")["last_end"]
    return ended if ended["cleaned"] else None


def test_killed_again_and_again_no_snapshot_is_lost_and_no_room(
    node: StartNode, shell: Shell, tmp_path: Path
) -> None:
    random = Random(7)
    games = [Game(universe) for universe in UNIVERSES]
    alice = node("alice")
    for game in games:
        alice.client.post("/api/universe", {"id": game.universe, "name": "A", "isPublic": True})
    cut_off(games[0], alice)
    alice = node("alice")
    ended = wait_for("what was cut off to be gone", ARRIVE_S, lambda: cleaned(alice))
    assert ended["bytes"] > GROWS_BYTES // 2
    assert "of uploads that were cut off given back" in ended["words"]
    for round in range(ROUNDS):
        if round % 3 == 2:  # while it cleans up after the last time, and nobody uploads
            Fate(alice, random.randint(1, 4)).meet(collect)
        else:
            acts = [game.upload for game in games]
            Fate(alice, random.choice(MARKS)).meet(*acts, clear)
        alice = node("alice")
        for game in games:
            game.check(alice)
        ended = alice.client.get("/api/status")["last_end"]
        assert ended["sudden"]
        assert "ended suddenly" in ended["words"]
        assert ended["lost"] == 0
    assert any(game.kept for game in games)
    assert "ended suddenly" in (tmp_path / "alice.log").read_text()

    ended = wait_for("what was cut off to be gone", ARRIVE_S, lambda: cleaned(alice))
    found = {one["name"]: one for one in shell(alice, "doctor").answer["findings"]}
    assert (found["start"]["ok"], found["start"]["detail"]) == (True, ended["words"])
    count = sum(game.check(alice) for game in games)
    alice.client.post("/api/gc")
    new = sum(LARGE_BYTES for game in games for tick in game.kept.values() if tick % 3 == 2)
    most = new + len(WORLD) + count * 4 * NEW_BYTES + (2 * LARGE_BYTES)
    assert alice.client.get("/api/status")["blobs"]["bytes"] < most

    assert alice.stop() == 0
    alice = node("alice")
    ended = wait_for("it to have looked", ARRIVE_S, lambda: cleaned(alice))
    assert (ended["sudden"], ended["words"]) == (False, ""), "the last end was in order"
    assert "start" not in {one["name"] for one in shell(alice, "doctor").answer["findings"]}


MEADOW, REEF = "universe:meadow", "universe:reef"
PASSAGE = "passage:1"
TRAVELLERS = 4
KILLS = 4


def test_killed_again_and_again_each_traveller_is_in_one_universe(
    node: StartNode, shell: Shell
) -> None:
    alice = node("alice")
    bob = node("bob", peers=(alice,))
    for one, id in ((alice, MEADOW), (bob, REEF)):
        one.client.post("/api/universe", {"id": id, "name": id, "isPublic": True})
    ends = {"sourceUniverseId": MEADOW, "targetUniverseId": f"{bob.did}/{REEF}"}
    alice.client.post("/api/passage", ends | {"id": PASSAGE})
    name = f"{alice.did}/{PASSAGE}".replace("/", "%2F")

    def known() -> Json | None:
        try:
            return bob.client.get(f"/api/passage/{name}")
        except Failure:
            return None

    wait_for("bob to know the passage", ARRIVE_S, known)
    bob.client.post(f"/api/passage/{name}/accept", {})
    wait_for(
        "alice to know that it is open",
        ARRIVE_S,
        lambda: alice.client.get(f"/api/passage/{name}")["passage"]["active"] or None,
    )
    random = Random(3)
    sent: dict[str, str] = {}

    def send(fate: Fate | None, number: int) -> None:
        """The same wish again is answered as before."""
        body = {
            "soul": f"fox {number}", "migration": f"{number:032x}", "from": MEADOW,
            "data": base64.b64encode(b"a fox").decode(), "format": "bytes",
        }  # fmt: skip
        done = alice.client.post(f"/api/passage/{name}/travel", body)
        (left,) = [one["id"] for one in done["traveller"]["receipts"] if one["kind"] == "departure"]
        assert sent.setdefault(body["migration"], left) == left
        if fate is not None:
            fate.mark()

    number = 0
    for round in range(KILLS):

        def sends(fate: Fate) -> None:
            nonlocal number
            number += 1
            send(fate, number)

        def looks(fate: Fate) -> None:
            fate.node.client.get(f"/api/passage/{name}/travellers")

        fate = Fate(bob if round % 2 else alice, random.randint(2, 2 + TRAVELLERS))
        fate.meet(looks, sends)
        if round % 2:
            bob = node("bob", peers=(alice,))
        else:
            alice = node("alice", peers=(bob,))
    for each in range(1, number + 1):
        send(None, each)
    assert len(sent) == number > KILLS

    def all_there() -> Json | None:
        told = [one.client.get(f"/api/passage/{name}/travellers") for one in (alice, bob)]
        places = {
            (one["soul"], one["state"], one["universe"])
            for each in told
            for one in each["travellers"]
        }
        wanted = {(f"fox {each}", "in", f"{bob.did}/{REEF}") for each in range(1, number + 1)}
        return told[0] if places == wanted else None

    told = wait_for("all to be there", ARRIVE_S, all_there)
    for one in told["travellers"]:
        assert [each["kind"] for each in one["receipts"]] == ["departure", "arrival"]
