"""Passages and travel over HTTP: the requests of multiverse clients, and ours beside them."""

import asyncio
import base64
from collections.abc import AsyncGenerator
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
import pytest_asyncio
from blake3 import blake3

from crdt.document import Editor
from crdt.keys import COMMONS
from node.config import ApiConfig, Config
from node.exit_codes import UNVERIFIED
from node.services.passages import document_of
from node.wiring import clock_us
from registry.head import Words, put_head, touch
from tests.node.commands.test_convert import run
from tests.node.parts import Alice, open_alice
from tests.node.served import shown
from tests.registry.formats.files import MIGRATION
from tests.storage.people import BOB, NOW_US
from tests.storage.test_folding import rows

PASSAGE, PASSAGES = "/api/passage", "/api/passages"
MAIN, FAR = "universe:main", "universe:far"
BOBS = f"{BOB.did}/universe:reef"
FOX = base64.b64encode(b'{"legs":4}').decode()


@pytest_asyncio.fixture
async def alice(tmp_path: Path) -> AsyncGenerator[Alice]:
    async with open_alice(tmp_path) as alice:
        for id in (MAIN, FAR):
            await has_universe(alice, id)
        yield alice


async def has_universe(alice: Alice, id: str) -> None:
    document = document_of(f"{alice.node.identity.did}/{id}", "uni", COMMONS)

    def edit(editor: Editor) -> None:
        put_head(editor, Words(id), now_us=NOW_US)
        touch(editor, NOW_US)

    await alice.node.store.commit(document, edit, alice.node.identity.signer)


def ok(answer: httpx2.Response, status: int = 200) -> Any:  # noqa: ANN401 - of a JSON body
    assert answer.status_code == status, answer.text
    return answer.json()


def ends(target: str = FAR) -> dict[str, Any]:
    return {"sourceUniverseId": MAIN, "targetUniverseId": target, "type": "bridge"}


def passed(until_ms: int) -> None:
    """The clock of the node is a real one: by then it says so."""
    while clock_us() < until_ms * 1_000:
        pass


async def proposed(alice: Alice, target: str = FAR, **said: Any) -> dict[str, Any]:  # noqa: ANN401 - of a JSON body
    body = ends(target) | said
    shown: dict[str, Any] = ok(await alice.client.post(PASSAGE, json=body), 201)["passage"]
    return shown


async def test_a_passage_of_ones_own_is_open_and_closes(alice: Alice) -> None:
    one = await proposed(alice, createdBy="player:1")
    assert one["id"].startswith("passage:")
    assert (one["sourceUniverseId"], one["targetUniverseId"]) == (MAIN, FAR)
    assert (one["active"], one["state"], one["stability"]) == (True, "open", 100)
    assert (one["type"], one["createdBy"]) == ("bridge", "player:1")
    assert one["createdAt"] >= one["lastMaintenance"] > 0
    assert ok(await alice.client.get(f"{PASSAGE}/{one['id']}"))["passage"] == one
    listed = ok(await alice.client.get(PASSAGES, params={"universeId": FAR}))["passages"]
    assert listed == [one]
    assert ok(await alice.client.get(PASSAGES, params={"universeId": "universe:x"})) == {
        "passages": [],
        "next": None,
    }
    done = ok(await alice.client.delete(f"{PASSAGE}/{one['id']}"))
    assert (done["success"], done["passage"]["active"]) == (True, False)


async def test_a_passage_wears_and_is_looked_after(alice: Alice) -> None:
    one = await proposed(alice, maintenanceEvery=1)  # each ms
    path = f"{PASSAGE}/{one['id']}"
    await asyncio.to_thread(passed, one["lastMaintenance"] + 10)
    worn = ok(await alice.client.get(path))["passage"]
    assert (worn["stability"], worn["stabilityNow"], worn["active"]) == (100, 0, True)
    wish = {"soul": "fox", "data": FOX, "from": MAIN}
    answer = await alice.client.post(f"{path}/travel", json=wish)
    assert (answer.status_code, answer.json()["code"]) == (409, "passage-unstable")
    ok(
        await alice.client.post(
            PASSAGE, json=ends() | {"id": one["id"], "maintenanceEvery": 10**12}
        ),
        201,
    )
    done = ok(await alice.client.post(f"{path}/maintain", json={"stability": 80}))["passage"]
    assert (done["stability"], done["stabilityNow"]) == (80, 80)
    assert done["lastMaintenance"] >= one["lastMaintenance"] + 10
    assert ok(await alice.client.post(f"{path}/travel", json=wish))["success"]
    nobody = await alice.client.post(f"{PASSAGE}/passage:none/maintain", json={})
    assert (nobody.status_code, nobody.json()["code"]) == (404, "unknown-passage")


