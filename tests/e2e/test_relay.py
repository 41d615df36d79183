"""Two nodes that reach only a relay sync through it, and it reads nothing."""

import os
import signal
import time
from pathlib import Path

import pytest

from crdt.did import decode_did_key
from node.commands.nodes import (
    LocalNode,
    clean_environment,
    start_node,
    wait_for,
)
from node.failure import Failure, Json
from p2p.protocol.relay import frames
from p2p.protocol.relay.frames import RelayFrame, decode_relay_frame, encode_relay_frame
from tests.e2e.circuits import card_of
from tests.e2e.mallory import Mallory
from tests.e2e.relays import (
    BACKOFF_S,
    connected,
    know_each_other,
    listening_in,
    start_hidden,
    start_islands,
    start_relay,
    wait_for_peer,
    wait_for_relay,
)
from tests.e2e.story import Shell, answering, make_module, wait_for_modules

pytestmark = pytest.mark.nodes

SECRET = "a-word-that-nobody-else-says"


def publish(shell: Shell, at: LocalNode, folder: Path, id: str, version: str = "1.0.0") -> None:
    made = make_module(folder / f"{id}-{version}", id, version, answering(7))
    gen = (made / "gen.toml").read_text().replace("For a test", f"It says {SECRET}")
    (made / "gen.toml").write_text(gen)
    ran = shell(at, "publish", str(made))
    assert ran.code == 0, ran


def test_two_islands_sync_through_a_relay_that_reads_nothing(
    tmp_path: Path, shell: Shell, running: list[LocalNode]
) -> None:
    relay = start_relay(tmp_path)
    running.append(relay)
    with listening_in(relay) as wire:
        alice, bob = start_islands(tmp_path, running, f"relay://{wire.address}")
        publish(shell, alice, tmp_path, "io.alice.clock")
        know_each_other(alice, bob)
        peer = wait_for_peer(bob)
        assert peer["transport"] == "relay"
        wait_for_modules(bob, [f"{alice.did}/io.alice.clock"])
        fetched = shell(bob, "install", "alice/io.alice.clock", "--yes")
        assert fetched.code == 0, fetched
        circuits, everything = wire.circuits, wire.everything
        records = relay.client.get("/api/status")["records"]
        for one in (alice, bob, relay):
            one.stop() if one is not relay else relay.kill()
    assert len(circuits) > 1_000
    wasm = answering(7)
    for plain in (SECRET.encode(), b"io.alice.clock", b"gen.toml", b"willow25", wasm):
        assert plain not in everything
    for one in (alice, bob):
        assert decode_did_key(one.did) not in circuits
    disk = b"".join(file.read_bytes() for file in relay.home.rglob("*") if file.is_file())
    for plain in (SECRET.encode(), b"io.alice.clock", wasm):
        assert plain not in disk
    assert records == {}


def test_a_network_that_passes_only_websockets_is_enough(
    tmp_path: Path, shell: Shell, running: list[LocalNode]
) -> None:
    relay = start_relay(tmp_path)
    url = f"ws://{relay.ready['p2p']}/panspermia"
    running.append(relay)
    alice, bob = start_islands(tmp_path, running, url)
    publish(shell, alice, tmp_path, "io.alice.clock")
    know_each_other(alice, bob)
    assert wait_for_peer(bob)["transport"] == "relay"
    wait_for_modules(bob, [f"{alice.did}/io.alice.clock"])


def test_a_relay_that_was_killed_is_met_again(
    tmp_path: Path, shell: Shell, running: list[LocalNode]
) -> None:
    relay = start_relay(tmp_path)
    url = str(relay.ready["relay"])
    running.append(relay)
    alice, bob = start_islands(tmp_path, running, url)
    know_each_other(alice, bob)
    wait_for_peer(alice)
    relay.kill()
    publish(shell, alice, tmp_path, "io.alice.later")

    def is_alone() -> bool | None:
        return True if connected(bob)() is None else None

    wait_for("bob to notice", 30.0, is_alone)
    running.append(start_relay(tmp_path, listen=str(relay.ready["p2p"])))
    assert wait_for_relay(alice)["url"] == url
    wait_for_peer(bob)
    wait_for_modules(bob, [f"{alice.did}/io.alice.later"])


