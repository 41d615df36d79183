"""How full it is, as a client sees it."""

from pathlib import Path

import pytest

from crdt.area import Area
from crdt.did import encode_did_key
from node.commands.quota import author_row, guest_row, namespace_row, room_text, source_row
from node.config import Config, QuotaConfig
from tests.node.parts import open_alice
from tests.storage.people import ALICE, BOB, CAROL, named
from tests.storage.test_authority import BOBS, CLOCK
from tests.storage.test_group import hand, of_bob, writes
from tests.storage.test_namespaces import NAMESPACE
from tests.storage.test_revoked_flood import bobs


@pytest.fixture
def config() -> Config:
    return Config(quota=QuotaConfig(strangers="32KiB", areas=("commons/*/rate=1MiB",)))


async def test_who_takes_how_much(tmp_path: Path, config: Config) -> None:
    async with open_alice(tmp_path, config=config) as alice:
        await alice.client.put("/api/names/bob", json={"author": BOB.did})
        for person, source in ((BOB, "ab" * 32), (CAROL, "cd" * 32)):
            many = [person.publishes(f"io.test.m{n}", named("m")) for n in range(40)]
            await alice.node.store.receive(many, source=source, author=person.signer.author)
        answer = (await alice.client.get("/api/quota")).json()
        status = (await alice.client.get("/api/status")).json()
        assert status["quota"] == answer["room"]
        assert 0 < answer["room"]["strangers_bytes"] <= 32 << 10
        bob, carol = answer["authors"]
        assert (bob["author"], bob["followed"], bob["entries"]) == (BOB.did, True, 40)
        assert (carol["author"], carol["followed"]) == (CAROL.did, False)
        assert carol["entries"] + carol["kept_out"] == 40
        assert carol["bytes"] == answer["room"]["strangers_bytes"]
        assert [one["author"] for one in answer["sources"]] == [CAROL.did, BOB.did]
        assert answer["areas"] == [
            {"area": "commons/*/rate=1MiB", "bytes": 0, "bytes_max": 1 << 20}
        ]
        metrics = (await alice.client.get("/metrics")).text
        assert f"panspermia_kept_out {carol['kept_out']}" in metrics
        assert "entries not kept (over quota, blocked, or let go)" in room_text(answer["room"])
        assert author_row(bob)[-1] == "followed"
        assert str(source_row(answer["sources"][0])[0]).startswith("did:key:")
        (refused,) = [
            one
            for one in (await alice.client.get("/api/refused")).json()["refused"]
            if one["code"] == "over-quota"
        ]
        assert refused["count"] == carol["kept_out"]
        page = await alice.client.get("/problems/evicted")
        assert page.status_code == 200
        assert (await alice.client.get("/api/quota?limit=0")).status_code == 400


async def test_how_full_a_group_is(tmp_path: Path) -> None:
    async with open_alice(tmp_path, config=Config(quota=QuotaConfig(namespace="64KiB"))) as alice:
        await alice.node.store.join(NAMESPACE, "guild")
        bob = hand(BOB, Area(BOB.signer.author))
        many = [writes(of_bob(f"io.m{n}"), bob, named("m")) for n in range(40)]
        await alice.node.store.receive(many, source="ab" * 32)
        answer = (await alice.client.get("/api/quota")).json()
        (group,) = answer["namespaces"]
        assert (group["name"], group["namespace"]) == ("guild", encode_did_key(NAMESPACE))
        assert 32 << 10 < group["bytes"] <= group["bytes_max"] == 64 << 10
        assert answer["room"]["strangers_bytes"] == 0
        assert answer["room"]["kept_out"] == answer["authors"][0]["kept_out"] > 20
        assert answer["authors"][0]["followed"] is False
        assert namespace_row(group)[0] == "guild"


async def test_what_those_take_whom_somebody_followed_let_in(tmp_path: Path) -> None:
    async with open_alice(tmp_path, config=Config(quota=QuotaConfig(member="16KiB"))) as alice:
        store = alice.node.store
        await alice.client.put("/api/names/bob", json={"author": ALICE.did})
        theirs = bobs(CLOCK, 40)
        await store.receive(theirs, source="ab" * 32)
        answer = (await alice.client.get("/api/quota")).json()
        (guest,) = answer["guests"]
        assert (guest["guest"], guest["author"]) == (encode_did_key(BOBS), ALICE.did)
        assert 8 << 10 < guest["bytes"] <= guest["bytes_max"] == 16 << 10
        assert guest["entries"] + guest["kept_out"] == 40
        assert guest_row(guest)[-1] == str(guest["kept_out"])
        assert answer["room"]["strangers_bytes"] == 0
