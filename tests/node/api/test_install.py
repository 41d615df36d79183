"""Alice installs what bob published: a plan first, then everything or nothing."""

import dataclasses
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any

import msgspec
import pytest
import pytest_asyncio

from crdt.area import Area
from crdt.change import DocumentId
from crdt.did import decode_did_key
from crdt.document import Editor
from crdt.ed25519 import SigningKey
from crdt.keys import COMMONS, AuthorKey
from crdt.order import Bounds
from node.api.transfer import Transfer
from node.config import Config, ModulesConfig
from node.events import Event
from node.services.modules import document_of, find_module, module_document
from node.services.verify import admitted
from registry import module, ratings
from registry.manifest import parse_manifest
from registry.module import signed_release_of
from registry.names import ModuleName, parse_module_name
from registry.publication import publish_version
from registry.statement import Artifact, Need, Release, decode_statement, sign_release
from tests.node.modules import ADD, calling, manifest, new_module, wasm
from tests.node.parts import Alice, Wish, Wishes, open_alice
from tests.storage.people import Person

ADDER, DOUBLER = "org.example.add", "org.example.double"


@pytest_asyncio.fixture
async def bob(tmp_path: Path) -> AsyncGenerator[Alice]:
    async with open_alice(tmp_path / "bob") as bob:
        yield bob


async def publish(
    node: Alice, id: str, version: str, text: str = ADD, needs: Mapping[str, str] | None = None
) -> None:
    body = new_module(id, version, text, needs=needs or {})
    answer = await node.client.post("/api/modules", json=body)
    assert answer.status_code == 201, answer.text


async def give(source: Alice, target: Alice) -> None:
    """All entries of one node to another, as a sync would; blobs come when asked for."""
    ids = await source.node.store.ids(COMMONS, Area(), Bounds())
    entries = await source.node.store.entries(COMMONS, ids)
    received = await target.node.store.receive(entries, source="bob")
    assert not received.refused
    target.network.bob = source.node.store


async def shared(alice: Alice, bob: Alice) -> str:
    """Bob's adder and the doubler that needs it are known to alice; gives bob's did."""
    await publish(bob, ADDER, "1.0.0")
    await publish(bob, ADDER, "1.1.0")
    await publish(bob, DOUBLER, "1.0.0", calling(ADDER), needs={ADDER: "^1.0"})
    await give(bob, alice)
    return bob.node.identity.did


async def install(alice: Alice, *wanted: str, **more: object) -> dict[str, Any]:
    answer = await alice.client.post("/api/install", json={"requirements": wanted, **more})
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result


async def happened(alice: Alice) -> list[Event]:
    """Every event so far."""
    async with aclosing(alice.node.events.follow(0)) as stream:
        return [await anext(stream) for _ in range(alice.node.events.last)]


async def versions(alice: Alice) -> dict[str, str]:
    rows = (await alice.client.get("/api/installed")).json()["installed"]
    return {row["id"].rpartition("/")[2]: row["version"] for row in rows}


async def test_a_plan_changes_nothing(alice: Alice, bob: Alice) -> None:
    did = await shared(alice, bob)
    answer = await alice.client.post("/api/resolve", json={"requirements": [DOUBLER]})
    assert answer.status_code == 200, answer.text
    plan = answer.json()["plan"]
    assert [one["id"] for one in plan["add"]] == [f"{did}/{ADDER}", f"{did}/{DOUBLER}"]
    adder = answer.json()["packages"][0]
    assert (adder["version"], adder["cached"]) == ("1.1.0", False)
    assert await versions(alice) == {}


async def test_installed_with_its_dependencies_and_run(alice: Alice, bob: Alice) -> None:
    did = await shared(alice, bob)
    result = await install(alice, f"{DOUBLER}@^1.0")
    assert result["installed"] == [
        {"id": f"{did}/{ADDER}", "version": "1.1.0"},
        {"id": f"{did}/{DOUBLER}", "version": "1.0.0"},
    ]
    assert await versions(alice) == {ADDER: "1.1.0", DOUBLER: "1.0.0"}
    answer = await alice.client.post(
        "/api/run", json={"id": DOUBLER, "export": "double", "args": [21]}
    )
    assert answer.json()["results"] == [{"type": "i32", "value": 42}], answer.text
    assert answer.json()["fuel_used"] > 0
    types = [event.type for event in await happened(alice)]
    assert types.count("installed") == 2