async def test_a_traveller_goes_there_and_is_told_with_its_bytes(alice: Alice) -> None:
    one = await proposed(alice)
    path = f"{PASSAGE}/{one['id']}"
    wish = {"soul": "fox", "data": FOX, "from": MAIN, "migration": "01" * 16, "tick": 7}
    done = ok(await alice.client.post(f"{path}/travel", json=wish))
    assert (done["success"], done["traveller"]["state"]) == (True, "in-transit")
    again = ok(await alice.client.post(f"{path}/travel", json=wish))
    assert again == done | {"known": True}
    timeline = ok(await alice.client.get(f"/api/universe/{MAIN}/timeline"))
    (entry,) = timeline["entries"]
    assert (entry["type"], entry["word"], entry["tick"]) == ("passage:departure", "left", 7)
    assert (entry["title"], entry["canFork"]) == (f"fox left for {FAR}", False)
    assert entry["other"] == f"{alice.node.identity.did}/{FAR}"
    assert entry["migration"] == "01" * 16
    other = await alice.client.post(f"{path}/travel", json=wish | {"migration": "02" * 16})
    assert (other.status_code, other.json()["code"]) == (409, "cannot-travel")
    shown = ok(await alice.client.get(f"{path}/travellers"))
    (fox,) = shown["travellers"]
    assert (fox["soul"], fox["universe"], shown["doubtful"]) == (
        "fox", f"{alice.node.identity.did}/{FAR}", [],
    )  # fmt: skip
    assert "data" not in fox
    short = await alice.client.post(f"{path}/travel", json=wish | {"migration": "01"})
    said = "/migration: is not the id of a migration: 32 digits, 0-9 and a-f"
    assert (short.status_code, short.json()["detail"]) == (422, said)
    params = {"migration": "01" * 16}
    (fox,) = ok(await alice.client.get(f"{path}/travellers", params=params))["travellers"]
    assert base64.b64decode(fox["data"]) == b'{"legs":4}'


