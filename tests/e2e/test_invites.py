"""Two machines paired by a short code: on one network, by a link, once, and by nobody else."""

import secrets
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from node.commands.nodes import LocalNode, clean_environment, start_node, stop_all, wait_for
from node.exit_codes import CONFLICT, FAILED, NETWORK, NOT_ALLOWED, NOT_FOUND, OK, USAGE
from node.failure import Json
from p2p.protocol.invites.code import ALPHABET
from p2p.protocol.invites.link import read_link
from tests.e2e.relays import (
    listening_in,
    start_hidden,
    start_islands,
    start_relay,
    wait_for_relay,
)
from tests.e2e.story import ARRIVE_S, Ran, Shell, StartNode, answering, make_module

pytestmark = pytest.mark.nodes

CLOCK, LAMP = "io.bob.clock", "io.alice.lamp"
RELAY_S = 120.0  # one that is away is tried again within a minute
PASSPHRASE = "correct horse battery"


@pytest.fixture
def lan(tmp_path: Path) -> Iterator[Callable[[str], LocalNode]]:
    """Nodes that find each other by mDNS, and none of whoever else runs tests here."""
    started: list[LocalNode] = []
    group = f"test-{secrets.token_hex(6)}"

    def start(name: str) -> LocalNode:
        environment = {**clean_environment(), "PANSPERMIA_P2P_MDNS_GROUP": group}
        started.append(start_node(name, tmp_path, environment=environment))
        return started[-1]

    yield start
    stop_all(started)


def seen(at: LocalNode, namespace: str) -> set[str]:
    page = at.client.get("/api/modules", {"namespace": namespace})
    return {module["id"] for module in page["modules"]}


def invited(shell: Shell, at: LocalNode, *flags: str) -> Json:
    made = shell(at, "invite", *flags)
    assert made.code == OK, made
    return made.answer


def listed(shell: Shell, at: LocalNode) -> list[Json]:
    found: list[Json] = shell(at, "invite", "--list").answer["invites"]
    return found


def once_used(shell: Shell, at: LocalNode) -> Json:
    """The one invite of a node: who took it says that, and waits for no answer."""

    def look() -> Json | None:
        (found,) = listed(shell, at)
        return found if found["state"] == "used" else None

    return wait_for(f"{at.name} to hear that it was taken", ARRIVE_S, look)


def publish(shell: Shell, at: LocalNode, folder: Path, id: str) -> Ran:
    module = make_module(folder / id, id, "1.0.0", answering(7))
    return shell(at, "publish", str(module), "--namespace", "guild")


def test_a_short_code_pairs_two_machines_on_one_network(
    lan: Callable[[str], LocalNode], shell: Shell, tmp_path: Path
) -> None:
    alice, bob = lan("alice"), lan("bob")
    assert shell(alice, "namespace", "create", "guild").code == OK
    made = invited(shell, alice, "--write", "--namespace", "guild", "--note", "welcome")
    code = made["code"]
    assert len(code) == 19

    shown = shell(bob, "accept", code.lower().replace("-", " "), "--dry-run")
    assert shown.code == OK, shown
    words = shown.answer["words"]
    assert words[0] == f"{alice.did} invites you"
    assert words[1].startswith("you may write everything of you in the namespace guild")
    assert words[2].startswith("you may read everything of everyone in the namespace guild")
    assert "They say: welcome" in words
    assert [one["state"] for one in listed(shell, alice)] == ["open"], "to look uses nothing up"

    taken = shell(bob, "accept", code, "--yes", "--name", "alice")
    assert taken.code == OK, taken
    assert taken.answer["namespaces"] == ["guild"]
    assert taken.answer["addresses"][0]["connected"]
    used = once_used(shell, alice)
    assert used["did"] == bob.did
    assert used["digits"] == taken.answer["digits"] == shown.answer["digits"]
    (met,) = shell(bob, "peers").answer["peers"]
    assert met["check_digits"] == used["digits"], "the same wherever they are shown"
    names = shell(bob, "name", "list").answer["names"]
    assert [(one["name"], one["author"]) for one in names] == [("alice", alice.did)]

    assert publish(shell, bob, tmp_path, CLOCK).code == OK
    assert publish(shell, alice, tmp_path, LAMP).code == OK

    def has_both(at: LocalNode) -> bool | None:
        return seen(at, "guild") == {CLOCK, LAMP} or None

    wait_for("alice to see both", ARRIVE_S, lambda: has_both(alice))
    wait_for("bob to see both", ARRIVE_S, lambda: has_both(bob))

    # What bob was given by the invite can be taken back as any right can.
    revoked = shell(alice, "cap", "revoke", bob.did, "--namespace", "guild", "--yes")
    assert revoked.code == OK, revoked

    # No secret is in what the nodes printed, or in alice's home once she stopped.
    for one in (alice, bob):
        one.stop()
    secret = read_link(made["link"]).secret
    for name in (code, code.replace("-", ""), made["link"], secret.hex()):
        assert not holds(tmp_path, (name.encode(),)), "a secret was written down"