async def test_the_story_line_by_line(alice: Alice, bob: Alice) -> None:
    await shared(alice, bob)
    answer = await alice.client.post(
        "/api/install",
        json={"requirements": [DOUBLER]},
        headers={"accept": "application/x-ndjson"},
    )
    lines = [msgspec.json.decode(line) for line in answer.content.splitlines()]
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert {line["stage"] for line in lines[:-1]} == {"fetch", "verify", "compile", "apply"}
    assert lines[-1]["event"] == "result"
    assert lines[-1]["lock"]["packages"]
    again = await alice.client.post(
        "/api/install",
        json={"requirements": ["org.example.none"]},
        headers={"accept": "application/x-ndjson"},
    )
    last = msgspec.json.decode(again.content.splitlines()[-1])
    assert (last["event"], last["code"], last["status"]) == ("error", "unknown-module", 404)


async def test_a_lock_holds_versions_and_frozen_means_frozen(alice: Alice, bob: Alice) -> None:
    did = await shared(alice, bob)
    first = await install(alice, f"{ADDER}@1.0.0")
    lock = first["lock"]
    assert lock["requirements"] == {f"{did}/{ADDER}": "1.0.0"}
    await alice.client.post("/api/uninstall", json={"ids": [ADDER]})
    frozen = await install(alice, lock=lock, frozen=True)
    assert frozen["lock"] == lock
    assert await versions(alice) == {ADDER: "1.0.0"}
    moved = {"requirements": [f"{ADDER}@^1.1"], "lock": lock, "frozen": True}
    answer = await alice.client.post("/api/install", json=moved)
    assert (answer.status_code, answer.json()["code"]) == (409, "lock-outdated")
    none = await alice.client.post("/api/install", json={"requirements": [ADDER], "frozen": True})
    assert none.json()["code"] == "no-lock"


@pytest.mark.parametrize("edited", [{}, {ADDER: "*"}, {ADDER: "^1.0", DOUBLER: "*"}])
async def test_a_frozen_lock_with_other_needs_than_were_signed(
    alice: Alice, bob: Alice, edited: dict[str, str]
) -> None:
    did = await shared(alice, bob)
    lock = (await install(alice, DOUBLER))["lock"]
    assert (await install(alice, lock=lock, frozen=True))["lock"] == lock
    doubler = next(one for one in lock["packages"] if one["id"] == f"{did}/{DOUBLER}")
    doubler["dependencies"] = {f"{did}/{id}": range for id, range in edited.items()}
    body = {"lock": lock, "frozen": True}
    answer = await alice.client.post("/api/install", json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "lock-outdated")
    (fault,) = answer.json()["errors"]
    assert fault["detail"] == f"{did}/{DOUBLER} 1.0.0"


async def test_a_lock_with_other_bytes(alice: Alice, bob: Alice) -> None:
    await shared(alice, bob)
    lock = (await install(alice, ADDER))["lock"]
    lock["packages"][0]["sha256"] = "00" * 32
    answer = await alice.client.post("/api/install", json={"lock": lock})
    assert (answer.status_code, answer.json()["code"]) == (422, "hash-mismatch")


async def test_what_was_not_mentioned_stays(alice: Alice, bob: Alice) -> None:
    await publish(bob, ADDER, "1.0.0")
    await publish(bob, DOUBLER, "1.0.0", calling(ADDER), needs={ADDER: "^1.0"})
    await give(bob, alice)
    await install(alice, DOUBLER)
    await publish(bob, ADDER, "1.1.0")
    await publish(bob, "org.example.other", "1.0.0")
    await give(bob, alice)
    await install(alice, "org.example.other")
    assert (await versions(alice))[ADDER] == "1.0.0"
    (row,) = (await alice.client.get("/api/outdated")).json()["outdated"]
    assert (row["current"], row["wanted"], row["latest"]) == ("1.0.0", "1.1.0", "1.1.0")
    await install(alice, DOUBLER, "org.example.other")
    assert (await versions(alice))[ADDER] == "1.1.0"


