"""Snapshots over HTTP: any bytes in, the same bytes out, and nothing of what is wrong."""

import asyncio
import base64
import gzip
import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio
import zstandard
from blake3 import blake3
from starlette.types import Message

from crdt.area import Area
from crdt.blob import BlobId
from crdt.chunking import content_manifest_of
from crdt.keys import COMMONS
from crdt.order import Bounds
from node.services import uploads
from node.services.passages import document_of
from registry.head import Words
from storage.documents import raw_of
from tests.node.parts import Alice
from tests.storage.people import BOB, NOW_US
from universe.record import Facts, create_universe

PLACE = "/api/universe/universe:main"
AT = f"{PLACE}/snapshot"
WORLD = blake3(b"a world").digest(length=(1 << 20) + 7)
SAVE: dict[str, Any] = {"$schema": "savefile/v1", "universes": [{"name": "Größe", "tick": "5"}]}
# As a multiverse client sends it.
WRAPPED: dict[str, Any] = {
    "snapshot": SAVE, "tick": 1200, "day": 3, "type": "canonical",
    "canonEvent": {"type": "union:formed", "title": "A union", "description": "Two by two.",
                   "day": 3, "importance": 8, "entities": ["ann", "bob"]},
    "decayPolicy": {"neverDecay": True, "preservationReason": "The first."},
}  # fmt: skip


@pytest_asyncio.fixture(autouse=True)
async def main(alice: Alice) -> AsyncIterator[None]:
    body = {"id": "universe:main", "name": "Main", "ownerId": "player:alice", "isPublic": True}
    assert (await alice.client.post("/api/universe", json=body)).status_code == 201
    yield


async def in_pieces(data: bytes, size: int = 70_000) -> AsyncGenerator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


async def put(alice: Alice, data: bytes, query: str, **headers: str) -> dict[str, Any]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = await alice.client.post(f"{AT}?{query}", content=in_pieces(data), headers=named)
    assert answer.status_code in (200, 201), answer.text
    done: dict[str, Any] = answer.json()
    return done


async def listed(alice: Alice, query: str = "") -> list[dict[str, Any]]:
    answer = await alice.client.get(f"{PLACE}/snapshots{query}")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["snapshots"]
    return found


async def test_any_bytes_come_back_as_they_were(alice: Alice) -> None:
    done = await put(alice, WORLD, "tick=1200&type=auto&day=3", content_type="application/x-world")
    assert (done["tick"], done["fileSize"], done["known"]) == (1200, len(WORLD), False)
    assert done["checksum"] == blake3(WORLD).hexdigest()
    again = await alice.client.get(f"{AT}/1200")
    assert again.content == WORLD
    assert again.headers["content-type"] == "application/x-world"
    assert again.headers["x-checksum"] == done["checksum"]
    assert again.headers["x-snapshot"] == done["id"]
    assert await alice.node.store.has_blob(BlobId(content_manifest_of(WORLD).id))
    known = await alice.client.get(f"{AT}/1200", headers={"if-none-match": again.headers["etag"]})
    assert known.status_code == 304
    part = await alice.client.get(f"{AT}/latest", headers={"range": "bytes=5-9"})
    assert (part.status_code, part.content) == (206, WORLD[5:10])
    head = await alice.client.head(f"{AT}/1200")
    assert (head.headers["content-length"], head.content) == (str(len(WORLD)), b"")
    (entry,) = await listed(alice)
    assert (entry["tick"], entry["day"], entry["type"], entry["id"]) == (
        1200,
        3,
        "auto",
        done["id"],
    )
    meta = (await alice.client.get(PLACE)).json()["universe"]
    assert (meta["snapshotCount"], meta["bytes"]) == (1, len(WORLD))
    assert (meta["lastSnapshotAt"], meta["lastTick"]) == (entry["timestamp"], 1200)


