"""Two people and a third: what travels between their universes, and what each of them sees of it.

Alice's and Bob's games both call their universe `universe:main`. Everybody is connected.
"""

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from random import Random
from sqlite3 import connect
from typing import Any

import pytest
from blake3 import blake3

from node.commands.nodes import LocalNode, stop_all, wait_for
from node.failure import Json
from storage.collecting import GRACE_US
from tests.e2e.story import ARRIVE_S, Shell, StartNode
from tests.registry.formats.files import MIGRATION

pytestmark = pytest.mark.nodes

MAIN = "universe:main"
FOX = '{"legs": 4}'
NOISE = blake3(b"an isle").digest(length=200_000)


@dataclass(frozen=True, slots=True)
class People:
    alice: LocalNode
    bob: LocalNode
    carol: LocalNode

    @property
    def all(self) -> tuple[LocalNode, ...]:
        return self.alice, self.bob, self.carol


@pytest.fixture
def people(node: StartNode) -> People:
    alice = node("alice")
    bob = node("bob", peers=(alice,))
    return People(alice, bob, node("carol", peers=(alice, bob)))


@dataclass(frozen=True, slots=True)
class Teller:
    """Commands with what they are to end with."""

    shell: Shell

    def __call__(self, at: LocalNode, *line: str, exit: int = 0, code: str = "") -> dict[str, Any]:
        ran = self.shell(at, *line)
        assert ran.code == exit, ran
        if not ran.lines:
            assert exit == 2, ran
            return {}
        assert not code or ran.answer["code"] == code, ran
        return ran.answer

    def travellers(self, at: LocalNode, passage: str) -> dict[str, tuple[str, str]]:
        """Soul → (state, whose universe)."""
        found = self(at, "passage", "show", passage)["travellers"]
        return {one["soul"]: (one["state"], one["universe"].partition("/")[0]) for one in found}

    def wait_for(self, at: LocalNode, passage: str, soul: str, state: str, did: str) -> None:
        def look() -> bool | None:
            return self.travellers(at, passage).get(soul) == (state, did) or None

        wait_for(f"{at.name} to see {soul} {state}", ARRIVE_S, look)


@pytest.fixture
def told(shell: Shell) -> Teller:
    return Teller(shell)


def knows(at: LocalNode, path: str) -> Callable[[], Json | None]:
    """For `wait_for`: the answer, once there is one."""

    def look() -> Json | None:
        universes = at.client.get("/api/universes")["universes"]
        passages = at.client.get("/api/passages")["passages"]
        names = {one["fullName"]: one for one in (*universes, *passages)}
        return names.get(path)

    return look


