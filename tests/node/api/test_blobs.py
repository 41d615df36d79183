"""Bytes of any length over HTTP: kept under their hash, listed, given whole or in ranges."""

import json
from collections.abc import AsyncGenerator

import pytest
from blake3 import blake3

from crdt.blob import manifest_of
from crdt.chunking import content_manifest_of
from p2p.protocol.limits import RELATIVE_TO_MAX
from storage.disk_room import DiskRoom
from tests.node.parts import Alice, Wish

WORLD = blake3(b"a world over http").digest(length=(3 << 20) + 11)


async def in_pieces(data: bytes, size: int = 70_000) -> AsyncGenerator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


async def test_a_file_is_kept_listed_given_and_removed(alice: Alice) -> None:
    answer = await alice.client.post(
        "/api/blobs", params={"name": "world.bin"}, content=in_pieces(WORLD)
    )
    assert answer.status_code == 201, answer.text
    added = answer.json()
    assert (added["id"], added["size"]) == (manifest_of(WORLD).id.hex(), len(WORLD))
    assert (added["chunks"], added["chunk_count"], added["whole"]) == ("fixed", 13, True)
    content = await alice.client.post("/api/blobs?chunks=content", content=WORLD)
    assert content.json()["id"] == content_manifest_of(WORLD).id.hex()

    page = (await alice.client.get("/api/blobs?limit=1")).json()
    assert [one["name"] for one in page["blobs"]] == ["world.bin"]
    rest = (await alice.client.get("/api/blobs", params={"cursor": page["next"]})).json()
    assert [one["id"] for one in rest["blobs"]] == [content.json()["id"]]
    assert rest["next"] is None

    for id in (added["id"], content.json()["id"]):
        whole = await alice.client.get(f"/api/blobs/{id}")
        assert whole.content == WORLD
        assert whole.headers["content-length"] == str(len(WORLD))
        assert whole.headers["content-disposition"] == "attachment"
        assert (await alice.client.delete(f"/api/blobs/{id}")).status_code == 204
        assert (await alice.client.delete(f"/api/blobs/{id}")).status_code == 404
    assert (await alice.client.get("/api/blobs")).json()["blobs"] == []
    assert (await alice.client.post("/api/gc", json={})).json()["blobs"] == 2