@pytest.mark.parametrize("state", [b"a state of few bytes, which would fit", WORLD])
async def test_a_state_is_in_no_document(alice: Alice, state: bytes) -> None:
    """However small it is: what is signed and merged names it by its hash."""
    await put(alice, state, "tick=1")
    store = alice.node.store
    ids = await store.ids(COMMONS, Area(), Bounds(), 100)
    changes = [raw_of(one.payload) for one in await store.entries(COMMONS, ids)]
    assert any(bytes(content_manifest_of(state).id) in one for one in changes)
    assert not any(state[:30] in one for one in changes)
    assert sum(map(len, changes)) < 8_192


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
async def test_what_is_compressed_on_the_way_is_kept_plain(alice: Alice, encoding: str) -> None:
    halves = [WORLD[:400_000], WORLD[400_000:]]
    pack = zstandard.compress if encoding == "zstd" else gzip.compress
    packed = b"".join(map(pack, halves))
    done = await put(
        alice, packed, "tick=1", content_encoding=encoding, x_checksum=blake3(WORLD).hexdigest()
    )
    assert done["fileSize"] == len(WORLD)
    assert (await alice.client.get(f"{AT}/1")).content == WORLD
    for wrong in (packed[:-3], packed + b"more", b"\0" * 50, packed[:10]):
        answer = await alice.client.post(
            f"{AT}?tick=2", content=wrong, headers={"content-encoding": encoding}
        )
        assert (answer.status_code, answer.json()["code"]) == (422, "bad-encoding"), answer.text
    assert len(await listed(alice)) == 1


async def test_the_multiverse_clients_get_back_what_they_sent(alice: Alice) -> None:
    answer = await alice.client.post(AT, json=WRAPPED)
    assert answer.status_code == 201, answer.text
    done = answer.json()
    entry = done["entry"]
    assert done["success"] is True
    assert {key: entry[key] for key in ("tick", "day", "type")} == {
        "tick": 1200, "day": 3, "type": "canonical",
    }  # fmt: skip
    assert entry["canonEvent"] == WRAPPED["canonEvent"]
    assert entry["decayPolicy"] == WRAPPED["decayPolicy"]
    for at in ("1200", "latest"):
        shown = await alice.client.get(f"{AT}/{at}")
        assert shown.headers["content-type"] == "application/json"
        assert shown.json() == {"snapshot": SAVE, "entry": entry}
        assert int(shown.headers["content-length"]) == len(shown.content)
    raw = await alice.client.get(f"{AT}/1200?raw=true")
    assert (raw.json(), raw.headers["x-checksum"]) == (SAVE, entry["checksum"])
    assert blake3(raw.content).hexdigest() == entry["checksum"]
    assert await listed(alice) == [entry]
    meta = (await alice.client.get(PLACE)).json()["universe"]
    assert (meta["snapshotCount"], meta["canonicalEventCount"]) == (1, 1)
    stats = (await alice.client.get("/api/multiverse/stats")).json()
    assert (stats["totalSnapshots"], stats["canonicalEvents"]) == (1, 1)


async def test_what_they_send_compressed_is_the_same_snapshot(alice: Alice) -> None:
    plain = json.dumps(SAVE, separators=(",", ":")).encode()
    text = base64.b64encode(gzip.compress(plain, mtime=0)).decode()
    body = {"compressedSnapshot": text, "tick": 7.0, "day": 1, "type": "manual"}
    headers = {"x-snapshot-compressed": "gzip-base64"}
    first = await alice.client.post(AT, json=body, headers=headers)
    assert first.status_code == 201, first.text
    assert (await alice.client.get(f"{AT}/7")).json()["snapshot"] == SAVE
    plainly = await alice.client.post(
        AT, content=b'{"tick":"7","snapshot":' + plain + b"}",
        headers={"content-type": "application/json"},
    )  # fmt: skip
    assert (plainly.status_code, plainly.json()["id"]) == (200, first.json()["id"])


async def test_autosaves_lie_as_what_differs_and_come_back_as_they_were(alice: Alice) -> None:
    """In whatever order they come: those of a world that was brought in come as they lie."""
    worlds = {tick: WORLD + b"%d" % tick for tick in (1, 2, 4, 3)}
    for tick, world in worlds.items():
        await put(alice, world, f"tick={tick}")
    assert await alice.node.store.settled() > 0
    for tick, world in worlds.items():
        assert (await alice.client.get(f"{AT}/{tick}")).content == world
    assert await alice.node.store.settled() == 0


