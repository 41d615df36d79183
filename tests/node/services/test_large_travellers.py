"""Travellers whose bytes are a blob: let in once all of these are there, and are theirs."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from operator import itemgetter
from pathlib import Path
from random import Random
from typing import Any, cast

import pytest

from crdt import rollover
from crdt.blob import BlobId
from crdt.keys import COMMONS
from node.errors import Unreachable
from node.events import Events
from node.gates import Gates
from node.services import looking
from node.services.gatebooks import Books
from node.services.passages import document_of
from node.services.passengers import Passenger
from node.services.travel import Sent
from node.services.verdicts import FALSE_BYTES, Wanted, bytes_told
from registry.deletion import undelete
from registry.errors import CannotTravel
from storage.store import Store
from tests.node.services.test_many_travellers import left as says_of
from tests.node.services.test_travel import Person, opened, sends
from tests.storage.test_folding import rows
from tests.storage.test_unshown import opened as opened_own
from universe import gatebook, shares
from universe.gate import Verdict, due
from universe.passage import Passage
from universe.receipts import TRAVELLER_BYTES_MAX, Receipt, Traveller, Who
from universe.travel import In

WHALE = Passenger(Random(6).randbytes(300_000), "whale", "bin")


async def left(alice: Person, passage: Passage, who: Passenger = WHALE) -> Sent:
    meadow = alice.universe("universe:meadow")
    return await alice.gates.send(passage, meadow, bytes([6]) * 16, who, 1)


def blob_of(sent: Sent) -> BlobId:
    blob = sent.departure.receipt.traveller.blob
    assert blob is not None
    return blob


async def test_it_is_let_in_once_its_bytes_are_there(people: tuple[Person, Person]) -> None:
    alice, bob = people
    passage = await opened(alice, bob)
    sent = await left(alice, passage)
    assert not (await left(alice, passage)).is_new
    traveller = sent.departure.receipt.traveller
    assert (traveller.inline, traveller.size) == (None, 300_000)
    assert await bytes_told(alice.ferry.store, traveller) == WHALE.data
    # It is named by the record of the universe: nothing lets go of it.
    assert blob_of(sent) in await alice.ferry.store.blobs_named(alice.ferry.identity.author)
    reef = bob.universe("universe:reef")
    await bob.hears(alice)
    assert await bob.gates.answer(reef) == []
    assert bob.gates.wanted == {blob_of(sent): Wanted(300_000, frozenset({passage.name}))}
    assert await bytes_told(bob.ferry.store, traveller) is None
    # A small one that left later is not kept waiting.
    fox = await sends(alice, passage)
    await bob.hears(alice)
    (first,) = await bob.gates.answer(reef)
    assert first.receipt.traveller.who == fox.departure.receipt.traveller.who
    assert await bob.ferry.store.put_blob(WHALE.data) == blob_of(sent)
    (arrived,) = await bob.gates.answer(reef)
    assert arrived.receipt.kind == "arrival"
    assert await bob.sees(sent) == In(reef)
    assert await bytes_told(bob.ferry.store, traveller) == WHALE.data


async def test_one_whose_bytes_rotted_is_fetched_again_and_keeps_nobody_else_waiting(
    people: tuple[Person, Person], tmp_path: Path
) -> None:
    alice, bob = people
    passage = await opened(alice, bob)
    reef = bob.universe("universe:reef")
    sent = await left(alice, passage)
    fox = await sends(alice, passage)
    # And somebody of bob's is to come back.
    eel = await bob.gates.send(passage, reef, bytes([9]) * 16, Passenger(b"{}", "eel"), 1)
    await alice.hears(bob)
    meadow = alice.universe("universe:meadow")
    await alice.gates.decide(meadow, eel.departure.id, Verdict("refuse", "no room"), 1)
    await bob.ferry.store.put_blob(WHALE.data)
    await bob.hears(alice)
    rows(tmp_path / "bob", "UPDATE chunk SET data = zeroblob(length(data))")
    signed = await bob.gates.answer(reef)
    assert [one.receipt.kind for one in signed] == ["return", "arrival"]
    assert (await bob.sees(eel), await bob.sees(fox)) == (In(reef), In(reef))
    assert bob.gates.wanted == {blob_of(sent): Wanted(300_000, frozenset({passage.name}))}
    assert await bob.ferry.store.put_blob(WHALE.data) == blob_of(sent)
    await bob.gates.answer(reef)
    assert await bob.sees(sent) == In(reef)


DAMAGES = ("UPDATE chunk SET data = zeroblob(length(data))", "DELETE FROM chunk")


def imp_of(alice: Person, bob: Person, passage: Passage, blob: BlobId) -> Receipt:
    """Who says something else of that blob: so it is read, and its hash is remembered."""
    who = Who(alice.universe("universe:meadow"), "imp")
    named = Traveller.in_blob(who, WHALE.data, "bin", blob)
    return replace(says_of(alice, bob, passage, 1, who), traveller=replace(named, hash=bytes(32)))


@pytest.mark.parametrize("damage", DAMAGES)
async def test_nobody_is_let_in_by_bytes_that_were_there_once(
    people: tuple[Person, Person], tmp_path: Path, damage: str
) -> None:
    """They rotted, or are gone, after they were read for somebody else."""
    alice, bob = people
    passage = await opened(alice, bob)
    blob = await bob.ferry.store.put_blob(WHALE.data)
    await alice.signs(imp_of(alice, bob, passage, blob))
    await bob.hears(alice)
    gates, store = counted_gates(bob)
    assert (await gates.answer(COMMONS), store.bytes_read) == (1, len(WHALE.data))
    rows(tmp_path / "bob", damage)
    sent = await left(alice, passage)
    assert blob_of(sent) == blob
    await bob.hears(alice)
    assert await gates.answer(COMMONS) == 0
    assert gates.wanted == {blob: Wanted(300_000, frozenset({passage.name}))}
    await bob.ferry.store.put_blob(WHALE.data)
    assert await gates.answer(COMMONS) == 1
    assert await bob.sees(sent) == In(bob.universe("universe:reef"))


async def test_no_person_lets_anybody_in_by_bytes_that_were_there_once(
    people: tuple[Person, Person], tmp_path: Path
) -> None:
    alice, bob = people
    passage = await opened(alice, bob, arrivals="ask")
    blob = await bob.ferry.store.put_blob(WHALE.data)
    await alice.signs(imp_of(alice, bob, passage, blob))
    sent = await left(alice, passage)
    await bob.hears(alice)
    reef = bob.universe("universe:reef")
    (imp,) = (
        one.id
        for one in (
            await Books(bob.ferry).ask(itemgetter(sent.departure.receipt.universe))
        ).receipts
        if one.id != sent.departure.id
    )
    with pytest.raises(CannotTravel, match=FALSE_BYTES):
        await bob.gates.decide(reef, imp, Verdict("accept"), 1)
    rows(tmp_path / "bob", DAMAGES[0])
    with pytest.raises(CannotTravel, match="not here any more"):
        await bob.gates.decide(reef, sent.departure.id, Verdict("accept"), 1)
    await bob.ferry.store.put_blob(WHALE.data)
    await bob.gates.decide(reef, sent.departure.id, Verdict("accept"), 1)
    assert await bob.sees(sent) == In(reef)


async def test_what_is_asked_of_a_person_waits_for_the_bytes_too(
    people: tuple[Person, Person],
) -> None:
    alice, bob = people
    passage = await opened(alice, bob, arrivals="ask")
    sent = await left(alice, passage)
    await bob.hears(alice)
    reef, id = bob.universe("universe:reef"), sent.departure.id
    with pytest.raises(CannotTravel, match="not here yet") as missing:
        await bob.gates.decide(reef, id, Verdict("accept"), 1)
    assert (missing.value.why, list(bob.gates.wanted)) == ("bytes-missing", [blob_of(sent)])
    refused = await bob.gates.decide(reef, id, Verdict("refuse", "no room"), 1)
    assert refused.answer.receipt.kind == "refusal"


async def test_bytes_that_are_others_and_too_many_are_refused(
    people: tuple[Person, Person],
) -> None:
    alice, bob = people
    passage = await opened(alice, bob)
    meadow, reef = alice.universe("universe:meadow"), bob.universe("universe:reef")
    real = await bob.ferry.store.put_blob(WHALE.data)

    def says(soul: str, size: int, format: str = "bin", hash: bytes = bytes(32)) -> Receipt:
        return Receipt(
            kind="departure", universe=meadow, other=reef, gate=bytes(32), epoch=1, seq=1,
            prev=bytes(32), migration=soul.encode().ljust(16), passage=passage.name, tick=0,
            traveller=Traveller(Who(meadow, soul), hash, size, format, blob=real), at_us=0,
        )  # fmt: skip

    right = Traveller.in_blob(Who(meadow, "x"), WHALE.data, "bin", real).hash
    await alice.signs(
        says("hash", len(WHALE.data)), says("size", 7, hash=right),
        says("much", TRAVELLER_BYTES_MAX + 1, hash=right),
        says("message", len(WHALE.data), "primordium-migration", right),
        says("right", len(WHALE.data), hash=right),
    )  # fmt: skip
    await bob.hears(alice)
    found = {one.receipt.traveller.who.soul: one.receipt for one in await bob.gates.answer(reef)}
    assert {soul: one.kind for soul, one in found.items()} == {
        "hash": "refusal", "size": "refusal", "much": "refusal", "message": "refusal",
        "right": "arrival",
    }  # fmt: skip
    assert (found["hash"].reason, found["size"].reason) == (FALSE_BYTES, FALSE_BYTES)
    assert "too large" in found["much"].reason
    assert bob.gates.wanted == {}


async def test_the_task_behind_the_gates_brings_them(people: tuple[Person, Person]) -> None:
    alice, bob = people
    passage = await opened(alice, bob)
    sent = await left(alice, passage)
    await bob.hears(alice)
    asked: list[tuple[BlobId, int]] = []

    async def fetch(blob: BlobId, size_bytes_max: int) -> None:
        asked.append((blob, size_bytes_max))
        if len(asked) == 1:
            raise Unreachable("nobody is there", code="blob-unreachable")
        await bob.ferry.store.put_blob(WHALE.data)

    async def rest(seconds: float) -> None:
        await asyncio.sleep(0)

    events = Events()
    told = events.follow(0, ("traveller",))
    gates = Gates(lambda _: bob.ferry, bob.gates.lock, events, fetch=fetch, pause=rest)
    task = asyncio.create_task(gates.run(rest))
    async with asyncio.timeout(60):
        event = await anext(told)
    assert b'"kind":"arrival"' in event.data
    await told.aclose()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert asked == [(blob_of(sent), 300_000)] * 2
    assert await gates.answer(COMMONS) == 0


class Counted:
    """Bob's store, and how many bytes of blobs were read of it."""

    def __init__(self, store: Store) -> None:
        self.store, self.bytes_read = store, 0

    def __getattr__(self, name: str) -> object:
        return getattr(self.store, name)

    async def read_blob(self, blob: BlobId) -> bytes:
        data = await self.store.read_blob(blob)
        self.bytes_read += len(data)
        return data