CLOCKED = (
    '(module (import "env" "now" (func (result i64)))'
    ' (func (export "add") (param i64 i64) (result i64) local.get 0 local.get 1 i64.add))'
)


async def test_what_an_update_asks_for_and_takes_away_is_shown_first(
    alice: Alice, bob: Alice
) -> None:
    did = await shared(alice, bob)
    await install(alice, f"{ADDER}@1.0.0")
    body = new_module(ADDER, "1.2.0", CLOCKED)
    body["manifest"] += '\n[capabilities]\nimports = ["env.now"]'
    assert (await bob.client.post("/api/modules", json=body)).status_code == 201
    await give(bob, alice)
    answer = await alice.client.post("/api/resolve", json={"requirements": [ADDER]})
    (package,) = answer.json()["packages"]
    assert package["changes"]["imports_new"] == ["env.now"]
    assert package["changes_words"] == [
        "newly imports env.now",
        "changes add from (i32, i32) -> i32 to (i64, i64) -> i64",
    ]
    path = f"/api/modules/{did}%2F{ADDER}/versions/1.2.0/changes"
    since = await alice.client.get(path, params={"since": "1.1.0"})
    words = {"words": package["changes_words"]}
    assert since.json() == package["changes"] | words | {"before": "1.1.0"}, since.text
    assert (await alice.client.get(path)).json() == since.json()
    missing = await alice.client.get(path, params={"since": "9.0.0"})
    assert missing.json()["code"] == "unknown-version"


async def test_conflicts_are_explained(alice: Alice, bob: Alice) -> None:
    await shared(alice, bob)
    body = {"requirements": [DOUBLER, f"{ADDER}@^2.0"]}
    answer = await alice.client.post("/api/resolve", json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "unsolvable")
    assert ADDER in answer.json()["detail"]


async def test_a_circle_of_needs_is_pointed_out(alice: Alice, bob: Alice) -> None:
    await shared(alice, bob)
    await publish(bob, ADDER, "1.2.0", needs={DOUBLER: "^1.0"})
    await give(bob, alice)
    answer = (await alice.client.post("/api/resolve", json={"requirements": [ADDER]})).json()
    (warning,) = answer["warnings"]
    did = bob.node.identity.did
    assert warning.endswith(f"{did}/{ADDER} → {did}/{DOUBLER} → {did}/{ADDER}")


async def test_a_version_that_nobody_signed_is_not_chosen(alice: Alice, bob: Alice) -> None:
    await shared(alice, bob)
    document = module_document(bob.node.identity.did, ADDER)

    def spoil(editor: Editor) -> None:
        editor.put(("versions", "1.1.0", "signature"), bytes(64))

    await bob.node.store.commit(document, spoil, bob.node.identity.signer)
    await give(bob, alice)
    await install(alice, ADDER)
    assert await versions(alice) == {ADDER: "1.0.0"}


async def sign_other_bytes(node: Alice, id: str, version: str, text: str) -> None:
    """The author's own device states another file under a version that is out already."""
    document, signer = module_document(node.node.identity.did, id), node.node.identity.signer
    state = await node.node.store.read(document)
    assert state is not None
    signed = signed_release_of(state.value, version)
    assert signed is not None
    artifact = Artifact.of(wasm(text))
    release = dataclasses.replace(decode_statement(signed.statement), artifact=artifact)
    new = sign_release(release, signer.device)

    def swap(editor: Editor) -> None:
        editor.put(("versions", version, "statement"), new.statement)
        editor.put(("versions", version, "signature"), new.signature)

    await node.node.store.put_blob(wasm(text))
    await node.node.store.commit(document, swap, signer)


