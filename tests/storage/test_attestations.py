"""Rows of attestations: who said what of a genome, whom this node follows first."""

from pathlib import Path

import pytest

from crdt.change import DocumentId, SignedEntry
from crdt.keys import COMMONS
from registry.attestation import CLASS, KIND, document_of, read_row, say_claim, say_run
from registry.deletion import delete
from registry.evaluation import Evaluation
from registry.listings import project
from storage.attestations import OF_GENOME_MAX
from storage.store import Store, open_store
from tests.registry.attested import GLIDER, GUN, JUDGE, NAME, QUESTION, VERSION, ran
from tests.storage.people import ALICE, BOB, CAROL, NOW_US, Person, person

LATER = Evaluation(GUN, JUDGE, 0, 100)


def document(who: Person, about: Evaluation = QUESTION) -> DocumentId:
    return document_of(who.signer.author, about, COMMONS)


def claims(who: Person, result: int, about: Evaluation = QUESTION, at_us: int = 1) -> SignedEntry:
    edit = say_claim(about, NAME, VERSION, result, now_us=at_us)
    return who.writes(document(who, about), edit)[0]


def runs(who: Person, result: int, about: Evaluation = QUESTION, at_us: int = 1) -> SignedEntry:
    run = ran(result, at_us=at_us)
    device = who.signer.device.public
    return who.writes(document(who, about), say_run(about, NAME, VERSION, run, device))[0]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "p.db"


async def receive(store: Store, *entries: SignedEntry) -> None:
    received = await store.receive(entries, source="somebody")
    assert not received.refused


async def test_what_followed_authors_say_comes_first(path: Path) -> None:
    async with open_store(path, project=project, clock_us=lambda: NOW_US) as store:
        strangers = [person(number) for number in range(10, 14)]
        await receive(store, *(runs(one, 1) for one in strangers), runs(CAROL, 7), claims(BOB, 7))
        await store.set_petname("carol", CAROL.did)
        rows = await store.attestations(GLIDER)
        assert [row.author for row in rows[:1]] == [CAROL.did]
        assert [read_row(row).answers for row in rows[:1]] == [read_row(rows[0]).answers]
        assert len(rows) == 6
        assert [row.author for row in await store.attestations(GLIDER, limit=1)] == [CAROL.did]
        assert len(rows) <= OF_GENOME_MAX
        assert await store.attestations(GUN) == []
        assert [row.author for row in await store.trusted_runs()] == [CAROL.did]
        assert CAROL.did in await store.followed_authors()


async def test_what_is_left_to_attest_is_the_newest_first(path: Path) -> None:
    async with open_store(path, project=project, clock_us=lambda: NOW_US) as store:
        await store.set_petname("bob", BOB.did)
        await receive(store, claims(BOB, 7, at_us=5), claims(BOB, 8, LATER, at_us=6))
        await receive(store, claims(CAROL, 9))
        left = await store.to_attest(ALICE.did, [COMMONS])
        assert [row.evaluation for _, row in left] == [LATER.id, QUESTION.id]
        device = ALICE.signer.device.public
        edit = say_run(LATER, NAME, VERSION, ran(8), device)
        await store.commit(document(ALICE, LATER), edit, ALICE.signer)
        left = await store.to_attest(ALICE.did, [COMMONS])
        assert [row.evaluation for _, row in left] == [QUESTION.id]


async def test_a_deleted_attestation_is_on_no_list_and_reindexing_keeps_the_rest(
    path: Path,
) -> None:
    async with open_store(path, project=project, clock_us=lambda: NOW_US) as store:
        await receive(store, runs(BOB, 7), claims(CAROL, 9))
        before = await store.attestations(GLIDER)
        await store.rematerialise()
        assert await store.attestations(GLIDER) == before
        device = ALICE.signer.device.public
        edit = say_run(QUESTION, NAME, VERSION, ran(7), device)
        await store.commit(document(ALICE), edit, ALICE.signer)
        assert len(await store.attestations(GLIDER)) == 3
        await store.commit(document(ALICE), delete(now_us=NOW_US), ALICE.signer)
        assert await store.attestations(GLIDER) == before


async def test_what_is_none_is_kept_and_not_listed(path: Path) -> None:
    """It cannot be read, so its document counts for nothing; the node says which and why."""
    async with open_store(path, project=project, clock_us=lambda: NOW_US) as store:
        wrong = DocumentId(COMMONS, BOB.signer.author, CLASS, KIND, GUN)
        edit = say_claim(QUESTION, NAME, VERSION, 1, now_us=1)
        await receive(store, BOB.writes(wrong, edit)[0])
        assert await store.attestations(GLIDER) == []