def test_travellers_go_come_back_and_are_answered_by_commands(
    people: People, told: Teller, tmp_path: Path
) -> None:
    alice, bob, carol = people.all
    for one in (alice, bob):
        told(one, "universe", "create", one.name, "--id", MAIN, "--public")
    told(alice, "name", "set", "bob", bob.did)
    told(bob, "name", "set", "alice", alice.did)
    theirs, name = f"{bob.did}/{MAIN}", f"{alice.did}/p"
    wait_for("alice to know bob's", ARRIVE_S, knows(alice, theirs))
    told(alice, "passage", "create", MAIN, f"bob/{MAIN}", "--id", "p", "--type", "bridge")
    for one in (bob, carol):
        wait_for(f"{one.name} to hear of it", ARRIVE_S, knows(one, name))
    told(carol, "passage", "accept", name, exit=4, code="not-your-passage")
    told(alice, "passage", "accept", "p", exit=6, code="own-passage")
    done = told(bob, "passage", "accept", "p", "--arrivals", "ask")["passage"]
    assert (done["state"], done["arrivals"]) == ("open", {alice.did: "accept", bob.did: "ask"})
    told(
        bob, "passage", "create", MAIN, f"alice/{MAIN}", "--id", "p", exit=6, code="passage-exists"
    )
    wait_for("alice to see it open", ARRIVE_S, is_open(told, alice, "p"))
    assert told(alice, "passage", "show", "bob/p")["passage"]["fullName"] == name
    listed = told(alice, "passage", "list", "--universe", f"bob/{MAIN}")["passages"]
    assert [one["fullName"] for one in listed] == [name]

    # What is not to be sent, and what is said wrong.
    fox, entity = tmp_path / "fox.json", tmp_path / "entity.json"
    fox.write_text(FOX)
    entity.write_bytes(MIGRATION)
    broken = tmp_path / "broken.json"
    broken.write_bytes(MIGRATION.replace(b'"generation":5', b'"generation":6'))
    assert broken.read_bytes() != MIGRATION
    told(alice, "passage", "send", "p", str(fox), exit=2)
    told(alice, "passage", "send", "p", str(fox), "--soul", "fox", "--migration", "01", exit=2)
    told(alice, "passage", "send", "p", str(broken), exit=7, code="file-damaged")
    far = ("--from", "universe:far")
    told(alice, "passage", "send", "p", str(fox), "--soul", "fox", *far, exit=1, code="not-an-end")
    theirs = f"{bob.did}/{MAIN}"
    told(
        alice, "passage", "send", "p", str(fox), "--soul", "fox", "--from", theirs, exit=4,
        code="not-your-universe",
    )  # fmt: skip
    told(alice, "passage", "gate", theirs, exit=4, code="not-your-universe")
    told(alice, "passage", "send", "q", str(fox), "--soul", "fox", exit=5, code="unknown-passage")
    told(alice, "passage", "recall", "p", "01" * 16, exit=5, code="unknown-migration")

    # A fox waits, is let in, and goes home, where nobody asks.
    sent = told(alice, "passage", "send", "p", str(fox), "--soul", "fox", "--tick", "7")
    told.wait_for(bob, "p", "fox", "in-transit", bob.did)
    told(alice, "passage", "decide", "p", sent["migration"], "--accept", exit=5)
    yes = ("passage", "decide", "p", sent["migration"], "--accept", "--tick", "90")
    assert told(bob, *yes)["traveller"]["state"] == "in"
    assert told(bob, *yes)["known"]
    no = ("passage", "decide", "p", sent["migration"], "--refuse")
    told(bob, *no, exit=6, code="cannot-travel")
    told.wait_for(alice, "p", "fox", "in", bob.did)
    again = told(alice, "passage", "send", "p", str(fox), "--soul", "fox", exit=6)
    assert again["code"] == "cannot-travel"
    told(bob, "passage", "send", "p", str(fox), "--soul", "fox", "--from", MAIN, "--tick", "95")
    told.wait_for(bob, "p", "fox", "in", alice.did)

    # A MigrateEntity is refused and comes back; the hen is called back, the owl's passage closes.
    id = told(alice, "passage", "send", "p", str(entity))["migration"]
    soul = next(soul for soul in told.travellers(alice, "p") if soul != "fox")
    told.wait_for(bob, "p", soul, "in-transit", bob.did)
    told(bob, "passage", "decide", "p", soul, "--refuse", "--reason", "no room")
    told.wait_for(alice, "p", soul, "in", alice.did)
    assert told(alice, "passage", "send", "p", str(entity))["known"]
    hen = told(alice, "passage", "send", "p", str(fox), "--soul", "hen")["migration"]
    told(alice, "passage", "recall", "p", hen)
    told.wait_for(alice, "p", "hen", "in", alice.did)
    told(alice, "passage", "send", "p", str(fox), "--soul", "owl")
    told.wait_for(bob, "p", "owl", "in-transit", bob.did)
    told(bob, "passage", "close", "p")
    told.wait_for(alice, "p", "owl", "in", alice.did)
    told(alice, "passage", "send", "p", str(fox), "--soul", "owl", exit=6, code="passage-closed")
    open_again = told(bob, "passage", "accept", "p")["passage"]
    assert (open_again["state"], open_again["arrivals"][bob.did]) == ("open", "ask")
    wait_for("alice to see it open again", ARRIVE_S, is_open(told, alice, "p"))
    told(alice, "passage", "close", "p")
    assert told(alice, "passage", "accept", "p")["passage"]["state"] == "open", "her own half"

    # Both timelines have the receipts, and carol, who owns neither, reads the same.
    for one in people.all:
        wait_for(f"{one.name} to have all receipts", ARRIVE_S, has_entries(told, one, theirs, 5))
        line = told(one, "universe", "timeline", theirs)["entries"]
        kinds = [(each["tick"], each["word"], *each["souls"], each["other"]) for each in line[:2]]
        home = f"{alice.did}/{MAIN}"
        assert kinds == [(90, "arrived", "fox", home), (95, "left", "fox", home)]
        assert [each["word"] for each in line[2:]] == ["refused"] * 3
    words = told(alice, "universe", "timeline", MAIN)["entries"]
    assert [one["word"] for one in words if one["souls"] == [soul]] == ["left", "came back"]
    assert {one["migration"] for one in words if one["souls"] == [soul]} == {id}

    # Alice is known by what gates signed, not by what she says of herself.
    about = "1,000 travellers were let in, and a friend of everybody"
    told(alice, "player", "register", "player:a", "--about", about)
    for one in (bob, carol):
        wait_for(f"{one.name} to know the player", ARRIVE_S, knows_player(one, alice.did))
    found = told(bob, "player", "show", "alice/player:a")["reputation"]
    assert [(one["kind"], one["count"], one["signers"]) for one in found["followed"]] == [
        ("arrived", 1, 1),
        ("turned-back", 3, 1),
    ]
    assert found["strangers"] == found["proofs"] == []
    found = told(carol, "player", "show", f"{alice.did}/player:a")["reputation"]
    assert [one["kind"] for one in found["strangers"]] == ["arrived", "turned-back"]

    # A whale is larger than a departure: bob fetches it as he lets it in, alice's gate unasked.
    whale = tmp_path / "whale"
    whale.write_bytes(Random(1).randbytes(200_000))
    wish = (str(whale), "--soul", "whale", "--format", "bin", "--from", MAIN)
    sent = told(alice, "passage", "send", "p", *wish, "--tick", "200")
    told.wait_for(bob, "p", "whale", "in-transit", bob.did)
    taken = tmp_path / "taken"  # who is to decide may look at it before
    take = ("passage", "take", "p", sent["migration"], "-o", str(taken))
    under = told(bob, "passage", "show", "p", "--migration", sent["migration"])
    assert [one["soul"] for one in under["travellers"]] == ["whale"]
    assert told(bob, *take)["traveller"]["soul"] == "whale"
    assert taken.read_bytes() == whale.read_bytes()
    yes = ("passage", "decide", "p", sent["migration"], "--accept", "--tick", "201")
    assert told(bob, *yes)["traveller"]["state"] == "in"
    whale.write_bytes(Random(2).randbytes(300_000))  # it has grown
    sent = told(bob, "passage", "send", "p", *wish, "--tick", "300")
    told.wait_for(bob, "p", "whale", "in", alice.did)
    take = ("passage", "take", "p", sent["migration"], "-o", str(taken))
    told(alice, *take, exit=1, code="file-exists")
    done = told(alice, *take, "--force")
    assert (done["file"], done["size"]) == (str(taken), 300_000)
    assert taken.read_bytes() == whale.read_bytes()
    told(alice, "passage", "take", "p", "0f" * 16, "-o", str(taken), "--force", exit=5)
    told(alice, "passage", "take", "p", sent["migration"], exit=2)
    assert taken.read_bytes() == whale.read_bytes()


