"""One id, several authors: the bytes are those that hash right, whoever claims what."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest_asyncio

from crdt.blob import manifest_of
from registry import genome
from registry.content import Content
from registry.head import Words
from tests.node.api.test_life import GENOMES, by, post
from tests.node.parts import Alice, open_alice
from tests.storage.people import BOB, CAROL, Person

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