def test_letters_wait_for_whoever_is_away_though_the_relay_is_killed(
    tmp_path: Path, shell: Shell, running: list[LocalNode]
) -> None:
    relay = start_relay(tmp_path)
    url = str(relay.ready["relay"])
    running.append(relay)
    alice, bob = start_islands(tmp_path, running, url)
    alice.client.put("/api/names/bob", {"author": bob.did})
    wait_for_relay(bob)
    wait_for_relay(alice)
    bob.stop()
    sent = shell(alice, "letter", "send", "bob", f"Dear bob, {SECRET}")
    assert sent.code == 0, sent
    assert len(sent.answer["sent"]) == 1
    relay.kill()
    disk = b"".join(file.read_bytes() for file in relay.home.rglob("*") if file.is_file())
    assert SECRET.encode() not in disk
    running.append(start_relay(tmp_path, listen=str(relay.ready["p2p"])))
    bob = start_hidden("bob", tmp_path, url)
    running.append(bob)

    def came() -> Json | None:
        found = shell(bob, "letter", "list").answer
        return found if found["strangers"] else None

    (letter,) = wait_for("bob's letter", 60.0, came)["strangers"]
    assert letter["text"] == f"Dear bob, {SECRET}"
    assert letter["did"] == alice.did, "her device proved that it speaks for her"
    bob.client.put("/api/names/alice", {"author": alice.did})
    found = shell(bob, "letter", "list").answer
    assert [one["name"] for one in found["letters"]] == ["alice"]
    assert not found["strangers"]
    number = str(letter["number"])
    assert shell(bob, "letter", "show", number).answer["is_read"]
    assert shell(bob, "letter", "remove", number).code == 0
    assert shell(bob, "letter", "show", number).code == 5


async def test_a_post_that_was_answered_is_there_though_the_relay_is_killed(
    tmp_path: Path, running: list[LocalNode]
) -> None:
    relay = start_relay(tmp_path)
    running.append(relay)
    tag, sealed = os.urandom(32), os.urandom(4 << 10)
    until_us = time.time_ns() // 1_000 + 3_600_000_000
    place = str(relay.ready["p2p"])
    assert await said_to(place, frames.Post(1, tag, sealed, until_us)) == frames.Done(1)
    relay.kill()
    running.append(start_relay(tmp_path, listen=place))
    assert await said_to(place, frames.Fetch(1, tag)) == frames.Fetched(1, sealed)


async def said_to(place: str, question: RelayFrame) -> RelayFrame | None:
    """The relay's answer to somebody who registers, asks, and goes."""
    mallory = Mallory()
    async with mallory.calls(place) as call:
        await call.stream.write([encode_relay_frame(frames.Register(card_of(mallory)))])
        assert isinstance(decode_relay_frame(await call.stream.read()), frames.Registered)
        await call.stream.write([encode_relay_frame(question)])
        return decode_relay_frame(await call.stream.read())


def test_a_code_comes_in_a_letter_and_is_taken(
    tmp_path: Path, shell: Shell, running: list[LocalNode]
) -> None:
    relay = start_relay(tmp_path)
    url = str(relay.ready["relay"])
    running.append(relay)
    alice, bob = start_islands(tmp_path, running, url)
    know_each_other(alice, bob)
    wait_for_relay(alice)
    wait_for_relay(bob)
    assert shell(alice, "namespace", "create", "garden").code == 0
    made = shell(alice, "invite", "--for", "bob", "--namespace", "garden", "--send")
    assert made.code == 0, made
    assert len(made.answer["sent"]) == 1

    def came() -> Json | None:
        found = shell(bob, "letter", "list").answer
        return found if found["letters"] else None

    (letter,) = wait_for("bob's letter", 60.0, came)["letters"]
    assert (letter["kind"], letter["name"]) == ("code", "alice")
    taken = shell(bob, "accept", letter["text"], "--yes")
    assert taken.code == 0, taken
    assert taken.answer["namespaces"] == ["garden"]


def test_a_relay_keeps_the_namespaces_that_its_operator_chose(
    tmp_path: Path, shell: Shell, running: list[LocalNode]
) -> None:
    relay = start_relay(tmp_path, "--namespace", "commons")
    url = str(relay.ready["relay"])
    alice = start_hidden("alice", tmp_path, url)
    running += [relay, alice]
    publish(shell, alice, tmp_path, "io.alice.clock")
    wait_for_modules(relay, [f"{alice.did}/io.alice.clock"])
    alice.stop()
    bob = start_hidden("bob", tmp_path, url)
    running.append(bob)
    wait_for_modules(bob, [f"{alice.did}/io.alice.clock"])
    status = relay.client.get("/api/status")
    assert (
        "records of its namespaces are kept, and up to 10.0 GiB of blobs" in status["sync"]["words"]
    )
    assert status["blobs"]["count"] == 0, "of commons it keeps those of whom its operator named"