def test_a_soul_is_followed_by_all_through_a_passage_and_into_forks_of_what_is_deleted(
    people: People, told: Teller, node: StartNode, tmp_path: Path
) -> None:
    alice, bob, carol = people.all
    told(alice, "universe", "create", "Den", "--id", "universe:den", "--public")
    told(bob, "universe", "create", "Isle", "--id", "universe:isle", "--public")
    den, isle = f"{alice.did}/universe:den", f"{bob.did}/universe:isle"
    born = ("birth", "--tick", "5", "--entity", "kit", "--soul", "soul:k")
    told(alice, "universe", "event", "universe:den", *born)
    wait_for("alice to know the isle", ARRIVE_S, knows(alice, isle))
    told(alice, "passage", "create", "universe:den", isle, "--id", "way")
    wait_for("bob to hear of it", ARRIVE_S, knows(bob, f"{alice.did}/way"))
    told(bob, "passage", "accept", f"{alice.did}/way")
    states = {tick: edited(tick) for tick in (30, 60, 90)}

    def keeps(tick: int) -> None:
        file = tmp_path / f"{tick}.bin"
        file.write_bytes(states[tick])
        told(bob, "universe", "snapshot", "universe:isle", str(file), "--tick", str(tick))

    keeps(30)
    wait_for("alice to see it open", ARRIVE_S, is_open(told, alice, "way"))
    kit = tmp_path / "kit.json"
    kit.write_text(FOX)
    told(alice, "passage", "send", "way", str(kit), "--soul", "soul:k")
    told.wait_for(alice, "way", "soul:k", "in", bob.did)
    keeps(60)
    born = ("birth", "--tick", "60", "--entity", "cub", "--parent", "kit")
    told(bob, "universe", "event", "universe:isle", *born)
    for one in (alice, carol):
        wait_for(f"{one.name} to have the isle", ARRIVE_S, has_all(one, isle, 2, 1))
    told(carol, "universe", "fork", isle, "--tick", "70", "--name", "Far", "--id", "universe:far")
    far, farther = f"{carol.did}/universe:far", f"{alice.did}/universe:farther"
    wait_for("alice to know the fork", ARRIVE_S, knows(alice, far))
    told(alice, "universe", "fork", far, "--name", "Farther", "--id", "universe:farther")
    wait_for("bob to know the fork's fork", ARRIVE_S, knows(bob, farther))

    stays = {
        (den, 5, "born", 5),
        (isle, 30, "arrived", None),
        (far, 60, "forked", None),
        (farther, 60, "forked", None),
    }
    for one in people.all:
        for at in (den, isle, farther):
            wait_for(f"{one.name} to see it from {at}", ARRIVE_S, sees(told, one, at, stays))
        (seen,) = told(one, "universe", "lineage", far, "soul:k")["people"]
        assert (seen["universe"], seen["name"], seen["born"]) == (den, "kit", 5)
        assert seen["children"] == [{"universe": isle, "name": "cub"}]

    # The isle goes on, each has all of it, and of what the forks began with most lies there as
    # what it differs in from a state that is not theirs.
    keeps(90)
    output = tmp_path / "opened.bin"
    for one in people.all:
        wait_for(f"{one.name} to have the isle", ARRIVE_S, has_all(one, isle, 3, 1))
        for tick, state in states.items():
            told(one, "universe", "open", isle, "--tick", str(tick), "-o", str(output), "--force")
            assert output.read_bytes() == state
    for one in people.all:
        wait_for(f"{one.name} to have made them small", ARRIVE_S, leans(one.home))

    # The isle goes. Its forks open, stand in one tree, and the receipts still say who was there.
    told(bob, "universe", "delete", "universe:isle")
    tree = [
        f"{isle}  (deleted)",
        f"└─ tick 60  {far}  Far  ◂ here",
        f"   └─ tick 60  {farther}  Farther",
    ]
    for one in people.all:
        wait_for(f"{one.name} to hear of it", ARRIVE_S, knows_no_more(one, isle))
        for name in (far, farther):
            told(one, "universe", "open", name, "--tick", "60", "-o", str(output), "--force")
            assert output.read_bytes() == states[60]
        assert told(one, "universe", "forks", far)["lines"] == tree
        wait_for(f"{one.name} to see it still", ARRIVE_S, sees(told, one, farther, stays))

    # It goes for good. An hour after it came each lets go of what no fork is, also of that on which
    # the rest leans; none of them has anybody to ask.
    told(bob, "delete", "universe/universe:isle", "--for-good", "--yes")
    for one in people.all:
        wait_for(f"{one.name} to know that", ARRIVE_S, has_young(told, one, 2))
    stop_all(people.all)
    for one in people.all:
        assert leaning(one.home) > 0
        make_old(one.home)
        alone = node(one.name)
        collected = told(alone, "gc")
        assert (collected["blobs"], collected["young"]) == (2, 0)
        for name in (far, farther):
            told(alone, "universe", "open", name, "--tick", "60", "-o", str(output), "--force")
            assert output.read_bytes() == states[60]
        assert (told(alone, "status")["blobs"]["count"], leaning(one.home)) == (1, 0)
        alone.stop()


