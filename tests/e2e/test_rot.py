"""Bytes rot on the disk of a node that is not running: a scrub finds them, and another node gives
what they were. Alone it says what is lost, and nobody is given anything else in its place."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from sqlite3 import connect

import pytest
from blake3 import blake3

from node.commands.nodes import LocalNode, wait_for
from node.failure import Json
from tests.e2e.story import ARRIVE_S, Ran, Shell, StartNode, wait_until_met
from tests.e2e.test_universes import loaded

pytestmark = pytest.mark.nodes

WORLD = blake3(b"a world").digest(length=2 << 20)
FILE = blake3(b"a file").digest(length=6 << 20)
MAIN = "universe:main"
SECTOR = 4_096


def later(at: int) -> bytes:
    """The world with so much of it changed that none of its chunks is as it was."""
    other, new = bytearray(WORLD), blake3(bytes([at])).digest(length=len(WORLD))
    for here in range(0, len(WORLD), 3_000):
        other[here : here + 80] = new[here : here + 80]
    return bytes(other)


STATES = {tick: later(tick) for tick in (10, 20, 30, 40)}


@pytest.fixture
def both(node: StartNode, shell: Shell, tmp_path: Path) -> tuple[LocalNode, LocalNode, str]:
    """Alice has four states of a world and a file, and bob fetched them all; the file's id."""
    alice = node("alice")
    bob = node("bob", peers=(alice,))
    file = tmp_path / "file.bin"
    file.write_bytes(FILE)
    id: str = shell(alice, "blob", "add", str(file)).answer["id"]
    wait_until_met(bob, alice)
    assert shell(bob, "fetch", id, "-o", str(tmp_path / "copy.bin")).code == 0
    assert shell(alice, "universe", "create", "Main", "--id", MAIN, "--public").code == 0
    for tick, state in STATES.items():
        file.write_bytes(state)
        kept = shell(alice, "universe", "snapshot", str(file), "--tick", str(tick))
        assert kept.code == 0, kept

    def all_came() -> Json | None:
        listed = bob.client.get("/api/universes")["universes"]
        return listed[0] if [one["snapshotCount"] for one in listed] == [len(STATES)] else None

    name = wait_for("bob to know alice's universe", ARRIVE_S, all_came)["fullName"]
    for tick, state in STATES.items():
        assert opened(shell, bob, name, tick, file).code == 0
        assert file.read_bytes() == state
    wait_for("alice to have made them small", ARRIVE_S, lambda: is_settled(alice.home) or None)
    return alice, bob, id


def opened(shell: Shell, at: LocalNode, name: str, tick: int, output: Path) -> Ran:
    line = ("universe", "open", name, "--tick", str(tick), "-o", str(output), "--force")
    return shell(at, *line, "--patience", "1")


def is_settled(home: Path) -> bool:
    """Whether older states lean on newer ones, and none is to."""
    with closing(connect(f"file:{home / 'snapshots.db'}?mode=ro", uri=True)) as vault:
        waits, leans = "SELECT count(*) FROM todo", "SELECT count(DISTINCT id) FROM delta"
        return bool(vault.execute(f"SELECT ({waits}) = 0 AND ({leans}) > 100").fetchone()[0])


def rot(home: Path) -> None:
    """Some bytes of some objects of the vault, whole ones and deltas, and of a pack, as they lie
    in the files."""
    vault = home / "snapshots.db"
    with closing(connect(vault)) as database:
        stored = [
            data
            for table in ("whole", "delta")
            for (data,) in database.execute(
                f"SELECT data FROM {table} WHERE id % 20 = 7 AND length(data) > 140"
            )
        ]
    content = vault.read_bytes()
    for data in stored:
        before, content = content, content.replace(data[100:140], bytes(40))
        assert content != before
    vault.write_bytes(content)
    (pack,) = (home / "blobs").glob("*.pack")
    with pack.open("r+b") as file:
        for at in (1_000_000, 5_000_000):
            file.seek(at)
            file.write(bytes(8))


def peers_of(at: LocalNode) -> list[Json]:
    peers: list[Json] = at.client.get("/api/peers")["peers"]
    return peers


def is_back(at: LocalNode) -> Callable[[], bool | None]:
    return lambda: any(one["standing"] == "in-sync" for one in peers_of(at)) or None


