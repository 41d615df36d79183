"""Alice lets Bob in by a code, over HTTP: shown in words first, then kept, handed on and used."""

from pathlib import Path
from typing import Any

from crdt.capability import READ, WRITE
from crdt.did import encode_did_key
from node.identity import seal_author
from node.invites import read_code
from tests.node.api.test_devices import carry
from tests.node.api.test_namespaces import MEADOW, PASSPHRASE, created, post, problem
from tests.node.modules import new_module
from tests.node.parts import Alice, open_alice

CLOCK = "org.example.add"


async def invite(alice: Alice, to: Alice, **more: object) -> str:
    body: dict[str, object] = {"receiver": to.node.identity.did, "namespace": "guild"}
    body |= {"addresses": (), **more}
    code: str = (await post(alice, "/api/invites", body))["code"]
    return code


async def test_a_code_lets_somebody_in(alice: Alice, tmp_path: Path) -> None:
    guild = await created(alice)
    async with open_alice(tmp_path / "bob") as bob:
        code = await invite(alice, bob, level="write", note="hello", until="2099-01-01")
        shown = await post(bob, "/api/invites/accept", {"code": code, "dry_run": True}, 200)
        assert shown["dry_run"]
        (first, write, read, place, note) = shown["words"]
        giver = alice.node.identity.did
        assert first == f"{giver} gives you:"
        assert write.startswith("you may write everything of you in the namespace guild, until 209")
        assert read.startswith("you may read everything of everyone in the namespace guild, until ")
        assert place == f"Joins the namespace guild: {guild}"
        assert note == "They say: hello"
        assert (await bob.client.get("/api/capabilities")).json()["capabilities"] == []

        taken = await post(bob, "/api/invites/accept", {"code": code, "name": "pond"}, 200)
        assert (taken["namespaces"], taken["kept"], taken["starts_again"]) == (["pond"], 6, False)
        (_, listed) = (await bob.client.get("/api/namespaces")).json()["namespaces"]
        assert (listed["name"], listed["did"]) == ("pond", guild)
        assert listed["rights"] == "read everything, write what is yours"
        await post(bob, "/api/modules", {**new_module(), "namespace": "pond"})
        again = await post(bob, "/api/invites/accept", {"code": code}, 200)
        assert again["namespaces"] == ["pond"], "a second time changes nothing"


async def test_one_record_is_given_to_a_publisher(alice: Alice, tmp_path: Path) -> None:
    async with open_alice(tmp_path / "bob") as bob:
        code = await invite(
            alice, bob, namespace="commons", level="write", areas=[f"me/pub/mod/{CLOCK}"]
        )
        (right,) = read_code(code).rights
        assert right.granted_area.path == (b"pub", b"mod", CLOCK.encode())
        await post(bob, "/api/invites/accept", {"code": code}, 200)
        kept = (await bob.client.get("/api/capabilities")).json()["capabilities"]
        assert {one["path"] for one in kept} == {f"/pub/mod/{CLOCK}"}
        wide = {"receiver": alice.node.identity.did, "areas": ["*"], "level": "write"}
        answer = await bob.client.post("/api/invites", json=wide)
        assert problem(answer) == (403, "no-capability")


async def test_a_part_of_a_group_comes_with_a_voice_of_ones_own(
    alice: Alice, tmp_path: Path
) -> None:
    await created(alice)
    async with open_alice(tmp_path / "bob") as bob:
        area = f"me/pub/mod/{CLOCK}"
        me = bob.node.identity.author
        rights = read_code(await invite(alice, bob, level="write", areas=[area])).rights
        assert [
            (one.mode, one.granted_area.subspace, one.granted_area.path[0]) for one in rights
        ] == [
            (WRITE, alice.node.identity.author, b"pub"),
            (READ, alice.node.identity.author, b"pub"),
            (WRITE, me, b"_auth"),
        ]
        rights = read_code(await invite(alice, bob, level="read", areas=[area])).rights
        assert [one.mode for one in rights] == [READ], "who may only read passes nothing on"


async def test_what_is_over_already_is_said_before_it_is_taken(tmp_path: Path) -> None:
    now = [1_800_000_000_000_000]
    async with (
        open_alice(tmp_path / "alice", clock=lambda: now[0]) as alice,
        open_alice(tmp_path / "bob", clock=lambda: now[0]) as bob,
    ):
        area = f"me/pub/mod/{CLOCK}"
        wish: dict[str, Any] = {"namespace": "commons", "level": "write", "areas": [area]}
        for_days = await invite(alice, bob, **wish, until="2027-02-01")
        for_ever = await invite(alice, bob, **wish)

        async def told(code: str) -> list[str]:
            look = {"code": code, "dry_run": True}
            words = (await post(bob, "/api/invites/accept", look, 200))["words"]
            return [one.partition(":")[0] for one in words if one.startswith("This has")]

        assert await told(for_days) == await told(for_ever) == []
        now[0] += 30 * 86_400_000_000
        for one in (alice, bob):
            one.client.headers.update(one.bearer())
        assert await told(for_days) == ["This has ended already"]
        said = {"key": bob.node.identity.did}
        await post(alice, "/api/revocations", said, 200)
        await carry(alice, bob)
        assert await told(for_ever) == ["This has been taken back already"]