def test_a_private_relay_takes_those_with_its_token(
    tmp_path: Path, running: list[LocalNode]
) -> None:
    relay = start_relay(tmp_path, "--token", "only-friends")
    url = str(relay.ready["relay"])
    alice = start_hidden("alice", tmp_path, f"{url}?token=only-friends")
    bob = start_hidden("bob", tmp_path, f"{url}?token=guessed")
    running += [relay, alice, bob]
    wait_for_relay(alice)

    def refused() -> str | None:
        return str(bob.client.get("/api/peers")["relays"][0]["last_error"]) or None

    assert "token" in wait_for("bob to be refused", 30.0, refused)
    for one in (alice, bob):
        told = str(one.client.get("/api/peers")) + str(one.client.get("/api/status"))
        log = (tmp_path / f"{one.name}.log").read_text()
        assert "only-friends" not in told + log
        assert "guessed" not in told + log


def test_a_relay_that_is_told_to_stop_lets_circuits_end_and_exits(
    tmp_path: Path, running: list[LocalNode]
) -> None:
    relay = start_relay(tmp_path)
    url = str(relay.ready["relay"])
    running.append(relay)
    alice, bob = start_islands(tmp_path, running, url)
    know_each_other(alice, bob)
    wait_for_peer(alice)
    relay.process.send_signal(signal.SIGTERM)
    assert relay.process.wait(60) == 0
    with pytest.raises(Failure):
        relay.client.get("/healthz")
    assert alice.client.get("/healthz") == {"status": "ok"}


def test_members_of_a_namespace_find_each_other_at_a_relay_when_whoever_invited_them_is_away(
    tmp_path: Path, shell: Shell, running: list[LocalNode]
) -> None:
    relay = start_relay(tmp_path)
    url = str(relay.ready["relay"])
    running.append(relay)
    alice, bob = start_islands(tmp_path, running, url)
    for one in (alice, bob):
        wait_for_relay(one)
    assert shell(alice, "namespace", "create", "guild").code == 0

    def join(member: LocalNode) -> None:
        made = shell(alice, "invite", "--namespace", "guild", "--write")
        taken = shell(member, "accept", made.answer["code"], "--yes")
        assert taken.code == 0, taken

    def write(member: LocalNode, id: str) -> None:
        module = make_module(tmp_path / id, id, "1.0.0", answering(7))
        assert shell(member, "publish", str(module), "--namespace", "guild").code == 0

    def has(at: LocalNode, id: str) -> bool | None:
        page = at.client.get("/api/modules", {"namespace": "guild"})
        return id in {one["id"] for one in page["modules"]} or None

    join(bob)
    write(bob, "io.bob.clock")
    wait_for("alice to have it", 60.0, lambda: has(alice, "io.bob.clock"))
    bobs = bob.client.get("/api/status")["device"]

    def is_invited() -> bool | None:
        (peer,) = alice.client.get("/api/peers")["peers"]
        return "invite" in peer["sources"] or None

    wait_for("bob to be known by the invite", 60.0, is_invited)
    bob.stop()

    def calling() -> Json | None:
        known = alice.client.get("/api/peers")
        return next((one for one in known["discovered"] if one["device"] == bobs), None)

    called = wait_for("alice, who invited bob, to call him", 60.0, calling)
    assert (called["source"], called["did"]) == ("invite", bob.did)
    assert called["address"].startswith("circuit:")
    carol = start_hidden("carol", tmp_path, url)
    running.append(carol)
    wait_for_relay(carol)
    join(carol)
    wait_for("carol to have it too", 60.0, lambda: has(carol, "io.bob.clock"))
    carol.stop()
    alice.stop()

    # Neither ever spoke with the other, nobody named anybody, and alice is gone.
    bob, carol = (start_hidden(name, tmp_path, url) for name in ("bob", "carol"))
    running += [bob, carol]
    write(carol, "io.carol.lamp")
    wait_for("bob to have what carol wrote", BACKOFF_S, lambda: has(bob, "io.carol.lamp"))
    (peer,) = bob.client.get("/api/peers")["peers"]
    assert (peer["did"], peer["name"]) == (carol.did, "")


