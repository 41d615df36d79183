"""Keys are free: whoever makes many records hides nobody from a standing, and renames nobody."""

from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import pytest
import pytest_asyncio

from crdt.change import DocumentId, SignedEntry
from crdt.keys import COMMONS
from node.services.challenges import genome_names, standing
from registry import genome
from registry.attestation import document_of, say_claim
from registry.challenge import enter
from registry.content import Content
from registry.evaluation import Evaluation
from registry.head import Words
from registry.listings import project
from storage import challenges
from storage.challenges import OF_ENTRANT_MAX
from storage.store import Store, open_store
from tests.registry.attested import JUDGE, NAME, VERSION
from tests.registry.test_challenge import TERMS
from tests.simulation.test_standing import BOB, IN_TIME, LATE, attests, both, enters
from tests.storage.people import NOW_US, Person, person

GOOD, OTHER = (bytes([number]) * 32 for number in (7, 8))
# By did:key, which anybody may grind: whatever is read in that order, MALLORY is read before ANNA.
MALLORY, *_, ANNA = sorted((person(number) for number in range(20, 30)), key=lambda one: one.did)
OWN = person(61).did


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncGenerator[Store]:
    async with open_store(tmp_path / "p.db", project=project, clock_us=lambda: NOW_US) as opened:
        await opened.set_petname("bob", BOB.did)
        yield opened


async def receive(store: Store, entries: Sequence[SignedEntry]) -> None:
    assert not (await store.receive(entries, source="somebody")).refused


def publishes(who: Person, content: Content, name: str) -> list[SignedEntry]:
    document = DocumentId(COMMONS, who.signer.author, genome.CLASS, genome.KIND, content.identity)
    edit = genome.publish_genome(content, Words(name), genome.Facts(), now_us=NOW_US)
    return who.writes(document, edit)


def claims(who: Person, about: Evaluation, at_us: int) -> list[SignedEntry]:
    claim = say_claim(about, NAME, VERSION, 1, now_us=at_us)
    document = document_of(who.signer.author, about, COMMONS)
    return who.writes(document, both(claim, enter(TERMS, now_us=at_us)))


def crowd(who: Person, count: int, at_us: int, of: bytes | None = None) -> list[SignedEntry]:
    """Entries of one author by seeds that nobody asked for, or of genomes that nobody knows."""
    return [
        entry
        for n in range(count)
        for about in (
            [Evaluation(of, JUDGE, 1_000 + n, TERMS.ticks)]
            if of is not None
            else TERMS.evaluations(n.to_bytes(32))[:1]
        )
        for entry in claims(who, about, at_us)
    ]


async def places(store: Store) -> tuple[list[tuple[bytes, int | None, tuple[str, ...]]], bool]:
    found = await standing(store, OWN, TERMS)
    return [
        (bytes.fromhex(e.genome), e.total, e.entered_by) for e in found.entrants
    ], found.is_whole


async def test_seeds_that_nobody_asked_for_crowd_no_entry_out(store: Store) -> None:
    await receive(store, enters(ANNA, GOOD, (5, 5), IN_TIME) + attests(BOB, GOOD, (5, 5)))
    assert await places(store) == ([(GOOD, 10, (ANNA.did,))], True)
    await receive(store, crowd(MALLORY, OF_ENTRANT_MAX, LATE, GOOD))
    assert await places(store) == ([(GOOD, 10, (ANNA.did,))], True)


async def test_each_author_has_one_entry_in_time_before_any_has_two(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(challenges, "OF_ENTRANT_MAX", 2)
    await receive(store, enters(ANNA, GOOD, (5, 5), IN_TIME) + attests(BOB, GOOD, (5, 5)))
    late = person(40)
    await receive(
        store, [*enters(MALLORY, GOOD, (1, 1), IN_TIME), *enters(late, GOOD, (1, 1), LATE)]
    )
    assert await places(store) == ([(GOOD, 10, tuple(sorted((ANNA.did, MALLORY.did))))], True)


async def test_what_followed_authors_verified_is_not_crowded_out_by_entries(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(challenges, "STRANGERS_ENTRIES_MAX", 20)
    good, anna = (GOOD, 10, (ANNA.did,)), claims(ANNA, TERMS.evaluations(OTHER)[0], IN_TIME)
    await receive(store, enters(ANNA, GOOD, (5, 5), IN_TIME) + attests(BOB, GOOD, (5, 5)))
    await receive(store, crowd(MALLORY, 17, IN_TIME) + anna)
    found, is_whole = await places(store)
    assert (found[0], len(found), is_whole) == (good, 19, True)
    await receive(store, crowd(MALLORY, 60, IN_TIME))
    found, is_whole = await places(store)
    assert (found[0], is_whole) == (good, False)
    assert any(one[0] == OTHER for one in found), "each author in turn"
    for n in range(20):  # as many keys as are looked at
        await receive(store, crowd(person(100 + n), 1, IN_TIME))
    assert (await places(store))[0][0] == good


async def test_who_enters_late_takes_nobodys_room(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(challenges, "ENTRANTS_MAX", 3)
    await receive(store, crowd(MALLORY, 5, LATE))
    await receive(store, enters(ANNA, GOOD, (5, 5), IN_TIME))
    assert await places(store) == ([(GOOD, None, (ANNA.did,))], True)


@pytest.mark.parametrize("bound", ["ENTRANTS_MAX", "TRUSTED_WORDS_MAX", "STRANGERS_WORDS_MAX"])
async def test_a_standing_says_where_a_bound_was_met(
    store: Store, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    for genome_ in (GOOD, OTHER):
        await receive(store, claims(ANNA, TERMS.evaluations(genome_)[0], IN_TIME))
        await receive(store, attests(BOB, genome_, (5, 5))[:1])
    monkeypatch.setattr(challenges, bound, 2)
    found, is_whole = await places(store)
    assert (len(found), is_whole) == (2, True)
    monkeypatch.setattr(challenges, bound, 1)
    assert (await places(store))[1] is False


async def test_an_entrant_is_called_what_followed_authors_call_it(store: Store) -> None:
    content = Content.of(b"bo$2bo$3o!")
    await receive(store, publishes(MALLORY, content, "Buy coins"))
    await receive(store, enters(BOB, content.identity, (5, 5), IN_TIME))
    found = (await standing(store, OWN, TERMS)).entrants
    assert await genome_names(store, found, COMMONS) == {content.id: "Buy coins"}
    await receive(store, publishes(ANNA, content, "Glider"))
    await store.set_petname("anna", ANNA.did)
    assert await genome_names(store, found, COMMONS) == {content.id: "Glider"}