async def test_of_several_at_one_tick_the_newest_is_meant_or_the_one_that_is_named(
    alice: Alice,
) -> None:
    first = await put(alice, b"one", "tick=5")
    second = await put(alice, b"two", "tick=5")
    assert (await put(alice, b"one", "tick=5"))["id"] == first["id"]
    canon = await put(alice, b"one", "tick=5&type=canonical")
    assert len({first["id"], second["id"], canon["id"]}) == 3
    ids = [entry["id"] for entry in await listed(alice)]
    assert set(ids) == {first["id"], second["id"], canon["id"]}
    assert (await alice.client.get(f"{AT}/5?snapshot={second['id']}")).content == b"two"
    assert (await alice.client.get(f"{AT}/latest?snapshot={first['id']}")).content == b"one"
    assert (await alice.client.get(f"{AT}/6?nearest=true")).status_code == 200
    page = (await alice.client.get(f"{PLACE}/snapshots?limit=2&order=newest")).json()
    rest = await listed(alice, f"?limit=2&order=newest&cursor={page['next']}")
    assert [*(one["id"] for one in page["snapshots"]), *(one["id"] for one in rest)] == ids[::-1]


async def test_of_several_at_one_tick_that_of_the_latest_time_is_given(alice: Alice) -> None:
    """In whatever order they came."""
    for data, second in ((b"before", 1), (b"newest", 3), (b"between", 2)):
        await put(alice, data, f"tick=5&at={1_768_000_000_000_000 + second * 1_000_000}")
    for at in ("5", "latest", "5?nearest=true", "6?nearest=true"):
        assert (await alice.client.get(f"{AT}/{at}")).content == b"newest", at


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("tick=-1", 400, "bad-tick"), ("tick=x", 400, "bad-tick"), ("tick=", 400, "bad-tick"),
        (f"tick={1 << 63}", 400, "bad-tick"), ("tick=1.5", 400, "bad-tick"),
        ("tick=1&type=daily", 400, "bad-query"), ("tick=1&event={", 400, "bad-query"),
        ("tick=1&event={\"type\":\"Not a type\"}", 422, "invalid-record"),
        ("tick=1&checksum=zz", 400, "bad-checksum"), ("tick=1&more=1", 400, "unknown-parameter"),
        ("tick=1&checksum=" + "00" * 32, 422, "checksum-mismatch"), ("", 400, "bad-tick"),
        ("tick=1&day=-1", 400, "bad-query"),
        ("tick=1&decay={\"decayAfterTicks\":-1}", 400, "invalid-body"),
    ],
)  # fmt: skip
async def test_what_is_wrong_with_an_upload_is_told_and_nothing_is_kept(
    alice: Alice, query: str, status: int, code: str
) -> None:
    before = (await alice.client.get(PLACE)).json()
    answer = await alice.client.post(f"{AT}?{query}", content=WORLD)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert answer.json()["error"]
    await nothing_is_kept(alice)
    assert (await alice.client.get(PLACE)).json() == before


