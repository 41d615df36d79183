"""Mallory floods Alice with invalid entries, by keys that cost her nothing; Bob goes on syncing.

Alice checks a few of them, says why she hung up and whom she refuses now, forgets nothing over a
restart, and stays as small as she was. Bob hears why, and how long to stay away.
"""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from crdt.change import SignedEntry
from crdt.did import encode_did_key
from node.client import module_path
from node.commands.nodes import LocalNode, wait_for
from node.failure import Json
from p2p.protocol import frames
from p2p.protocol.errors import PeerLeft
from p2p.protocol.limits import (
    REFUSALS_MAX,
    REVOKED_IDS_FIRST,
    TRIAL_IDS_MAX,
    TRIAL_IDS_PER_S,
)
from p2p.protocol.offences import HOST_STRIKES_MAX, HOST_STRIKES_PER_S, REVOKED_STRIKES
from p2p.protocol.pull import TOO_MANY_REVOKED
from scripts.benchmarks._usage import usage_of
from storage.ended import ENDED_ENTRIES_MAX, REVOKED_SENDER
from tests.e2e.flooder import (
    BEGUN,
    CALL_ENTRIES,
    Flood,
    Revoked,
    unknown_capabilities,
    wrong_payloads,
    wrong_signatures,
)
from tests.e2e.mallory import Mallory
from tests.e2e.story import ARRIVE_S, Shell, StartNode, answering, make_module, wait_for_modules

pytestmark = pytest.mark.nodes

ENTRIES = 100_000
REVOKED = 20_000
CPU_S_MAX = 5.0  # `scripts/bench flood` measures it on a quiet machine: less than 1
GROWTH_MIB_MAX = 40.0
ENDS_S = 120.0
HOST = "127.0.0.1"
MODULE = "io.test.clock"


@pytest.fixture
def quick() -> None:
    """What a process takes is measured here, and a fork has pages of its parent."""


def refused_peers(at: LocalNode) -> Sequence[Json]:
    peers: Sequence[Json] = at.client.get("/api/peers")["refused"]
    return peers


def refused_device(at: LocalNode, mallory: Mallory) -> Json | None:
    did = encode_did_key(mallory.device.public)
    return next((one for one in refused_peers(at) if one["device"] == did), None)


async def offend(mallory: Mallory, at: LocalNode) -> str:
    """She breaks a rule; why she was dropped, or not let in."""
    try:
        async with mallory.meets(str(at.ready["p2p"])) as call:
            await call.say(frames.Listed(8))
            return await call.last_words()
    except PeerLeft as left:
        return left.code


async def spend(mallory: Mallory, at: LocalNode, entries: Sequence[SignedEntry] = ()) -> str:
    """She gives bad entries until she is dropped; why she was."""
    async with asyncio.timeout(ENDS_S):
        try:
            async with mallory.meets(str(at.ready["p2p"])) as call:
                await call.offers(entries)
        except PeerLeft as left:
            return left.code
    return ""


async def test_a_flood_costs_little_and_an_honest_peer_goes_on_beside_it(
    node: StartNode, shell: Shell, tmp_path: Path
) -> None:
    alice = node("alice")
    bob = node("bob", peers=(alice,))
    made = make_module(tmp_path / "clock", MODULE, "1.0.0", answering(1))
    assert (await asyncio.to_thread(shell, bob, "publish", str(made))).code == 0
    name = f"{bob.did}/{MODULE}"
    await asyncio.to_thread(wait_for_modules, alice, [name])

    flood, pid = Flood(str(alice.ready["p2p"])), alice.process.pid
    before = usage_of(pid)
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    async with asyncio.timeout(ENDS_S), asyncio.TaskGroup() as tasks:
        tasks.create_task(flood.run(entries=ENTRIES))
        tasks.create_task(asyncio.to_thread(rate_and_be_heard, alice, bob, name))
    took_s = loop.time() - began_s
    after = usage_of(pid)

    assert flood.offered >= ENTRIES
    # Every entry that was checked was paid for out of what her host has to spend; what was under
    # way when that was gone is the rest.
    assert flood.given <= HOST_STRIKES_MAX + HOST_STRIKES_PER_S * took_s + 2 * REFUSALS_MAX
    assert after.cpu_s - before.cpu_s < CPU_S_MAX
    assert after.rss_mib - before.rss_mib < GROWTH_MIB_MAX
    status = await asyncio.to_thread(alice.client.get, "/api/status")
    assert status["records"] == {"module": 1, "rating": 1}
    # Bob was there before, gave something good, and calls from the same address: he stays.
    peers = (await asyncio.to_thread(alice.client.get, "/api/peers"))["peers"]
    assert bob.did in [one["did"] for one in peers]
    await asyncio.to_thread(rate_and_be_heard, alice, bob, name)