def counted_gates(bob: Person) -> tuple[Gates, Counted]:
    store = Counted(bob.ferry.store)
    ferry = replace(bob.ferry, store=cast("Store", store))
    return Gates(lambda _: ferry, bob.gates.lock, Events()), store


def many(alice: Person, bob: Person, passage: Passage, whos: Iterable[Traveller]) -> list[Receipt]:
    return [
        replace(says_of(alice, bob, passage, n, one.who), traveller=one)
        for n, one in enumerate(whos)
    ]


@pytest.mark.parametrize("is_true", [True, False])
async def test_a_blob_that_many_name_is_read_once(
    people: tuple[Person, Person], *, is_true: bool
) -> None:
    """By its own hash, or each by another one."""
    alice, bob = people
    passage, meadow = await opened(alice, bob), alice.universe("universe:meadow")
    blob = await bob.ferry.store.put_blob(WHALE.data)
    named = [Traveller.in_blob(Who(meadow, f"imp {n}"), WHALE.data, "bin", blob) for n in range(60)]
    if not is_true:
        named = [replace(one, hash=n.to_bytes(32)) for n, one in enumerate(named)]
    await alice.signs(*many(alice, bob, passage, named))
    await bob.hears(alice)
    gates, store = counted_gates(bob)
    assert await gates.answer(COMMONS) == 60
    assert store.bytes_read == len(WHALE.data)
    assert await gates.answer(COMMONS) == 0
    assert store.bytes_read == len(WHALE.data)


