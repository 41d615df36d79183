"""The demo's universe: a world that alice runs, keeps, shares, and lets a creature leave.

alice keeps states of dishes of Life → bob finds the universe, opens a tick of it, and sees that it
grows into alice's next → he forks it there and goes on → a creature goes from her world to his
"""

from __future__ import annotations

import base64
import io
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from blake3 import blake3

from node.client import Client, path_of, with_query
from node.commands.demo_life import check
from node.commands.nodes import wait_for
from node.commands.progress import Progress
from node.commands.verify import hold
from node.failure import Json
from node.text import size_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from node.demo.dishes import Dishes

UNIVERSE: Final = "universe:eight-dishes"
FORK: Final = "universe:bobs-dishes"
PASSAGE: Final = "passage:demo"
NAME: Final = "Eight dishes"
STEP: Final = 25
LAST: Final = 100
ASKED: Final = 60
"""No snapshot is of this tick: the last before it is what opens."""
OPENED: Final = 50
MEDIA: Final = "application/octet-stream"
UPLOAD_S: Final = 60.0
ARRIVE_S: Final = 30.0
TRAVELLER: Final = "diehard"
MIGRATION: Final = "64" * 16


@dataclass(slots=True)
class World:
    """What alice keeps, and what bob opened of it."""

    dishes: Dishes
    author: str
    states: dict[int, bytes] = field(default_factory=dict[int, bytes])
    """By tick."""
    opened: bytes = b""
    fork: str = ""
    """Full name."""

    @property
    def name(self) -> str:
        return f"{self.author}/{UNIVERSE}"


def keep_world(alice: Client, author: str, modules: Mapping[str, bytes]) -> tuple[World, str]:
    """The world runs here, and each of its states goes to alice's node."""
    from node.demo.dishes import Dishes, living

    world = World(Dishes(modules), author)
    body: Json = {
        "id": UNIVERSE, "name": NAME, "isPublic": True, "ownerId": "player:alice",
        "description": "Soups of Life that go on for 100 generations", "config": {"dishes": 8},
    }  # fmt: skip
    made = alice.post("/api/universe", body)["universe"]
    check(made["fullName"] == world.name, "The universe is called otherwise", made["fullName"])
    state = world.dishes.poured()
    for tick in range(0, LAST + 1, STEP):
        state = world.dishes.after(state, STEP) if tick else state
        world.states[tick] = state
        event: Json | None = None
        if tick == 0:
            event = {"type": "founded", "title": f"Eight soups with {living(state):,} cells"}
        elif tick == LAST:
            event = {"type": "milestone", "title": f"{living(state):,} cells are left"}
        _keep(alice, world.name, tick, state, event)
    listed = alice.get(path_of("/api/universe", UNIVERSE, "snapshots"))["snapshots"]
    sums = [one["checksum"] for one in listed]
    expected = [blake3(one).hexdigest() for one in world.states.values()]
    check(sums == expected, "Other states are listed than were kept", sums)
    cells = " → ".join(f"{living(one):,}" for one in world.states.values())
    return world, f"{len(sums)} states of {size_text(len(state))}; living cells {cells}"


def open_world(bob: Client, world: World) -> str:
    """Found by search, opened between two snapshots, checked byte for byte, and grown on."""

    def look() -> Json | None:
        page = bob.get("/api/search", {"q": "soups of life", "kind": "universe"})
        hits = [hit for hit in page["results"] if hit["id"] == world.name]
        known = bob.get(path_of("/api/universe", world.name))["universe"] if hits else None
        return known if known and known["snapshotCount"] == len(world.states) else None

    wait_for("the search to find the universe with all its states", ARRIVE_S, look)
    start = path_of("/api/universe", world.name)
    nearest = bob.get(f"{start}/nearest/{ASKED}")
    entry = nearest["entry"]
    check(entry["tick"] == OPENED, "Another tick opens", entry["tick"])
    with Progress(tells=False) as bars:
        hold(bob, nearest["blob"], bars.show, ())
    path = with_query(f"{start}/snapshot/{OPENED}", {"snapshot": entry["id"], "raw": "true"})
    world.opened = bob.get_bytes(path)
    found = blake3(world.opened).hexdigest()
    check(found == entry["checksum"], "The bytes are not those that alice signed", found)
    check(world.opened == world.states[OPENED], "They are not what alice kept", found)
    grown = world.dishes.after(world.opened, STEP)
    check(grown == world.states[OPENED + STEP], "It grows into another state", len(grown))
    size = size_text(len(world.opened))
    return (
        f"asked for tick {ASKED}, opened {OPENED}: {size}, byte for byte as alice signed it\n"
        f"{STEP} generations on, by the modules he has, it is her state of tick {OPENED + STEP}"
    )