def test_a_session_goes_on_by_another_relay_when_its_own_is_told_to_stop(
    tmp_path: Path, shell: Shell, running: list[LocalNode]
) -> None:
    relays = [start_relay(tmp_path, name=name) for name in ("first", "second")]
    urls = [str(relay.ready["relay"]) for relay in relays]
    running += relays
    alice, bob = start_islands(tmp_path, running, *urls)

    def is_at_both(one: LocalNode) -> bool | None:
        known = one.client.get("/api/peers")["relays"]
        return [at["state"] for at in known] == ["registered", "registered"] or None

    wait_for("both relays to be met by alice", BACKOFF_S, lambda: is_at_both(alice))
    wait_for("both relays to be met by bob", BACKOFF_S, lambda: is_at_both(bob))
    know_each_other(alice, bob)
    before = wait_for_peer(alice)
    (used,) = (one for one in relays if before["address"].endswith(str(one.ready["p2p"])))
    (other,) = (one for one in relays if one is not used)
    publish(shell, alice, tmp_path, "io.alice.clock")
    wait_for_modules(bob, [f"{alice.did}/io.alice.clock"])
    used.process.send_signal(signal.SIGTERM)
    assert used.process.wait(60) == 0

    def is_by_the_other() -> Json | None:
        peer = connected(alice)()
        return peer if peer and peer["address"].endswith(str(other.ready["p2p"])) else None

    after = wait_for("the session to go on", BACKOFF_S, is_by_the_other)
    assert after["moves"] > before["moves"], "it is the same session"
    assert after["connected_s"] > before["connected_s"]
    publish(shell, alice, tmp_path, "io.alice.later")
    wait_for_modules(bob, [f"{alice.did}/io.alice.later"])


def test_a_relay_behind_a_proxy_knows_its_clients_apart_and_believes_no_other(
    tmp_path: Path, running: list[LocalNode]
) -> None:
    def add_header(head: bytes) -> bytes:
        """As a proxy does, below what the client claimed itself."""
        forwarded = b"X-Forwarded-For: 192.0.2.66, 203.0.113.7\r\n"
        return head.replace(b"\r\n", b"\r\n" + forwarded, 1)

    def observed(proxies: str) -> str:
        home = tmp_path / f"behind-{proxies}"
        environment = clean_environment() | {"PANSPERMIA_P2P_PROXIES": proxies}
        relay = start_node("relay", home, role="relay", environment=environment)
        running.append(relay)
        with listening_in(relay, add_header) as wire:
            alice = start_hidden("alice", home, f"ws://{wire.address}/panspermia")
            running.append(alice)
            seen = str(wait_for_relay(alice)["observed"])
            alice.stop()
        return seen

    assert observed("127.0.0.1") == "203.0.113.7"
    assert observed("203.0.113.1") == "127.0.0.1", (
        "whoever is no proxy of ours claims what it likes"
    )


def test_a_relay_says_what_it_does_for_others(
    tmp_path: Path, shell: Shell, running: list[LocalNode]
) -> None:
    relay = start_relay(tmp_path)
    running.append(relay)
    alice, bob = start_islands(tmp_path, running, str(relay.ready["relay"]))
    know_each_other(alice, bob)
    wait_for_peer(alice)
    text = relay.client.get_bytes("/metrics").decode()
    lines = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert lines["panspermia_relay_registered"] == "2"
    assert float(lines["panspermia_relay_circuits_open"]) >= 1
    assert float(lines["panspermia_relay_circuit_bytes_total"]) > 0
    assert "# TYPE panspermia_relay_circuit_bytes_total counter" in text.splitlines()
    status = relay.client.get("/api/status")
    assert (status["relay"]["registered"], status["relay"]["draining"]) == (2, False)
    assert status["relay"]["circuits"] >= 1
    assert status["sync"]["state"] == "relaying"
    assert status["sync"]["words"].startswith("a relay: 2 devices registered, ")
    assert shell(relay, "peers").answer["relay"]["registered"] == 2
    findings = {one["name"]: one for one in shell(relay, "doctor").answer["findings"]}
    assert findings["relay"]["ok"]
    assert findings["peers"]["fix"] == "", "others come to a relay"
    assert alice.client.get("/api/status")["relay"] is None