def has_young(told: Teller, at: LocalNode, count: int) -> Callable[[], bool | None]:
    """Whether so many blobs are named by nobody; a collection takes none of them yet."""

    def look() -> bool | None:
        collected = told(at, "gc")
        assert collected["blobs"] == 0
        return collected["young"] == count or None

    return look


def edited(tick: int) -> bytes:
    """The isle with something new in each of its chunks."""
    other, new = bytearray(NOISE), blake3(bytes([tick])).digest(length=len(NOISE))
    for at in range(0, len(NOISE), 3_000):
        other[at : at + 50] = new[at : at + 50]
    return bytes(other)


def leaning(home: Path) -> int:
    """How many parts of states lie there as what they differ in from others; 0 while any is to."""
    with closing(connect(f"file:{home / 'snapshots.db'}?mode=ro", uri=True)) as vault:
        ((count,),) = vault.execute(
            "SELECT count(*) FROM delta WHERE NOT EXISTS (SELECT 1 FROM todo)"
        )
        return int(count)


def leans(home: Path) -> Callable[[], int | None]:
    return lambda: leaning(home) or None


def make_old(home: Path) -> None:
    """Whatever came to a node that is stopped came longer ago than a collection waits for."""
    with closing(connect(home / "panspermia.db")) as database, database:
        database.execute("UPDATE blob SET begun_us = begun_us - ?", (2 * GRACE_US,))