async def test_no_more_blobs_are_read_than_are_answered(people: tuple[Person, Person]) -> None:
    """Whoever waits for bytes that are not here keeps none of them waiting."""
    alice, bob = people
    passage, meadow = await opened(alice, bob), alice.universe("universe:meadow")
    named, drawn = list[Traveller](), Random(7)
    for number in range(60):
        data = drawn.randbytes(40_000)
        is_here = number % 3
        blob = await (bob if is_here else alice).ferry.store.put_blob(data)
        named.append(Traveller.in_blob(Who(meadow, f"imp {number}"), data, "bin", blob))
    await alice.signs(*many(alice, bob, passage, named))
    await bob.hears(alice)
    _, store = counted_gates(bob)
    keeper = replace(bob.gates, by=replace(bob.ferry, store=cast("Store", store)))
    answers = await keeper.answer(bob.universe("universe:reef"))
    assert [one.receipt.kind for one in answers] == ["arrival"] * 16
    assert store.bytes_read == 16 * 40_000
    assert len(await keeper.answer(bob.universe("universe:reef"))) == 16
    assert store.bytes_read == 32 * 40_000
    assert len(await keeper.answer(bob.universe("universe:reef"))) == 8
    assert await keeper.answer(bob.universe("universe:reef")) == []
    assert store.bytes_read == 40 * 40_000


