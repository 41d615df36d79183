"""The node runs by itself what followed authors say: newest first, each once, within a share."""

import asyncio
import dataclasses
from contextlib import aclosing
from pathlib import Path

import pytest

from crdt.change import DocumentId, SignedEntry
from crdt.keys import COMMONS, AuthorKey
from node.attesting import REST_S_MAX, Attesting, rest_s
from node.config import AttestConfig
from node.services.attest import Attestor
from registry.attestation import document_of, say_claim
from registry.challenge import CLASS, KIND, publish_challenge
from registry.evaluation import Evaluation
from registry.head import Words
from tests.node.api.test_attestations import (
    CONTENT,
    QUESTION,
    RESULT,
    claims,
    evaluator,
    fitness,
    publish,
)
from tests.node.api.test_challenges import BLINKER, BLINKERS, ID, TERMS, Clock, says
from tests.node.parts import Alice, open_alice
from tests.registry.people import NOON_US
from tests.storage.people import BOB, CAROL

LATER = dataclasses.replace(QUESTION, ticks=2_000)
ENOUGH_S = 60


def attesting(alice: Alice, config: AttestConfig | None = None) -> Attesting:
    node = alice.node
    by = Attestor(node.store, node.workers, node.network, node.identity, node.clock_us)
    return Attesting(by, config or AttestConfig(enabled=True), node.events)


async def hear(alice: Alice, *entries: SignedEntry) -> None:
    received = await alice.node.store.receive(entries, source="x")
    assert not received.refused


async def test_what_followed_authors_claim_is_run_once_and_told(alice: Alice) -> None:
    await publish(alice.node)
    await hear(alice, claims(BOB, 9), claims(CAROL, 8, LATER))
    one = attesting(alice)
    assert await one.once() is None, "nobody is followed"
    await alice.node.store.set_petname("bob", BOB.did)
    assert await one.once() is not None
    assert await one.once() is None, "carol is a stranger"
    assert (one.state.done, one.state.failed, one.state.running) == (1, 0, None)
    found = await fitness(alice)
    assert (found["result"], found["contradictions"]) == (RESULT, 1)
    async with aclosing(alice.node.events.follow(0, ["attested"])) as events:
        news = await anext(events)
    assert b'"contradictions":1' in news.data


async def test_whose_evaluators_it_runs(alice: Alice) -> None:
    """Bob is followed, and names an evaluator of carol's, who is not."""
    await publish(alice.node)
    await alice.node.store.set_petname("bob", BOB.did)
    theirs = Evaluation(CONTENT.identity, bytes([7]) * 32, 0, 1)
    edit = say_claim(theirs, f"{CAROL.did}/org.example.judge", "1.0.0", 1, now_us=5)
    document = document_of(AuthorKey(BOB.root.public), theirs, COMMONS)
    await hear(alice, BOB.writes(document, edit)[0], claims(BOB, RESULT))
    chosen = attesting(alice, AttestConfig(enabled=True, evaluators=("org.example.other",)))
    assert await chosen.once() is None
    one = attesting(alice)
    assert await one.once() is not None
    assert await one.once() is None, "and carol's is left alone"
    assert (one.state.done, one.state.failed) == (1, 0)


async def test_what_has_no_answer_here_is_not_tried_again(alice: Alice) -> None:
    await publish(alice.node)
    await alice.node.store.set_petname("bob", BOB.did)
    deep = "(call 2 (local.get 0) (local.get 1) (local.get 2) (local.get 3)) (drop) (i64.const 1)"
    answer = await alice.client.post("/api/modules", json=evaluator(deep))
    assert answer.status_code == 201, answer.text
    name = answer.json()["module"]
    version = (await alice.client.get(f"/api/modules/{name.replace('/', '%2F')}")).json()[
        "versions"
    ]
    theirs = Evaluation(CONTENT.identity, bytes.fromhex(version[0]["blake3"]), 0, 1)
    edit = say_claim(theirs, name, "1.0.0", 1, now_us=5)
    document = document_of(AuthorKey(BOB.root.public), theirs, COMMONS)
    await hear(alice, BOB.writes(document, edit)[0])
    one = attesting(alice)
    assert await one.once() is not None
    assert (one.state.done, one.state.failed) == (0, 1)
    assert "stack" in one.state.last_error
    again = attesting(alice)
    assert await again.once() is None, "nor after a restart"


async def test_it_rests_and_stops(alice: Alice) -> None:
    await publish(alice.node)
    await alice.node.store.set_petname("bob", BOB.did)
    await hear(alice, claims(BOB, RESULT))
    rested = asyncio.Event()

    async def rest(seconds: float) -> None:
        assert seconds > 0
        rested.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(attesting(alice).run(rest))
    async with asyncio.timeout(ENOUGH_S):
        await rested.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert (await fitness(alice))["result"] == RESULT


async def test_it_does_nothing_unless_it_is_wanted(alice: Alice) -> None:
    await attesting(alice, AttestConfig()).run()
    status = (await alice.client.get("/api/status")).json()
    assert status["attest"]["enabled"] is False


@pytest.mark.parametrize(
    ("used_s", "percent", "rest"), [(1, 50, 1), (1, 10, 9), (2, 100, 0), (600, 1, REST_S_MAX)]
)
def test_a_share_of_the_processor(used_s: float, percent: int, rest: float) -> None:
    assert rest_s(used_s, percent) == pytest.approx(rest)


async def test_entries_of_a_followed_authors_challenge_are_run_whoever_entered(
    tmp_path: Path,
) -> None:
    """Bob calls for it, carol enters: alice follows bob, and has not heard of carol."""
    clock = Clock()
    async with open_alice(tmp_path / "alice", clock=clock) as alice:
        await publish(alice.node)
        await publish(alice.node, BLINKERS, BLINKER)
        document = DocumentId(COMMONS, AuthorKey(BOB.root.public), CLASS, KIND, ID.encode())
        edit = publish_challenge(TERMS, Words("Bob's"), now_us=NOON_US)
        await hear(
            alice,
            BOB.writes(document, edit)[0],
            says(CAROL, 9, CONTENT.identity, 2),
            says(CAROL, 9, CONTENT.identity, 3),
            says(CAROL, 9, BLINKERS.identity, 1, enters=False),
            says(CAROL, 9, b"\x01" * 32, 1),
        )
        one = attesting(alice)
        assert await one.once() is None, "nobody is followed"
        await alice.node.store.set_petname("bob", BOB.did)
        elsewhere = attesting(alice, AttestConfig(enabled=True, evaluators=("org.example.other",)))
        assert await elsewhere.once() is None
        clock.now_us = TERMS.deadline_us + 1
        assert await one.once() is None, "it is over"
        clock.now_us = NOON_US
        assert await one.once() is not None
        assert await one.once() is None, "no other is an entry of what is asked, and here"
        found = await alice.client.get(f"/api/challenges/{ID}/standing")
    entrant, unknown = sorted(found.json()["entrants"], key=lambda one: -one["verified"])
    assert (unknown["genome"], unknown["witnesses"]) == ("01" * 32, [])
    assert (entrant["entered_by"], entrant["contradictions"]) == ([CAROL.did], 1)
    assert entrant["witnesses"] == [alice.node.identity.did]
