"""Everybody reckons the standing: many stores, whatever reached them in whatever order."""

import random
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from crdt.change import SignedEntry
from crdt.document import Editor
from crdt.keys import COMMONS
from node.services.challenges import Standing, standing
from registry.attestation import document_of, say_claim, say_run, take_claim_back
from registry.challenge import enter
from registry.edits import Edit
from registry.evaluation import Evaluation
from registry.listings import project
from storage.store import Store, open_store
from tests.registry.attested import JUDGE, NAME, VERSION, ran
from tests.registry.test_challenge import TERMS
from tests.storage.people import NOW_US, Person, person

BOB, CAROL, MALLORY = (person(number) for number in (12, 13, 14))
IN_TIME, LATE = TERMS.opens_us + 1, TERMS.deadline_us + 1
OLD, TWIN, EVIL, TRUE = (bytes([number]) * 32 for number in (7, 8, 9, 10))


def both(*edits: Edit) -> Edit:
    def edit(editor: Editor) -> None:
        for one in edits:
            one(editor)

    return edit


def enters(who: Person, genome: bytes, results: Sequence[int], at_us: int) -> list[SignedEntry]:
    found: list[SignedEntry] = []
    for about, result in zip(TERMS.evaluations(genome), results, strict=True):
        run = say_run(about, NAME, VERSION, ran(result, at_us=at_us), who.signer.device.public)
        document = document_of(who.signer.author, about, COMMONS)
        found += who.writes(document, both(run, enter(TERMS, now_us=at_us)))
    return found


def claims_and_takes_back(who: Person, genome: bytes) -> list[SignedEntry]:
    (about, _) = TERMS.evaluations(genome)
    claim = say_claim(about, NAME, VERSION, 99, now_us=IN_TIME)
    document = document_of(who.signer.author, about, COMMONS)
    return who.writes(document, both(claim, enter(TERMS, now_us=IN_TIME)), take_claim_back)


def attests(who: Person, genome: bytes, results: Sequence[int]) -> list[SignedEntry]:
    """After the deadline, and enters nothing."""
    return [
        entry
        for about, result in zip(TERMS.evaluations(genome), results, strict=True)
        for entry in who.writes(
            document_of(who.signer.author, about, COMMONS),
            say_run(about, NAME, VERSION, ran(result, at_us=LATE), who.signer.device.public),
        )
    ]


def all_that_is_said() -> list[SignedEntry]:
    asked_elsewhere = Evaluation(TRUE, JUDGE, TERMS.seeds[0], TERMS.ticks + 1)
    stray = say_run(asked_elsewhere, NAME, VERSION, ran(99), BOB.signer.device.public)
    return [
        *enters(BOB, OLD, (5, 5), IN_TIME),
        *enters(CAROL, TWIN, (4, 6), IN_TIME),
        *attests(BOB, TWIN, (4, 6)),
        *enters(BOB, TRUE, (90, 90), LATE),  # better, and too late
        *enters(MALLORY, EVIL, (80, 80), IN_TIME),  # made late, and dated back
        *attests(BOB, EVIL, (80, 80)),
        *attests(MALLORY, OLD, (1, 5)),  # says something else
        *claims_and_takes_back(CAROL, bytes([1]) * 32),
        *BOB.writes(
            document_of(BOB.signer.author, asked_elsewhere, COMMONS),
            both(stray, enter(TERMS, now_us=IN_TIME)),
        ),
        *(
            entry
            for number in range(6)
            for entry in enters(person(30 + number), bytes([50 + number]) * 32, (9, 9), IN_TIME)
        ),
    ]


async def deliver(store: Store, said: list[SignedEntry], rng: random.Random) -> None:
    """In another order, in other batches, some of it twice."""
    left = said + rng.sample(said, 10)
    rng.shuffle(left)
    while left:
        size = rng.randint(1, 12)
        batch, left = left[:size], left[size:]
        assert not (await store.receive(batch, source="somebody")).refused


def places(found: Standing) -> list[tuple[bytes, int | None, int | None]]:
    return [(bytes.fromhex(one.genome), one.place, one.total) for one in found.entrants]


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_who_trusts_the_same_people_sees_the_same_standing(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    said = all_that_is_said()
    trusting = {
        "dave": [BOB, CAROL],
        "erin": [CAROL, BOB],
        "fred": [MALLORY],
        "gina": list[Person](),
    }
    found: dict[str, Standing] = {}
    async with AsyncExitStack() as stack:
        for number, (name, trusted) in enumerate(trusting.items()):
            store = await stack.enter_async_context(
                open_store(tmp_path / f"{name}.db", project=project, clock_us=lambda: NOW_US)
            )
            before, after = trusted[:1], trusted[1:]
            for who in before:
                await store.set_petname(f"a{who.did[-6:].lower()}", who.did)
            await deliver(store, said, rng)
            for who in after:
                await store.set_petname(f"a{who.did[-6:].lower()}", who.did)
            own = person(60 + number).did
            found[name] = await standing(store, own, TERMS)
            await store.rematerialise()
            assert await standing(store, own, TERMS) == found[name]
    assert found["dave"] == found["erin"]
    assert places(found["dave"])[:3] == [(EVIL, 1, 160), (OLD, 2, 10), (TWIN, 2, 10)]
    evil, old, twin = found["dave"].entrants[:3]
    assert (evil.witnesses, old.witnesses, twin.witnesses) == ((), (BOB.did,), (CAROL.did,))
    assert (old.contradictions, twin.contradictions) == (1, 0)
    assert {one.genome for one in found["dave"].entrants[3:]} == {
        (bytes([50 + number]) * 32).hex() for number in range(6)
    }, "too late, taken back, or never asked: no entries"
    assert places(found["fred"])[0] == (EVIL, 1, 160), "fred sees what mallory did in time"
    assert found["fred"].entrants[0].witnesses == (MALLORY.did,)
    assert all(total is None for _, _, total in places(found["gina"])), "she trusts nobody yet"
    assert {one.genome for one in found["gina"].entrants} == {
        one.genome for one in found["dave"].entrants
    }