async def test_a_code_is_for_nobody_else(alice: Alice, tmp_path: Path) -> None:
    await created(alice)
    async with open_alice(tmp_path / "bob") as bob, open_alice(tmp_path / "carol") as carol:
        code = await invite(alice, bob)
        answer = await carol.client.post("/api/invites/accept", json={"code": code})
        assert problem(answer) == (403, "code-for-another")
        assert bob.node.identity.did in answer.json()["detail"]
        cut = await bob.client.post("/api/invites/accept", json={"code": code[:-9]})
        assert problem(cut) == (400, "code-cut")
        mine = await alice.client.post("/api/invites/accept", json={"code": code})
        assert problem(mine) == (403, "code-for-another")


async def test_names_that_are_taken_here(alice: Alice, tmp_path: Path) -> None:
    await created(alice)
    async with open_alice(tmp_path / "bob") as bob:
        await created(bob)  # bob's own is called guild as well
        before = await bob.node.store.capabilities_held()
        code = await invite(alice, bob)
        answer = await bob.client.post("/api/invites/accept", json={"code": code})
        assert problem(answer) == (409, "name-taken")
        assert await bob.node.store.capabilities_held() == before
        taken = await post(bob, "/api/invites/accept", {"code": code, "name": "hers"}, 200)
        assert taken["namespaces"] == ["hers"]


async def test_a_meeting_place_for_everyone(alice: Alice, tmp_path: Path) -> None:
    await post(alice, "/api/namespaces", {"name": "meadow", "did": MEADOW})
    async with open_alice(tmp_path / "bob") as bob:
        code = await invite(
            alice, bob, namespace="meadow", addresses=["10.0.0.7:4747", "nowhere:1"]
        )
        taken = await post(bob, "/api/invites/accept", {"code": code}, 200)
        assert taken["words"][0].startswith("Somebody who claims to be did:key:")
        reached = {one["address"]: one["connected"] for one in taken["addresses"]}
        assert reached == {"10.0.0.7:4747": True, "nowhere:1": False}
        known = {one.address for one in await bob.node.store.known_peers()}
        assert known == {"10.0.0.7:4747", "nowhere:1"}
        await post(bob, "/api/modules", {**new_module(), "namespace": "meadow"})


async def test_wrong_wishes_say_what_is_wrong(alice: Alice) -> None:
    bob = encode_did_key(bytes([2]) * 32)
    for more, status, code in (
        ({"areas": ["*/all"]}, 400, "bad-area"),
        ({"areas": ["carol"]}, 404, "unknown-petname"),
        ({"until": "soon"}, 400, "bad-date"),
        ({"until": "2020-01-01"}, 400, "bad-date"),
        ({"areas": ["me/pub", "me/rate@..2020-01-01"]}, 400, "bad-date"),
        ({"namespace": "guild"}, 404, "unknown-namespace"),
        ({"addresses": ["no address"]}, 400, "bad-address"),
        ({"receiver": alice.node.identity.did}, 400, "bad-request"),
    ):
        answer = await alice.client.post("/api/invites", json={"receiver": bob, **more})
        assert problem(answer) == (status, code), answer.text


async def test_a_sealed_key_opens_for_one_code(alice: Alice, tmp_path: Path) -> None:
    """Both keep their keys sealed; without a passphrase nothing is given, nor taken."""
    await created(alice)
    async with open_alice(tmp_path / "bob") as bob:
        for one in (alice, bob):
            seal_author(one.node.home, PASSPHRASE)
            assert (await one.client.get("/api/identity")).json()["sealed"]
        wanted = {"receiver": bob.node.identity.did, "namespace": "guild"}
        answer = await alice.client.post("/api/invites", json=wanted)
        assert problem(answer) == (403, "sealed")
        code = await invite(alice, bob, passphrase=PASSPHRASE)
        answer = await bob.client.post("/api/invites/accept", json={"code": code})
        assert problem(answer) == (403, "sealed")
        assert (await bob.client.get("/api/namespaces")).json()["namespaces"][1:] == []
        body = {"code": code, "passphrase": PASSPHRASE}
        taken = await post(bob, "/api/invites/accept", body, 200)
        assert taken["namespaces"] == ["guild"]
        assert PASSPHRASE not in str(await bob.node.store.refused())