def fork_world(alice: Client, bob: Client, bobs_did: str, world: World) -> str:
    """bob's own universe begins with alice's state, and alice hears of it."""
    body: Json = {"id": FORK, "name": "Bob's dishes", "snapshotTick": OPENED}
    made = bob.post(path_of("/api/universe", world.name, "fork"), body)
    begun = (made["forkedFrom"]["fullName"], made["forkedFrom"]["snapshotTick"])
    check(begun == (world.name, OPENED), "The fork begins elsewhere", begun)
    world.fork = f"{bobs_did}/{FORK}"
    tick = OPENED + 2 * STEP
    state = world.dishes.after(_without_a_cell(world.opened), 2 * STEP)
    check(state != world.states[tick], "The fork goes the same way", tick)
    _keep(bob, world.fork, tick, state, None)

    def look() -> Json | None:
        forks = alice.get(path_of("/api/universe", UNIVERSE, "forks"))["forks"]
        ours = (one for one in forks if one["fullName"] == world.fork)
        return next((one for one in ours if one["snapshotCount"] > 0), None)

    wait_for("alice to hear of the fork", ARRIVE_S, look)
    return f"from tick {OPENED}, nothing copied; one cell less, and at tick {tick} it is another"


def send_creature(alice: Client, bob: Client, world: World, creature: bytes) -> str:
    """Through a passage that both agreed to; both timelines tell of it."""
    body: Json = {
        "id": PASSAGE, "sourceUniverseId": world.name, "targetUniverseId": world.fork,
        "type": "bridge",
    }  # fmt: skip
    passage = alice.post("/api/passage", body)["passage"]
    check(passage["state"] == "proposed", "Nobody asked bob", passage["state"])
    name = passage["fullName"]

    def proposed() -> Json | None:
        page = bob.get("/api/passages", {"universeId": world.fork})
        return page if any(one["fullName"] == name for one in page["passages"]) else None

    wait_for("the proposal to reach bob", ARRIVE_S, proposed)
    bob.post(path_of("/api/passage", name, "accept"))

    def is_open() -> Json | None:
        found = alice.get(path_of("/api/passage", name))
        return found if found["passage"]["active"] else None

    wait_for("alice to hear that bob accepted", ARRIVE_S, is_open)
    sent = {"data": base64.b64encode(creature).decode(), "soul": TRAVELLER, "format": "rle"}
    alice.post(path_of("/api/passage", name, "travel"), {**sent, "migration": MIGRATION})

    def arrived() -> Json | None:
        query = {"migration": MIGRATION}
        found = alice.get(path_of("/api/passage", name, "travellers"), query)
        places = [(one["state"], one["universe"]) for one in found["travellers"]]
        return found if places == [("in", world.fork)] else None

    (there,) = wait_for("the creature to be in bob's world", ARRIVE_S, arrived)["travellers"]
    data = base64.b64decode(there["data"])
    check(data == creature, "Another creature arrived", len(data))
    for node, universe, type in (
        (alice, world.name, "passage:departure"),
        (bob, world.fork, "passage:arrival"),
    ):
        line = node.get(path_of("/api/universe", universe, "timeline"))["entries"]
        told = sum(one["type"] == type for one in line)
        check(told == 1, f"The timeline of {universe} tells {told} times of it", type)
    return (
        f"{TRAVELLER} left alice's world and is in bob's, {len(data)} bytes; both gates signed it"
    )


def _keep(node: Client, universe: str, tick: int, state: bytes, event: Json | None) -> None:
    query: dict[str, str | int | tuple[str, ...] | None] = {
        "tick": tick, "type": "auto", "checksum": blake3(state).hexdigest(),
    }  # fmt: skip
    if event is not None:
        query |= {"type": "canonical", "event": json.dumps(event)}
    path = path_of("/api/universe", universe, "snapshot")
    done = node.upload(path, query, io.BytesIO(state), len(state), _unseen, UPLOAD_S, MEDIA)
    check(not done["known"], "It was there already", done["id"])


def _unseen(done: int, total: int) -> None:
    """The demo shows its steps, and no bars."""


def _without_a_cell(state: bytes) -> bytes:
    """The first cell that lives is taken out."""
    at = state.index(1)
    return state[:at] + b"\x00" + state[at + 1 :]
