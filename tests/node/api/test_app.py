"""What holds on every path: the guard, tokens, bounds, problems, tags, idempotency."""

import re
from collections.abc import AsyncGenerator
from typing import Any

import pytest
import pytest_asyncio
from msgspec.structs import replace

from node.api.app import ENDPOINTS
from node.api.endpoint import Endpoint
from node.api.pages import page_routes
from node.api.replays import PATTERN
from node.api.transfer import Transfer
from tests.node.modules import new_module
from tests.node.parts import BOB, URL, Alice, open_alice

DID = "did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"
PARTS = {
    "id": "org.example.add", "version": "1.0.0", "device": DID, "blob": "00" * 32, "name": "bob",
    "who": DID, "entry": "ab" * 8, "offender": "192.0.2.7", "namespace": DID,
    "code": "not-found", "letter": "1", "invite": "ab" * 8, "genome": "00" * 32,
    "seed": "00" * 32, "lineage": "one", "player": "one", "passage": "one",
    "advisory": "adv-0123456789abcdef", "challenge": "chal-0123456789abcdef",
    "universe": "universe:main", "tick": "7",
}  # fmt: skip


def url_of(path: str) -> str:
    return re.sub(r"\{(\w+)(?::\w+)?\}", lambda part: PARTS[part[1]], path)


EVERY_PATH = sorted({url_of(endpoint.path) for endpoint in ENDPOINTS})
PAGES = [route.path for route in page_routes()]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def refusing(tmp_path_factory: pytest.TempPathFactory) -> AsyncGenerator[Alice]:
    """One node for all that is refused before anything is done."""
    async with open_alice(tmp_path_factory.mktemp("refusing") / "alice") as alice:
        yield alice


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("path", [*EVERY_PATH, *PAGES, "/openapi.json", "/nothing"])
async def test_no_path_answers_a_stranger(refusing: Alice, path: str) -> None:
    for method in ("GET", "POST", "PUT", "DELETE", "OPTIONS"):
        evil = await refusing.client.request(method, path, headers={"host": "evil.example"})
        assert evil.status_code == 421
        foreign = await refusing.client.request(
            method, path, headers={"origin": "http://evil.example"}
        )
        assert foreign.status_code == 403
        assert foreign.json()["code"] == "origin-not-allowed"
        assert "access-control-allow-origin" not in foreign.headers


WRITES = [one for one in ENDPOINTS if one.access in ("write", "admin")]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("endpoint", WRITES, ids=lambda one: f"{one.method} {one.path}")
async def test_every_write_needs_a_token(refusing: Alice, endpoint: Endpoint[Any, Any]) -> None:
    url = url_of(endpoint.path)
    asked = refusing.client.build_request(endpoint.method, url, json={})
    del asked.headers["authorization"]
    none = await refusing.client.send(asked)
    assert none.status_code == 401
    assert none.headers["www-authenticate"] == "Bearer"
    reader = await refusing.client.request(endpoint.method, url, headers=refusing.bearer("read"))
    assert (reader.status_code, reader.json()["code"]) == (403, "access-too-low")


async def test_shutting_down_needs_more_than_a_writer(alice: Alice) -> None:
    writer = await alice.client.post("/api/shutdown", json={}, headers=alice.bearer("write"))
    assert writer.status_code == 403
    assert not alice.node.stop.is_set()
    admin = await alice.client.post("/api/shutdown", json={})
    assert admin.status_code == 200
    assert alice.node.stop.is_set()
    assert (await alice.client.get("/readyz")).status_code == 503


async def test_reads_are_open_on_loopback(alice: Alice) -> None:
    del alice.client.headers["authorization"]
    for path in ("/healthz", "/api/status", "/api/modules", "/api/peers", "/", "/docs"):
        assert (await alice.client.get(path)).status_code == 200, path