async def test_what_is_installed_stays_when_its_author_signs_other_bytes(
    alice: Alice, bob: Alice
) -> None:
    """They were neither fetched nor checked here, and an installation of something else is no time
    to begin with it."""
    await shared(alice, bob)
    lock = (await install(alice, f"{ADDER}@=1.0.0"))["lock"]
    await sign_other_bytes(bob, ADDER, "1.0.0", '(module (func (export "add") unreachable))')
    await publish(bob, "org.example.other", "1.0.0")
    await give(bob, alice)
    result = await install(alice, "org.example.other")
    (warning,) = result["warnings"]
    assert "other bytes" in warning
    body = {"id": ADDER, "export": "add", "args": [2, 3]}
    answer = await alice.client.post("/api/run", json=body)
    assert (answer.status_code, answer.json().get("results")) == (
        200,
        [{"type": "i32", "value": 5}],
    )
    assert (await install(alice, f"{ADDER}@=1.0.0"))["lock"] == lock
    frozen: dict[str, object] = {"requirements": [], "lock": lock, "frozen": True}
    refused = await bob.client.post("/api/install", json=frozen)
    assert (refused.status_code, refused.json()["code"]) == (422, "hash-mismatch")


async def test_a_version_that_changed_since_it_was_listed_is_not_admitted(
    alice: Alice, bob: Alice
) -> None:
    """Its dependencies and hashes would be the old ones, under the new signature."""
    await shared(alice, bob)
    listed = await find_module(alice.node.store, ADDER)
    await sign_other_bytes(bob, ADDER, "1.0.0", '(module (func (export "add") unreachable))')
    await give(bob, alice)
    (now,) = await admitted(alice.node.store, [listed])
    assert [one.version for one in now.versions] == ["1.1.0"]


async def test_what_is_installed_is_said_even_where_it_cannot_be_counted(
    tmp_path: Path, bob: Alice
) -> None:
    """After a restored backup her device signed two changes with one number, so one of them fell
    and it cannot go on writing there; the installation was done by then."""
    config = Config(modules=ModulesConfig(count_installs=True))
    async with open_alice(tmp_path / "counting", config=config) as alice:
        did = await shared(alice, bob)
        me = alice.node.identity
        name = ModuleName(did, ADDER)
        author = AuthorKey(decode_did_key(me.did))
        document = DocumentId(COMMONS, author, ratings.CLASS, module.KIND, ratings.record_of(name))
        me_as_person = Person(SigningKey.from_seed(bytes(32)), me.signer)
        lost = me_as_person.writes(document, *(ratings.rate(5, "", now_us=at) for at in (1, 2)))
        others = (
            me_as_person.writes(document, ratings.rate(4, "", now_us=at)) for at in range(100)
        )
        stands = next(
            one for (one,) in others if one.entry.payload_digest < lost[0].entry.payload_digest
        )
        await alice.node.store.receive([*lost, stands], source="backup")
        result = await install(alice, ADDER)
        assert [one["id"] for one in result["installed"]] == [f"{did}/{ADDER}"]
        assert await versions(alice) == {ADDER: "1.1.0"}


async def test_two_authors_of_one_id(alice: Alice, bob: Alice) -> None:
    did = await shared(alice, bob)
    await publish(alice, ADDER, "3.0.0")
    answer = await alice.client.get(f"/api/modules/{ADDER}")
    assert (answer.status_code, answer.json()["code"]) == (409, "ambiguous-module")
    assert answer.json()["candidates"] == sorted(
        [f"{did}/{ADDER}", f"{alice.node.identity.did}/{ADDER}"]
    )
    await install(alice, f"{did}/{ADDER}@^1.0")
    # Now one of them is in use here, so the bare id means that one.
    resolved = await alice.client.post("/api/resolve", json={"requirements": [ADDER]})
    assert resolved.status_code == 200


async def test_only_the_author_yanks(alice: Alice, bob: Alice) -> None:
    await shared(alice, bob)
    url = f"/api/modules/{ADDER}/versions/1.1.0/yank"
    answer = await alice.client.post(url, json={"reason": "mine now"})
    assert (answer.status_code, answer.json()["code"]) == (403, "not-your-module")
    assert (await bob.client.post(url, json={"reason": "wrong"})).status_code == 200
    await give(bob, alice)
    await install(alice, ADDER)
    assert await versions(alice) == {ADDER: "1.0.0"}


