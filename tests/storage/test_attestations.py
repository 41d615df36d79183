"""Rows of attestations: who said what of a genome, whom this node follows first."""

from pathlib import Path

import pytest

from crdt.blob import manifest_of
from crdt.change import DocumentId, SignedEntry
from crdt.keys import COMMONS, NamespaceKey
from registry.attestation import (
    CLASS,
    KIND,
    Edit,
    document_of,
    read_row,
    say_claim,
    say_run,
    take_all_back,
)
from registry.deletion import delete
from registry.evaluation import Evaluation
from registry.listings import project
from storage.attestations import OF_GENOME_MAX
from storage.installed import InstallChanges, Installed
from storage.quota import Quota
from storage.store import Store, open_store
from tests.registry.attested import GLIDER, GUN, JUDGE, NAME, QUESTION, VERSION, ran
from tests.storage.people import ALICE, BOB, CAROL, NOW_US, Person, person

LATER = Evaluation(GUN, JUDGE, 0, 100)
OWN = Quota(own=frozenset({ALICE.signer.author}))


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
    async with open_store(path, project=project, clock_us=lambda: NOW_US, quota=OWN) as store:
        await store.set_petname("bob", BOB.did)
        await receive(store, claims(BOB, 7, at_us=5), claims(BOB, 8, LATER, at_us=6))
        await receive(store, claims(CAROL, 9))
        left = await store.to_attest(ALICE.did, [COMMONS])
        assert [one.row.evaluation for one in left] == [LATER.id, QUESTION.id]
        device = ALICE.signer.device.public
        edit = say_run(LATER, NAME, VERSION, ran(8), device)
        await store.commit(document(ALICE, LATER), edit, ALICE.signer)
        left = await store.to_attest(ALICE.did, [COMMONS])
        assert [one.row.evaluation for one in left] == [QUESTION.id]


async def test_no_flood_hides_what_one_ran_oneself(path: Path) -> None:
    """Alice's key sorts after those of others; bob and carol have names, and say much."""
    async with open_store(path, project=project, clock_us=lambda: NOW_US, quota=OWN) as store:
        for name, who in (("bob", BOB), ("carol", CAROL)):
            await store.set_petname(name, who.did)
        many = [Evaluation(GLIDER, JUDGE, seed, 100) for seed in range(1, 4)]
        await receive(store, *(claims(who, 1, about) for who in (BOB, CAROL) for about in many))
        await receive(store, runs(CAROL, 7), *(runs(person(n), 9) for n in range(10, 14)))
        await store.commit(
            document(ALICE),
            say_run(QUESTION, NAME, VERSION, ran(7), ALICE.signer.device.public),
            ALICE.signer,
        )
        first, second = await store.attestations(GLIDER, limit=2)
        assert (first.author, first.is_run) == (ALICE.did, True)
        assert second.author in (BOB.did, CAROL.did)
        assert second.is_run, "who ran it comes before who only claims"
        of_one = await store.attestations(GLIDER, evaluation=QUESTION.id)
        assert {row.evaluation for row in of_one} == {QUESTION.id}
        assert len(of_one) == 6
        assert [row.author for row in await store.trusted_runs(limit=1)] == [ALICE.did]


async def test_all_that_is_left_is_reached_page_by_page(path: Path) -> None:
    async with open_store(path, project=project, clock_us=lambda: NOW_US, quota=OWN) as store:
        await store.set_petname("bob", BOB.did)
        every = [Evaluation(GLIDER, JUDGE, seed, 100) for seed in range(7)]
        # Two by two of one moment: the place of the last one tells them apart.
        await receive(store, *(claims(BOB, 1, about, at_us=about.seed // 2) for about in every))
        reached: list[bytes] = []
        after: tuple[int, int] | None = None
        while page := await store.to_attest(ALICE.did, [COMMONS], 3, after=after):
            reached += [one.row.evaluation for one in page]
            after = page[-1].place
        assert sorted(reached) == sorted(about.id for about in every)
        assert reached[0] == every[6].id, "the newest first"


async def test_a_note_is_of_one_place_one_engine_and_perhaps_for_a_while(path: Path) -> None:
    now_us = NOW_US
    async with open_store(path, project=project, clock_us=lambda: now_us, quota=OWN) as store:
        await store.set_petname("bob", BOB.did)
        await receive(store, claims(BOB, 7))

        async def left(engine: str = "one") -> int:
            return len(await store.to_attest(ALICE.did, [COMMONS], engine=engine))

        elsewhere = NamespaceKey(BOB.signer.author)
        await store.note_not_attested(elsewhere, QUESTION.id, "deadline", engine="one")
        assert await left() == 1
        await store.note_not_attested(COMMONS, QUESTION.id, "stack-overflow", engine="one")
        assert (await left(), await left("another")) == (0, 1)
        until_us = now_us + 10
        await store.note_not_attested(
            COMMONS, QUESTION.id, "deadline", engine="one", until_us=until_us
        )
        assert await left() == 0
        now_us = until_us
        assert await left() == 1


@pytest.mark.parametrize("gone", [delete(now_us=NOW_US), take_all_back])
async def test_what_was_taken_back_is_not_attested_by_itself(path: Path, gone: Edit) -> None:
    async with open_store(path, project=project, clock_us=lambda: NOW_US, quota=OWN) as store:
        await store.set_petname("bob", BOB.did)
        await receive(store, claims(BOB, 7))
        device = ALICE.signer.device.public
        said = say_run(QUESTION, NAME, VERSION, ran(7), device)
        for edit in (said, gone):
            await store.commit(document(ALICE), edit, ALICE.signer)
        assert await store.to_attest(ALICE.did, [COMMONS]) == []


async def test_whoever_wrote_what_is_installed_is_not_whom_one_believes(path: Path) -> None:
    async with open_store(path, project=project, clock_us=lambda: NOW_US, quota=OWN) as store:
        await receive(store, runs(BOB, 7))
        module = f"{BOB.did}/org.example.dependency"
        blob = manifest_of(b"").id
        one = Installed(module, "1.0.0", "", blob, 0, False, "", {}, NOW_US)
        await store.apply_install(InstallChanges(put=[one]))
        assert await store.followed_authors() == {ALICE.did}
        assert await store.trusted_runs() == []
        assert await store.to_attest(ALICE.did, [COMMONS]) == []
        await store.set_petname("bob", BOB.did)
        assert await store.followed_authors() == {ALICE.did, BOB.did}


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
