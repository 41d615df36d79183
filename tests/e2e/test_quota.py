"""A node with little room for strangers, a peer full of free keys, and one that is followed."""

import asyncio
import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from crdt.area import Area
from crdt.capability import READ, WRITE, delegate, encode_capability, own
from crdt.change import DocumentId, SignedEntry, Signer, device_capabilities
from crdt.ed25519 import SigningKey
from crdt.keys import COMMONS, AuthorKey, DeviceKey, NamespaceKey
from crdt.order import ITEM_ID_BYTES
from node.commands.nodes import LocalNode, wait_for
from node.home import Home
from node.wiring import clock_us
from p2p.protocol import frames
from p2p.protocol.limits import WANT_IDS_MAX
from registry.listings import project
from storage.keyfiles import read_key
from storage.store import open_store
from tests.e2e.mallory import Mallory
from tests.e2e.story import (
    ARRIVE_S,
    Shell,
    StartNode,
    answering,
    make_module,
    wait_for_modules,
)
from tests.e2e.test_namespaces import author_of, grant, guild_key, seen
from tests.storage.people import Person, named
from tests.storage.test_group import writes

pytestmark = pytest.mark.nodes

ROOM_BYTES = 2 << 20
FREE_KEYS = 2_000
MEMBERS_KEYS = 600


def somebody() -> Person:
    """An author whom nobody knows: it costs nothing to be one."""
    root, device = (SigningKey(os.urandom(32)) for _ in range(2))
    capabilities = device_capabilities(root, DeviceKey(device.public))
    return Person(root, Signer(device, AuthorKey(root.public), capabilities))


def flood(people: Sequence[Person]) -> list[SignedEntry]:
    say = named("flood", description="words " * 50)
    return [one.publishes(f"io.flood.m{number}", say) for number, one in enumerate(people)]


async def fill(home: Path, entries: Sequence[SignedEntry]) -> None:
    """Before its node starts: it has room for all of this."""
    async with open_store(Home(home).database, project=project, clock_us=clock_us) as store:
        for at in range(0, len(entries), 500):
            await store.receive(entries[at : at + 500], source="somewhere")


def disk_bytes(node: LocalNode) -> int:
    """Of the database: pages that are in use."""
    with closing(sqlite3.connect(Home(node.home).database, timeout=30)) as database:
        database.execute("PRAGMA wal_checkpoint(PASSIVE)")
        (pages,) = database.execute("PRAGMA page_count").fetchone()
        (free,) = database.execute("PRAGMA freelist_count").fetchone()
        (size,) = database.execute("PRAGMA page_size").fetchone()
    return int((pages - free) * size)


def little_room(folder: Path) -> None:
    home = folder / "alice"
    home.mkdir(parents=True)
    (home / "config.toml").write_text('[quota]\nstrangers = "2MiB"\nshare = "256KiB"\n')


def test_a_peer_full_of_free_keys_fills_nobodys_disk(
    tmp_path: Path, node: StartNode, shell: Shell
) -> None:
    little_room(tmp_path)
    people = [somebody() for _ in range(FREE_KEYS)]
    entries = flood(people)
    (tmp_path / "carol").mkdir()
    asyncio.run(fill(tmp_path / "carol", entries))
    alice = node("alice")
    bob = node("bob", peers=(alice,))
    assert shell(alice, "name", "set", "bob", bob.did).code == 0
    before = disk_bytes(alice)
    carol = node("carol", peers=(alice,))

    def kept_out() -> int | None:
        status = alice.client.get("/api/status")
        is_all = status["entries"] + status["quota"]["kept_out"] >= FREE_KEYS
        return int(status["quota"]["kept_out"]) if is_all else None

    out = wait_for("Alice to have dealt with all of them", ARRIVE_S, kept_out)
    status = alice.client.get("/api/status")
    assert status["quota"]["strangers_bytes"] <= status["quota"]["strangers_bytes_max"]
    assert status["quota"]["strangers_bytes_max"] == ROOM_BYTES
    assert out > FREE_KEYS // 2
    assert disk_bytes(alice) - before < 1.25 * ROOM_BYTES

    # Nothing of it comes again, and nobody looks broken.
    for _ in range(3):
        (report,) = [
            one
            for one in alice.client.post("/api/sync", {"timeout_s": 20})["peers"]
            if one["did"] == carol.did
        ]
        assert (report["entries_in"], report["refused"]) == (0, 0)
        assert (report["in_sync"], report["kept_out"]) == (True, out)
    page = shell(alice, "refused", "--limit", "1000").answer["refused"]
    (row,) = [one for one in page if one["code"] == "over-quota"]
    assert row["source"] == carol.client.get("/api/status")["device"]
    told = shell(alice, "quota").answer
    assert told["room"]["kept_out"] == out
    assert told["sources"][0]["author"] == carol.did

    # Whom she follows is kept, through whomever it comes, and one of the crowd whom she names.
    ids = [f"io.test.m{number}" for number in range(5)]
    for id in ids:
        made = make_module(tmp_path / id, id, "1.0.0", answering(1))
        assert shell(bob, "publish", str(made)).code == 0
    wait_for_modules(alice, [f"{bob.did}/{id}" for id in ids])
    held = alice.client.get("/api/status")["entries"]
    authors = {one["author"] for one in alice.client.get("/api/quota", {"limit": 1000})["authors"]}
    missing = next(one for one in people if one.did not in authors)
    assert shell(alice, "name", "set", "late", missing.did).code == 0
    alice.client.post("/api/sync", {"timeout_s": 20})

    def has_it() -> bool | None:
        return alice.client.get("/api/status")["entries"] == held + 1 or None

    wait_for("the one she named", ARRIVE_S, has_it)