def states_given(at: LocalNode) -> Iterator[int]:
    """The ticks that a client gets; each as it was, and the others as damaged."""
    for tick, state in STATES.items():
        status, _, body = loaded(at, MAIN, tick)
        assert status in (200, 504)
        if status == 200:
            assert body == state
            yield tick
        else:
            assert b'"snapshot-damaged"' in body


@pytest.mark.skipif(os.name != "posix", reason="a file of a node that ran may be locked")
def test_what_rotted_is_found_told_and_comes_from_the_node_that_has_it(
    both: tuple[LocalNode, LocalNode, str], node: StartNode, shell: Shell, tmp_path: Path
) -> None:
    alice, bob, id = both
    for one in (alice, bob):
        one.stop()
    rot(alice.home)
    # Nothing is to come by itself before the scrub asks for it.
    assert shell(alice.home, "config", "set", "keep.budget", "0").code == 0
    alice = node("alice")
    name, output = f"{alice.did}/{MAIN}", tmp_path / "opened.bin"

    # Alone: what is lost is told, by the scrub and to whoever asks for it.
    alone = shell(alice, "scrub")
    assert alone.code == 7, alone
    told = {one["id"]: one for one in alone.answer["blobs"]}
    of = [(use["kind"], use["name"], use["tick"]) for one in told.values() for use in one["of"]]
    assert sorted(of, key=str) == sorted(
        [("file", "file.bin", None), *(("universe", name, tick) for tick in STATES)], key=str
    )
    assert {(one["state"], bool(one["why"])) for one in told.values()} == {("damaged", True)}
    assert (alone.answer["mended"], alone.answer["damaged"]) == (0, len(STATES) + 1)
    assert alone.answer["parts"] > 5
    assert [*states_given(alice)] == []
    ran = opened(shell, alice, MAIN, 20, output)
    assert (ran.code, ran.answer["code"]) == (7, "snapshot-damaged"), ran
    ran = shell(alice, "fetch", id, "-o", str(output))
    assert (ran.code, ran.answer["code"]) == (8, "blob-unreachable"), ran
    assert not output.exists()
    again = shell(alice, "scrub", "--dry-run")
    assert (again.code, again.answer["damaged"]) == (7, len(STATES) + 1), again

    # With bob: only the parts that are damaged come, and all is as it was.
    bob = node("bob", peers=(alice,))
    wait_for("bob to be back", ARRIVE_S, is_back(alice))
    before = sum(one["bytes_in"] for one in peers_of(alice))
    *_, result = shell(alice, "scrub").lines
    assert (result["damaged"], result["mended"]) == (0, len(STATES) + 1), result
    came = sum(one["bytes_in"] for one in peers_of(alice)) - before
    assert came < len(FILE) // 2
    bob.stop()
    assert [*states_given(alice)] == [*STATES]
    for tick, state in STATES.items():
        assert opened(shell, alice, MAIN, tick, output).code == 0
        assert output.read_bytes() == state
    assert shell(alice, "fetch", id, "-o", str(output), "--force").code == 0
    assert output.read_bytes() == FILE
    sound = shell(alice, "scrub")
    assert (sound.code, sound.answer["parts"], sound.answer["blobs"]) == (0, 0, []), sound


def test_a_sector_that_the_disk_forgot_costs_what_was_in_it(
    both: tuple[LocalNode, LocalNode, str], node: StartNode, shell: Shell
) -> None:
    alice, bob, _ = both
    alice.stop()
    vault = alice.home / "snapshots.db"
    middle = vault.stat().st_size // 2 // SECTOR * SECTOR
    with vault.open("r+b") as file:
        file.seek(middle)
        file.write(bytes(SECTOR))
    assert shell(alice.home, "config", "set", "keep.budget", "0").code == 0
    alice = node("alice")
    told = shell(alice, "scrub")
    assert (told.code, told.answer["code"]) == (1, "corrupt"), told
    assert "snapshots.db" in told.answer["detail"]
    assert "Start the node again" in told.answer["detail"]
    alice.stop()

    alice = node("alice", peers=(bob,))
    assert "written anew with all others" in alice.client.get("/api/status")["last_end"]["words"]
    wait_for("bob to be back", ARRIVE_S, is_back(alice))
    *_, result = shell(alice, "scrub").lines
    assert (result["parts"] > 0, result["damaged"]) == (True, 0), result
    assert result["mended"] > 0
    bob.stop()
    assert [*states_given(alice)] == [*STATES]
    sound = shell(alice, "scrub")
    assert (sound.code, sound.answer["parts"], sound.answer["blobs"]) == (0, 0, []), sound