async def test_what_cannot_be_answered_keeps_no_blob_from_being_looked_at(
    people: tuple[Person, Person], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blobs of false names, through a passage whose row of refusals is long enough."""
    monkeypatch.setattr(shares, "REFUSALS_MAX", 4)
    alice, bob = people
    passage, meadow = await opened(alice, bob), alice.universe("universe:meadow")
    blob = await bob.ferry.store.put_blob(WHALE.data)
    named = [Traveller.in_blob(Who(meadow, f"imp {n}"), WHALE.data, "bin", blob) for n in range(40)]
    named[:39] = [replace(one, hash=n.to_bytes(32)) for n, one in enumerate(named[:39])]
    await alice.signs(*many(alice, bob, passage, named))
    await bob.hears(alice)
    keeper, judged = bob.gates, list[int]()

    def noted(*args: Any, **also: Any) -> list[Receipt]:  # noqa: ANN401 - as they are
        judged.append(1)
        return due(*args, **also)

    monkeypatch.setattr(looking, "due", noted)
    answers = await keeper.answer(bob.universe("universe:reef"))
    assert [one.receipt.kind for one in answers] == ["refusal"] * 4 + ["arrival"]
    assert len(judged) <= 4, "not once for each few of them"


@pytest.mark.parametrize("is_deleted", [False, True])
async def test_the_bytes_of_all_who_left_stay_though_the_record_has_no_place_to_list_them(
    people: tuple[Person, Person],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    is_deleted: bool,
) -> None:
    """A gate sends no more than are listed: what devices signed that were apart may be more."""
    monkeypatch.setattr(gatebook, "LARGE_MAX", 3)
    alice, bob = people
    passage, meadow = await opened(alice, bob), alice.universe("universe:meadow")
    document, signer = document_of(meadow, "uni", COMMONS), alice.ferry.identity.signer
    blobs = list[BlobId]()
    async with opened_own(tmp_path / "own.db", alice.ferry.identity.author) as store:
        home = Person(replace(alice.ferry, store=store))
        await home.hears(alice)
        await home.hears(bob)

        async def goes(number: int) -> None:
            whale = Passenger(Random(number).randbytes(50_000), f"whale {number}", "bin")
            migration = bytes([number]) * 16
            blobs.append(blob_of(await home.gates.send(passage, meadow, migration, whale, 1)))

        async def are_here() -> list[bool]:
            await store.gc(grace_us=-1)
            return [await store.has_blob(one) for one in blobs]

        for number in range(5):
            await goes(number)
        if is_deleted:
            await home.deletes(meadow)
        assert await are_here() == [True] * 5
        if is_deleted:
            await store.commit(document, undelete(), signer)
        # And so where it goes on in a new epoch.
        monkeypatch.setattr(rollover, "CHANGES_FULL", 5)
        await goes(5)
        state = await store.read(document)
        assert state is not None
        assert state.id.epoch == 1
        assert await are_here() == [True] * 6
        book = gatebook.gatebook_of(document, state.value)
        assert len(book.receipts) == 6