async def test_no_peer_has_the_bytes(alice: Alice, bob: Alice) -> None:
    await shared(alice, bob)
    alice.network.bob = None
    answer = await alice.client.post("/api/install", json={"requirements": [DOUBLER]})
    assert (answer.status_code, answer.json()["code"]) == (504, "blob-unreachable")
    wasm_url = f"/api/modules/{ADDER}/versions/1.0.0/wasm"
    assert (await alice.client.get(wasm_url)).status_code == 504
    assert await versions(alice) == {}


async def test_what_does_not_run_here_is_not_installed(alice: Alice, bob: Alice) -> None:
    body = new_module("org.example.js", text='(module (import "js" "alert" (func)))')
    body["manifest"] += '\n[capabilities]\nimports = ["js.*"]'
    assert (await bob.client.post("/api/modules", json=body)).status_code == 201
    await publish(bob, "org.example.fine", "1.0.0", needs={"org.example.js": "*"})
    await give(bob, alice)
    answer = await alice.client.post("/api/install", json={"requirements": ["org.example.fine"]})
    assert (answer.status_code, answer.json()["code"]) == (422, "not-runnable")
    assert await versions(alice) == {}


@dataclasses.dataclass
class Restarting(Wishes):
    """Bob gives a byte, starts again, and gives the rest."""

    async def bring(self, wish: Wish) -> None:
        others = Transfer("ab" * 32, state="fetching", reason="of another blob")
        for reason in ("", "no peer is connected", ""):
            self.running = (others, Transfer(wish.blob.hex(), state="fetching", reason=reason))
            wish.progress(1, 2)
        await super().bring(wish)


async def test_what_an_installation_waits_for_is_told(tmp_path: Path, bob: Alice) -> None:
    async with open_alice(tmp_path / "alice", network=Restarting()) as alice:
        did = await shared(alice, bob)
        answer = await alice.client.post(
            "/api/install",
            json={"requirements": [ADDER]},
            headers={"accept": "application/x-ndjson"},
        )
        lines = [msgspec.json.decode(line) for line in answer.content.splitlines()]
        halves = [line for line in lines if line.get("total") == 2]
        assert [line.get("waits") for line in halves] == [None, "no peer is connected", None]
        assert {line["id"] for line in halves} == {f"{did}/{ADDER}"}
        assert (lines[-1]["event"], await versions(alice)) == ("result", {ADDER: "1.1.0"})


async def test_uninstalling_what_others_need(alice: Alice, bob: Alice) -> None:
    did = await shared(alice, bob)
    await install(alice, DOUBLER)
    answer = await alice.client.post("/api/uninstall", json={"ids": [ADDER]})
    assert (answer.status_code, answer.json()["code"]) == (409, "still-needed")
    assert answer.json()["candidates"] == [f"{did}/{DOUBLER}"]
    gone = await alice.client.post("/api/uninstall", json={"ids": [DOUBLER]})
    assert [one["id"] for one in gone.json()["removed"]] == [f"{did}/{ADDER}", f"{did}/{DOUBLER}"]
    none = await alice.client.post("/api/uninstall", json={"ids": [DOUBLER]})
    assert (none.status_code, none.json()["code"]) == (404, "not-installed")


