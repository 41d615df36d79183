"""Alice's phone adds a laptop and removes it again, over HTTP."""

import os
from pathlib import Path

import pytest

from crdt.area import Area
from crdt.did import decode_did_key
from crdt.ed25519 import SigningKey
from crdt.keys import COMMONS, NamespaceKey
from crdt.order import Bounds
from node.errors import BadIdentity
from node.home import Home
from node.identity import export_author, import_author, load, open_author
from node.services.devices import ends_of_this_device
from storage.keyfiles import read_key
from tests.node.api.test_namespaces import created, post, problem
from tests.node.modules import new_module
from tests.node.parts import Alice, open_alice


async def carry(source: Alice, target: Alice, namespace: NamespaceKey = COMMONS) -> None:
    """All of a namespace that one holds, to the other."""
    store = source.node.store
    ids = await store.ids(namespace, Area(), Bounds())
    await target.node.store.receive(await store.entries(namespace, ids), source="peer")


async def make_device(alice: Alice, path: Path, name: str = "laptop") -> None:
    """The home at `path` becomes a device of hers."""
    async with open_alice(path) as fresh:
        body: dict[str, object] = {"device": fresh.node.identity.device_did, "name": name}
        code = (await post(alice, "/api/devices", body))["code"]
        taken = await post(fresh, "/api/invites/accept", {"code": code}, 200)
        assert taken["starts_again"]
        assert fresh.node.stop.is_set()
        assert fresh.node.again.is_set()


async def test_a_new_home_becomes_a_device(alice: Alice, tmp_path: Path) -> None:
    guild = await created(alice)
    await make_device(alice, tmp_path / "laptop")
    async with open_alice(tmp_path / "laptop") as laptop:
        identity = laptop.node.identity
        assert identity.did == alice.node.identity.did
        assert identity.is_sealed, "the root key is not here"
        (aside,) = (tmp_path / "laptop" / "identity" / "former").glob("*.key")
        assert len(read_key(aside)) == 32
        assert aside.stat().st_mode & 0o777 == 0o600
        for namespace in ("commons", "guild"):
            await post(laptop, "/api/modules", {**new_module(), "namespace": namespace})
        await carry(laptop, alice)
        (phone, other) = (await alice.client.get("/api/devices")).json()["devices"]
        assert (phone["is_this_node"], phone["entries"]) == (True, 0)
        assert other["did"] == identity.device_did
        assert (other["name"], other["entries"], other["revoked"]) == ("laptop", 1, [])
        assert set(other["namespaces"]) == {"commons", guild}
        answer = await laptop.client.post("/api/devices", json={"device": phone["did"]})
        assert problem(answer) == (403, "no-key"), "only where the root key is"
        assert "panspermia id import" in answer.json()["detail"]
        sealed = export_author(alice.node.home, "correct horse", os.urandom)
        import_author(laptop.node.home, sealed, "correct horse", os.urandom)
        assert load(laptop.node.home).device_did == identity.device_did, "the same device"
        assert open_author(laptop.node.home, "correct horse").public == identity.author


async def test_who_published_is_asked_twice(alice: Alice, tmp_path: Path) -> None:
    async with open_alice(tmp_path / "bob") as bob:
        await post(bob, "/api/modules", new_module())
        body = {"device": bob.node.identity.device_did}
        code = (await post(alice, "/api/devices", body))["code"]
        answer = await bob.client.post("/api/invites/accept", json={"code": code})
        assert problem(answer) == (409, "has-published")
        assert not bob.node.stop.is_set()
        taken = await post(bob, "/api/invites/accept", {"code": code, "replace": True}, 200)
        aside = taken["set_aside"]
        former = bob.node.identity.author
    assert load(Home(tmp_path / "bob")).author != former
    assert SigningKey.from_seed(read_key(Path(aside))).public == former