async def test_the_bytes_of_each_journey_are_taken_out(alice: Alice) -> None:
    one = await proposed(alice, arrivals="ask")
    path, older = f"{PASSAGE}/{one['id']}", b'{"legs":4,"age":3}'
    wish = {"soul": "fox", "data": FOX, "from": MAIN, "migration": "01" * 16, "tick": 7}
    ok(await alice.client.post(f"{path}/travel", json=wish))
    ok(await alice.client.post(f"{path}/decide", json={"migration": "01" * 16, "accept": True}))
    back = {"from": FAR, "migration": "02" * 16, "data": base64.b64encode(older).decode()}
    ok(await alice.client.post(f"{path}/travel", json=wish | back))
    hen = {"soul": "hen", "migration": "02" * 16, "data": base64.b64encode(b"hen").decode()}
    ok(await alice.client.post(f"{path}/travel", json=wish | hen))
    for query, data in (
        ({"migration": "01" * 16}, b'{"legs":4}'),
        ({"migration": "02" * 16, "soul": "fox"}, older),
        ({"migration": "02" * 16, "soul": "hen"}, b"hen"),
    ):
        told = ok(await alice.client.get(f"{path}/travellers", params=query))["travellers"]
        assert [base64.b64decode(one["data"]) for one in told] == [data]
        assert told[0]["migration"] == query["migration"]
        raw = await alice.client.get(f"{path}/travellers", params={**query, "raw": "true"})
        assert (raw.status_code, raw.content) == (200, data)
        assert raw.headers["X-Checksum"] == told[0]["hash"] == blake3(data).hexdigest()
    for query, status, code in (
        ({"migration": "02" * 16}, 409, "ambiguous-migration"),
        ({"migration": "03" * 16}, 404, "unknown-migration"),
        ({}, 400, "bad-query"),
    ):
        answer = await alice.client.get(f"{path}/travellers", params={**query, "raw": "true"})
        assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_travellers_are_told_a_page_at_a_time_who_is_under_way_first(alice: Alice) -> None:
    one = await proposed(alice, arrivals="ask")
    path = f"{PASSAGE}/{one['id']}"
    for end, soul in ((MAIN, "ant"), (MAIN, "bee"), (FAR, "cat"), (FAR, "bee")):
        wish = {"soul": soul, "data": FOX, "from": end, "migration": f"{ord(soul[0]):032x}"}
        ok(await alice.client.post(f"{path}/travel", json=wish))
    yes = {"migration": f"{ord('a'):032x}", "accept": True}
    ok(await alice.client.post(f"{path}/decide", json=yes))
    told, params = list[tuple[str, str]](), dict[str, Any](limit=3)
    while True:
        page = ok(await alice.client.get(f"{path}/travellers", params=params))
        told += [(who["soul"], who["origin"].partition("/")[2]) for who in page["travellers"]]
        assert page["whole"]
        if page["next"] is None:
            break
        params["cursor"] = page["next"]
    assert told == [("bee", FAR), ("cat", FAR), ("bee", MAIN), ("ant", MAIN)]
    whole = ok(await alice.client.get(f"{path}/travellers"))  # as clients that know no cursor
    assert (len(whole["travellers"]), whole["next"]) == (4, None)
    wrong = await alice.client.get(f"{path}/travellers", params={"cursor": "A" * 22})
    assert (wrong.status_code, wrong.json()["code"]) == (404, "cursor-unknown")
    bee = {"migration": f"{ord('b'):032x}", "accept": True}
    several = await alice.client.post(f"{path}/decide", json=bee)
    assert (several.status_code, several.json()["code"]) == (409, "ambiguous-migration")
    done = ok(await alice.client.post(f"{path}/decide", json=bee | {"origin": FAR}))
    assert done["traveller"]["universe"] == f"{alice.node.identity.did}/{MAIN}"


async def test_a_large_traveller_is_a_blob_that_its_universe_keeps(alice: Alice) -> None:
    one = await proposed(alice)
    path, whale = f"{PASSAGE}/{one['id']}", Random(1).randbytes(100_000)
    wish = {"soul": "whale", "data": base64.b64encode(whale).decode(), "from": MAIN,
            "format": "bin", "migration": "01" * 16}  # fmt: skip
    ok(await alice.client.post(f"{path}/travel", json=wish))
    for tick in (1, 2):  # what snapshots name is written anew, and the traveller stays named
        state = f"{tick}".encode() * 50_000
        where = f"/api/universe/{MAIN}/snapshot"
        ok(await alice.client.post(where, params={"tick": tick}, content=state), 201)
    named = await alice.node.store.blobs_named(alice.node.identity.author)
    assert len(named) == 3
    params = {"migration": "01" * 16}
    (told,) = ok(await alice.client.get(f"{path}/travellers", params=params))["travellers"]
    assert (base64.b64decode(told["data"]), told["size"]) == (whale, 100_000)
    raw = await alice.client.get(f"{path}/travellers", params={**params, "raw": "true"})
    assert raw.content == whale
    much = wish | {"data": base64.b64encode(bytes((8 << 20) + 1)).decode(), "migration": "02" * 16}
    answer = await alice.client.post(f"{path}/travel", json=much)
    assert (answer.status_code, answer.json()["code"]) == (422, "traveller-too-large")
    # Whose bytes rotted is told of without them.
    rows(alice.node.home.path, "UPDATE chunk SET data = zeroblob(length(data))")
    (told,) = ok(await alice.client.get(f"{path}/travellers", params=params))["travellers"]
    assert (told["soul"], "data" in told) == ("whale", False)


