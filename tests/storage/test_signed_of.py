"""What is held of what others sign of alice: all by those who count, of others up to a bound."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio

from crdt.change import DocumentId, SignedEntry
from crdt.keys import COMMONS, AuthorKey
from node.projection import project
from registry import advisory, module, ratings
from registry.advisory import Claim, publish_advisory
from registry.attestation import document_of, read_row, say_claim, say_run
from registry.names import ModuleName
from registry.ratings import rate, record_of, take_back
from storage import signed_of
from storage.signed_of import SignedOf
from storage.store import Store, open_store
from tests.registry.attested import NAME, QUESTION, VERSION, ran
from tests.storage.people import ALICE, BOB, CAROL, NOW_US, Person, named, person

DAVE = person(4)
DICE = f"{ALICE.did}/org.example.dice"
LOADED = Claim(
    module=ModuleName(ALICE.did, "org.example.dice"), range="<2", kind="malicious",
    title="Loaded dice", text="It cheats.",
)  # fmt: skip


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncGenerator[Store]:
    async with open_store(tmp_path / "p.db", project=project, clock_us=lambda: NOW_US) as store:
        yield store


def rating(who: Person, stars: int, target: str = DICE, *, at_us: int = 5) -> SignedEntry:
    return who.writes(rated(who, target), rate(stars, "", now_us=at_us))[0]


def rated(who: Person, target: str = DICE) -> DocumentId:
    author = AuthorKey(who.root.public)
    return DocumentId(COMMONS, author, ratings.CLASS, module.KIND, record_of(target))


def runs(who: Person, result: int) -> SignedEntry:
    document = document_of(who.signer.author, QUESTION, COMMONS)
    device = who.signer.device.public
    return who.writes(document, say_run(QUESTION, NAME, VERSION, ran(result), device))[0]


def claims(who: Person, result: int) -> SignedEntry:
    document = document_of(who.signer.author, QUESTION, COMMONS)
    return who.writes(document, say_claim(QUESTION, NAME, VERSION, result, now_us=1))[0]


def warns(who: Person) -> SignedEntry:
    id = advisory.record_of(LOADED)
    document = DocumentId(COMMONS, AuthorKey(who.root.public), advisory.CLASS, advisory.KIND, id)
    return who.writes(document, publish_advisory(LOADED, now_us=5))[0]


async def of_alice(store: Store, *entries: SignedEntry) -> SignedOf:
    received = await store.receive(entries, source="somebody")
    assert not received.refused
    return await store.signed_of(ALICE.did, {BOB.did})


async def test_nobody_said_anything(store: Store) -> None:
    found = await of_alice(store)
    assert found == SignedOf((), (), (), (), (), is_whole=True)


async def test_ratings_of_her_records_and_of_no_others(store: Store) -> None:
    other = f"{CAROL.did}/org.example.dice"
    found = await of_alice(
        store, rating(BOB, 5), rating(CAROL, 2), rating(DAVE, 1, other), rating(ALICE, 5)
    )
    given = {(row.author, row.target, row.stars) for row in found.ratings}
    assert given == {(BOB.did, DICE, 5), (CAROL.did, DICE, 2), (ALICE.did, DICE, 5)}


async def test_what_was_taken_back_is_gone(store: Store) -> None:
    entries = BOB.writes(rated(BOB), rate(5, "", now_us=5), take_back(now_us=6))
    assert (await of_alice(store, *entries)).ratings == ()


async def test_runs_of_what_she_answered(store: Store) -> None:
    assert (await of_alice(store, runs(BOB, 7))).runs == (), "she never said anything of it"
    found = await of_alice(store, claims(ALICE, 7), claims(CAROL, 9), runs(DAVE, 8))
    assert [row.author for row in found.answered] == [ALICE.did]
    assert {row.author for row in found.runs} == {BOB.did, DAVE.did}, "carol only claims"
    assert [read_row(row).answers[0].result for row in found.runs if row.author == BOB.did] == [7]


async def test_warnings_of_her_modules_and_proofs_against_her_keys(store: Store) -> None:
    found = await of_alice(store, warns(BOB), warns(CAROL), warns(ALICE))
    assert {row.listing.author for row in found.advisories} == {BOB.did, CAROL.did}
    assert found.forks == ()
    document = ALICE.document("org.example.clock")
    (one,), (two,) = ALICE.writes(document, named("one")), ALICE.writes(document, named("two"))
    (fork,) = (await of_alice(store, one, two)).forks
    assert (fork.document, fork.key, fork.seq) == (document, ALICE.signer.device.public, 1)
    assert {twin.id for twin in fork.twins} == {one.id, two.id}
    assert (await store.signed_of(BOB.did, {BOB.did})).forks == ()


async def test_strangers_fill_nothing_but_their_own_part(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("STRANGERS_RATINGS_MAX", "STRANGERS_RUNS_MAX", "STRANGERS_ADVISORIES_MAX"):
        monkeypatch.setattr(signed_of, name, 2)
    strangers = [person(number) for number in range(20, 25)]
    entries = [claims(ALICE, 7)]
    for who in (*strangers, BOB):
        entries += [rating(who, 1), runs(who, 8), warns(who)]
    found = await of_alice(store, *entries)
    assert not found.is_whole
    for authors in (
        [row.author for row in found.ratings],
        [row.author for row in found.runs],
        [row.listing.author for row in found.advisories],
    ):
        assert len(authors) == 3
        assert BOB.did in authors
