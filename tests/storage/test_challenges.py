"""Rows of challenges and their entries: whom this node follows comes first, and all is bounded."""

from collections.abc import AsyncGenerator, Callable, Sequence
from pathlib import Path

import msgspec
import pytest
import pytest_asyncio
from msgspec.structs import replace

from crdt import cbor
from crdt.change import DocumentId, SignedEntry
from crdt.document import Editor, Scalar
from crdt.keys import COMMONS
from registry.attestation import document_of, read_row, say_claim, say_run, take_claim_back
from registry.challenge import (
    CLASS,
    KIND,
    TERMS_BYTES_MAX,
    WORD,
    Terms,
    encode_terms,
    enter,
    id_of,
    publish_challenge,
)
from registry.evaluation import Evaluation
from registry.head import Words
from registry.listings import project
from storage.challenges import OF_ENTRANT_MAX, Entered, Said
from storage.namesakes import BEGINNING_MAX
from storage.store import Store, open_store
from tests.registry.attested import GLIDER, GUN, JUDGE, NAME, VERSION, ran
from tests.registry.test_challenge import TERMS
from tests.storage.people import ALICE, BOB, CAROL, NOW_US, Person, person

OPEN = replace(TERMS, opens_us=NOW_US, deadline_us=NOW_US + 1_000)
HERE = id_of(OPEN)


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncGenerator[Store]:
    async with open_store(tmp_path / "p.db", project=project, clock_us=lambda: NOW_US) as opened:
        await opened.set_petname("bob", BOB.did)
        yield opened


def runs(
    who: Person, result: int, genome: bytes, seed: int = 1, *, terms: Terms | None = OPEN
) -> SignedEntry:
    """`terms`: of the challenge that it is an entry of."""
    about = Evaluation(genome, JUDGE, seed, OPEN.ticks)
    run = say_run(about, NAME, VERSION, ran(result, at_us=NOW_US), who.signer.device.public)

    def edit(editor: Editor) -> None:
        run(editor)
        if terms is not None:
            enter(terms, now_us=NOW_US)(editor)

    return who.writes(document_of(who.signer.author, about, COMMONS), edit)[0]


def calls(who: Person, terms: Terms, name: str = "Longest life") -> SignedEntry:
    document = DocumentId(COMMONS, who.signer.author, CLASS, KIND, id_of(terms).encode())
    return who.writes(document, publish_challenge(terms, Words(name), now_us=NOW_US))[0]


async def receive(store: Store, *entries: SignedEntry) -> None:
    received = await store.receive(entries, source="somebody")
    assert not received.refused


def genomes(count: int) -> list[bytes]:
    return [bytes([n]) * 32 for n in range(100, 100 + count)]


async def test_strangers_crowd_nobody_out(store: Store) -> None:
    """However many keys somebody makes, what followed authors entered, and ran, is there."""
    many = genomes(12)
    flood = [runs(person(20 + n), 9, one) for n, one in enumerate(many)]
    known, theirs = many[-1], GUN
    await receive(store, *flood, runs(BOB, 5, theirs), runs(BOB, 9, known, terms=None))
    assert await store.entrants(HERE, OPEN, limit=1) == Entered([theirs], False)
    assert await store.entrants(HERE, OPEN, limit=3) == Entered([theirs, known, many[0]], False)
    assert await store.entrants(HERE, OPEN, limit=13) == Entered([theirs, known, *many[:-1]], True)
    assert await store.entrants("chal-0123456789abcdef", OPEN) == Entered([], True)


async def test_all_that_followed_authors_say_of_an_entrant_is_read(store: Store) -> None:
    said = [runs(BOB, seed, GLIDER, seed, terms=None) for seed in OPEN.seeds]
    await receive(store, *said, *(runs(person(20 + n), 9, GLIDER) for n in range(5)))
    await receive(store, runs(CAROL, 9, GLIDER, terms=None))
    words = await store.words_of_entrants(HERE, OPEN, [GLIDER, GUN])
    found = [read_row(row) for row in words.rows]
    assert {(one.author, one.seed) for one in found[:2]} == {(BOB.did, 1), (BOB.did, 2)}
    assert len(found) == 8 <= OF_ENTRANT_MAX
    assert not found[-1].entered, "entries come before what is only said"
    assert words.is_whole
    other = replace(OPEN, evaluator=GUN)
    assert await store.words_of_entrants(HERE, other, [GLIDER]) == Said([], True)