async def test_a_person_lets_in_who_waits(alice: Alice) -> None:
    one = await proposed(alice, arrivals="ask")
    path = f"{PASSAGE}/{one['id']}"
    for number, soul in ((1, "fox"), (2, "hen")):
        wish = {"soul": soul, "data": FOX, "from": MAIN, "migration": f"{number:032x}"}
        ok(await alice.client.post(f"{path}/travel", json=wish))
    yes = {"migration": f"{1:032x}", "accept": True, "tick": 5}
    done = ok(await alice.client.post(f"{path}/decide", json=yes))
    assert done["traveller"]["state"] == "in"
    no = {"migration": f"{2:032x}", "accept": False, "reason": "no room"}
    done = ok(await alice.client.post(f"{path}/decide", json=no))
    assert (done["traveller"]["state"], done["traveller"]["reason"]) == ("refused", "no room")
    again = ok(await alice.client.post(f"{path}/decide", json=no))
    assert again == done | {"known": True}
    other = await alice.client.post(f"{path}/decide", json=no | {"accept": True})
    assert (other.status_code, other.json()["code"]) == (409, "cannot-travel")
    assert "hen was refused before" in other.json()["detail"]
    gone = await alice.client.post(f"{path}/decide", json=no | {"migration": "03" * 16})
    assert (gone.status_code, gone.json()["code"]) == (404, "unknown-migration")
    recall = {"migration": f"{2:032x}", "from": MAIN}
    assert ok(await alice.client.post(f"{path}/recall", json=recall))["success"]


async def test_who_waits_is_let_in_by_the_passage_that_it_came_through(alice: Alice) -> None:
    one, other = await proposed(alice, arrivals="ask"), await proposed(alice, arrivals="ask")
    wish = {"soul": "fox", "data": FOX, "from": MAIN, "migration": "01" * 16}
    ok(await alice.client.post(f"{PASSAGE}/{one['id']}/travel", json=wish))
    yes = {"migration": "01" * 16, "accept": True}
    wrong = await alice.client.post(f"{PASSAGE}/{other['id']}/decide", json=yes)
    assert (wrong.status_code, wrong.json()["code"]) == (404, "unknown-migration")
    done = ok(await alice.client.post(f"{PASSAGE}/{one['id']}/decide", json=yes))
    assert (done["traveller"]["state"], done["traveller"]["passage"]) == ("in", one["fullName"])


async def test_a_half_that_is_said_again_keeps_what_was_said_before(alice: Alice) -> None:
    one = await proposed(alice, id="passage:1", arrivals="ask", stability=40)
    await alice.client.delete(f"{PASSAGE}/{one['id']}")
    again = await proposed(alice, id="passage:1", name="Gap")
    assert (again["stability"], set(again["arrivals"].values())) == (40, {"ask"})
    assert (again["name"], again["state"]) == ("Gap", "open")
    fresh = await proposed(alice, id="passage:2")
    assert (fresh["stability"], set(fresh["arrivals"].values())) == (100, {"accept"})


@pytest.mark.parametrize(("target", "state"), [(FAR, "open"), (BOBS, "proposed")])
async def test_who_proposed_opens_their_half_again_by_accepting(
    alice: Alice, target: str, state: str
) -> None:
    one = await proposed(alice, target, arrivals="ask", stability=40, name="Gap")
    path = f"{PASSAGE}/{one['id']}"
    refused = await alice.client.post(f"{path}/accept", json={})
    assert (refused.status_code, refused.json()["code"]) == (409, "own-passage")
    await alice.client.delete(path)
    again = ok(await alice.client.post(f"{path}/accept", json={}))["passage"]
    assert (again["state"], again["fullName"]) == (state, one["fullName"])
    assert (again["stability"], set(again["arrivals"].values())) == (40, {"ask"})
    assert again["name"] == "Gap"


async def test_who_travels_at_no_tick_travels_at_the_last_that_was_told_of(alice: Alice) -> None:
    one = await proposed(alice, arrivals="ask")
    for universe, tick in ((MAIN, 900), (FAR, 40)):
        event = {"tick": tick, "type": "milestone"}
        answer = await alice.client.post(f"/api/universe/{universe}/timeline", json=event)
        assert answer.status_code == 201, answer.text
    path = f"{PASSAGE}/{one['id']}"
    wish = {"soul": "fox", "data": FOX, "from": MAIN, "migration": "01" * 16}
    ok(await alice.client.post(f"{path}/travel", json=wish))
    yes = {"migration": "01" * 16, "accept": True}
    fox = ok(await alice.client.post(f"{path}/decide", json=yes))["traveller"]
    assert [one["tick"] for one in fox["receipts"]] == [900, 40]
    back = wish | {"from": FAR, "migration": "02" * 16, "tick": 3}
    fox = ok(await alice.client.post(f"{path}/travel", json=back))["traveller"]
    assert [one["tick"] for one in fox["receipts"]] == [900, 40, 3]