def test_whoever_floods_with_free_keys_is_heard_and_gives_way(
    tmp_path: Path, node: StartNode, shell: Shell
) -> None:
    little_room(tmp_path)
    alice, bob = node("alice"), node("bob")
    ids = [f"io.test.m{number}" for number in range(4)]
    for id in ids:
        made = make_module(tmp_path / id, id, "1.0.0", answering(1))
        assert shell(bob, "publish", str(made)).code == 0
    entries = flood([somebody() for _ in range(FREE_KEYS)])
    mallory = Mallory()

    async def attack() -> None:
        async with mallory.meets(str(alice.ready["p2p"])) as call:
            for at in range(0, len(entries), WANT_IDS_MAX):
                await call.offers(entries[at : at + WANT_IDS_MAX])

    async def offer_again(who: Mallory) -> frames.Frame:
        ids = b"".join(one.id[:ITEM_ID_BYTES] for one in entries[-WANT_IDS_MAX:])
        async with who.meets(str(alice.ready["p2p"])) as call:
            await call.say(frames.Have(COMMONS, ids, False))
            return await call.hear_until(frames.Want, frames.Credit)

    asyncio.run(attack())
    again = asyncio.run(offer_again(mallory))
    assert isinstance(again, frames.Credit), "the newest were refused: nobody asks her for them"
    other = asyncio.run(offer_again(Mallory()))
    assert isinstance(other, frames.Want), "what she brought last is not thereby kept from others"
    status = alice.client.get("/api/status")
    assert status["quota"]["strangers_bytes"] <= ROOM_BYTES
    assert status["quota"]["kept_out"] + status["entries"] == FREE_KEYS
    # Bob is a stranger too, and brought little: the flood makes room for him.
    assert shell(alice, "connect", str(bob.ready["p2p"])).code == 0
    wait_for_modules(alice, [f"{bob.did}/{id}" for id in ids])
    codes = {one["code"] for one in shell(alice, "refused").answer["refused"]}
    assert {"over-quota", "evicted"} <= codes


def test_a_member_with_free_keys_fills_no_group(
    tmp_path: Path, node: StartNode, shell: Shell
) -> None:
    """Carol may write what is hers, and hands that on to as many keys as she likes."""
    home = tmp_path / "alice"
    home.mkdir(parents=True)
    (home / "config.toml").write_text('[quota]\nnamespace = "2MiB"\nmember = "1MiB"\n')
    alice, carol = node("alice"), node("carol")
    did = shell(alice, "namespace", "create", "guild").answer["did"]
    key = guild_key(alice.home)
    grant(key, carol, READ, Area())
    grant(key, carol, WRITE, Area(author_of(carol)))
    assert shell(carol, "namespace", "join", did, "--name", "guild").code == 0
    carol.stop()
    root = SigningKey.from_seed(read_key(Home(carol.home).author_key))
    area = Area(AuthorKey(root.public))
    given = delegate(own(key, WRITE, key.public), key, area, root.public)
    entries: list[SignedEntry] = []
    for number in range(MEMBERS_KEYS):
        device = SigningKey(os.urandom(32))
        right = encode_capability(delegate(given, root, area, device.public))
        signer = Signer(device, AuthorKey(root.public), {"pub": right})
        record = f"io.flood.m{number}".encode()
        place = DocumentId(NamespaceKey(key.public), signer.author, "pub", "mod", record)
        entries.append(writes(place, signer, named("flood", description="words " * 50)))
    asyncio.run(fill(carol.home, entries))
    carol = node("carol", peers=(alice,))

    def kept_out() -> int | None:
        status = alice.client.get("/api/status")
        is_all = status["entries"] + status["quota"]["kept_out"] >= MEMBERS_KEYS
        return int(status["quota"]["kept_out"]) if is_all else None

    assert wait_for("Alice to have dealt with all", ARRIVE_S, kept_out) > MEMBERS_KEYS // 3
    told = shell(alice, "quota").answer
    (group,) = told["namespaces"]
    assert group["name"] == "guild"
    assert group["bytes"] <= 1.5 * (1 << 20), "what one batch took beside its entries, once"
    assert told["room"]["strangers_bytes"] == 0
    assert "over-quota" in {one["code"] for one in shell(alice, "refused").answer["refused"]}
    assert shell(alice, "peers").answer["refused"] == [], "no room is nobody's fault"
    # There is room for everybody else, and she herself is heard once she has a name.
    made = make_module(tmp_path / "lamp", "io.alice.lamp", "1.0.0", answering(9))
    assert shell(alice, "publish", str(made), "--namespace", "guild").code == 0
    wait_for("Carol to see it", ARRIVE_S, lambda: "io.alice.lamp" in seen(carol) or None)
    assert shell(alice, "name", "set", "carol", carol.did).code == 0

    def has_all() -> bool | None:
        return alice.client.get("/api/status")["entries"] > MEMBERS_KEYS or None

    wait_for("all of hers", ARRIVE_S, has_all)