def rate_and_be_heard(alice: LocalNode, bob: LocalNode, name: str) -> None:
    path = module_path(name, "ratings")
    review = f"word {usage_of(alice.process.pid).cpu_s}"
    bob.client.post(path, {"stars": 4, "review": review})

    def is_heard() -> bool | None:
        return review in [one["review"] for one in alice.client.get(path)["ratings"]] or None

    wait_for("Alice to hear Bob", ARRIVE_S, is_heard)


async def test_a_flood_of_a_revoked_key_costs_little_whoever_passes_it_on(node: StartNode) -> None:
    """Well signed, by a host that has keys to spare, each of which gives something good first."""
    alice, theirs = node("alice"), Revoked.with_entries(REVOKED)
    door, pid = str(alice.ready["p2p"]), alice.process.pid
    await theirs.is_said(door)
    kinds = [theirs.entries[at : at + CALL_ENTRIES] for at in range(BEGUN, REVOKED, CALL_ENTRIES)]
    flood, before = Flood(door, kinds, patience_s=10.0, is_smart=True), usage_of(pid)
    async with asyncio.timeout(ENDS_S):
        await flood.run(entries=ENTRIES)
    after = usage_of(pid)
    assert flood.offered >= ENTRIES
    assert 2 * REVOKED_IDS_FIRST < flood.given < 3 * HOST_STRIKES_MAX / REVOKED_STRIKES
    assert after.cpu_s - before.cpu_s < CPU_S_MAX
    assert after.rss_mib - before.rss_mib < GROWTH_MIB_MAX
    status = await asyncio.to_thread(alice.client.get, "/api/status")
    assert status["entries"] < BEGUN + ENDED_ENTRIES_MAX + flood.calls
    listed = await asyncio.to_thread(codes, alice)
    assert TOO_MANY_REVOKED in listed
    closed = [one["code"] for one in await asyncio.to_thread(refused_peers, alice)]
    assert closed == [TOO_MANY_REVOKED], "the host, and no device: an honest one could bring it"


async def test_who_was_revoked_and_goes_on_is_dropped(node: StartNode) -> None:
    alice, theirs = node("alice"), Revoked.with_entries(BEGUN + 2 * REFUSALS_MAX + 300)
    await theirs.is_said(str(alice.ready["p2p"]))
    assert await spend(theirs.mallory, alice, theirs.entries[BEGUN:]) == "refused-entries"
    listed = refused_device(alice, theirs.mallory)
    assert listed is not None
    assert listed["codes"][REVOKED_SENDER] > REFUSALS_MAX / 2


async def test_each_kind_of_bad_entry_is_counted_slowed_and_its_sender_dropped(
    node: StartNode,
) -> None:
    alice = node("alice")
    kinds = (wrong_signatures(), wrong_payloads(), unknown_capabilities())
    mallories = [Mallory() for _ in kinds]
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    ends = await asyncio.gather(
        *(spend(one, alice, kind) for one, kind in zip(mallories, kinds, strict=True))
    )
    assert ends == ["refused-entries"] * 3
    # All but the first handful came by the second.
    assert loop.time() - began_s >= (REFUSALS_MAX - TRIAL_IDS_MAX) / TRIAL_IDS_PER_S - 1
    for mallory, code in zip(mallories, ("bad-signature", "not-a-change", ""), strict=True):
        listed = refused_device(alice, mallory)
        assert listed is not None
        assert (listed["code"], listed["host"]) == ("refused-entries", HOST)
        assert "checks of every honest node" in listed["reason"]
        assert listed["times"] > REFUSALS_MAX
        assert not code or listed["codes"][code] > REFUSALS_MAX / 2


