"""The node runs by itself what followed authors say: newest first, each once, within a share."""

import asyncio
import dataclasses
import sqlite3
from contextlib import aclosing, closing
from pathlib import Path

import pytest

from crdt.change import DocumentId, SignedEntry
from crdt.keys import COMMONS, AuthorKey, NamespaceKey
from node.attesting import LOOK_S, PAGE_MAX, Attesting
from node.config import AttestConfig
from node.cpu_debt import NOTE_S, CpuDebt, rest_s
from node.errors import NotAllowed
from node.retries import FIRST_S, LONGEST_S
from node.services.attest import Attested, Attestor, attest_again, run_and_sign
from node.services.evaluators import bundled
from registry import genome
from registry.attestation import Attestation, document_of, say_claim
from registry.challenge import CLASS, KIND, publish_challenge
from registry.content import Content
from registry.evaluation import Evaluation
from registry.head import Words
from storage.errors import StorageError
from tests.node.api.test_attestations import (
    CONTENT,
    GLIDER,
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
DEEP = "(call 2 (local.get 0) (local.get 1) (local.get 2) (local.get 3)) (drop) (i64.const 1)"
"""An evaluator that calls itself for ever: no answer, but some work."""


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
    assert not await one.once(), "nobody is followed"
    await alice.node.store.set_petname("bob", BOB.did)
    assert await one.once()
    assert not await one.once(), "carol is a stranger"
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
    assert not await chosen.once()
    one = attesting(alice)
    assert await one.once()
    assert not await one.once(), "and carol's is left alone"
    assert (one.state.done, one.state.failed) == (1, 0)


async def published(alice: Alice, body: str) -> tuple[str, bytes]:
    """An evaluator of alice's: its full name, and the hash of its bytes."""
    answer = await alice.client.post("/api/modules", json=evaluator(body))
    assert answer.status_code == 201, answer.text
    name = answer.json()["module"]
    shown = (await alice.client.get(f"/api/modules/{name.replace('/', '%2F')}")).json()
    return name, bytes.fromhex(shown["versions"][0]["blake3"])


async def hear_a_claim_of_what_has_no_answer(alice: Alice) -> None:
    """By bob, whom she follows, about a run that uses up its stack."""
    await alice.node.store.set_petname("bob", BOB.did)
    name, digest = await published(alice, DEEP)
    theirs = Evaluation(CONTENT.identity, digest, 0, 1)
    edit = say_claim(theirs, name, "1.0.0", 1, now_us=5)
    document = document_of(AuthorKey(BOB.root.public), theirs, COMMONS)
    await hear(alice, BOB.writes(document, edit)[0])


async def test_what_has_no_answer_here_is_not_tried_again_but_is_paid_for(alice: Alice) -> None:
    await publish(alice.node)
    await hear_a_claim_of_what_has_no_answer(alice)
    one = attesting(alice)
    before_s = alice.node.workers.background_cpu_s
    assert await one.once()
    assert (one.state.done, one.state.failed) == (0, 1)
    assert "stack" in one.state.last_error
    assert alice.node.workers.background_cpu_s > before_s, "compiling and failing take time too"
    again = attesting(alice)
    assert not await again.once(), "nor after a restart"
    again.by.workers.features = "others"
    assert await again.once(), "another engine may have one"


async def test_what_was_put_off_and_has_no_answer_then_is_put_off_no_more(alice: Alice) -> None:
    await hear_a_claim_of_what_has_no_answer(alice)
    now_s = 0.0
    one = attesting(alice)
    one.clock_s = lambda: now_s
    assert not await one.once(), "its genome is not here"
    assert one.retries.next_s(now_s=now_s) == FIRST_S
    await publish(alice.node)
    now_s = FIRST_S
    assert await one.once()
    assert one.state.failed == 1
    assert one.retries.next_s(now_s=0.0) == LONGEST_S


async def test_a_failed_run_rests_as_long_as_one_that_gave_a_result(alice: Alice) -> None:
    await publish(alice.node)
    await alice.node.store.set_petname("bob", BOB.did)
    name, digest = await published(alice, f"(drop (call 1 (i32.const 1))) {DEEP}")
    theirs = Evaluation(CONTENT.identity, digest, 0, 1)
    edit = say_claim(theirs, name, "1.0.0", 1, now_us=5)
    document = document_of(AuthorKey(BOB.root.public), theirs, COMMONS)
    await hear(alice, BOB.writes(document, edit)[0])
    rests: asyncio.Queue[float] = asyncio.Queue()

    async def rest(seconds: float) -> None:
        rests.put_nowait(seconds)

    one = attesting(alice, AttestConfig(enabled=True, cpu_percent=1))
    task = asyncio.create_task(one.run(rest))
    async with asyncio.timeout(ENOUGH_S):
        rested_s = await rests.get()
        assert rested_s > 0
        while (next_s := await rests.get()) != LOOK_S:  # until nothing is left
            rested_s += next_s
        assert rested_s == pytest.approx(99 * alice.node.workers.background_cpu_s)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert one.state.failed == 1


async def test_what_comes_before_its_genome_is_run_when_that_is_here(alice: Alice) -> None:
    await alice.node.store.set_petname("bob", BOB.did)
    await hear(alice, claims(BOB, RESULT))
    now_s = 0.0
    one = attesting(alice)
    one.clock_s = lambda: now_s
    assert not await one.once()
    assert "no genome" in one.state.last_error
    await publish(alice.node)
    assert not await one.once(), "it was put off"
    now_s = one.retries.next_s(now_s=now_s)
    assert await one.once()
    assert (await fitness(alice))["result"] == RESULT


async def test_what_cannot_be_run_hides_nothing_older(alice: Alice) -> None:
    """Bob says more of an evaluator that nobody trusts than is looked at together."""
    await publish(alice.node)
    await alice.node.store.set_petname("bob", BOB.did)
    await hear(alice, claims(BOB, RESULT))  # at 1, the oldest
    unknown = [
        Evaluation(CONTENT.identity, bytes([7]) * 32, seed, 1) for seed in range(PAGE_MAX + 1)
    ]
    name = f"{CAROL.did}/org.example.judge"
    for about in unknown:
        edit = say_claim(about, name, "1.0.0", 1, now_us=9)
        document = document_of(AuthorKey(BOB.root.public), about, COMMONS)
        await hear(alice, BOB.writes(document, edit)[0])
    assert await attesting(alice).once()
    assert (await fitness(alice))["result"] == RESULT


async def test_where_it_may_not_sign_nothing_is_run(alice: Alice) -> None:
    """Said before the run, not after minutes of it; a dry run signs nothing."""
    one = attesting(alice)
    by = dataclasses.replace(one.by, namespace=NamespaceKey(BOB.root.public), waits=True)
    life = bundled("io.panspermia.life-score")
    assert life is not None
    with pytest.raises(NotAllowed):
        await run_and_sign(by, QUESTION, life, GLIDER)
    assert alice.node.workers.background_cpu_s == 0
    done = await run_and_sign(by, QUESTION, life, GLIDER, dry_run=True)
    assert done.answer.result == RESULT
    assert alice.node.workers.background_cpu_s > 0


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


async def test_who_kills_the_node_in_the_middle_of_a_run_owes_the_longest(alice: Alice) -> None:
    """And whoever starts it again and again gets no more of the processor."""
    await publish(alice.node)
    await alice.node.store.set_petname("bob", BOB.did)
    await hear(alice, claims(BOB, RESULT))
    killed = attesting(alice)
    await killed.debt.begin()  # and no more is heard of it
    rests: list[float] = []

    class Killed(Exception):
        pass

    async def rest(seconds: float) -> None:
        assert alice.node.workers.background_cpu_s == 0, "before anything is run"
        rests.append(seconds)
        if len(rests) % 3 == 0:
            raise Killed

    most_s = rest_s(killed.debt.longest_s, killed.config.cpu_percent)
    for _ in range(2):
        with pytest.raises(Killed):
            await attesting(alice).run(rest)
    assert rests == [NOTE_S] * 6
    left_s = await alice.node.store.attesting_owed_s()
    assert rest_s(left_s, killed.config.cpu_percent) == pytest.approx(most_s - 4 * NOTE_S)


async def test_what_a_run_took_that_was_broken_off_is_owed_by_the_next_life(
    alice: Alice, monkeypatch: pytest.MonkeyPatch
) -> None:
    await publish(alice.node)
    await alice.node.store.set_petname("bob", BOB.did)
    await hear(alice, claims(BOB, RESULT))
    now_s = 100.0
    one = attesting(alice)
    one.clock_s = lambda: now_s
    began = asyncio.Event()

    async def run_for_ever(by: Attestor, said: Attestation) -> Attested:
        began.set()
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr("node.attesting.attest_again", run_for_ever)
    task = asyncio.create_task(one.run())
    async with asyncio.timeout(ENOUGH_S):
        await began.wait()
        now_s = 107.0
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert await alice.node.store.attesting_owed_s() == 7.0


@pytest.mark.parametrize("kept_s", [-5.0, 1e300, float("inf")])
async def test_no_debt_stops_it_for_ever(alice: Alice, kept_s: float) -> None:
    await alice.node.store.note_attesting_owed(kept_s)
    debt, rested = CpuDebt(alice.node.store, 1, 150.0), list[float]()

    async def rest(seconds: float) -> None:
        rested.append(seconds)

    await debt.load()
    await debt.pay(rest)
    assert sum(rested) == pytest.approx(99 * 150.0 if kept_s > 0 else 0)
    assert (debt.owed_s, await alice.node.store.attesting_owed_s()) in ((0.0, 0.0), (0.0, kept_s))


async def test_a_debt_that_cannot_be_read_is_a_longest_run_and_ends_nothing(alice: Alice) -> None:
    with closing(sqlite3.connect(alice.node.home.database)) as database, database:
        database.execute("PRAGMA writable_schema = ON")
        database.execute("UPDATE sqlite_schema SET rootpage = 1000000 WHERE name = 'store'")
        (version,) = database.execute("PRAGMA schema_version").fetchone()
        database.execute(f"PRAGMA schema_version = {version + 1}")  # others read it anew
    with pytest.raises(StorageError):
        await alice.node.store.attesting_owed_s()
    one, rested = attesting(alice), list[float]()
    most_s = rest_s(one.debt.longest_s, one.config.cpu_percent)

    class Enough(Exception):
        pass

    async def rest(seconds: float) -> None:
        rested.append(seconds)
        if sum(rested) > most_s - 1e-6:
            raise Enough

    with pytest.raises(Enough):
        await one.run(rest)
    assert sum(rested) == pytest.approx(most_s)


async def test_it_does_nothing_unless_it_is_wanted(alice: Alice) -> None:
    await attesting(alice, AttestConfig()).run()
    status = (await alice.client.get("/api/status")).json()
    assert status["attest"]["enabled"] is False


@pytest.mark.parametrize(
    ("used_s", "percent", "rest"), [(1, 50, 1), (1, 10, 9), (2, 100, 0), (600, 1, 59_400)]
)
def test_a_share_of_the_processor(used_s: float, percent: int, rest: float) -> None:
    assert rest_s(used_s, percent) == pytest.approx(rest)


async def test_entries_that_take_long_to_fail_do_not_hold_up_what_comes_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Carol enters genomes that nobody gives; while the first is asked for, bob says something."""
    gone = [bytes([n]) * 32 for n in range(1, 4)]
    elsewhere = [dataclasses.replace(Content.of(b"nobody"), identity=one, text="") for one in gone]
    carol = AuthorKey(CAROL.root.public)
    async with open_alice(tmp_path / "alice", clock=Clock()) as alice:
        await alice.node.store.set_petname("bob", BOB.did)
        document = DocumentId(COMMONS, AuthorKey(BOB.root.public), CLASS, KIND, ID.encode())
        edit = publish_challenge(TERMS, Words("Bob's"), now_us=NOON_US)
        await hear(
            alice,
            BOB.writes(document, edit)[0],
            *(says(CAROL, 9, one.identity, 1) for one in elsewhere),
        )
        for one in elsewhere:
            theirs = DocumentId(COMMONS, carol, genome.CLASS, genome.KIND, one.identity)
            edit = genome.publish_genome(one, Words("Gone"), genome.Facts(), now_us=5)
            await hear(alice, *CAROL.writes(theirs, edit))
        await publish(alice.node)
        node, asked, now_s = attesting(alice), list[str](), 0.0

        async def attest_slowly(by: Attestor, said: Attestation) -> Attested:
            nonlocal now_s
            asked.append(said.genome)
            now_s += LOOK_S
            if len(asked) == 1:
                await hear(alice, claims(BOB, RESULT))
            return await attest_again(by, said)

        node.clock_s = lambda: now_s
        monkeypatch.setattr("node.attesting.attest_again", attest_slowly)
        assert await node.once()
        assert asked[1:] == [CONTENT.id]
        assert not await node.once(), "each entry was tried, and it ends"
        assert len(set(asked)) == 4


async def test_what_fails_as_nobody_thought_of_is_put_off_too(
    alice: Alice, monkeypatch: pytest.MonkeyPatch
) -> None:
    await publish(alice.node)
    await alice.node.store.set_petname("bob", BOB.did)
    await hear(alice, claims(BOB, RESULT, LATER), claims(BOB, RESULT))
    failing: list[int] = []

    async def fail_first(by: Attestor, said: Attestation) -> Attested:
        if not failing or said.ticks in failing:
            failing.append(said.ticks)
            raise ZeroDivisionError
        return await attest_again(by, said)

    one = attesting(alice)
    one.clock_s = lambda: 0.0
    monkeypatch.setattr("node.attesting.attest_again", fail_first)
    with pytest.raises(ZeroDivisionError):
        await one.once()
    assert await one.once(), "the other one is run"
    assert not await one.once()
    assert len(failing) == 1


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
        assert not await one.once(), "nobody is followed"
        await alice.node.store.set_petname("bob", BOB.did)
        elsewhere = attesting(alice, AttestConfig(enabled=True, evaluators=("org.example.other",)))
        assert not await elsewhere.once()
        clock.now_us = TERMS.deadline_us + 1
        assert not await one.once(), "it is over"
        clock.now_us = NOON_US
        assert await one.once()
        assert not await one.once(), "no other is an entry of what is asked, and here"
        found = await alice.client.get(f"/api/challenges/{ID}/standing")
    entrant, unknown = sorted(found.json()["entrants"], key=lambda one: -one["verified"])
    assert (unknown["genome"], unknown["witnesses"]) == ("01" * 32, [])
    assert (entrant["entered_by"], entrant["contradictions"]) == ([CAROL.did], 1)
    assert entrant["witnesses"] == [alice.node.identity.did]