async def test_a_migrate_entity_is_its_own_migration(alice: Alice) -> None:
    one = await proposed(alice)
    data = base64.b64encode(MIGRATION).decode()
    wish = {"data": data, "format": "primordium-migration", "from": MAIN}
    done = ok(await alice.client.post(f"{PASSAGE}/{one['id']}/travel", json=wish))
    assert done["migration"] in MIGRATION.decode().replace("-", "")
    other = await alice.client.post(
        f"{PASSAGE}/{one['id']}/travel", json=wish | {"migration": "66" * 16, "soul": "wolf"}
    )
    assert other.status_code == 422
    assert f"this one {done['migration']}: leave `migration`" in other.json()["detail"]
    same = wish | {"migration": done["migration"]}
    assert ok(await alice.client.post(f"{PASSAGE}/{one['id']}/travel", json=same))["known"]
    torn = wish | {"data": base64.b64encode(MIGRATION[:-20]).decode()}
    answer = await alice.client.post(f"{PASSAGE}/{one['id']}/travel", json=torn)
    assert answer.status_code == 422


async def test_where_both_ends_are_ones_own_it_is_said_how_to_name_one(alice: Alice) -> None:
    one = await proposed(alice)
    wish = {"soul": "fox", "data": FOX}
    answer = await alice.client.post(f"{PASSAGE}/{one['id']}/travel", json=wish)
    assert answer.json()["code"] == "not-an-end"
    assert "--from in the shell" in answer.json()["detail"]


async def test_to_somebody_elses_universe_it_is_proposed(alice: Alice) -> None:
    one = await proposed(alice, BOBS)
    assert (one["active"], one["state"], one["acceptedBy"]) == (False, "proposed", "")
    wish = {"soul": "fox", "data": FOX}
    answer = await alice.client.post(f"{PASSAGE}/{one['id']}/travel", json=wish)
    assert (answer.status_code, answer.json()["code"]) == (409, "passage-closed")
    for act, said in (("travel", wish), ("recall", {"migration": "01" * 16})):
        theirs = await alice.client.post(
            f"{PASSAGE}/{one['id']}/{act}", json={**said, "from": BOBS}
        )
        assert (theirs.status_code, theirs.json()["code"]) == (403, "not-your-universe")
        assert "passage gate" not in theirs.text, "that is not for who does not own it"
    own = await alice.client.post(f"{PASSAGE}/{one['id']}/accept", json={})
    assert (own.status_code, own.json()["code"]) == (409, "own-passage")


