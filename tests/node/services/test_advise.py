"""What counts is heard, whoever else speaks, and however often."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio

from crdt.change import DocumentId, SignedEntry
from crdt.keys import COMMONS, AuthorKey
from node.services.advise import forbidding, said_of
from registry import advisory
from registry.advisory import AdvisoryKind, Claim, Finding, publish_advisory, record_of
from registry.listings import project
from registry.names import parse_module_name
from registry.versions import parse_version
from storage.advised import COUNTING_MAX, STRANGERS_MAX
from storage.installed import AcceptedRisk
from storage.quota import Quota
from storage.store import Store, open_store
from tests.storage.people import ALICE, BOB, CAROL, NOW_US, Person, person

MODULE = f"{BOB.did}/io.example.mod"
WANTED = {MODULE: parse_version("1.0.0")}
FAR_US = NOW_US + 10**12  # times are what an author says they are


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncGenerator[Store]:
    """Alice's, who follows carol."""
    quota = Quota(own=frozenset([AuthorKey(ALICE.root.public)]))
    async with open_store(
        tmp_path / "a.db", project=project, clock_us=lambda: NOW_US, quota=quota
    ) as store:
        await store.set_petname("carol", CAROL.did, replaces=True)
        yield store


def in_commons(one: Finding) -> AcceptedRisk:
    said = one.advisory
    return AcceptedRisk(one.module, one.version, COMMONS, "00" * 32, said.author, said.id)


def says(by: Person, kind: AdvisoryKind, versions: str, at_us: int = NOW_US) -> SignedEntry:
    module = parse_module_name(MODULE)
    claim = Claim(module=module, range=versions, kind=kind, title="x").checked()
    author = AuthorKey(by.root.public)
    document = DocumentId(COMMONS, author, advisory.CLASS, advisory.KIND, record_of(claim))
    return by.writes(document, publish_advisory(claim, now_us=at_us))[0]


async def heard(store: Store, said: list[SignedEntry]) -> None:
    for at in range(0, len(said), 250):
        received = await store.receive(said[at : at + 250], source="p")
        assert not received.refused


@pytest.mark.parametrize("by", [BOB, CAROL], ids=["its author", "the friend"])
async def test_nobody_who_counts_drowns_out_a_warning(store: Store, by: Person) -> None:
    await heard(store, [says(CAROL, "malicious", "*")])
    await heard(store, [says(by, "superseded", f"=0.0.{n}", FAR_US + n) for n in range(1_000)])
    (found,) = forbidding(await said_of(store, ALICE.did, WANTED, in_commons))
    assert found.advisory.author == CAROL.did


async def test_of_each_author_who_counts_the_worst_is_told_and_of_strangers_the_newest(
    store: Store,
) -> None:
    await heard(store, [says(BOB, "superseded", f"=0.0.{n}", FAR_US) for n in range(120)])
    await heard(store, [says(CAROL, "vulnerable", f"=0.0.{n}", FAR_US) for n in range(120)])
    await heard(store, [says(CAROL, "malicious", "<2", NOW_US)])
    await heard(store, [says(person(9), "malicious", "*", NOW_US)])
    await heard(store, [says(person(8), "malicious", f"=0.0.{n}", FAR_US + n) for n in range(80)])
    told = [row.listing for row in await store.advisories([MODULE], [COMMONS])]
    by = [one.author for one in told]
    assert (by.count(BOB.did), by.count(CAROL.did)) == (COUNTING_MAX, COUNTING_MAX)
    assert len(told) == 2 * COUNTING_MAX + STRANGERS_MAX
    # One stranger has no more to say than another.
    assert person(9).did in by
    strangers = [one for one in told if one.author == person(8).did]
    times = [one.updated_us for one in strangers]
    assert times == sorted(times, reverse=True)
    assert times[0] == FAR_US + 79
    (only,) = await store.advisories([MODULE], [COMMONS], author=person(9).did)
    assert only.listing.author == person(9).did