async def test_the_length_that_a_body_says_it_has_is_what_room_is_made_for(
    alice: Alice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before its first byte is stored; where it says none, or more than a blob has, for nothing."""
    asked: list[int] = []

    async def give_way(size: int, _in_rows: bool) -> int:
        asked.append(size)
        return 0

    def full_now(_: DiskRoom) -> int:
        return 0

    store = alice.node.store
    store.on_lack_of_room(give_way)
    with monkeypatch.context() as full:
        full.setattr(DiskRoom, "_left_now", full_now)
        said = await alice.client.post("/api/blobs", content=WORLD)
        assert (said.status_code, said.json()["code"]) == (507, "over-quota"), said.text
        (size,) = asked
        assert len(WORLD) <= size <= len(WORLD) + (64 << 10)
        assert (await alice.client.post("/api/blobs", content=in_pieces(WORLD))).status_code == 507
        for wrong in ("x", "-5", "9" * 30):
            request = alice.client.build_request("POST", "/api/blobs", content=in_pieces(WORLD))
            request.headers["content-length"] = wrong
            assert (await alice.client.send(request)).status_code in (400, 507)
        assert asked == [size], "how much it is was not known"
    assert (await alice.client.get("/api/blobs")).json()["blobs"] == []


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=262143-262144", 262_143, 262_145),
        ("bytes=3000000-", 3_000_000, len(WORLD)),
        ("bytes=-5", len(WORLD) - 5, len(WORLD)),
        ("bytes=-99999999", 0, len(WORLD)),
        ("bytes=7-99999999", 7, len(WORLD)),
    ],
)
async def test_a_range_is_given_alone(alice: Alice, asked: str, start: int, end: int) -> None:
    id = (await alice.client.post("/api/blobs", content=WORLD)).json()["id"]
    part = await alice.client.get(f"/api/blobs/{id}", headers={"range": asked})
    assert part.status_code == 206
    assert part.content == WORLD[start:end]
    assert part.headers["content-range"] == f"bytes {start}-{end - 1}/{len(WORLD)}"
    head = await alice.client.head(f"/api/blobs/{id}", headers={"range": asked})
    assert (head.status_code, head.content) == (206, b"")
    assert head.headers["content-length"] == str(end - start)


async def test_what_is_no_range_gives_all_and_one_beyond_the_end_is_refused(alice: Alice) -> None:
    id = (await alice.client.post("/api/blobs", content=b"small")).json()["id"]
    for asked in ("bytes=3-1", "bytes=-", "bytes=a-b", "lines=0-1", "bytes=0-1,3-4"):
        whole = await alice.client.get(f"/api/blobs/{id}", headers={"range": asked})
        assert (whole.status_code, whole.content) == (200, b"small"), asked
    for asked in ("bytes=5-", "bytes=5-9", "bytes=-0"):
        beyond = await alice.client.get(f"/api/blobs/{id}", headers={"range": asked})
        assert (beyond.status_code, beyond.json()["code"]) == (416, "no-such-range"), asked
    changed = {"range": "bytes=0-1", "if-range": '"another"'}
    assert (await alice.client.get(f"/api/blobs/{id}", headers=changed)).content == b"small"


async def test_nothing_of_no_bytes(alice: Alice) -> None:
    added = (await alice.client.post("/api/blobs", content=b"")).json()
    assert (added["size"], added["chunk_count"]) == (0, 0)
    assert (await alice.client.get(f"/api/blobs/{added['id']}")).content == b""


async def test_who_may_only_read_adds_and_removes_nothing(alice: Alice) -> None:
    id = (await alice.client.post("/api/blobs", content=b"small")).json()["id"]
    del alice.client.headers["authorization"]
    for method, path in (
        ("POST", "/api/blobs"), ("DELETE", f"/api/blobs/{id}"), ("POST", f"/api/blobs/{id}/fetch"),
    ):  # fmt: skip
        refused = await alice.client.request(method, path, content=b"{}")
        assert refused.status_code == 401, path
    assert (await alice.client.get(f"/api/blobs/{id}")).content == b"small"


@pytest.mark.parametrize("query", ["chunks=some", f"name={'n' * 256}", "size=3"])
async def test_a_query_that_makes_no_sense_keeps_nothing(alice: Alice, query: str) -> None:
    assert (await alice.client.post(f"/api/blobs?{query}", content=b"x")).status_code == 400
    assert (await alice.client.get("/api/blobs")).json()["blobs"] == []


async def test_a_compressed_body_is_refused(alice: Alice) -> None:
    headers = {"content-encoding": "gzip"}
    refused = await alice.client.post("/api/blobs", content=b"x", headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (415, "content-encoding")


async def test_a_fetch_tells_its_result_or_why_not(alice: Alice) -> None:
    id = (await alice.client.post("/api/blobs", content=b"small")).json()["id"]
    here = await alice.client.post(f"/api/blobs/{id}/fetch", json={})
    (line,) = here.text.splitlines()
    assert json.loads(line) == {"event": "result", "id": id, "size": 5, "chunk_count": 1}
    gone = await alice.client.post(f"/api/blobs/{'00' * 32}/fetch", json={})
    last = json.loads(gone.text.splitlines()[-1])
    assert (last["event"], last["code"], last["status"]) == ("error", "blob-unreachable", 504)
    bad = await alice.client.post("/api/blobs/zz/fetch", json={})
    assert (bad.status_code, bad.json()["code"]) == (400, "bad-blob-id")


async def test_what_a_blob_is_like_is_handed_on_and_is_a_few_blobs(
    alice: Alice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RELATIVE_TO_MAX."""
    wishes: list[Wish] = []

    async def note(wish: Wish) -> None:
        wishes.append(wish)
        await alice.node.store.put_blob(b"small")

    monkeypatch.setattr(alice.network, "bring", note)
    id = manifest_of(b"small").id.hex()
    older = [f"{number:064x}" for number in range(1, 2 + RELATIVE_TO_MAX)]
    path = f"/api/blobs/{id}/fetch"
    for wrong in (older, ["zz"], "00" * 32, [7]):
        refused = await alice.client.post(path, json={"relative_to": wrong})
        assert refused.status_code in (400, 422), wrong
    assert not wishes
    fetched = await alice.client.post(path, json={"relative_to": older[:-1]})
    assert json.loads(fetched.text.splitlines()[-1])["event"] == "result", fetched.text
    assert [one.hex() for wish in wishes for one in wish.relative_to] == older[:-1]


async def test_a_blob_that_the_disk_lost_is_warned_of_until_it_is_whole_again(alice: Alice) -> None:
    added = (await alice.client.post("/api/blobs?name=world.bin", content=WORLD)).json()
    assert (await alice.client.get("/api/status")).json()["blobs"]["damaged"] == []
    (pack,) = (alice.node.home.path / "blobs").glob("*.pack")
    data = bytearray(pack.read_bytes())
    data[300_000] ^= 1
    pack.write_bytes(data)
    answer = await alice.client.get(f"/api/blobs/{added['id']}", headers={"range": "bytes=0-9"})
    assert answer.status_code != 200
    status = (await alice.client.get("/api/status")).json()
    assert status["blobs"]["damaged"] == [added["id"]]
    (warning,) = [one for one in status["warnings"] if "damaged" in one]
    assert f"a blob is damaged on the disk, and not whole: {added['id'][:16]}…" in warning
    await alice.client.post("/api/blobs?name=world.bin", content=WORLD)
    status = (await alice.client.get("/api/status")).json()
    assert status["blobs"]["damaged"] == []
    assert not [one for one in status["warnings"] if "damaged" in one]