@pytest.mark.parametrize(
    ("path", "body", "status", "code"),
    [
        (PASSAGE, {"sourceUniverseId": "universe:x", "targetUniverseId": MAIN}, 404,
         "unknown-record"),
        (PASSAGE, {"sourceUniverseId": MAIN, "targetUniverseId": MAIN}, 422, "invalid-record"),
        (PASSAGE, {"sourceUniverseId": BOBS, "targetUniverseId": BOBS + "2"}, 409,
         "not-together"),
        (PASSAGE, {"sourceUniverseId": MAIN}, 422, "invalid-body"),
        (f"{PASSAGE}/passage:none/travel", {"soul": "a", "data": FOX}, 404, "unknown-passage"),
        (f"{PASSAGE}/passage:none/travel", {"soul": "a", "data": "?"}, 422, "invalid-body"),
        (f"{PASSAGE}/passage:none/accept", {}, 404, "unknown-passage"),
        ("/api/gate", {"universe": BOBS}, 404, "unknown-record"),
        ("/api/gate", {"universe": "universe:none"}, 404, "unknown-record"),
    ],
)  # fmt: skip
async def test_what_cannot_be_is_refused_in_words(
    alice: Alice, path: str, body: dict[str, Any], status: int, code: str
) -> None:
    answer = await alice.client.post(path, json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_a_bad_name_of_a_passage_is_told_as_one_of_a_passage(alice: Alice) -> None:
    for id, kind in (("../p", "full name"), (" ", "id"), (f"{BOB.did}/ ", "id")):
        ends = {"sourceUniverseId": MAIN, "targetUniverseId": BOBS, "id": id}
        made = await alice.client.post(PASSAGE, json=ends)
        assert made.status_code == 422, made.text
        assert f"is no {kind} of a passage: " in made.json()["detail"]
        asked = await alice.client.get(f"{PASSAGE}/{quote(id, safe='')}")
        assert "of a universe" not in asked.json()["detail"]


async def test_a_message_that_was_damaged_moves_nobody(alice: Alice, tmp_path: Path) -> None:
    one = await proposed(alice)
    file = tmp_path / "fox.json"
    file.write_bytes(MIGRATION.replace(b'"generation":', b'"generation": 1'))
    wish = {"data": base64.b64encode(file.read_bytes()).decode(), "format": "primordium-migration"}
    path = f"{PASSAGE}/{one['id']}"
    answer = await alice.client.post(f"{path}/travel", json=wish | {"from": MAIN})
    assert (answer.status_code, answer.json()["code"]) == (422, "file-damaged"), answer.text
    async with shown(alice) as home:
        command = ("--home", str(home), "passage", "send", one["id"], str(file), "--from", MAIN)
        done = await asyncio.to_thread(run, *command)
    assert (done.returncode, b"/payload/checksum" in done.stderr) == (UNVERIFIED, True), done
    assert ok(await alice.client.get(f"{path}/travellers"))["travellers"] == []


async def test_requests_that_come_at_once_leave_one_gate_one_after_the_other(alice: Alice) -> None:
    path = f"{PASSAGE}/{(await proposed(alice))['id']}"

    async def leaves(number: int) -> httpx2.Response:
        wish = {"soul": f"fox {number}", "data": FOX, "from": MAIN, "migration": f"{number:032x}"}
        return await alice.client.post(f"{path}/travel", json=wish)

    done = [ok(one) for one in await asyncio.gather(*map(leaves, range(4)))]
    assert [one["traveller"]["soul"] for one in done] == [f"fox {number}" for number in range(4)]
    found = ok(await alice.client.get(f"{path}/travellers"))
    assert [one["state"] for one in found["travellers"]] == ["in-transit"] * 4
    assert found["doubtful"] == []


async def test_the_gate_is_taken_once(alice: Alice) -> None:
    done = ok(await alice.client.post("/api/gate", json={"universe": MAIN}))
    assert done["changed"]
    assert not ok(await alice.client.post("/api/gate", json={"universe": MAIN}))["changed"]
    anyway = {"universe": MAIN, "anyway": True}  # nothing is missing, so nothing is lost
    done = ok(await alice.client.post("/api/gate", json=anyway))
    assert (done["changed"], done["lost"]) == (False, 0)


async def test_a_client_of_the_original_server_needs_no_token(tmp_path: Path) -> None:
    async with open_alice(tmp_path, config=Config(api=ApiConfig(compat=True))) as alice:
        del alice.client.headers["Authorization"]
        for id in (MAIN, FAR):  # private, as it says nothing else
            universe = {"id": id, "name": id, "ownerId": "player:1"}
            ok(await alice.client.post("/api/universe", json=universe), 201)
        one = await proposed(alice, createdBy="player:1", more={"x": 1})
        shown = ok(await alice.client.get(f"{PASSAGE}/{one['id']}"))["passage"]
        assert shown["active"]
        path = f"{PASSAGE}/{one['id']}"
        for asked in ("?limit=5", f"?universeId={MAIN}&limit=x&page=2"):
            listed = ok(await alice.client.get(f"/api/passages{asked}"))["passages"]
            assert [each["id"] for each in listed] == [one["id"]]
        known = await alice.client.get("/api/passages?page=2", headers=alice.bearer("read"))
        assert (known.status_code, known.json()["code"]) == (400, "unknown-parameter")
        wish = {"soul": "fox", "data": FOX, "from": MAIN, "migration": "01" * 16, "createdBy": "p"}
        strict = await alice.client.post(f"{path}/travel", json=wish, headers=alice.bearer())
        assert (strict.status_code, strict.json()["code"]) == (422, "invalid-body")
        done = ok(await alice.client.post(f"{path}/travel", json=wish))
        assert (done["success"], done["traveller"]["state"]) == (True, "in-transit")
        (fox,) = ok(await alice.client.get(f"{path}/travellers"))["travellers"]
        assert fox == done["traveller"]
        decision = {"migration": "01" * 16, "accept": True}
        for act, said in (
            ("accept", {}), ("decide", decision), ("recall", wish), ("maintain", {}),
        ):  # fmt: skip
            answer = await alice.client.post(f"{path}/{act}", json=said)
            assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized"), act
        assert ok(await alice.client.delete(f"{PASSAGE}/{one['id']}"))["success"]


async def test_two_universes_of_two_namespaces_are_not_joined(alice: Alice) -> None:
    ok(await alice.client.post("/api/universe", json={"id": "universe:mine", "name": "Mine"}), 201)
    body = {"sourceUniverseId": MAIN, "targetUniverseId": "universe:mine"}
    answer = await alice.client.post(PASSAGE, json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "not-together")
    said = answer.json()["error"]
    assert f"{MAIN} is public and universe:mine is not" in said
    assert f"`panspermia universe fork {MAIN} --name NAME --private`" in said
    # As it says: a fork of the public one for the same readers can be joined.
    put = await alice.client.post(f"/api/universe/{MAIN}/snapshot?tick=1", content=b"state")
    assert put.status_code in (200, 201), put.text
    wish = {"name": "NAME", "visibility": "private"}
    forked = ok(await alice.client.post(f"/api/universe/{MAIN}/fork", json=wish), 201)
    body = {"sourceUniverseId": forked["universe"]["id"], "targetUniverseId": "universe:mine"}
    assert ok(await alice.client.post(PASSAGE, json=body), 201)["passage"]["active"] is True


async def test_of_two_namespaces_the_error_says_into_which_to_fork(alice: Alice) -> None:
    for name in ("friends", "others"):
        made = await alice.client.post("/api/namespaces", json={"name": name})
        assert made.status_code in (200, 201), made.text
        shared = {"id": f"universe:{name}", "name": name, "namespace": name}
        ok(await alice.client.post("/api/universe", json=shared), 201)
    for source, target, says in (
        ("universe:friends", MAIN, f"`panspermia universe fork {MAIN} --name NAME --in friends`"),
        ("universe:friends", "universe:others", "universe:friends and universe:others lie in two"),
    ):
        body = {"sourceUniverseId": source, "targetUniverseId": target}
        answer = await alice.client.post(PASSAGE, json=body)
        assert (answer.status_code, answer.json()["code"]) == (409, "not-together")
        assert says in answer.json()["error"]


async def test_of_two_who_decide_otherwise_at_once_one_is_told_so(alice: Alice) -> None:
    for id in ("universe:a", "universe:b"):
        body = {"id": id, "name": id, "isPublic": True}
        assert (await alice.client.post("/api/universe", json=body)).status_code == 201
    way = {
        "id": "passage:ask", "sourceUniverseId": "universe:a", "targetUniverseId": "universe:b",
        "type": "gate", "arrivals": "ask",
    }  # fmt: skip
    assert (await alice.client.post("/api/passage", json=way)).status_code == 201
    fox = {"data": base64.b64encode(b"{}").decode(), "soul": "fox", "from": "universe:a"}
    left = (await alice.client.post("/api/passage/passage:ask/travel", json=fox)).json()
    wishes = [{"migration": left["migration"], "accept": accept} for accept in (True, False)]
    answers = await asyncio.gather(
        *(alice.client.post("/api/passage/passage:ask/decide", json=wish) for wish in wishes)
    )
    (done,) = [one.json() for one in answers if one.status_code == 200]
    (late,) = [one for one in answers if one.status_code != 200]
    assert late.status_code == 409
    assert "before" in late.json()["detail"]
    accepted = answers[0].status_code == 200
    assert done["traveller"]["state"] == ("in" if accepted else "refused")