async def test_who_broke_rules_is_listed_refused_over_a_restart_and_forgiven(
    node: StartNode, shell: Shell
) -> None:
    alice, mallory = node("alice"), Mallory()
    did = encode_did_key(mallory.device.public)
    assert await offend(mallory, alice) == "reconcile-number"
    assert refused_peers(alice) == []
    assert await offend(mallory, alice) == "reconcile-number"
    listed = refused_device(alice, mallory)
    assert listed is not None
    assert (listed["code"], listed["host"], listed["times"]) == ("reconcile-number", HOST, 2)
    assert listed["codes"] == {"reconcile-number": 2}
    assert await offend(mallory, alice) == "refused-for-now"

    assert await asyncio.to_thread(alice.stop) == 0
    alice = node("alice")
    assert refused_device(alice, mallory) == listed
    assert await offend(mallory, alice) == "refused-for-now"

    shown = await asyncio.to_thread(shell, alice, "peers")
    assert [one["device"] for one in shown.answer["refused"]] == [did]
    assert (await asyncio.to_thread(shell, alice, "peers", "--forgive", did)).code == 0
    assert (await asyncio.to_thread(shell, alice, "peers", "--forgive", did)).code == 5
    assert refused_device(alice, mallory) is None
    assert await offend(mallory, alice) == "reconcile-number"


def closed_hosts(at: LocalNode) -> list[str]:
    return [one["host"] for one in refused_peers(at) if one["device"] is None]


async def is_let_in(at: LocalNode) -> bool:
    """Whether a stranger's call comes to a session."""
    try:
        async with Mallory().meets(str(at.ready["p2p"])):
            return True
    except (PeerLeft, OSError):
        return False


async def test_a_host_whose_keys_all_offend_is_closed_and_opened_again(
    node: StartNode, shell: Shell
) -> None:
    alice = node("alice")
    flood = Flood(str(alice.ready["p2p"]))
    async with asyncio.timeout(ENDS_S):
        await flood.run(entries=ENTRIES)
        assert flood.words[""] > flood.calls / 2  # not worth a handshake
        # Another call is let in every two seconds, and when it was is nobody's to choose.
        while closed_hosts(alice) != [HOST] or await is_let_in(alice):
            await flood.run(entries=flood.offered + CALL_ENTRIES)
    assert (await asyncio.to_thread(shell, alice, "peers", "--forgive", HOST)).code == 0
    async with Mallory().meets(str(alice.ready["p2p"])):
        pass


async def test_who_is_blocked_hears_that_he_is_refused_and_does_not_hammer(
    node: StartNode, shell: Shell, tmp_path: Path
) -> None:
    alice = node("alice")
    bob = node("bob", peers=(alice,))
    carol = node("carol", peers=(alice, bob))
    wait_for("Bob to be there", ARRIVE_S, lambda: connected(alice, bob))
    assert shell(alice, "name", "set", "bob", bob.did).code == 0
    answer = shell(alice, "block", "bob", "--reason", "rude")
    assert (answer.code, answer.answer["did"]) == (0, bob.did)
    wait_for("Bob to be gone", ARRIVE_S, lambda: not connected(alice, bob) or None)

    def told() -> bool | None:
        (seen,) = bob.client.get("/api/peers")["discovered"]
        return "takes no calls of this node for now" in seen["last_error"] or None

    wait_for("Bob to hear that", ARRIVE_S, told)
    assert "block" not in json.dumps(bob.client.get("/api/peers"))

    # Carol brings what Bob wrote, and it is not taken.
    made = make_module(tmp_path / "clock", MODULE, "1.0.0", answering(1))
    assert shell(bob, "publish", str(made)).code == 0
    wait_for_modules(carol, [f"{bob.did}/{MODULE}"])
    wait_for("the refusal to be listed", ARRIVE_S, lambda: "blocked" in codes(alice) or None)
    assert alice.client.get("/api/modules")["modules"] == []
    calls = shell(alice, "connect", str(bob.ready["p2p"]))
    assert (calls.code, calls.answer["code"]) == (8, "blocked")

    listed = shell(alice, "block", "--list").answer["blocked"]
    assert [(one["did"], one["reason"]) for one in listed] == [(bob.did, "rude")]
    assert shell(alice, "block", bob.did, "--remove").code == 0
    assert shell(alice, "block", bob.did, "--remove").code == 5
    assert shell(alice, "connect", str(bob.ready["p2p"])).code == 0
    wait_for_modules(alice, [f"{bob.did}/{MODULE}"])


def connected(at: LocalNode, to: LocalNode) -> bool | None:
    return to.did in [one["did"] for one in at.client.get("/api/peers")["peers"]] or None


def codes(at: LocalNode) -> set[str]:
    return {one["code"] for one in at.client.get("/api/refused", {"limit": 1_000})["refused"]}
