"""Sizes and areas as people write them, and what is then stored."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from crdt.area import Area
from crdt.change import SignedEntry
from crdt.did import encode_did_key
from crdt.entry import Entry
from crdt.keys import COMMONS
from node.config import QuotaConfig
from node.errors import BadSetting
from node.quotas import area_of, quota_of, size_of
from node.settings import check_setting, load_config
from storage.quota import (
    AUTHOR_BYTES,
    MEMBER_BYTES,
    NAMESPACE_BYTES,
    PEER_BYTES,
    SHARE_BYTES,
    STRANGERS_BYTES,
)
from storage.refused import OVER_QUOTA
from storage.store import Store
from tests.storage.people import ALICE, BOB, CAROL, named, rated
from tests.storage.test_group import author, hand
from tests.storage.test_namespaces import NAMESPACE
from tests.storage.test_quota import opened

BOBS = author(BOB)


def test_what_is_written_is_what_the_store_has_as_default() -> None:
    quota = quota_of(QuotaConfig(), ALICE.signer.author)
    assert quota.strangers_bytes == STRANGERS_BYTES
    assert (quota.author_bytes, quota.peer_bytes) == (AUTHOR_BYTES, PEER_BYTES)
    assert quota.share_bytes == SHARE_BYTES
    assert (quota.namespace_bytes, quota.member_bytes) == (NAMESPACE_BYTES, MEMBER_BYTES)
    assert quota.own == {ALICE.root.public}


@pytest.mark.parametrize(
    ("text", "size"),
    [("1KiB", 1_024), ("1.5 GiB", 3 << 29), ("0MiB", 0), ("2TiB", 2 << 40), ("64MiB", 64 << 20)],
)
def test_sizes(text: str, size: int) -> None:
    assert check_setting("quota.strangers", text) == text
    assert size_of(text) == size


@pytest.mark.parametrize("text", ["many", "1GB", "-1MiB", "1e9KiB", "", "12345678KiB", "1"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(BadSetting, match="is not a size, as 64MiB"):
        check_setting("quota.strangers", text)


def test_areas() -> None:
    one = area_of(f"commons/{ALICE.did}/pub/mod/io.x=2MiB")
    assert (one.limit_bytes, one.namespace, one.author) == (2 << 20, COMMONS, ALICE.root.public)
    assert (one.cls, one.kind, one.record) == ("pub", "mod", b"io.x")
    rates = area_of("commons/*/rate=1GiB")
    assert (rates.author, rates.cls, rates.kind, rates.record) == (None, "rate", None, None)
    whole = area_of(f"commons/*/rate/mod/{encode_did_key(ALICE.root.public)}/io.x=1KiB")
    assert whole.record == f"{ALICE.did}/io.x".encode()
    group = area_of(f"{ALICE.did}/*/pub=1MiB")
    assert (group.namespace, group.author, group.cls) == (ALICE.root.public, None, "pub")
    text = '[quota]\nareas = ["commons=1GiB", "commons/*/rate=1MiB"]'
    assert len(quota_of(load_config({}, {}, text).config.quota, ALICE.signer.author).areas) == 2


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("nowhere/*=1MiB", "no namespace"),
        ("*/*/pub=1MiB", "no namespace"),
        ("commons/alice/pub=1MiB", "no author"),
        ("commons/*/public=1MiB", "no class"),
    ],
)
def test_areas_that_are_none(text: str, told: str) -> None:
    with pytest.raises(BadSetting, match=told):
        area_of(text)
    with pytest.raises(BadSetting, match="an area and a size"):
        check_setting("quota.areas", "commons/*/rate")


# --- an area of the settings, and what is then stored --------------------------------------------


def written() -> list[SignedEntry]:
    """In a group and in commons: records of two authors and two kinds, ratings, a long record."""
    say, entries = named("m", description="words " * 40), list[SignedEntry]()
    for person in (BOB, CAROL):
        member = replace(person, signer=hand(person, Area(author(person))))
        for number in range(12):
            record = f"io.m{number}"
            clock = member.document(record, namespace=NAMESPACE)
            entries += member.writes(clock, say)
            entries += member.writes(replace(clock, kind="uni"), say)
            entries += member.writes(replace(clock, cls="rate"), rated(5))
            entries += person.writes(person.document(record), say)
        long = member.document("io.long", namespace=NAMESPACE)
        entries += member.writes(long, *(named(f"version {n}") for n in range(12)))
    return entries


AREAS: Sequence[tuple[str, Callable[[Entry], bool]]] = [
    ("{group}", lambda one: one.namespace == NAMESPACE),
    ("{group}/{bob}", lambda one: (one.namespace, one.subspace) == (NAMESPACE, BOBS)),
    ("{group}/*/pub/uni", lambda one: (one.namespace, one.path[1]) == (NAMESPACE, b"uni")),
    ("{group}/*/rate", lambda one: one.path[0] == b"rate"),
    (
        "{group}/{bob}/pub/mod/io.long",
        lambda one: (one.subspace, one.path[2]) == (BOBS, b"io.long"),
    ),
    ("commons/{bob}", lambda one: (one.namespace, one.subspace) == (COMMONS, BOBS)),
]


@pytest.mark.parametrize(("area", "inside"), AREAS)
async def test_an_area_bounds_what_is_stored_in_it_and_nothing_else(
    area: str, inside: Callable[[Entry], bool], tmp_path: Path
) -> None:
    where = area.format(group=encode_did_key(NAMESPACE), bob=BOB.did)
    quota = quota_of(QuotaConfig(areas=(f"{where}=16KiB",)), ALICE.signer.author)
    entries = written()
    async with opened(tmp_path, quota) as store:
        for at in range(0, len(entries), 7):  # some before it is full, some across its edge
            await store.receive(entries[at : at + 7], source="a peer")
        held = await held_of(store, entries)
        limited = [one for one in entries if inside(one.entry)]
        assert all(one.id in held for one in entries if not inside(one.entry))
        stored = [one for one in limited if one.id in held]
        assert 3 < len(stored) < len(limited)
        assert sum(map(least_bytes, stored)) <= 16 << 10
        (used,) = await store.usage_of_areas()
        assert sum(map(least_bytes, stored)) < used.bytes <= used.limit_bytes == 16 << 10
        # It is a wish of the person's own: what did not fit does not come in by another way.
        again = await store.receive(limited, source="another peer")
        assert not again.added
        assert {one.code for one in again.refused} == {OVER_QUOTA}
    async with opened(tmp_path, quota) as store:
        assert await store.usage_of_areas() == [used], "after a restart, too"
        assert not (await store.receive(limited, source="a third")).added
    wider = quota_of(QuotaConfig(areas=(f"{where}=2MiB",)), ALICE.signer.author)
    async with opened(tmp_path, wider) as store:
        await store.receive(limited, source="a peer")
        assert await held_of(store, entries) == {one.id for one in entries}


async def held_of(store: Store, entries: Sequence[SignedEntry]) -> set[bytes]:
    spaces = {one.entry.namespace for one in entries}
    short = {one.id[:16]: one.id for one in entries}
    held = [id for space in spaces for id in await store.holds(space, list(short))]
    return {short[id] for id in held}


def least_bytes(one: SignedEntry) -> int:
    """What it takes on any disk."""
    return len(one.payload) + len(one.signature)
