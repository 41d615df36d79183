"""Whoever was let into a group lets in as many keys as they like, each with a log of its own."""

from dataclasses import replace
from pathlib import Path

import pytest

from crdt.area import Area
from crdt.capability import WRITE, Capability, CapabilityCache, delegate, encode_capability, own
from crdt.change import (
    SignedEntry,
    Signer,
    check_entry,
    log_of,
    sign_change,
    sign_statement,
)
from crdt.document import Document
from crdt.ed25519 import SigningKey
from crdt.keys import AuthorKey
from crdt.path import AUTHORITY
from crdt.statement import Heartbeat, Revoke, Statement, Unrevoke
from storage import bounds, ended
from storage.ended import TOO_MANY_REVOKED
from storage.quota import Quota
from storage.refused import OVER_QUOTA
from tests.storage.people import BOB, CAROL, named
from tests.storage.steps import INSTRUCTIONS, counted
from tests.storage.test_group import hand, of_bob
from tests.storage.test_namespaces import GROUP, NAMESPACE
from tests.storage.test_quota import bring, opened

ALL = own(GROUP, WRITE, GROUP.public)
NOBODY = Revoke(SigningKey.from_seed(b"n" * 32).public)


def let_in(by: Capability, giver: SigningKey, key: SigningKey) -> Capability:
    """Into everything, by somebody who may that."""
    return delegate(by, giver, Area(), key.public)


def says(right: Capability, key: SigningKey, *said: Statement) -> list[SignedEntry]:
    """Statements in the key's own log, each after the one before."""
    author = AuthorKey(key.public)
    signer = Signer(key, author, {AUTHORITY: encode_capability(right)})
    log = log_of(NAMESPACE, author, AUTHORITY)
    entries: list[SignedEntry] = []
    for number, statement in enumerate(said, 1):
        prev = entries[-1].entry.payload_digest if entries else None
        entries.append(
            sign_statement(statement, log, seq=number, signer=signer, prev=prev, timestamp=number)
        )
    return entries


def sub_key(number: int) -> SigningKey:
    return SigningKey.from_seed(b"sub-" + number.to_bytes(28, "big"))


BOBS = let_in(ALL, GROUP, BOB.root)
CAROLS = let_in(ALL, GROUP, CAROL.root)


def of_sub_keys(by: Capability, giver: SigningKey, numbers: range) -> list[SignedEntry]:
    return [
        said
        for number in numbers
        for said in says(let_in(by, giver, sub_key(number)), sub_key(number), NOBODY)
    ]


async def test_those_whom_one_let_in_say_no_more_than_one_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However deep they stand; and who let them in, the others and the owner still may."""
    monkeypatch.setattr(bounds, "AUTHORITY_ENTRIES_MAX", 10)
    below = let_in(BOBS, BOB.root, sub_key(1_000))
    flood = of_sub_keys(BOBS, BOB.root, range(6)) + of_sub_keys(below, sub_key(1_000), range(6, 30))
    async with opened(tmp_path, Quota()) as store:
        assert await bring(store, flood, "bob") == {"added": 10, OVER_QUOTA: 20}
        more = of_sub_keys(CAROLS, CAROL.root, range(40, 45))
        more += says(CAROLS, CAROL.root, NOBODY) + says(BOBS, BOB.root, NOBODY)
        assert await bring(store, more, "carol") == {"added": 7}
        # Taking his right back makes room: what fell is judged by nobody any more.
        (taken,) = says(ALL, GROUP, Revoke(BOB.root.public))
        assert await bring(store, [taken], "owner") == {"added": 1}


async def test_what_a_revoked_admin_goes_on_saying_is_kept_in_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ended, "ENDED_ENTRIES_MAX", 5)
    theirs = says(BOBS, BOB.root, *[Heartbeat()] * 30)
    async with opened(tmp_path, Quota()) as store:
        assert await bring(store, theirs[:10], "bob") == {"added": 10}
        (taken,) = says(ALL, GROUP, Revoke(BOB.root.public))
        back = Unrevoke(taken.entry.payload_digest)
        _, again, taken_back = says(ALL, GROUP, Revoke(BOB.root.public), NOBODY, back)
        await bring(store, [taken], "owner")
        assert await bring(store, theirs[10:], "mallory") == {"added": 0, TOO_MANY_REVOKED: 20}
        assert await bring(store, [again], "owner") == {"added": 1}
        ids = [one.id for one in theirs]
        assert len(await store.kept_out(NAMESPACE, ids)) == 20
        assert await bring(store, [taken_back], "owner") == {"added": 1}
        assert not await store.kept_out(NAMESPACE, ids)
        assert await bring(store, theirs, "mallory") == {"added": 20}


async def test_chains_as_long_as_may_be_are_counted_at_once(tmp_path: Path) -> None:
    """Each statement of a batch by a key of its own, to which the right came through fifteen."""
    said: list[SignedEntry] = []
    for number in range(150):
        right, giver = BOBS, BOB.root
        for depth in range(14):
            key = sub_key(1_000 + number * 100 + depth)
            right, giver = let_in(right, giver, key), key
        said += says(right, giver, NOBODY)
    async with opened(tmp_path, Quota()) as store:
        before = of_sub_keys(CAROLS, CAROL.root, range(1_000, 1_500))
        assert await bring(store, before, "carol") == {"added": 500}
        fresh = [check_entry(one, CapabilityCache()) for one in said]
        async with (
            counted(tmp_path / "p.db") as (database, steps),
            database.transaction() as write,
        ):
            assert await bounds.beyond_branches(write, fresh, set()) == set()
    assert len(steps) * INSTRUCTIONS < 50 * (500 + 15 * 150), "all held once, and each key once"


async def test_what_found_no_room_in_a_branch_comes_again_once_its_flooder_is_revoked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Carol and a flooder were let in by bob: she says something once, and nothing after."""
    monkeypatch.setattr(bounds, "AUTHORITY_ENTRIES_MAX", 10)
    flooder = let_in(BOBS, BOB.root, sub_key(0))
    flood = of_sub_keys(flooder, sub_key(0), range(1, 12))
    carols = let_in(BOBS, BOB.root, CAROL.root)
    said = says(carols, CAROL.root, NOBODY)
    async with opened(tmp_path, Quota()) as store:
        assert (await bring(store, flood, "flooder"))["added"] == 10
        assert await bring(store, said, "carol") == {"added": 0, OVER_QUOTA: 1}
        assert await store.kept_out(NAMESPACE, [said[0].id])
        (taken,) = says(BOBS, BOB.root, Revoke(sub_key(0).public))
        assert await bring(store, [taken], "bob") == {"added": 1}
        assert not await store.kept_out(NAMESPACE, [said[0].id])
        assert await bring(store, said, "carol") == {"added": 1}


