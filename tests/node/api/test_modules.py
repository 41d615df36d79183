"""Alice publishes over HTTP; all of a publication happens, or none of it."""

import base64
from pathlib import Path

import pytest

from crdt.area import Area
from crdt.keys import COMMONS
from crdt.order import Bounds
from node.wiring import clock_us
from tests.node.modules import NOTHING, calling, new_module, wasm
from tests.node.parts import Alice, open_alice


async def test_published_then_listed_and_read(alice: Alice) -> None:
    answer = await alice.client.post("/api/modules", json=new_module())
    assert answer.status_code == 201, answer.text
    published = answer.json()
    did = alice.node.identity.did
    assert published["module"] == f"{did}/org.example.add"
    assert published["verdict"]["ok"]
    assert len(published["entry"]) == 64

    (listed,) = (await alice.client.get("/api/modules")).json()["modules"]
    assert listed["id"] == "org.example.add"
    assert listed["author_did"] == did
    assert listed["rating"] == {"average": None, "count": 0}
    for name in ("org.example.add", f"{did}%2Forg.example.add"):
        one = await alice.client.get(f"/api/modules/{name}")
        assert one.json() == listed
    version = (await alice.client.get("/api/modules/org.example.add/versions/1.0.0")).json()
    assert version["module"] == f"{did}/org.example.add"
    assert version["capabilities"][0] == {
        "name": "add", "kind": "function", "signature": "(i32, i32) -> i32",
    }  # fmt: skip

    found = await alice.client.get("/api/modules/org.example.add/versions/1.0.0/wasm")
    assert found.content == wasm()
    assert found.headers["content-type"] == "application/wasm"
    assert "immutable" in found.headers["cache-control"]
    same = await alice.client.get(f"/api/blobs/{published['blob']}")
    assert same.content == wasm()

    verified = await alice.client.get("/api/modules/org.example.add/versions/1.0.0/verify")
    assert verified.json()["ok"], verified.json()
    assert {check["name"] for check in verified.json()["checks"]} >= {
        "statement", "signature", "device", "sha256", "blake3",
    }  # fmt: skip


async def test_search_finds_it(alice: Alice) -> None:
    await alice.client.post("/api/modules", json=new_module())
    answer = (await alice.client.get("/api/search", params={"q": "adds numbers"})).json()
    assert [hit["name"] for hit in answer["results"]] == ["add"]
    assert answer["results"][0]["version"] == "1.0.0"
    for query in ("kind=module", "tag=math", "tag=math&tag=none", "kind=genome", "sort=downloads"):
        found = await alice.client.get(f"/api/search?{query}")
        assert found.status_code == 200, found.text


async def test_a_dry_run_stores_nothing(alice: Alice) -> None:
    answer = await alice.client.post("/api/modules", json=new_module(dry_run=True))
    assert answer.status_code == 201
    assert answer.json()["dry_run"]
    assert answer.json()["entry"] is None
    counts = await alice.node.store.counts()
    assert (counts.entries, counts.blobs) == (0, 0)


@pytest.mark.parametrize("dry_run", [True, False])
async def test_a_version_never_changes(alice: Alice, dry_run: bool) -> None:
    await alice.client.post("/api/modules", json=new_module())
    again = await alice.client.post("/api/modules", json=new_module(text=NOTHING, dry_run=dry_run))
    assert again.status_code == 409
    assert again.json()["code"] == "version-exists"


async def test_what_is_wrong_with_a_manifest_is_told_at_once(alice: Alice) -> None:
    body = {**new_module(), "manifest": '[module]\nid = "Nope"\nlicence = "MIT"'}
    answer = await alice.client.post("/api/modules", json=body)
    assert answer.status_code == 422
    assert answer.json()["code"] == "invalid-manifest"
    pointers = {fault["pointer"] for fault in answer.json()["errors"]}
    assert pointers >= {"/module/id", "/module/licence", "/module/version", "/module/wasm"}


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "not-wasm"),
        (b"(module)", "not-wasm"),
        (wasm()[:-3], ""),
        (b"\0asm\x02\0\0\0", "version"),
        (bytes(200), "not-wasm"),
    ],
)
async def test_what_is_no_module_is_refused(alice: Alice, content: bytes, told: str) -> None:
    body = {**new_module(), "wasm": base64.b64encode(content).decode()}
    answer = await alice.client.post("/api/modules", json=body)
    assert answer.status_code == 422, answer.text
    assert answer.json()["code"] == "invalid-wasm"
    assert answer.json()["errors"][0]["pointer"] == "/wasm"
    assert told in answer.text
    assert (await alice.node.store.counts()).entries == 0