def knows_no_more(at: LocalNode, name: str) -> Callable[[], bool | None]:
    return lambda: knows(at, name)() is None or None


def has_entries(told: Teller, at: LocalNode, name: str, count: int) -> Callable[[], bool | None]:
    return lambda: len(told(at, "universe", "timeline", name)["entries"]) >= count or None


def knows_player(at: LocalNode, did: str) -> Callable[[], bool | None]:
    def look() -> bool | None:
        return any(one["author"] == did for one in at.client.get("/api/players")["players"]) or None

    return look


def is_open(told: Teller, at: LocalNode, passage: str) -> Callable[[], bool | None]:
    return lambda: told(at, "passage", "show", passage)["passage"]["active"] or None


def has_all(at: LocalNode, name: str, snapshots: int, events: int) -> Callable[[], bool | None]:
    def look() -> bool | None:
        one = knows(at, name)()
        counts = one and (one["snapshotCount"], one["canonicalEventCount"])
        return counts == (snapshots, events) or None

    return look


def sees(
    told: Teller, at: LocalNode, universe: str, stays: set[tuple[Any, ...]]
) -> Callable[[], bool | None]:
    """Whether the soul is followed so from that universe."""

    def look() -> bool | None:
        found = told(at, "universe", "souls", universe, "soul:k")["soul"]["stays"]
        kept = ("universe", "since", "began", "until")
        return {tuple(one[key] for key in kept) for one in found} == stays or None

    return look