async def test_an_entry_goes_with_what_it_stands_beside(store: Store) -> None:
    about = Evaluation(GLIDER, JUDGE, 1, OPEN.ticks)
    document = document_of(ALICE.signer.author, about, COMMONS)
    claim = say_claim(about, NAME, VERSION, 7, now_us=NOW_US)

    def edit(editor: Editor) -> None:
        claim(editor)
        enter(OPEN, now_us=NOW_US)(editor)

    await store.commit(document, edit, ALICE.signer)
    assert (await store.entrants(HERE, OPEN)).genomes == [GLIDER]
    await store.rematerialise()
    assert (await store.entrants(HERE, OPEN)).genomes == [GLIDER]
    await store.commit(document, take_claim_back, ALICE.signer)
    assert (await store.entrants(HERE, OPEN)).genomes == []


async def test_ids_are_found_by_their_beginning_the_one_held_first_before_others(
    store: Store,
) -> None:
    """More of them than are named, of which somebody whom one follows has the last."""
    others = [replace(OPEN, ticks=ticks) for ticks in range(2 * BEGINNING_MAX)]
    await receive(store, *(calls(CAROL, one) for one in others), calls(BOB, OPEN))
    first = [id_of(one) for one in others[:BEGINNING_MAX]]
    assert await store.beginning(WORD, "chal-", authors=None) == first
    assert await store.beginning(WORD, "chal-", authors={BOB.did}) == [HERE]
    assert await store.beginning(WORD, HERE[:13], authors={CAROL.did}) == []


def poison(key: str, value: Scalar) -> Callable[[Editor], None]:
    publish = publish_challenge(OPEN, Words("Longest life"), now_us=NOW_US)

    def edit(editor: Editor) -> None:
        publish(editor)
        editor.put(("challenge", key), value)

    return edit


@pytest.mark.parametrize(
    ("record", "changed"),
    [
        (id_of(replace(OPEN, ticks=7)), None),
        ("chal-", None),
        (HERE, b""),
        (HERE, bytes(TERMS_BYTES_MAX + 1)),
        (HERE, cbor.encode({**msgspec.structs.asdict(OPEN), "seeds": [1 << 63]})),
        (HERE, cbor.encode({**msgspec.structs.asdict(OPEN), "seeds": list(range(65))})),
        (HERE, cbor.encode({**msgspec.structs.asdict(OPEN), "deadline_us": OPEN.opens_us})),
        (HERE, cbor.encode({**msgspec.structs.asdict(OPEN), "deadline_us": 1 << 62})),
    ],
    ids=["another's", "no id", "nothing", "long", "huge seed", "seeds", "ends first", "endless"],
)
async def test_what_is_no_challenge_is_held_and_never_listed(
    store: Store, record: str, changed: bytes | None
) -> None:
    document = DocumentId(COMMONS, CAROL.signer.author, CLASS, KIND, record.encode())
    said = encode_terms(OPEN) if changed is None else changed
    await receive(store, CAROL.writes(document, poison("terms", said))[0])
    assert (await store.listings(WORD)).rows == ()
    assert await store.beginning(WORD, "chal-") == []
    assert [one.refusal.code for one in await store.refused()] == ["unprojectable"]


async def records(store: Store, score_below: float | None = None) -> Sequence[str]:
    page = await store.listings(WORD, sort="score", score_below=score_below)
    return [row.listing.record for row in page.rows]


async def test_what_ends_first_is_first_and_what_is_over_can_be_left_out(store: Store) -> None:
    ends = [replace(OPEN, opens_us=1, deadline_us=NOW_US + n) for n in (5, -5, 1, -9)]
    await receive(store, *(calls(CAROL, one) for one in ends), calls(BOB, ends[0]))
    soonest = sorted(ends, key=lambda one: one.deadline_us)
    assert await records(store) == [*map(id_of, soonest), id_of(ends[0])]
    left = await records(store, score_below=-float(NOW_US))
    assert left == [id_of(ends[2]), id_of(ends[0]), id_of(ends[0])]
    first = await store.listings(WORD, sort="score", limit=1, score_below=-float(NOW_US))
    rest = await store.listings(WORD, sort="score", cursor=first.next)
    assert [row.listing.record for row in (*first.rows, *rest.rows)] == left
    mine = await store.open_challenges(NOW_US, [COMMONS])
    assert [(row.listing.author, row.listing.record) for row in mine] == [(BOB.did, left[-1])]
    assert await store.open_challenges(NOW_US + 5, [COMMONS]) == []


@pytest.mark.parametrize("limit", [1, 10])
async def test_nothing_is_left_to_run_of_genomes_that_are_not_here(
    store: Store, limit: int
) -> None:
    await receive(store, runs(CAROL, 5, GLIDER))
    assert await store.entries_to_attest(ALICE.did, HERE, OPEN, limit) == []