async def nothing_is_kept(alice: Alice) -> None:
    assert await listed(alice) == []
    assert await alice.node.store.blob_state(BlobId(content_manifest_of(WORLD).id)) is None


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "not-json"), (b"[]", 422, "invalid-body"), (b"{}", 422, "invalid-body"),
        (b'{"snapshot":null,"tick":1}', 422, "invalid-body"),
        (b'{"snapshot":{}}', 400, "bad-tick"), (b'{"snapshot":{},"tick":-1}', 400, "bad-tick"),
        (b'{"snapshot":{},"tick":1.5}', 400, "bad-tick"),
        (b'{"snapshot":{},"tick":true}', 400, "bad-tick"),
        (b'{"snapshot":{"a":"\xff"},"tick":1}', 400, "not-json"),
        (b'{"snapshot":{},"tick":1,"type":"x"}', 422, "invalid-body"),
        (b'{"compressedSnapshot":"!","tick":1}', 422, "invalid-body"),
        (b'{"compressedSnapshot":"AAAA","tick":1}', 422, "bad-encoding"),
        (b'{"snapshot":' + b"[" * 5_000 + b"]" * 5_000 + b',"tick":1}', 400, "not-json"),
    ],
)  # fmt: skip
async def test_json_that_is_wrong_keeps_nothing(
    alice: Alice, body: bytes, status: int, code: str
) -> None:
    headers = {"content-type": "application/json"}
    answer = await alice.client.post(AT, content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert await listed(alice) == []


async def test_json_in_gzip_that_is_none_is_refused(alice: Alice) -> None:
    for inside in (b"{", b"", b'{"a":"\xff"}', b"{}{}"):
        text = base64.b64encode(gzip.compress(inside)).decode()
        answer = await alice.client.post(AT, json={"compressedSnapshot": text, "tick": 1})
        assert (answer.status_code, answer.json()["code"]) == (400, "not-json"), inside


async def test_a_bomb_is_refused_before_it_takes_room(
    alice: Alice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "SWELLS_BYTES_MIN", 1 << 20)
    for encoding, packed in (
        ("gzip", gzip.compress(bytes(8 << 20))),
        ("zstd", zstandard.compress(bytes(8 << 20))),
    ):
        answer = await alice.client.post(
            f"{AT}?tick=1", content=packed, headers={"content-encoding": encoding}
        )
        assert (answer.status_code, answer.json()["code"]) == (422, "swells-too-much")
    other = await alice.client.post(
        f"{AT}?tick=1", content=b"x", headers={"content-encoding": "br"}
    )
    assert (other.status_code, other.json()["code"]) == (400, "content-encoding")
    empty = await alice.client.post(f"{AT}?tick=1", content=b"")
    assert (empty.status_code, empty.json()["code"]) == (422, "empty-body")
    assert await listed(alice) == []


async def test_who_hangs_up_in_the_middle_leaves_nothing(alice: Alice) -> None:
    token = alice.bearer()["Authorization"].encode()
    scope: dict[str, Any] = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST",
        "scheme": "http", "path": AT, "raw_path": AT.encode(), "query_string": b"tick=1",
        "root_path": "", "client": ("127.0.0.1", 5), "server": ("127.0.0.1", 3000),
        "headers": [(b"host", b"127.0.0.1:3000"), (b"authorization", token)],
    }  # fmt: skip
    sent: list[Message] = []
    came: list[Message] = [
        {"type": "http.request", "body": WORLD[:300_000], "more_body": True},
        {"type": "http.disconnect"},
    ]

    async def receive() -> Message:
        return came.pop(0) if came else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await alice.app(scope, receive, send)
    assert sent[0]["status"] == 408
    assert json.loads(sent[1]["body"])["code"] == "cut-off"
    await nothing_is_kept(alice)