async def test_running_what_cannot_run(alice: Alice, bob: Alice) -> None:
    spin = '(module (func (export "spin") (loop br 0)) (func (export "trap") unreachable))'
    await publish(bob, "org.example.spin", "1.0.0", spin)
    await give(bob, alice)
    missing = await alice.client.post("/api/run", json={"id": "org.example.spin", "export": "spin"})
    assert (missing.status_code, missing.json()["code"]) == (404, "not-installed")
    await install(alice, "org.example.spin")
    for export, code in (("spin", "out-of-fuel"), ("trap", "trap")):
        body = {"id": "org.example.spin", "export": export, "fuel": 10_000}
        answer = await alice.client.post("/api/run", json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text
    none = await alice.client.post("/api/run", json={"id": "org.example.spin", "export": "no"})
    assert none.status_code == 422


ECHO = """(module (func (export "echo") (param i32 i64 f32 f64) (result i32 i64 f32 f64)
    local.get 0 local.get 1 local.get 2 local.get 3))"""
LARGEST = {"type": "i64", "value": "9223372036854775807"}


@pytest.mark.parametrize(
    ("args", "results"),
    [
        ([1, "9223372036854775807", "NaN", "Infinity"], [1, LARGEST["value"], "NaN", "Infinity"]),
        ([-1, -(2**63), "-inf", "1e308"], [-1, str(-(2**63)), "-Infinity", 1e308]),
        (["7", LARGEST, 0.5, {"type": "f64", "value": 0.1}], [7, LARGEST["value"], 0.5, 0.1]),
        ([0, 2**53 + 1, 0, "-0.0"], [0, str(2**53 + 1), 0.0, -0.0]),
        # As JavaScript writes 1e20 and -1e20, and -0 as a text.
        (
            [0, 0, 10**20, {"type": "f64", "value": -(10**20)}],
            [0, "0", 1.00000002004087734272e20, -1e20],
        ),
        ([0, 0, {"type": "f32", "value": "-0"}, str(10**39)], [0, "0", -0.0, 1e39]),
    ],
)
async def test_numbers_lose_nothing(
    args: list[object], results: list[object], alice: Alice
) -> None:
    await publish(alice, "org.example.echo", "1.0.0", ECHO)
    await install(alice, "org.example.echo")
    body = {"id": "org.example.echo", "export": "echo", "args": args}
    answer = await alice.client.post("/api/run", json=body)
    assert answer.status_code == 200, answer.text
    given = answer.json()["results"]
    assert [one["type"] for one in given] == ["i32", "i64", "f32", "f64"]
    assert list(map(repr, (one["value"] for one in given))) == list(map(repr, results))
    again = await alice.client.post("/api/run", json={**body, "args": given})
    assert again.json()["results"] == given


@pytest.mark.parametrize(
    ("wrong", "code", "said"),
    [
        ("banana", "invalid-body", "/args/1"),
        ("1e99999", "invalid-body", "/args/1"),
        ("1e999", "wrong-arguments", "argument 2"),
        ("9223372036854775808999", "wrong-arguments", "argument 2"),
        ("0.5", "wrong-arguments", "argument 2"),
        ({"type": "i64", "value": 0.5}, "wrong-arguments", "argument 2"),
        ({"type": "i32", "value": 7}, "wrong-arguments", "argument 2 is of 'i32', not i64"),
        ({"type": "v128", "value": 7}, "invalid-body", "/args/1/type"),
        (True, "invalid-body", "/args/1"),
    ],
)
async def test_arguments_that_are_none(wrong: object, code: str, said: str, alice: Alice) -> None:
    await publish(alice, "org.example.echo", "1.0.0", ECHO)
    await install(alice, "org.example.echo")
    body = {"id": "org.example.echo", "export": "echo", "args": [0, wrong, 0, 0]}
    answer = await alice.client.post("/api/run", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, code), answer.text
    assert said in answer.json()["detail"]


async def test_only_pre_releases(alice: Alice) -> None:
    await publish(alice, ADDER, "1.0.0-rc.1")
    await publish(alice, ADDER, "1.0.0-rc.2")
    answer = await alice.client.post("/api/install", json={"requirements": [ADDER]})
    assert (answer.status_code, answer.json()["code"]) == (409, "unsolvable")
    assert "only pre-releases; ^1.0.0-rc.2 would take 1.0.0-rc.2" in answer.json()["detail"]
    await install(alice, f"{ADDER}@^1.0.0-rc.2")
    assert await versions(alice) == {ADDER: "1.0.0-rc.2"}


async def test_an_import_of_what_is_optional_is_not_installed(alice: Alice, bob: Alice) -> None:
    """Bob's node is of another make, and published what ours would not."""
    await publish(bob, ADDER, "1.0.0")
    text = manifest(DOUBLER, "1.0.0", {}) + f'\n"{ADDER}" = {{ version = "*", optional = true }}'
    parsed, code = parse_manifest(text), wasm(calling(ADDER))
    name = parse_module_name(f"{bob.node.identity.did}/{DOUBLER}")
    needs = {f"{bob.node.identity.did}/{ADDER}": Need("*", is_optional=True)}
    imports = (f"{ADDER}.add",)
    release = Release(name, "1.0.0", Artifact.of(code), imports, needs, "another", "features")
    signed = sign_release(release, bob.node.identity.device)
    await bob.node.store.put_blob(code)
    edit = publish_version(parsed, signed, now_us=1)
    await bob.node.store.commit(document_of(name), edit, bob.node.identity.signer)
    await give(bob, alice)
    answer = await alice.client.post("/api/install", json={"requirements": [DOUBLER]})
    assert (answer.status_code, answer.json()["code"]) == (422, "not-runnable"), answer.text
    assert f"'{ADDER}.add'" in answer.json()["detail"]
    assert await versions(alice) == {}


async def test_blobs_by_their_hash(alice: Alice, bob: Alice) -> None:
    await shared(alice, bob)
    version = (await alice.client.get(f"/api/modules/{ADDER}/versions/1.0.0")).json()
    answer = await alice.client.get(f"/api/blobs/{version['blob']}")
    assert answer.content == wasm()
    tag = {"if-none-match": answer.headers["etag"]}
    again = await alice.client.get(f"/api/blobs/{version['blob']}", headers=tag)
    assert (again.status_code, again.content) == (304, b"")
    assert (await alice.client.get("/api/blobs/xyz")).status_code == 400
    assert (await alice.client.get(f"/api/blobs/{'00' * 32}")).status_code == 504


async def test_what_is_optional_is_chosen_and_stays_chosen(alice: Alice, bob: Alice) -> None:
    did = await shared(alice, bob)
    body = new_module("org.example.game", "1.0.0")
    body["manifest"] += f'\n"{ADDER}" = {{ version = "1.0.0", optional = true }}'
    assert (await bob.client.post("/api/modules", json=body)).status_code == 201
    await give(bob, alice)
    game, adder = f"{did}/org.example.game", f"{did}/{ADDER}"
    plain = await alice.client.post("/api/resolve", json={"requirements": ["org.example.game"]})
    assert [one["optional"] for one in plain.json()["packages"]] == [[adder]]
    wrong = {"requirements": ["org.example.game"], "optional": [DOUBLER]}
    refused = await alice.client.post("/api/resolve", json=wrong)
    assert (refused.status_code, refused.json()["code"]) == (400, "no-such-option")
    assert adder in refused.json()["detail"]
    done = await install(alice, "org.example.game", optional=[ADDER])
    assert await versions(alice) == {ADDER: "1.0.0", "org.example.game": "1.0.0"}
    packages = {one["id"]: one["dependencies"] for one in done["lock"]["packages"]}
    assert packages == {game: {adder: "1.0.0"}, adder: {}}
    # By the lock alone on another home, and by what is installed here.
    assert (await install(alice, lock=done["lock"], frozen=True))["installed"] == []
    await alice.client.post("/api/uninstall", json={"ids": [game]})
    assert (await install(alice, lock=done["lock"], frozen=True))["lock"] == done["lock"]
    assert (await install(alice, DOUBLER))["removed"] == []
    assert ADDER in await versions(alice)
    left = await install(alice, "org.example.game", without=[ADDER])
    assert left["lock"]["packages"][0]["dependencies"] == {}


async def test_what_is_chosen_is_of_what_was_named(alice: Alice, bob: Alice) -> None:
    """As `update NAME --with`: the lock keeps another module that offers the same."""
    did = await shared(alice, bob)
    for id in ("org.example.game", "org.example.other"):
        body = new_module(id, "1.0.0")
        body["manifest"] += f'\n"{ADDER}" = {{ version = "1.0.0", optional = true }}'
        assert (await bob.client.post("/api/modules", json=body)).status_code == 201
    await give(bob, alice)
    game, adder = f"{did}/org.example.game", f"{did}/{ADDER}"
    lock = (await install(alice, "org.example.game", "org.example.other"))["lock"]
    done = await install(alice, f"{game}@*", lock=lock, optional=[ADDER])
    needs = {one["id"]: one["dependencies"] for one in done["lock"]["packages"]}
    assert needs == {game: {adder: "1.0.0"}, f"{did}/org.example.other": {}, adder: {}}


async def test_an_uninstalling_that_is_only_said(alice: Alice, bob: Alice) -> None:
    await shared(alice, bob)
    await install(alice, DOUBLER)
    told = alice.node.events.last
    body = {"ids": [DOUBLER], "dry_run": True}
    answer = await alice.client.post("/api/uninstall", json=body)
    assert answer.json()["dry_run"]
    assert [one["id"].rpartition("/")[2] for one in answer.json()["removed"]] == [ADDER, DOUBLER]
    assert await versions(alice) == {ADDER: "1.1.0", DOUBLER: "1.0.0"}
    assert alice.node.events.last == told
    needed = await alice.client.post("/api/uninstall", json={"ids": [ADDER], "dry_run": True})
    assert (needed.status_code, needed.json()["code"]) == (409, "still-needed")


async def test_a_mark_that_is_only_said(alice: Alice, bob: Alice) -> None:
    did = await shared(alice, bob)
    path = f"/api/modules/{did}%2F{ADDER}/versions/1.0.0"
    entries = (await bob.node.store.counts()).entries
    for action, done in (("yank", "yanked"), ("deprecate", "deprecated")):
        body = {"reason": "It was the test.", "dry_run": True}
        said = (await bob.client.post(f"{path}/{action}", json=body)).json()
        assert (said[done], said["reason"], said["dry_run"]) == (True, "It was the test.", True)
        shown = (await bob.client.get(path)).json()
        assert (shown["yanked"], shown["deprecated"]) == (False, False)
        long = await bob.client.post(f"{path}/{action}", json={**body, "reason": "x" * 600})
        assert (long.status_code, long.json()["code"]) == (422, "invalid-manifest")
        hers = await alice.client.post(f"{path}/{action}", json=body)
        assert (hers.status_code, hers.json()["code"]) == (403, "not-your-module")
    assert (await bob.node.store.counts()).entries == entries
    yanked = await bob.client.post(f"{path}/yank", json={"reason": "Now it is."})
    assert (yanked.json()["yanked"], yanked.json()["dry_run"]) == (True, False)
    undone = await bob.client.post(f"{path}/yank", json={"undo": True, "dry_run": True})
    assert undone.json()["yanked"] is False
    assert (await bob.client.get(path)).json()["yanked"]


async def test_what_could_be_needed_is_read_within_a_time_and_told(
    alice: Alice, bob: Alice, monkeypatch: pytest.MonkeyPatch
) -> None:
    await shared(alice, bob)
    monkeypatch.setattr("node.services.load_index.LOAD_S", -1.0)
    late = await alice.client.post("/api/install", json={"requirements": [DOUBLER]})
    assert (late.status_code, late.json()["code"]) == (409, "too-hard")
    assert "1 or more were left" in late.json()["detail"]
    assert await versions(alice) == {}
    monkeypatch.undo()
    monkeypatch.setattr("node.api.routes.install.TOLD_EVERY", 1)
    monkeypatch.setattr("node.services.load_index.INLINE_BYTES_MAX", 0)
    answer = await alice.client.post(
        "/api/install",
        json={"requirements": [DOUBLER]},
        headers={"accept": "application/x-ndjson"},
    )
    lines = [msgspec.json.decode(line) for line in answer.content.splitlines()]
    read = [(one["done"], one["total"]) for one in lines if one.get("stage") == "resolve"]
    assert read == [(1, 1), (2, 2)]
    assert lines[-1]["event"] == "result"
