"""One id, several authors: the bytes are those that hash right, whoever claims what."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from crdt.blob import BlobId, manifest_of
from node.errors import Rejected
from node.ports import Progress
from node.services.same_bytes import right_bytes
from node.services.seats import Seats
from node.services.tries import Pace
from p2p.protocol.errors import NotStored
from p2p.protocol.pieces import Urgency
from registry import genome
from registry.content import CONTENT_BYTES_MAX, Content
from registry.head import Words
from storage.namesakes import NAMESAKES_MAX
from tests.node.api.test_life import GENOMES, by, post
from tests.node.parts import Alice, open_alice
from tests.storage.people import BOB, CAROL, Person, person

DATA = bytes(range(256)) * 200
"""No text: only a blob holds it."""
ID = Content.of(DATA).id
OTHER = b"other bytes, of which there are enough"
HONEST, LIAR = sorted((BOB, CAROL), key=lambda who: who.did, reverse=True)
"""The liar's key sorts first, so that no order of names saves anybody."""
LIE = replace(
    Content.of(DATA), blob=manifest_of(OTHER).id, size=len(OTHER), format="rle", text=""
)  # fmt: skip


async def says(
    alice: Alice, who: Person, content: Content, name: str = "", *, now_us: int = 5
) -> None:
    edit = genome.publish_genome(content, Words(name), genome.Facts(), now_us=now_us)
    entries = who.writes(by(who, "gen", content.identity), edit)
    received = await alice.node.store.receive(entries, source="peer")
    assert not received.refused


async def shown(alice: Alice, id: str = ID) -> dict[str, Any]:
    found: dict[str, Any] = (await alice.client.get(f"{GENOMES}/{id}")).json()
    return found


@pytest_asyncio.fixture
async def bob(tmp_path: Path, alice: Alice) -> AsyncGenerator[Alice]:
    """A peer who gives whatever is in his store."""
    async with open_alice(tmp_path / "bob") as bob:
        alice.network.bob = bob.node.store
        yield bob


async def test_a_record_that_names_other_bytes_keeps_nobody_from_the_right_ones(
    alice: Alice, bob: Alice
) -> None:
    await says(alice, LIAR, LIE, now_us=0)
    await says(alice, HONEST, Content.of(DATA, format="unknown"), now_us=9)
    for data in (DATA, OTHER):
        await bob.node.store.put_blob(data)
    answer = await alice.client.get(f"{GENOMES}/{ID}/download")
    assert (answer.status_code, answer.content) == (200, DATA)
    lied = await alice.client.get(f"{GENOMES}/{LIAR.did}%2F{ID}/download")
    assert lied.content == DATA, "whosever record is named, its bytes are those of its id"
    one = await shown(alice)
    assert (one["author_did"], one["size"], one["format"]) == (HONEST.did, len(DATA), "unknown")
    assert one["also_by"] == [LIAR.did]


async def test_a_blob_of_the_right_id_with_a_small_size_is_fetched_all_the_same(
    alice: Alice, bob: Alice
) -> None:
    await says(alice, LIAR, replace(Content.of(DATA), size=3))
    await says(alice, HONEST, Content.of(DATA))
    await bob.node.store.put_blob(DATA)
    assert (await alice.client.get(f"{GENOMES}/{ID}/download")).content == DATA
    assert (await shown(alice))["size"] == len(DATA)


async def test_a_blob_of_the_right_id_with_a_large_size_is_not_too_large_for_it(
    alice: Alice, bob: Alice
) -> None:
    """Evaluators take small genomes alone."""
    store, most = alice.node.store, len(DATA)
    await says(alice, LIAR, replace(Content.of(DATA), size=CONTENT_BYTES_MAX))
    await bob.node.store.put_blob(DATA)
    same = await store.namesakes("genome", ID)
    with pytest.raises(Rejected):
        await right_bytes(store, alice.network, same, seats=alice.node.seats, size_bytes_max=most)
    await says(alice, HONEST, Content.of(DATA))
    same = await store.namesakes("genome", ID)
    assert (
        await right_bytes(store, alice.network, same, seats=alice.node.seats, size_bytes_max=most)
        == DATA
    )