async def test_a_lost_device_writes_nothing_more(alice: Alice, tmp_path: Path) -> None:
    guild = await created(alice)
    await make_device(alice, tmp_path / "laptop")
    async with open_alice(tmp_path / "laptop") as laptop:
        await post(laptop, "/api/modules", new_module("org.example.before"))
        await carry(laptop, alice)
        lost = {"device": "laptop", "reason": "lost", "dry_run": True}
        would = await post(alice, "/api/devices/revoke", lost, 200)
        assert (would["gone_count"], set(would["namespaces"])) == (0, {"commons", guild})
        strict = {**lost, "since": "2020-01-01"}
        would = await post(alice, "/api/devices/revoke", strict, 200)
        assert [one["path"] for one in would["gone"]] == ["/pub/mod/org.example.before"]
        assert (await alice.client.get("/api/devices")).json()["devices"][1]["revoked"] == []

        await post(alice, "/api/devices/revoke", {**lost, "dry_run": False}, 200)
        await post(laptop, "/api/modules", new_module("org.example.after"))
        await carry(laptop, alice)
        listed = (await alice.client.get("/api/modules")).json()["modules"]
        assert [one["id"] for one in listed] == ["org.example.before"]
        refused = (await alice.client.get("/api/refused")).json()["refused"]
        held = [one for one in refused if one["held"]]
        assert [one["code"] for one in held] == ["revoked"]
        assert refused == held, "of what does not count nothing else is wrong"
        (_, gone) = (await alice.client.get("/api/devices")).json()["devices"]
        assert set(gone["revoked"]) == {"commons", guild}

        await carry(alice, laptop)
        answer = await laptop.client.post("/api/modules", json=new_module("org.example.late"))
        assert problem(answer) == (403, "revoked")
        assert "panspermia device add" in answer.json()["detail"]
        assert await ends_of_this_device(laptop.node.store, laptop.node.identity) == [COMMONS]
        (warning,) = (await laptop.client.get("/api/status")).json()["warnings"][-1:]
        assert "removed by its author" in warning
        again = await alice.client.post("/api/devices", json={"device": gone["did"]})
        assert problem(again) == (409, "device-revoked")
    once_more = await alice.client.post("/api/devices/revoke", json={"device": "laptop"})
    assert problem(once_more) == (409, "device-revoked")


async def test_who_loses_one_record_is_not_told_that_the_device_was_removed(
    alice: Alice, tmp_path: Path
) -> None:
    """A publisher who was dismissed may go on with what is theirs; who is let in nowhere, not."""
    guild = await created(alice)
    inside = NamespaceKey(decode_did_key(guild))
    record = {"record": "org.example.add"}
    async with open_alice(tmp_path / "bob") as bob:
        store, identity = bob.node.store, bob.node.identity

        async def give(**right: object) -> None:
            made = await post(alice, "/api/grants", {"to": identity.did, **right})
            await post(bob, "/api/invites/accept", {"code": made["code"]}, 200)

        async def take_back(**place: object) -> list[NamespaceKey]:
            await post(alice, "/api/revocations", {"key": identity.did, **place}, 200)
            for namespace in (COMMONS, inside):
                await carry(alice, bob, namespace)
            return await ends_of_this_device(store, identity)

        await give(**record)
        assert await take_back(**record) == []
        warnings = (await bob.client.get("/api/status")).json()["warnings"]
        assert not any("removed" in one for one in warnings)

        async def rights() -> str:
            listed = (await bob.client.get("/api/namespaces")).json()["namespaces"]
            return str(listed[1]["rights"])

        await give(namespace=guild, rights=["read", "write"])
        await give(namespace=guild, **record)
        assert await take_back(namespace=guild, **record) == []
        await post(bob, "/api/modules", {**new_module("org.example.mine"), "namespace": guild})
        assert await rights() == "read everything, write what is yours"
        assert await take_back(namespace=guild) == [inside]
        assert await rights() == "nothing"
        (warning,) = (await bob.client.get("/api/status")).json()["warnings"][-1:]
        assert warning.endswith("panspermia cap list --held --namespace guild")


async def test_what_is_no_device_of_hers(alice: Alice, tmp_path: Path) -> None:
    me = alice.node.identity.device_did
    answer = await alice.client.post("/api/devices/revoke", json={"device": me})
    assert problem(answer) == (400, "own-device")
    answer = await alice.client.post("/api/devices", json={"device": me})
    assert problem(answer) == (400, "own-device")
    async with open_alice(tmp_path / "bob") as bob:
        await post(bob, "/api/modules", new_module())
        await carry(bob, alice)
        theirs = bob.node.identity.device_did
        answer = await alice.client.post("/api/devices/revoke", json={"device": theirs})
        assert problem(answer) == (404, "unknown-device")
        bob.node.home.author_key.unlink()
        sealed = export_author(alice.node.home, "correct horse", os.urandom)
        with pytest.raises(BadIdentity, match="somebody else"):
            import_author(bob.node.home, sealed, "correct horse", os.urandom)


async def test_a_removed_device_is_out_where_it_never_wrote(alice: Alice, tmp_path: Path) -> None:
    """The phone knows of the laptop only what it published, and removes it from all the rest."""
    guild = await created(alice)
    await make_device(alice, tmp_path / "phone", "phone")
    await post(alice, "/api/modules", new_module())
    async with open_alice(tmp_path / "phone") as phone:
        await carry(alice, phone)
        sealed = export_author(alice.node.home, "correct horse", os.urandom)
        import_author(phone.node.home, sealed, "correct horse", os.urandom)
        lost = {"device": alice.node.identity.device_did, "passphrase": "correct horse"}
        removed = await post(phone, "/api/devices/revoke", lost, 200)
        assert set(removed["namespaces"]) == {"commons", guild}
        again = await phone.client.post("/api/devices/revoke", json=lost)
        assert problem(again) == (409, "device-revoked")