async def test_an_upload_sent_again_with_its_key_is_done_once(alice: Alice) -> None:
    headers = {"idempotency-key": "upload-0001"}
    first = await alice.client.post(f"{AT}?tick=1", content=WORLD, headers=headers)
    again = await alice.client.post(f"{AT}?tick=1", content=WORLD, headers=headers)
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotent-replay"] == "true"
    other = await alice.client.post(f"{AT}?tick=1", content=b"other", headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
    bad = await alice.client.post(
        f"{AT}?tick=1", content=b"x", headers={"idempotency-key": "k" * 256}
    )
    assert (bad.status_code, bad.json()["code"]) == (400, "bad-idempotency-key")
    assert len(await listed(alice)) == 1


async def test_what_is_not_there_is_told(alice: Alice) -> None:
    await put(alice, b"one", "tick=5")
    for path, status, code in (
        (f"{AT}/6", 404, "unknown-snapshot"), (f"{AT}/x", 400, "bad-tick"),
        (f"{AT}/-1", 400, "bad-tick"), (f"{AT}/5?snapshot=zz", 400, "bad-snapshot-id"),
        (f"{AT}/5?snapshot={'00' * 32}", 404, "unknown-snapshot"),
        (f"{AT}/4?nearest=true", 404, "unknown-snapshot"),
        ("/api/universe/none/snapshot/5", 404, "unknown-record"),
        ("/api/universe/none/snapshots", 404, "unknown-record"),
    ):  # fmt: skip
        answer = await alice.client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (status, code), path
    none = await alice.client.post("/api/universe/none/snapshot?tick=1", content=b"x")
    assert (none.status_code, none.json()["code"]) == (404, "unknown-record")


async def test_null_is_as_nothing_in_whatever_multiverse_clients_send(alice: Alice) -> None:
    event = dict.fromkeys(
        ("title", "description", "day", "importance", "entities", "souls", "parents")
    )
    decay = dict.fromkeys(("decayAfterTicks", "neverDecay", "preservationReason"))
    body = {
        "snapshot": SAVE, "compressedSnapshot": None, "tick": 1, "day": None, "type": None,
        "canonEvent": {"type": "birth"} | event, "decayPolicy": decay,
    }  # fmt: skip
    bare = {"snapshot": SAVE, "tick": 2, "canonEvent": {"type": "birth"}}
    one, two = [(await alice.client.post(AT, json=sent)).json()["entry"] for sent in (body, bare)]
    said: dict[str, Any] = {
        "type": "birth", "title": "birth", "description": "", "importance": 0,
        "entities": [],
    }  # fmt: skip
    assert one["canonEvent"] == two["canonEvent"] == said
    assert "decayPolicy" not in one
    query = {"tick": "3", "event": json.dumps(body["canonEvent"]), "decay": json.dumps(decay)}
    streamed = await alice.client.post(AT, params=query, content=b"a world")
    assert streamed.json()["entry"]["canonEvent"] == one["canonEvent"], streamed.text
    told = [
        await alice.client.post(f"{PLACE}/timeline", json={"tick": tick, "type": "birth"} | more)
        for tick, more in ((4, event | {"snapshot": None, "timestamp": None}), (5, {}))
    ]
    first, plain = [answer.json()["entry"] for answer in told]
    same = {"tick": 0, "event": "", "timestamp": 0}
    assert first | same == plain | same
    rule = {"decayAfterTicks": 500, "neverDecay": None}
    kept = await alice.client.post(f"{PLACE}/prune?dryRun=true", json={"retention": rule})
    assert kept.status_code == 200, kept.text
    nothing = await alice.client.post(f"{PLACE}/prune?dryRun=true", json={"retention": None})
    assert nothing.status_code == 200, nothing.text
    fork = dict.fromkeys(
        ("ownerId", "snapshotTick", "snapshot", "id", "visibility", "namespace", "retention",
         "description", "tags", "config", "createdAt")
    )  # fmt: skip
    assert (await alice.client.post(f"{PLACE}/fork", json=fork | {"name": "F"})).status_code == 201
    universe = dict.fromkeys(
        ("id", "ownerId", "isPublic", "visibility", "namespace", "config", "retention",
         "description", "tags", "license", "card", "createdAt")
    )  # fmt: skip
    made = await alice.client.post("/api/universe", json=universe | {"name": "N"})
    assert made.status_code == 201, made.text


async def test_json_of_any_size_is_taken_out_as_it_comes(alice: Alice) -> None:
    """In whatever order its members are; and each sender at its own pace."""
    plain = json.dumps([SAVE, "x" * 3_000_000, list(range(200_000))]).encode()
    packed = base64.b64encode(gzip.compress(plain, mtime=0)).replace(b"/", b"\\/")
    packed = packed.replace(b"+", b"\\u002B")
    go_on = asyncio.Event()

    async def slowly() -> AsyncGenerator[bytes]:
        yield b'{"snapshot": ' + plain[:1_000_000]
        await go_on.wait()
        yield plain[1_000_000:] + b', "tick": 1, "seen": [{"by": null}]}'

    headers = {"content-type": "application/json"}
    async with asyncio.timeout(120):
        first = asyncio.create_task(alice.client.post(AT, content=slowly(), headers=headers))
        second = await alice.client.post(
            AT,
            content=in_pieces(b'{"tick": 2, "compressedSnapshot": "' + packed + b'", "day": 2.0}'),
            headers=headers,
        )
        assert second.status_code == 201, second.text
        go_on.set()
        answers = [await first, second]
    assert [one.json()["entry"]["checksum"] for one in answers] == [blake3(plain).hexdigest()] * 2
    assert (await alice.client.get(f"{AT}/1?raw=true")).content == plain
    assert (await alice.client.get(f"{AT}/2")).json()["snapshot"] == json.loads(plain)


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b'{"snapshot":[%s],"tick":"x"}', 400, "bad-tick"),
        (b'{"snapshot":[%s],"tick":1,"day":"x"}', 422, "invalid-body"),
        (b'{"snapshot":[%s],"tick":1', 400, "not-json"),
        (b'{"snapshot":[%s],"tick":1}x', 400, "not-json"),
        (b'{"snapshot":[%s,],"tick":1}', 400, "not-json"),
        (b'{"snapshot":[%s],"snapshot":1,"tick":1}', 400, "not-json"),
        (b'{"snapshot":[%s],"compressedSnapshot":"","tick":1}', 422, "invalid-body"),
        (b'{"snapshot":[%s],"tick":1,"canonEvent":{"type":"Not one"}}', 422, "invalid-record"),
        (b'{"tick":1,"compressedSnapshot":[%s]}', 422, "invalid-body"),
        (b'{"tick":1,"compressedSnapshot":"AA==AAAA","not":[%s]}', 422, "invalid-body"),
        (b'{"tick":1,"compressedSnapshot":"A\\u0022A=","not":[%s]}', 422, "invalid-body"),
    ],
)
async def test_what_is_wrong_behind_a_large_snapshot_keeps_nothing_of_it(
    alice: Alice, body: bytes, status: int, code: str
) -> None:
    many = b",".join(b"%d" % at for at in range(60_000))
    headers = {"content-type": "application/json"}
    answer = await alice.client.post(AT, content=in_pieces(body % many), headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert await listed(alice) == []
    value = BlobId(content_manifest_of(b"[" + many + b"]").id)
    assert await alice.node.store.blob_state(value) is None


async def test_json_that_is_sent_again_with_its_key_is_done_once(alice: Alice) -> None:
    headers = {"idempotency-key": "wrapped-0001"}
    first, again = [await alice.client.post(AT, json=WRAPPED, headers=headers) for _ in range(2)]
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotent-replay"] == "true"
    other = await alice.client.post(AT, json=WRAPPED | {"tick": 5}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")


async def test_of_a_few_words_the_refusal_names_those_there_are(alice: Alice) -> None:
    answer = await alice.client.post(f"{AT}?tick=1&type=foo", content=b"state")
    assert answer.json()["error"].endswith("it is one of: auto, auto:manual, canonical, manual")
    wish = {"name": "N", "visibility": "secret"}
    answer = await alice.client.post("/api/universe", json=wish)
    assert answer.json()["error"].endswith("it is one of: private, public, shared")


async def test_an_event_in_any_language_fits_beside_its_state(alice: Alice) -> None:
    """One character of Chinese takes nine in an address."""
    event = {
        "type": "birth",
        "title": "語" * 60,
        "description": "語" * 680,
        "entities": ["語" * 8 + str(number) for number in range(30)],
    }
    query = {"tick": "9", "type": "canonical", "event": json.dumps(event, ensure_ascii=False)}
    sent = await alice.client.post(AT, params=query, content=WORLD)
    assert len(sent.request.url.query) > 8_192
    assert (sent.status_code, sent.json()["entry"]["canonEvent"]["description"]) == (
        201,
        event["description"],
    ), sent.text
    query["event"] = json.dumps(event | {"description": "x" * 60_000})
    far = await alice.client.post(AT, params=query, content=WORLD)
    assert far.status_code == 400, far.text


@pytest.mark.parametrize("media", ["application/octet-stream", "application/json"])
async def test_of_who_may_not_write_not_a_byte_is_read(alice: Alice, media: str) -> None:
    document = document_of(f"{BOB.did}/universe:reef", "uni", COMMONS)
    edit = create_universe(Words("Reef"), Facts(visibility="public"), now_us=NOW_US)
    received = await alice.node.store.receive(BOB.writes(document, edit), source="sync")
    assert not received.refused
    read: list[bytes] = []

    async def pieces() -> AsyncGenerator[bytes]:
        async for piece in in_pieces(json.dumps(WRAPPED).encode(), 100):
            read.append(piece)
            yield piece

    path = f"/api/universe/{quote(f'{BOB.did}/universe:reef', safe='')}/snapshot"
    query = "" if media == "application/json" else "?tick=1"
    answer = await alice.client.post(
        path + query, content=pieces(), headers={"Content-Type": media}
    )
    assert (answer.status_code, answer.json()["code"]) == (403, "no-capability"), answer.text
    assert "is another player's: fork it" in answer.json()["error"]
    assert read == []