async def test_bytes_that_stand_in_anybodys_record_need_no_peer(alice: Alice) -> None:
    short = b"a short text"
    right = Content.of(short, file="a.txt")
    await says(alice, LIAR, replace(right, blob=LIE.blob, size=2, text="", format="rle"))
    await says(alice, HONEST, right)
    answer = await alice.client.get(f"{GENOMES}/{right.id}/download")
    assert (answer.status_code, answer.content) == (200, short)
    one = await shown(alice, right.id)
    assert (one["author_did"], one["genotype"], one["format"]) == (
        HONEST.did, "a short text", "unknown",
    )  # fmt: skip


async def test_where_everybody_lies_nothing_is_handed_out(alice: Alice, bob: Alice) -> None:
    await says(alice, LIAR, LIE)
    await bob.node.store.put_blob(OTHER)
    answer = await alice.client.get(f"{GENOMES}/{ID}/download")
    assert (answer.status_code, answer.json()["code"]) == (422, "verification-failed")
    await says(alice, HONEST, Content.of(DATA))
    answer = await alice.client.get(f"{GENOMES}/{ID}/download")
    assert (answer.status_code, answer.json()["code"]) == (504, "blob-unreachable")


async def crowd(alice: Alice, lies: Callable[[int], Content]) -> Person:
    """As many strangers as are read say `lies`, and one whose key comes after theirs the truth."""
    people = [
        person(number, device=number + 1) for number in range(4, 4 + 2 * NAMESAKES_MAX + 2, 2)
    ]
    *liars, honest = sorted(people, key=lambda who: who.did)
    for number, liar in enumerate(liars):
        await says(alice, liar, lies(number))
    await says(alice, honest, Content.of(DATA))
    return honest


async def test_however_many_name_a_blob_that_nobody_has_they_cost_one_try(
    alice: Alice, bob: Alice
) -> None:
    honest = await crowd(alice, lambda _: LIE)
    await bob.node.store.put_blob(DATA)
    same = await alice.node.store.namesakes("genome", ID)
    assert len(same) == NAMESAKES_MAX
    assert same[-1].row.listing.author == honest.did, "and still by did:key"
    answer = await alice.client.get(f"{GENOMES}/{ID}/download")
    assert (answer.status_code, answer.content) == (200, DATA)


async def test_however_many_blobs_are_named_whoever_is_named_is_asked_first(
    alice: Alice, bob: Alice
) -> None:
    honest = await crowd(alice, lambda n: replace(LIE, blob=manifest_of(b"%d" % n).id))
    await bob.node.store.put_blob(DATA)
    named = f"{honest.did}%2F{ID}"
    others = (await shown(alice, named))["also_by"]
    assert len(others) == NAMESAKES_MAX
    assert honest.did not in others
    answer = await alice.client.get(f"{GENOMES}/{named}/download")
    assert (answer.status_code, answer.content) == (200, DATA)


async def test_ones_own_record_is_meant_then_that_of_whom_one_follows(
    alice: Alice, bob: Alice
) -> None:
    """Of strangers nobody is first because they say that they were."""
    content = Content.of(b"abcd")
    await says(alice, LIAR, content, "liar", now_us=0)
    await says(alice, HONEST, content, "honest", now_us=9)
    assert (await shown(alice, content.id))["name"] == "liar"  # by did:key, both fit
    await alice.node.store.set_petname("honest", HONEST.did, replaces=False)
    assert (await shown(alice, content.id))["name"] == "honest"
    mine = await post(alice, GENOMES, {"genotype": "abcd", "name": "mine"})
    assert mine["also_by"] == [HONEST.did, LIAR.did]
    assert (await shown(alice, content.id))["name"] == "mine"