def test_what_a_group_shares_is_written_by_right_and_seen_by_nobody_else(
    people: People, told: Teller, tmp_path: Path
) -> None:
    alice, bob, carol = people.all
    guild = told(alice, "namespace", "create", "guild")["did"]
    told(alice, "universe", "create", "Grove", "--id", "universe:grove", "--namespace", "guild")
    grove = f"{alice.did}/universe:grove"
    where = ("--namespace", "guild")

    def grant(*rights: str) -> None:
        code = told(alice, "cap", "grant", bob.did, *rights, *where)["code"]
        told(bob, "accept", code, "--yes")

    def members(at: LocalNode) -> list[tuple[str, str]]:
        listed = told(at, "universe", "show", grove)["members"]
        return [(one["receiver"], one["state"]) for one in listed]

    def keep(at: LocalNode, tick: int, exit: int = 0, code: str = "") -> Json:
        file = tmp_path / f"{tick}.bin"
        file.write_bytes(b"state at %d" % tick)
        line = ("universe", "snapshot", grove, str(file), "--tick", str(tick))
        return told(at, *line, exit=exit, code=code)

    keep(alice, 10)
    grant("--read")
    wait_for("bob to have it", ARRIVE_S, has_all(bob, grove, 1, 0))
    output = tmp_path / "opened.bin"
    told(bob, "universe", "open", grove, "--tick", "10", "-o", str(output))
    assert output.read_bytes() == b"state at 10"
    keep(bob, 20, exit=4, code="no-capability")
    assert members(alice) == []
    grant("--record", "universe/universe:grove")
    keep(bob, 20)
    assert members(alice) == members(bob) == [(bob.did, "valid")]
    wait_for("alice to have bob's", ARRIVE_S, has_all(alice, grove, 2, 0))

    # A fork of it, and who travels in it, are for the same readers.
    grant("--write")
    fork = told(bob, "universe", "fork", grove, "--name", "Copse", "--id", "universe:copse")
    assert (fork["universe"]["visibility"], fork["universe"]["namespace"]) == ("shared", guild)
    copse = fork["universe"]["fullName"]
    ends = ("universe:copse", grove, "--id", "hidden")
    assert told(bob, "passage", "create", *ends)["passage"]["state"] == "proposed"
    hidden = f"{bob.did}/hidden"
    wait_for("alice to hear of it", ARRIVE_S, knows(alice, hidden))
    told(alice, "passage", "accept", hidden)
    kit = tmp_path / "kit.json"
    kit.write_text(FOX)
    wait_for("bob to see it open", ARRIVE_S, is_open(told, bob, "hidden"))
    told(bob, "passage", "send", "hidden", str(kit), "--soul", "soul:h")
    told.wait_for(bob, "hidden", "soul:h", "in", alice.did)

    # Taken back: what bob kept before stays, what he keeps now does not come to be.
    told(alice, "cap", "revoke", bob.did, "--record", "universe/universe:grove", *where, "--yes")

    def is_revoked() -> bool | None:
        held = told(bob, "cap", "list", "--held", *where)["capabilities"]
        return any(one["state"] == "revoked" for one in held) or None

    wait_for("bob to hear of it", ARRIVE_S, is_revoked)
    keep(bob, 30, exit=4, code="revoked")
    assert members(alice) == members(bob) == [(bob.did, "revoked")]
    for one in (alice, bob):
        ticks = [each["tick"] for each in told(one, "universe", "snapshots", grove)["snapshots"]]
        assert ticks == [10, 20]
        told(one, "universe", "open", grove, "--tick", "99", "-o", str(output), "--force")
        assert output.read_bytes() == b"state at 20"

    # Carol, connected to both, sees nothing of all that.
    nearest = f"/api/universe/{grove.replace('/', '%2F')}/nearest/20"
    blob = str(alice.client.get(nearest)["blob"])
    told(carol, "sync", "--wait")
    for name in (grove, copse):
        for look in ("show", "timeline", "snapshots", "forks", "souls"):
            told(carol, "universe", look, name, exit=5, code="unknown-record")
    told(carol, "passage", "show", hidden, exit=5, code="unknown-passage")
    told(carol, "fetch", blob, "-o", str(tmp_path / "stolen"), exit=8, code="blob-unreachable")
    names = {one["name"] for one in told(carol, "universe", "list")["universes"]}
    assert names & {"Grove", "Copse"} == set()
    assert told(carol, "search", "Grove")["results"] == []
    assert all(one["id"] != "hidden" for one in told(carol, "passage", "list")["passages"])
    told(alice, "player", "register", "player:a")
    wait_for("carol to know the player", ARRIVE_S, knows_player(carol, alice.did))
    found = told(carol, "player", "universes", f"{alice.did}/player:a")["universes"]
    assert "Grove" not in {one["name"] for one in found}


def test_who_may_write_all_universes_is_a_member_of_each(
    people: People, told: Teller, tmp_path: Path
) -> None:
    alice, bob, _ = people.all
    told(alice, "universe", "create", "Meadow", "--id", "universe:meadow", "--public")
    meadow = f"{alice.did}/universe:meadow"
    wait_for("bob to have it", ARRIVE_S, has_all(bob, meadow, 0, 0))
    area = f"{alice.did}/pub/uni"
    code = told(alice, "cap", "grant", bob.did, "--write", "--area", area)["code"]
    told(bob, "accept", code, "--yes")
    file = tmp_path / "state"
    file.write_bytes(b"by bob")
    told(bob, "universe", "snapshot", meadow, str(file), "--tick", "7")
    wait_for("alice to have it", ARRIVE_S, has_all(alice, meadow, 1, 0))
    for one in (alice, bob):
        members = told(one, "universe", "show", meadow)["members"]
        assert [(each["receiver"], each["state"]) for each in members] == [(bob.did, "valid")]


def test_a_passage_to_a_universe_that_is_private_is_refused_with_what_to_do(
    people: People, told: Teller
) -> None:
    """Who proposed it could not know."""
    alice, bob, _ = people.all
    told(alice, "universe", "create", "Den", "--id", "universe:den")
    told(bob, "universe", "create", "Brook", "--id", "universe:brook", "--public")
    told(bob, "passage", "create", "universe:brook", f"{alice.did}/universe:den", "--id", "gap")
    wait_for("alice to hear of it", ARRIVE_S, knows(alice, f"{bob.did}/gap"))
    ran = told.shell(alice, "passage", "accept", f"{bob.did}/gap")
    (refused,) = ran.lines
    assert refused["code"] == "not-together"
    assert "panspermia universe fork" in refused["detail"]
    assert "--private" in refused["detail"]
