"""Of a blob that is kept: what a person asks for is theirs, what this node runs by itself not."""

import dataclasses

from crdt.blob import manifest_of
from crdt.keys import AuthorKey
from node.services.attest import Attestor, find_genome, genome_bytes
from registry.content import Content
from storage.kept import KeptSum
from tests.node.api.test_life import GENOMES
from tests.node.api.test_same_bytes import DATA, HONEST, ID, says
from tests.node.keeping.test_keeping import Givers
from tests.node.parts import Alice

BLOB = manifest_of(DATA).id
HERS = AuthorKey(HONEST.root.public)


def attestor(alice: Alice, givers: Givers) -> Attestor:
    node = alice.node
    return Attestor(node.store, node.workers, givers, node.identity, node.clock_us)


async def published(alice: Alice) -> Givers:
    await says(alice, HONEST, Content.of(DATA))
    givers = Givers(alice=alice.node.store)
    givers.give(DATA)
    return givers


async def kept(alice: Alice) -> Givers:
    """It is here, because its author names it."""
    givers = await published(alice)
    with alice.node.store.keeping(BLOB, HERS):
        await givers.fetch_blob(BLOB, lambda _done, _total: None, size_bytes_max=len(DATA))
    assert (await alice.node.store.kept_sum()).blobs == 1
    return givers


async def test_a_genome_that_is_here_is_whose_who_downloads_it(alice: Alice) -> None:
    await kept(alice)
    shown = await alice.client.get(f"{GENOMES}/{ID}")
    assert shown.status_code == 200
    assert (await alice.node.store.kept_sum()).blobs == 1, "to look at its record is no wish"
    assert (await alice.client.get(f"{GENOMES}/{ID}/download")).content == DATA
    assert await alice.node.store.kept_sum() == KeptSum()


async def test_a_genome_that_is_here_is_whose_who_runs_it(alice: Alice) -> None:
    node = attestor(alice, await kept(alice))
    found = await find_genome(alice.node.store, ID)
    assert await genome_bytes(dataclasses.replace(node, waits=True), found) == DATA
    assert (await alice.node.store.kept_sum()).blobs == 1
    assert await genome_bytes(node, found) == DATA
    assert await alice.node.store.kept_sum() == KeptSum()


async def test_what_is_fetched_for_no_person_is_kept_and_counts(alice: Alice) -> None:
    node = attestor(alice, await published(alice))
    found = await find_genome(alice.node.store, ID)
    assert await genome_bytes(dataclasses.replace(node, waits=True), found) == DATA
    (one,) = await alice.node.store.kept_blobs()
    assert (one.id, one.author) == (BLOB, HERS)
    await alice.node.store.let_go([BLOB])
    assert await genome_bytes(node, found) == DATA
    assert await alice.node.store.kept_sum() == KeptSum()