async def test_the_frameworks_own_errors_are_problems(alice: Alice) -> None:
    missing = await alice.client.get("/nothing")
    assert missing.status_code == 404
    assert missing.headers["content-type"] == "application/problem+json"
    assert missing.json()["code"] == "not-found"
    assert missing.json()["instance"] == "/nothing"
    assert missing.json()["type"] == "/problems/not-found"
    wrong = await alice.client.put("/api/modules")
    assert wrong.status_code == 405
    assert set(wrong.headers["allow"].split(", ")) == {"GET", "HEAD", "POST"}
    assert wrong.json()["code"] == "method-not-allowed"
    assert (await alice.client.get("/api/modules/")).status_code == 404


@pytest.mark.parametrize(
    ("content", "media", "status", "code"),
    [
        (b"{}", "text/plain", 415, "media-type"),
        (b"{}", None, 415, "media-type"),
        (b"{", "application/json", 400, "not-json"),
        (b"", "application/json", 400, "not-json"),
        (b"\xff", "application/json", 400, "not-json"),
        (b"[" * 100_000, "application/json", 422, "invalid-body"),
        (b"[]", "application/json", 422, "invalid-body"),
        (b'{"address": 7}', "application/json", 422, "invalid-body"),
        (b'{"address": "a:1", "adress": "b:1"}', "application/json", 422, "invalid-body"),
        (b" " * ((1 << 20) + 1), "application/json", 413, "body-too-large"),
    ],
)
async def test_bodies_that_are_none(
    alice: Alice, content: bytes, media: str | None, status: int, code: str
) -> None:
    headers = {"content-type": media} if media else {}
    answer = await alice.client.post("/api/peers", content=content, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    if status == 422 and content.startswith(b'{"address": 7'):
        assert answer.json()["errors"] == [
            {"pointer": "/address", "detail": "Expected `str`, got `int`"}
        ]


async def test_an_address_that_is_none_is_told_of_in_words(alice: Alice) -> None:
    wanted = "is not HOST:PORT, ws://…, wss://…, circuit:…@… or webrtc:…@…"
    answer = await alice.client.post("/api/peers", json={"address": "x"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-body")
    assert answer.json()["detail"] == f"/address: {wanted}"
    assert answer.json()["errors"] == [{"pointer": "/address", "detail": wanted}]


async def test_only_publishing_takes_large_bodies(alice: Alice) -> None:
    large = b'{"manifest": "' + b"x" * (2 << 20) + b'"'
    typed = {"content-type": "application/json"}
    publish = await alice.client.post("/api/modules", content=large, headers=typed)
    assert publish.status_code == 422
    too_large = b" " * ((16 << 20) + 1)
    refused = await alice.client.post("/api/modules", content=too_large, headers=typed)
    assert refused.status_code == 413
    squeezed = {**typed, "content-encoding": "gzip"}
    answer = await alice.client.post("/api/modules", content=b"{}", headers=squeezed)
    assert answer.status_code == 415


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/api/status?x=1", "unknown-parameter"),
        ("/api/modules?limt=3", "unknown-parameter"),
        ("/api/modules?limit=0", "bad-query"),
        ("/api/modules?limit=1001", "bad-query"),
        ("/api/modules?limit=many", "bad-query"),
        ("/api/modules?limit=1&limit=2", "bad-query"),
        ("/api/modules?cursor=!", "bad-query"),
        ("/api/search?kind=No", "bad-query"),
        ("/api/events?types=nonsense", "unknown-event-type"),
        (f"/api/search?q={'x' * 9000}", "bad-query"),
    ],
)
async def test_queries_that_are_wrong(alice: Alice, path: str, code: str) -> None:
    answer = await alice.client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


async def test_a_cursor_that_nobody_gave(alice: Alice) -> None:
    answer = await alice.client.get(f"/api/modules?cursor={'A' * 60}")
    assert (answer.status_code, answer.json()["code"]) == (404, "cursor-unknown")


async def test_tags_save_the_second_answer(alice: Alice) -> None:
    for path in ("/api/modules", "/", "/openapi.json", "/api/identity"):
        first = await alice.client.get(path)
        tag = {"if-none-match": f'"other", W/{first.headers["etag"]}'}
        again = await alice.client.get(path, headers=tag)
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == first.headers["etag"]


async def test_a_repeated_write_is_answered_from_the_first(alice: Alice) -> None:
    keyed = {"idempotency-key": "publish-0001"}
    first = await alice.client.post("/api/modules", json=new_module(), headers=keyed)
    again = await alice.client.post("/api/modules", json=new_module(), headers=keyed)
    assert first.status_code == again.status_code == 201
    assert again.headers["idempotent-replay"] == "true"
    assert again.content == first.content
    other = await alice.client.post("/api/modules", json=new_module(version="2.0.0"), headers=keyed)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
    elsewhere = await alice.client.post("/api/gc", json={}, headers=keyed)
    assert elsewhere.status_code == 200
    assert re.fullmatch(PATTERN, "publish-0001")
    for key in ("k" * 256, "two words", "\xe9"):
        headers = [(b"idempotency-key", key.encode("latin-1"))]
        bad = await alice.client.post("/api/modules", json=new_module(), headers=headers)
        assert (bad.status_code, bad.json()["code"]) == (400, "bad-idempotency-key"), key


async def test_a_failed_write_may_be_tried_again_with_its_key(alice: Alice) -> None:
    keyed = {"idempotency-key": "publish-0002"}
    broken = {**new_module(), "wasm": "AAAA"}
    refused = await alice.client.post("/api/modules", json=broken, headers=keyed)
    assert refused.status_code == 422
    answer = await alice.client.post("/api/modules", json=new_module(), headers=keyed)
    assert answer.status_code == 201


async def test_status(alice: Alice) -> None:
    await alice.client.post("/api/modules", json=new_module())
    status = (await alice.client.get("/api/status")).json()
    assert status["state"] == "ready"
    assert status["records"] == {"module": 1}
    assert status["blobs"]["count"] == 1
    assert status["transfers"] == []
    assert status["api"] == URL
    assert status["did"] == alice.node.identity.did
    assert "panspermia_entries 1" in (await alice.client.get("/metrics")).text


async def test_status_shows_what_is_being_fetched(alice: Alice) -> None:
    alice.network.running = (Transfer("ab" * 32, 40, 100, 4, 10, 2, 5, "fetching"),)
    (shown,) = (await alice.client.get("/api/status")).json()["transfers"]
    assert shown == {
        "blob": "ab" * 32,
        "size": 40,
        "total": 100,
        "chunks": 4,
        "chunks_total": 10,
        "peers": 2,
        "bytes_per_s": 5,
        "state": "fetching",
        "limited": False,
        "reason": "",
        "quiet_s": 0.0,
    }


async def test_peers(alice: Alice) -> None:
    listed = (await alice.client.get("/api/peers")).json()
    assert listed["peers"] == []
    assert listed["discovered"][0]["address"] == BOB.address
    answer = await alice.client.post("/api/peers", json={"address": BOB.address})
    assert (answer.status_code, answer.json()["did"]) == (201, BOB.did)
    nobody = await alice.client.post("/api/peers", json={"address": "nowhere:1"})
    assert (nobody.status_code, nobody.json()["code"]) == (504, "unreachable")
    synced = await alice.client.post("/api/sync", json={"timeout_s": 1})
    assert synced.json()["peers"][0]["in_sync"]
    alice.network.connected = [replace(BOB, did=DID)]
    await alice.client.put("/api/names/bob", json={"author": DID})
    synced = await alice.client.post("/api/sync", json={"timeout_s": 1})
    assert synced.json()["peers"][0]["name"] == "bob"
    assert (await alice.client.delete(f"/api/peers/{BOB.device}")).status_code == 204
    assert (await alice.client.delete(f"/api/peers/{BOB.device}")).status_code == 404


async def test_refused_is_listed_newest_first(alice: Alice) -> None:
    for number in range(3):
        await alice.node.store.refuse("peer bob", f"thing {number}", "bad", "it was bad", b"x")
    first = (await alice.client.get("/api/refused?limit=2")).json()
    assert [one["where"] for one in first["refused"]] == ["thing 2", "thing 1"]
    rest = (await alice.client.get(f"/api/refused?limit=2&cursor={first['next']}")).json()
    assert [one["where"] for one in rest["refused"]] == ["thing 0"]
    assert rest["next"] is None


async def test_upkeep(alice: Alice) -> None:
    await alice.client.post("/api/modules", json=new_module())
    assert (await alice.client.post("/api/reindex", json={})).json()["records"] >= 1
    for is_dry in (False, True):
        answer = await alice.client.post("/api/gc", json={"dry_run": is_dry})
        assert answer.json() == {
            "blobs": 0, "bytes": 0, "young": 0, "damaged": [], "dry_run": is_dry, "going": [],
            "left_off": 0,
        }  # fmt: skip


async def test_pages_have_no_inline_script(alice: Alice) -> None:
    for path in ("/", "/docs"):
        page = (await alice.client.get(path)).text
        assert "<script src=" in page
        assert not re.search(r"<script(?! src)|<style|\son\w+=|style=", page)
        for asset in re.findall(r'(?:src|href)="(/web/[^"]+)"', page):
            assert (await alice.client.get(asset)).status_code == 200
        assert not re.search(r'(?:src|href)="https?:', page)


async def test_a_bug_is_a_problem_too(alice: Alice, caplog: pytest.LogCaptureFixture) -> None:
    alice.network.connected = [None]  # type: ignore[list-item]  # what no network gives
    answer = await alice.client.get("/metrics")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal-error")
    assert "Traceback" not in answer.text
    assert "a bug answered GET /metrics" in caplog.text


async def test_a_bug_in_what_is_asked_most_is_a_problem_too(
    alice: Alice, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alice.node.store, "joined", None)  # what no store has
    answer = await alice.client.get("/api/search?q=x")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal-error")
    assert "a bug answered GET /api/search" in caplog.text


HOSTILE_BODIES = [
    ("/api/peers", rb'{"address": "\ud800:1"}', 400, "not-json"),
    ("/api/run", b'{"id": "org.a.b", "export": "x", "args": [1e999]}', 422, "invalid-body"),
    ("/api/install", b'{"lock": {"version": 2}}', 422, "invalid-lock"),
    ("/api/install", b'{"requirements": ["org.a.b@not a range"]}', 422, "invalid-range"),
    ("/api/uninstall", rb'{"ids": ["\u0000"]}', 422, "invalid-name"),
    ("/api/modules", b'{"manifest": "", "wasm": "!!!"}', 422, "invalid-body"),
    ("/api/modules", b'{"manifest": "[module", "wasm": ""}', 422, "invalid-manifest"),
    ("/api/sync", b'{"timeout_s": -1}', 422, "invalid-body"),
    ("/api/modules/%ff%fe/ratings", b'{"stars": 3}', 422, "invalid-name"),
    ("/api/modules/..%2f..%2fetc/ratings", b'{"stars": 3}', 404, "not-found"),
]


@pytest.mark.parametrize(("path", "content", "status", "code"), HOSTILE_BODIES)
async def test_hostile_bodies(
    alice: Alice, path: str, content: bytes, status: int, code: str
) -> None:
    typed = {"content-type": "application/json"}
    answer = await alice.client.post(path, content=content, headers=typed)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert (await alice.node.store.counts()).entries == 0


@pytest.mark.parametrize(
    "path", ["/api/search?q=%ff%00", "/api/search?q=(a%20OR&tag=%00", f"/api/modules?author={DID}"]
)
async def test_queries_that_find_nothing(alice: Alice, path: str) -> None:
    assert (await alice.client.get(path)).status_code == 200