async def test_an_import_that_the_manifest_does_not_name(alice: Alice) -> None:
    sneaky = '(module (import "evil" "call" (func)))'
    answer = await alice.client.post("/api/modules", json=new_module(text=sneaky))
    assert answer.json()["code"] == "invalid-wasm"
    assert "evil" in answer.json()["detail"]


OPTIONAL = """[module]
id = "org.example.double"
version = "1.0.0"
description = "doubles"
license = "MIT"
wasm = "add.wasm"
[dependencies]
"org.example.add" = { version = "^1.0", optional = true }
"""


@pytest.mark.parametrize("more", ["", '[capabilities]\nimports = ["org.example.add.*"]\n'])
async def test_what_may_be_absent_cannot_be_imported_from(alice: Alice, more: str) -> None:
    assert (await alice.client.post("/api/modules", json=new_module())).status_code == 201
    body = {**new_module(text=calling("org.example.add")), "manifest": OPTIONAL + more}
    answer = await alice.client.post("/api/modules", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-wasm"), answer.text
    assert "'org.example.add.add'" in answer.json()["detail"]
    assert "optional" in answer.json()["detail"]
    unused = {**new_module(text=NOTHING), "manifest": OPTIONAL + more}
    assert (await alice.client.post("/api/modules", json=unused)).status_code == 201


async def test_a_dependency_that_nobody_has(alice: Alice) -> None:
    body = new_module("org.example.user", needs={"org.example.clock": "^1.0"})
    answer = await alice.client.post("/api/modules", json=body)
    assert answer.status_code == 409
    assert answer.json()["code"] == "unsolvable"
    assert "org.example.clock" in answer.json()["detail"]
    assert (await alice.node.store.counts()).blobs == 0


async def test_unknown_names(alice: Alice) -> None:
    for path, code in (
        ("/api/modules/org.example.none", "unknown-module"),
        ("/api/modules/NotAnId", "invalid-name"),
        (f"/api/modules/{alice.node.identity.did}%2Forg.example.none", "unknown-module"),
    ):
        assert (await alice.client.get(path)).json()["code"] == code
    await alice.client.post("/api/modules", json=new_module())
    answer = await alice.client.get("/api/modules/org.example.add/versions/9.9.9")
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown-version")


async def test_yank_and_deprecate_and_back(alice: Alice) -> None:
    await alice.client.post("/api/modules", json=new_module())
    base = "/api/modules/org.example.add/versions/1.0.0"
    yanked = await alice.client.post(f"{base}/yank", json={"reason": "it subtracts"})
    assert yanked.json()["yanked"]
    assert yanked.json()["reason"] == "it subtracts"
    assert (await alice.client.get(base)).json()["yank_reason"] == "it subtracts"
    back = await alice.client.post(f"{base}/yank", json={"undo": True})
    assert not back.json()["yanked"]
    old = await alice.client.post(f"{base}/deprecate", json={"reason": "use add2"})
    assert old.json()["deprecated"]
    missing = await alice.client.post(
        "/api/modules/org.example.add/versions/2.0.0/yank", json={"reason": ""}
    )
    assert missing.status_code == 404


async def test_ratings_count_once_an_author(alice: Alice) -> None:
    await alice.client.post("/api/modules", json=new_module())
    url = "/api/modules/org.example.add/ratings"
    first = await alice.client.post(url, json={"stars": 2, "review": "meh"})
    assert first.status_code == 201, first.text
    second = (await alice.client.post(url, json={"stars": 5, "review": "grew on me"})).json()
    assert (second["average"], second["count"]) == (5.0, 1)
    assert [one["review"] for one in second["ratings"]] == ["grew on me"]
    assert (await alice.client.get(url)).json() == second
    module = (await alice.client.get("/api/modules/org.example.add")).json()
    assert module["rating"] == {"average": 5.0, "count": 1}
    assert (await alice.client.post(url, json={"stars": 6})).status_code == 422


async def test_a_rating_is_taken_back(alice: Alice) -> None:
    await alice.client.post("/api/modules", json=new_module())
    url = "/api/modules/org.example.add/ratings"
    never = await alice.client.delete(url)
    assert (never.status_code, never.json()["code"]) == (404, "not-rated")
    await alice.client.post(url, json={"stars": 2, "review": "meh"})
    gone = await alice.client.delete(url)
    assert (gone.status_code, gone.content) == (204, b"")
    nothing: dict[str, object] = {
        "average": None,
        "count": 0,
        "followed_average": None,
        "ratings": [],
    }
    assert (await alice.client.get(url)).json() == nothing
    module = (await alice.client.get("/api/modules/org.example.add")).json()
    assert module["rating"] == {"average": None, "count": 0}
    assert (await alice.client.delete(url)).status_code == 404
    again = (await alice.client.post(url, json={"stars": 4})).json()
    assert (again["average"], again["count"]) == (4.0, 1)
    assert (await alice.client.delete("/api/modules/org.example.none/ratings")).status_code == 404
    alice.client.headers.pop("Authorization")
    assert (await alice.client.delete(url)).status_code == 401


async def test_who_claims_the_future_is_not_the_newest(alice: Alice, tmp_path: Path) -> None:
    """Bob's clock is ten years ahead, by accident or by intent."""
    ten_years_us = 10 * 365 * 86_400 * 1_000_000
    async with open_alice(tmp_path / "bob", clock=lambda: clock_us() + ten_years_us) as bob:
        await bob.client.post("/api/modules", json=new_module("org.example.ahead"))
        ids = await bob.node.store.ids(COMMONS, Area(), Bounds())
        entries = await bob.node.store.entries(COMMONS, ids)
    assert not (await alice.node.store.receive(entries, source="bob")).refused
    for number in range(2):
        body = new_module(f"org.example.add{number}")
        assert (await alice.client.post("/api/modules", json=body)).status_code == 201
    wanted = ["org.example.add1", "org.example.add0", "org.example.ahead"]
    page = (await alice.client.get("/api/modules?sort_by=recent")).json()
    assert [one["id"] for one in page["modules"]] == wanted
    await alice.search_sees_it()
    for query in ("", "&q=numbers"):
        page = (await alice.client.get(f"/api/search?sort=recent{query}")).json()
        assert [one["id"].rpartition("/")[2] for one in page["results"]] == wanted


async def test_after_a_sync_searches_find_what_came(alice: Alice, tmp_path: Path) -> None:
    async with open_alice(tmp_path / "bob") as bob:
        await bob.client.post("/api/modules", json=new_module())
        ids = await bob.node.store.ids(COMMONS, Area(), Bounds())
        entries = await bob.node.store.entries(COMMONS, ids)
    await alice.node.store.receive(entries, source="bob")
    assert (await alice.client.post("/api/sync", json={"timeout_s": 1})).status_code == 200
    found = (await alice.client.get("/api/search?q=numbers")).json()
    assert [one["name"] for one in found["results"]] == ["add"]


async def test_pages_neither_overlap_nor_skip(alice: Alice) -> None:
    for number in range(5):
        body = new_module(f"org.example.add{number}")
        assert (await alice.client.post("/api/modules", json=body)).status_code == 201
    for sort in ("recent", "name", "downloads", "rating"):
        seen: list[str] = []
        cursor = ""
        while True:
            url = f"/api/modules?limit=2&sort_by={sort}{cursor}"
            page = (await alice.client.get(url)).json()
            seen += [module["id"] for module in page["modules"]]
            if page["next"] is None:
                break
            cursor = f"&cursor={page['next']}"
        assert len(seen) == len(set(seen)) == 5
    other = await alice.client.get(f"/api/modules?sort_by=name{cursor}")
    assert (other.status_code, other.json()["code"]) == (404, "cursor-unknown")