async def test_what_honest_work_goes_by_is_kept_however_much_there_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Carol had heard bob say one thing more than others keep of him, and cites it."""
    monkeypatch.setattr(ended, "ENDED_ENTRIES_MAX", 5)
    theirs = says(BOBS, BOB.root, *[Heartbeat()] * 30)
    (taken,) = says(ALL, GROUP, Revoke(BOB.root.public))
    place = replace(of_bob("io.carol.clock"), subspace=AuthorKey(CAROL.root.public))
    hers = hand(CAROL, Area(place.subspace))
    draft = Document.open(place.cls, place.kind, hers.device.public)
    raw = draft.change(named("clock"))
    assert raw is not None
    clock = sign_change(
        raw, place, signer=hers, prev=None, auth_heads=[theirs[25].id], timestamp=1_000
    )
    async with opened(tmp_path, Quota()) as store:
        await bring(store, theirs[:10], "bob")
        await bring(store, [taken], "owner")
        assert (await bring(store, theirs[10:28], "bob"))[TOO_MANY_REVOKED] == 18
        await bring(store, [clock, *theirs[28:]], "carol")
        assert "unknown-authority" in {one.code for one in await store.left_out()}
        ids = [one.id for one in theirs]
        assert theirs[25].id[:16] not in await store.kept_out(NAMESPACE, ids)
        assert await bring(store, [theirs[25], theirs[26]], "carol") == {
            "added": 1,
            TOO_MANY_REVOKED: 1,
        }
        await store.settle()
        assert "unknown-authority" not in {one.code for one in await store.left_out()}


@pytest.mark.parametrize("bound", ["a log", "a branch"])
async def test_so_it_is_with_what_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    monkeypatch.setattr(bounds, "AUTHORITY_ENTRIES_MAX", 5)
    theirs = says(BOBS, BOB.root, *[Heartbeat()] * 20)
    if bound == "a branch":
        theirs = of_sub_keys(BOBS, BOB.root, range(20))
    place = replace(of_bob("io.carol.clock"), subspace=AuthorKey(CAROL.root.public))
    hers = hand(CAROL, Area(place.subspace))
    raw = Document.open(place.cls, place.kind, hers.device.public).change(named("clock"))
    assert raw is not None
    heads = [one.id for one in theirs[10:18]]
    clock = sign_change(raw, place, signer=hers, prev=None, auth_heads=heads, timestamp=1_000)
    async with opened(tmp_path, Quota()) as store:
        assert await bring(store, theirs, "bob") == {"added": 5, OVER_QUOTA: 15}
        await bring(store, [clock], "carol")
        assert not await store.kept_out(NAMESPACE, heads)
        done = await bring(store, theirs[10:], "carol")
        assert done == {"added": 5, OVER_QUOTA: 5}, "twice the room, and no more"