def holds(folder: Path, names: tuple[bytes, ...]) -> list[str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [str(path) for path in files for name in names if name in path.read_bytes()]


def test_a_link_pairs_where_there_is_no_mdns(node: StartNode, shell: Shell, tmp_path: Path) -> None:
    alice, bob, carol = node("alice"), node("bob"), node("carol")
    picture = tmp_path / "invite.svg"
    made = invited(shell, alice, "--qr", str(picture))
    link = read_link(made["link"])
    assert str(alice.ready["p2p"]) in link.places
    assert picture.stat().st_mode & 0o077 == 0
    assert b"<svg" in picture.read_bytes()

    alone = shell(carol, "accept", made["code"], "--yes")
    assert (alone.code, alone.answer["code"]) == (NETWORK, "invite-not-found"), alone
    assert "mDNS is off here" in alone.answer["detail"]
    assert "relays: none is configured" in alone.answer["detail"]

    taken = shell(bob, "accept", made["link"].upper(), "--yes")
    assert taken.code == OK, taken
    (peer,) = shell(bob, "peers").answer["peers"]
    assert peer["did"] == alice.did
    assert peer["check_digits"] == taken.answer["digits"], "one notion of them everywhere"
    assert made["code"] not in str(taken.lines)

    # Once: carol comes too late, is told so, and alice hears of it.
    late = shell(carol, "accept", made["link"], "--yes")
    assert (late.code, late.answer["code"]) == (CONFLICT, "invite-used")

    # Both call each other again after a restart.
    bob.kill()
    bob = node("bob")
    wait_for("bob to be back", ARRIVE_S, lambda: shell(bob, "peers").answer["peers"] or None)


def test_a_short_code_alone_is_enough_where_both_have_the_same_relay(
    tmp_path: Path, shell: Shell
) -> None:
    """Neither tells anybody its address, and there is no mDNS: they meet at the relay."""
    started = [start_relay(tmp_path)]
    try:
        url = f"relay://{started[0].ready['p2p']}"
        alice, bob = start_hidden("alice", tmp_path, url), start_hidden("bob", tmp_path, url)
        started += [alice, bob]
        for one in (alice, bob):
            wait_for_relay(one)
        assert shell(alice, "namespace", "create", "guild").code == OK
        made = invited(shell, alice, "--write", "--namespace", "guild")
        taken = shell(bob, "accept", made["code"], "--yes")
        assert taken.code == OK, taken
        assert taken.answer["addresses"][0]["address"].startswith("circuit:")
        assert publish(shell, bob, tmp_path, CLOCK).code == OK
        wait_for("alice to see it", ARRIVE_S, lambda: CLOCK in seen(alice, "guild") or None)
        secret = read_link(made["link"]).secret
        started[0].kill()
        assert not holds(started[0].home, (made["code"].encode(), secret, alice.did.encode()))
    finally:
        stop_all(started)


def test_a_link_lets_in_through_a_private_relay_and_after_a_restart_too(
    tmp_path: Path, shell: Shell
) -> None:
    """Bob knows neither the relay nor its token; nobody is told the address of anybody."""
    token = "only-friends-know"
    started = [start_relay(tmp_path, "--token", token)]
    try:
        url = str(started[0].ready["relay"])
        alice = start_hidden("alice", tmp_path, f"{url}?token={token}")
        bob = start_hidden("bob", tmp_path)
        started += [alice, bob]
        wait_for_relay(alice)
        made = invited(shell, alice, "--as", "alice")
        assert any("holds the token of the relay" in line for line in made["words"])
        taken = shell(bob, "accept", made["link"], "--yes")
        assert taken.code == OK, taken
        assert taken.answer["addresses"][0]["connected"]
        known = {one["source"] for one in bob.client.get("/api/peers")["discovered"]}
        assert known == {"invite"}, "it is said how the address is known"

        bob.stop()
        bob = start_hidden("bob", tmp_path)
        started.append(bob)
        wait_for("bob to be back", RELAY_S, lambda: shell(bob, "peers").answer["peers"] or None)
        kept = bob.home / "relays.json"
        assert kept.stat().st_mode & 0o077 == 0
        told = [str({**made, "link": ""}), *map(str, taken.lines), str(listed(shell, alice))]
        for one in (alice, bob):
            told += [str(one.client.get("/api/peers")), str(one.client.get("/api/status"))]
            told += [str(shell(one, "config", "show").lines)]
            told += [(tmp_path / f"{one.name}.log").read_text()]
        assert not [one for one in told if token in one]
    finally:
        stop_all(started)


def test_who_accepts_is_told_what_the_other_is_called_and_may_choose(
    node: StartNode, shell: Shell
) -> None:
    alice, bob, carol, dave = node("alice"), node("bob"), node("carol"), node("dave")

    def named(at: LocalNode) -> dict[str, str]:
        names = shell(at, "name", "list").answer["names"]
        return {one["name"]: one["author"] for one in names}

    def accept(at: LocalNode, *flags: str) -> Json:
        link = invited(shell, alice, "--as", "alice-of-the-guild")["link"]
        shown = shell(at, "accept", link, "--dry-run", *flags)
        taken = shell(at, "accept", link, "--yes", *flags)
        assert (shown.code, taken.code) == (OK, OK), (shown, taken)
        assert named(at).get(str(taken.answer["name"]), alice.did) == alice.did
        return shown.answer

    said = str(accept(bob, "--as", "bob-of-the-hill")["words"])
    assert "They call themselves alice-of-the-guild" in said
    assert "They are told that you call yourself bob-of-the-hill" in said
    assert named(bob) == {"alice-of-the-guild": alice.did}

    # The same the other way, but that alice decides when she likes.
    (used,) = listed(shell, alice)
    assert (used["did"], used["called"], used["name"]) == (bob.did, "bob-of-the-hill", None)
    assert named(alice) == {}

    accept(carol, "--no-name")
    assert named(carol) == {}
    accept(carol, "--name", "liz")
    assert named(carol) == {"liz": alice.did}
    assert "alice-of-the-guild" not in str(accept(carol)["words"]), "she has a name there"
    assert named(carol) == {"liz": alice.did}

    # Somebody else is called so already: that name stays theirs.
    assert shell(dave, "name", "set", "alice-of-the-guild", bob.did).code == OK
    assert "your word for somebody" in str(accept(dave)["words"])
    assert named(dave) == {"alice-of-the-guild": bob.did}


def test_what_is_wrong_with_a_code_is_said(node: StartNode, shell: Shell) -> None:
    alice, bob = node("alice"), node("bob")
    made = invited(shell, alice)
    code = made["code"]
    slip = ALPHABET[(ALPHABET.index(code[6]) + 1) % 32]
    mistyped = shell(bob, "accept", code[:6] + slip + code[7:], "--yes")
    assert (mistyped.code, mistyped.answer["code"]) == (FAILED, "invite-mistyped")
    assert "the second group is mistyped" in mistyped.answer["detail"]
    short = shell(bob, "accept", code[:-1], "--yes")
    assert short.answer["code"] == "invite-code"

    def late(state: str) -> Ran:
        (found,) = [one for one in listed(shell, alice) if one["id"] == made["id"]]
        assert found["state"] == state
        return shell(bob, "accept", made["link"], "--yes")

    assert shell(alice, "invite", "--cancel", made["id"][:8]).code == OK
    refused = late("cancelled")
    assert (refused.code, refused.answer["code"]) == (NOT_FOUND, "invite-cancelled")
    again = shell(alice, "invite", "--cancel", made["id"])
    assert (again.code, again.answer["code"]) == (CONFLICT, "invite-over")

    made = invited(shell, alice, "--expires", "10s")
    wait_for(
        "it to expire",
        ARRIVE_S,
        lambda: listed(shell, alice)[0]["state"] == "expired" or None,
    )
    refused = late("expired")
    assert (refused.code, refused.answer["code"]) == (NOT_FOUND, "invite-expired")
    assert shell(alice, "invite", "--expires", "soon").code == USAGE


def test_of_two_who_accept_at_once_one_is_let_in(node: StartNode, shell: Shell) -> None:
    alice = node("alice")
    assert shell(alice, "namespace", "create", "guild").code == OK
    rivals = [node(name) for name in ("bob", "carol", "dave")]
    link = invited(shell, alice, "--read", "--namespace", "guild")["link"]
    ran: dict[str, Ran] = {}

    def accept(at: LocalNode) -> None:
        ran[at.name] = shell(at, "accept", link, "--yes")

    threads = [threading.Thread(target=accept, args=(one,)) for one in rivals]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    won = [name for name, one in ran.items() if one.code == OK]
    assert len(won) == 1, ran
    lost = {(one.code, one.answer["code"]) for one in ran.values() if one.code != OK}
    assert lost == {(CONFLICT, "invite-used")}
    (winner,) = [one for one in rivals if one.name == won[0]]
    (invite,) = listed(shell, alice)
    assert invite["did"] == winner.did
    for one in rivals:
        rights = one.client.get("/api/capabilities")["capabilities"]
        assert bool(rights) == (one is winner)


def test_a_device_is_added_by_a_short_code(node: StartNode, shell: Shell, tmp_path: Path) -> None:
    """Alice's key is sealed: the passphrase is needed to invite, and not when it is used."""
    alice = node("alice")
    assert shell(alice, "namespace", "create", "guild").code == OK
    assert publish(shell, alice, tmp_path, LAMP).code == OK
    alice.stop()
    secret = tmp_path / "passphrase"
    secret.write_text(PASSPHRASE)
    assert shell(alice, "id", "seal", "--passphrase-file", str(secret)).code == OK
    alice, phone = node("alice"), node("phone")
    refused = shell(alice, "invite", "--device")
    assert (refused.code, refused.answer["code"]) == (NOT_ALLOWED, "sealed")
    made = invited(shell, alice, "--device", "--passphrase-file", str(secret))
    shown = shell(phone, "accept", made["link"], "--dry-run").answer
    assert shown["type"] == "device"
    assert shown["words"][0] == f"this node becomes a device of {alice.did}"
    taken = shell(phone, "accept", made["link"], "--yes")
    assert taken.code == OK, taken
    assert shell(phone, "id").answer["did"] == alice.did
    wait_for("the phone to have it", ARRIVE_S, lambda: LAMP in seen(phone, "guild") or None)
    assert publish(shell, phone, tmp_path, "io.alice.phone").code == OK
    wait_for("alice to see it", ARRIVE_S, lambda: "io.alice.phone" in seen(alice, "guild") or None)
    devices = {one["did"] for one in shell(alice, "device", "list").answer["devices"]}
    assert shell(phone, "id").answer["device"] in devices
    once_used(shell, alice)
    # And it goes on after a restart, with the key that came.
    phone.stop()
    phone = node("phone")
    assert shell(phone, "id").answer["did"] == alice.did


def test_an_invite_is_seen_by_programs(node: StartNode, shell: Shell) -> None:
    alice, bob = node("alice"), node("bob")
    link = invited(shell, alice)["link"]
    assert shell(bob, "accept", link, "--yes").code == OK
    states: list[str] = []
    for event in alice.client.events({"types": "invite"}, after="0", timeout_s=ARRIVE_S):
        states.append(event["data"]["state"])
        assert event["data"]["did"] == bob.did
        if states[-1] == "used":
            break
    assert states == ["claimed", "used"]


def test_two_pair_by_a_data_channel_where_no_circuit_carries_anything(
    tmp_path: Path, shell: Shell, running: list[LocalNode]
) -> None:
    """Both hide their addresses, and the relay passes on signals alone."""
    relay = start_relay(tmp_path)
    running.append(relay)
    with listening_in(relay) as wire:
        wire.change = nothing
        alice, bob = start_islands(
            tmp_path, running, f"relay://{wire.address}", PANSPERMIA_P2P_WEBRTC="true"
        )
        for one in (alice, bob):
            wait_for_relay(one)
        made = invited(shell, alice)
        taken = shell(bob, "accept", made["code"], "--yes")
        assert taken.code == OK, taken
        assert once_used(shell, alice)["did"] == bob.did
        (place,) = taken.answer["addresses"]
        assert place["address"].startswith("webrtc:"), place


def nothing(data: bytes) -> bytes:
    """Of what a circuit carries."""
    return b""