def alike(byte: int, digits: str = ID[:8]) -> Content:
    """What somebody says of an id that begins alike; there are no such bytes."""
    identity = bytes.fromhex(digits) + bytes([byte]) * (32 - len(digits) // 2)
    return replace(Content.of(DATA), identity=identity)


async def test_the_first_digits_of_an_id_are_enough_where_one_begins_so(alice: Alice) -> None:
    mine = await post(alice, GENOMES, {"genotype": "abcd"})
    for digits in (mine["id"][:8], mine["id"][:16], mine["id"]):
        assert (await shown(alice, digits))["id"] == mine["id"]
        whose = f"{alice.node.identity.did}%2F{digits}"
        assert (await shown(alice, whose))["id"] == mine["id"]
        answer = await alice.client.get(f"{GENOMES}/{whose}/download")
        assert (answer.status_code, answer.text) == (200, "abcd")
    address = f"{GENOMES}/{mine['id'][:12]}"
    rated = await alice.client.post(f"{address}/ratings", json={"stars": 5})
    assert rated.json()["average"] == 5.0
    assert (await alice.client.get(f"{address}/attestations")).json()["genome"] == mine["id"]
    for begun, code in (
        (mine["id"][:7], "invalid-name"), (mine["id"][:8].upper(), "invalid-name"),
        (f"{mine['id']}0", "invalid-name"), ("00000000", "unknown-record"),
        (f"{BOB.did}%2F{mine['id'][:8]}", "unknown-record"),
    ):  # fmt: skip
        wrong = await alice.client.get(f"{GENOMES}/{begun}")
        assert wrong.json()["code"] == code, begun


async def test_of_ids_that_begin_alike_those_are_named_that_may_be_meant(alice: Alice) -> None:
    for byte in (1, 2):
        await says(alice, LIAR, alike(byte))
    wrong = await alice.client.get(f"{GENOMES}/{ID[:8]}")
    assert (wrong.status_code, wrong.json()["code"]) == (409, "ambiguous-digits")
    assert wrong.json()["candidates"] == [alike(1).id, alike(2).id]
    assert (await shown(alice, f"{ID[:8]}0101"))["id"] == alike(1).id
    await says(alice, HONEST, Content.of(DATA))
    await alice.node.store.set_petname("honest", HONEST.did, replaces=False)
    assert (await shown(alice, ID[:8]))["id"] == ID, "a stranger's take nobody's place"
    assert (await shown(alice, f"honest%2F{ID[:8]}"))["id"] == ID


async def test_a_record_of_ones_own_is_deleted_and_brought_back_by_its_first_digits(
    alice: Alice,
) -> None:
    mine = await post(alice, GENOMES, {"genotype": "abcd"})
    body = {"record": f"genome/{mine['id'][:10]}"}
    assert (await alice.client.post("/api/records/deletion", json=body)).status_code == 200
    assert (await alice.client.get(f"{GENOMES}/{mine['id']}")).status_code == 404
    back = await alice.client.post("/api/records/deletion", json=body | {"undo": True})
    assert back.status_code == 200, back.text
    assert (await shown(alice))["code"] == "unknown-record"
    assert (await shown(alice, mine["id"]))["id"] == mine["id"]
    none = await alice.client.post("/api/records/deletion", json={"record": "genome/00000000"})
    assert (none.status_code, none.json()["code"]) == (404, "unknown-record")


def holds_back(
    alice: Alice, right: BlobId, monkeypatch: pytest.MonkeyPatch, full_at: int = 0
) -> tuple[set[BlobId], list[int], asyncio.Event]:
    """A network that gives one blob alone, and of the others nothing: what it is asked for now,
    how many these were each time when another came, and whether they were `full_at`."""
    fetch_blob, running, most = alice.network.fetch_blob, set[BlobId](), list[int]()
    full = asyncio.Event()

    async def stand_still(
        blob: BlobId,
        progress: Progress,
        *,
        size_bytes_max: int,
        urgency: Urgency = Urgency.ASKED,
        relative_to: Sequence[BlobId] = (),
    ) -> None:
        running.add(blob)
        most.append(len(running))
        if len(running) == full_at:
            full.set()
        try:
            if blob != right:
                await asyncio.Event().wait()
            await fetch_blob(blob, progress, size_bytes_max=size_bytes_max)
        finally:
            running.remove(blob)

    monkeypatch.setattr(alice.network, "fetch_blob", stand_still)
    return running, most, full


async def test_blobs_that_stand_still_keep_nobody_from_the_right_one(
    alice: Alice, bob: Alice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of whom three run at once, each is left for the next."""
    lies = [b"another text, the %d. of those" % number for number in range(20)]
    await crowd(alice, lambda number: replace(LIE, blob=manifest_of(lies[number % 20]).id))
    await bob.node.store.put_blob(DATA)
    running, most, _ = holds_back(alice, manifest_of(DATA).id, monkeypatch)
    same = await alice.node.store.namesakes("genome", ID)
    pace = Pace(at_once=3, next_s=0.001, try_s=0.3)
    async with asyncio.timeout(120):
        data = await right_bytes(
            alice.node.store, alice.network, same, seats=alice.node.seats, pace=pace
        )
    assert data == DATA
    assert (max(most), len(most) > 20, running) == (3, True, set())


async def test_those_who_read_what_stands_still_keep_nobody_from_another_genome(
    alice: Alice, bob: Alice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All places of the node are theirs, until somebody else wants one."""
    store, seats = alice.node.store, Seats(4, try_s=0.3)
    pace = Pace(at_once=8, next_s=0.0, try_s=1e9)
    for byte in (1, 2):
        for number, liar in enumerate((LIAR, HONEST)):
            lie = replace(alike(byte), blob=manifest_of(b"%d of %d" % (number, byte)).id)
            await says(alice, liar, lie)
    await says(alice, HONEST, Content.of(DATA))
    await bob.node.store.put_blob(DATA)
    running, most, full = holds_back(alice, manifest_of(DATA).id, monkeypatch, 4)

    async def read(id: str) -> bytes:
        same = await store.namesakes("genome", id)
        return await right_bytes(store, alice.network, same, seats=seats, pace=pace)

    async with asyncio.timeout(120), asyncio.TaskGroup() as tasks:
        idle = [tasks.create_task(read(alike(byte).id)) for byte in (1, 2)]
        await full.wait()
        assert await read(ID) == DATA
        for each in idle:
            assert not each.done()
            each.cancel()
    assert max(most) == 4
    assert not running


async def test_what_one_author_names_and_has_no_room_here_keeps_nobody_from_the_rest(
    alice: Alice, bob: Alice, monkeypatch: pytest.MonkeyPatch
) -> None:
    await says(alice, LIAR, LIE)
    fetch_blob = alice.network.fetch_blob

    async def full_for_that(
        blob: BlobId,
        progress: Progress,
        *,
        size_bytes_max: int,
        urgency: Urgency = Urgency.ASKED,
        relative_to: Sequence[BlobId] = (),
    ) -> None:
        if blob == LIE.blob:
            raise NotStored("no-room", "The disk is full.")
        await fetch_blob(blob, progress, size_bytes_max=size_bytes_max)

    monkeypatch.setattr(alice.network, "fetch_blob", full_for_that)
    same = await alice.node.store.namesakes("genome", ID)
    with pytest.raises(NotStored, match="no-room"):
        await right_bytes(alice.node.store, alice.network, same, seats=alice.node.seats)
    await says(alice, HONEST, Content.of(DATA))
    await bob.node.store.put_blob(DATA)
    same = await alice.node.store.namesakes("genome", ID)
    assert await right_bytes(alice.node.store, alice.network, same, seats=alice.node.seats) == DATA


async def test_a_blob_that_is_damaged_in_the_database_keeps_nobody_from_another(
    alice: Alice, bob: Alice
) -> None:
    await says(alice, LIAR, LIE)
    await alice.node.store.put_blob(OTHER)
    with closing(sqlite3.connect(alice.node.home.database)) as database, database:
        done = database.execute("UPDATE blob SET root = x'00' WHERE id = ?", (LIE.blob,))
        assert done.rowcount == 1
    answer = await alice.client.get(f"{GENOMES}/{ID}/download")
    assert (answer.status_code, answer.json()["code"]) == (500, "corrupt")
    await says(alice, HONEST, Content.of(DATA))
    await bob.node.store.put_blob(DATA)
    answer = await alice.client.get(f"{GENOMES}/{ID}/download")
    assert (answer.status_code, answer.content) == (200, DATA)
