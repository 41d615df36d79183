"""Genomes, seeds and lineages over HTTP: the Galactic Federation's requests, and ours."""

import base64
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from blake3 import blake3

from crdt.change import DocumentId
from crdt.keys import COMMONS, AuthorKey
from node.config import ApiConfig, Config, RegistryConfig
from node.services import publish_life
from node.services.hall import ROWS
from registry import genome, lineage
from registry.content import TEXT_BYTES_MAX, Content
from registry.head import Words
from tests.node.parts import Alice, open_alice
from tests.storage.people import BOB, CAROL, Person, person

GENOMES, SEEDS = "/api/registry/genomes", "/api/registry/seeds"
HALL = "/api/registry/hall_of_fame"
# As the Federation's own client sends it, tags one text and all.
GENOME: dict[str, Any] = {
    "genotype": "7b226272616963223a7b7d7d", "author": "test_user", "name": "Test Genome",
    "description": "A test genome for Phase 70", "tags": "test,phase70", "lineage_id": None,
    "fitness_score": 99.999, "offspring_count": 500, "tick": 12345,
}  # fmt: skip
SEED: dict[str, Any] = {
    "author": "test_user", "name": "Arena", "description": "", "tags": "", "config_json": "{}",
    "avg_tick_time": 0.5, "max_pop": 900, "performance_summary": "fast",
}  # fmt: skip


async def post(alice: Alice, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = await alice.client.post(path, json=body)
    assert answer.status_code == 200, answer.text
    done: dict[str, Any] = answer.json()
    return done


async def listed(alice: Alice, query: str = GENOMES) -> list[Any]:
    answer: dict[str, Any] = (await alice.client.get(query)).json()
    return list(answer[urlsplit(query).path.rpartition("/")[2]])


def by(who: Person, kind: str, record: bytes) -> DocumentId:
    return DocumentId(COMMONS, AuthorKey(who.root.public), "pub", kind, record)


async def from_peer(alice: Alice, who: Person, data: bytes, *, now_us: int = 5) -> str:
    """A genome by somebody else, as it comes from a peer; its full name."""
    content = Content.of(data)
    edit = genome.publish_genome(content, Words("theirs"), genome.Facts(), now_us=now_us)
    entries = who.writes(by(who, "gen", content.identity), edit)
    await alice.node.store.receive(entries, source="peer")
    return f"{who.did}/{content.id}"


async def test_a_genome_of_the_galactic_federation_is_published_and_given_back(
    alice: Alice,
) -> None:
    done = await post(alice, GENOMES, GENOME)
    id = blake3(GENOME["genotype"].encode()).hexdigest()
    assert (done["success"], done["id"], done["state"]) == (True, id, "published")
    assert done["format"] == "primordium-genotype"
    (row,) = await listed(alice)
    assert {name: row[name] for name in GENOME} == GENOME | {"tags": "phase70,test"}
    assert row["tag_list"] == ["phase70", "test"]
    assert (row["id"], row["downloads"], row["author_did"]) == (id, 0, alice.node.identity.did)
    assert row["created_at"].endswith("Z")
    for name in (id, f"{alice.node.identity.did}%2F{id}"):
        assert (await alice.client.get(f"{GENOMES}/{name}")).json() == row

    download = await alice.client.get(f"{GENOMES}/{id}/download")
    assert download.content == GENOME["genotype"].encode()
    assert download.headers["content-type"] == "text/plain; charset=utf-8"
    assert download.headers["content-disposition"].startswith("attachment; filename*=UTF-8''")
    known = {"if-none-match": download.headers["etag"]}
    assert (await alice.client.get(f"{GENOMES}/{id}/download", headers=known)).status_code == 304
    found = (await alice.client.get("/api/search", params={"q": "genome"})).json()["results"]
    assert [(hit["kind"], hit["name"]) for hit in found] == [("genome", "Test Genome")]


async def test_a_seed_is_taken_under_both_of_its_names(alice: Alice) -> None:
    done = await post(alice, SEEDS, SEED)
    again = await post(
        alice, SEEDS, {key: value for key, value in SEED.items() if key != "config_json"}
        | {"config": "{}"},
    )  # fmt: skip
    assert (again["id"], again["state"]) == (done["id"], "unchanged")
    (row,) = await listed(alice, SEEDS)
    assert {name: row[name] for name in SEED} == SEED
    assert row["config"] == "{}"
    download = await alice.client.get(f"{SEEDS}/{done['id']}/download")
    assert download.content == b"{}"


async def test_what_is_left_out_is_as_the_original_has_it(alice: Alice) -> None:
    await post(alice, GENOMES, {"genotype": "ab"})
    (row,) = await listed(alice)
    wanted = {
        "author": "anonymous", "name": "Unnamed Genome", "description": "", "tags": "",
        "fitness_score": 0.0, "offspring_count": 0, "tick": 0, "lineage_id": None,
    }  # fmt: skip
    assert {name: row[name] for name in wanted} == wanted


@pytest.mark.parametrize(
    ("wrong", "code", "pointer"),
    [
        ({"fitness_score": "high"}, "invalid-body", "/fitness_score"),
        ({"offspring_count": -1}, "invalid-body", "/offspring_count"),
        ({"offspring_count": 1 << 32}, "invalid-body", "/offspring_count"),
        ({"tick": 1.5}, "invalid-body", "/tick"),
        ({"tick": 1 << 63}, "invalid-body", "/tick"),
        ({"tags": {"a": 1}}, "invalid-body", "/tags"),
        ({"fitness": 1}, "invalid-body", ""),
        ({"genotype": None}, "invalid-body", "/genotype"),
        ({"genotype": 7}, "invalid-body", "/genotype"),
        ({"content": "####"}, "invalid-body", "/content"),
        ({"content": "AAAA"}, "invalid-body", "/genotype"),
        ({"parents": ["x"]}, "invalid-body", "/parents/0"),
        ({"name": "n" * 65}, "invalid-record", "/name"),
        ({"description": "a\u0000b"}, "invalid-record", "/description"),
        ({"tags": "ok," + "t" * 33}, "invalid-record", "/tags/1"),
        ({"license": "no such!"}, "invalid-record", "/license"),
        ({"author": "a\nb"}, "invalid-record", "/author"),
        ({"format": "no format"}, "invalid-record", "/format"),
    ],
)
async def test_what_is_wrong_is_told_with_its_place_and_nothing_is_published(
    alice: Alice, wrong: dict[str, Any], code: str, pointer: str
) -> None:
    answer = await alice.client.post(GENOMES, json=GENOME | wrong)
    assert answer.status_code == 422, answer.text
    assert answer.json()["code"] == code
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert "regex" not in answer.text, "people read it"
    counts = await alice.node.store.counts()
    assert (counts.entries, counts.blobs) == (0, 0)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "1" + "0" * 400])
async def test_numbers_that_are_none_are_refused(alice: Alice, number: str) -> None:
    body = f'{{"genotype":"ab","fitness_score":{number}}}'
    answer = await alice.client.post(
        GENOMES, content=body, headers={"content-type": "application/json"}
    )
    assert answer.status_code in (400, 422), answer.text
    assert not await listed(alice)


async def test_a_page_that_was_sent_is_prepared_until_something_is_written(alice: Alice) -> None:
    await post(alice, GENOMES, GENOME)
    first = await alice.client.get(GENOMES)
    again = await alice.client.get(GENOMES, headers={"if-none-match": first.headers["etag"]})
    assert again.status_code == 304
    assert (await alice.client.get(GENOMES)).content == first.content
    await from_peer(alice, BOB, b"abcd")
    assert len(await listed(alice)) == 2
    await alice.node.store.set_petname("bob", BOB.did, replaces=False)
    assert len(await listed(alice, f"{GENOMES}?author=bob")) == 1
    await alice.node.store.set_petname("bob", CAROL.did, replaces=True)
    assert await listed(alice, f"{GENOMES}?author=bob") == []


async def test_bytes_that_are_no_text_are_kept_as_they_are(alice: Alice) -> None:
    data = bytes(range(256)) * 200
    body = {"content": base64.b64encode(data).decode(), "file": "Käfer.bin"}
    done = await post(alice, GENOMES, body)
    (row,) = await listed(alice)
    assert (row["genotype"], row["size"], row["format"]) == ("", len(data), "unknown")
    download = await alice.client.get(f"{GENOMES}/{done['id']}/download")
    assert download.content == data
    assert download.headers["content-type"] == "application/octet-stream"
    assert "K%C3%A4fer.bin" in download.headers["content-disposition"]


async def test_a_long_text_is_on_no_list_but_is_given_back(alice: Alice) -> None:
    text = "ab" * TEXT_BYTES_MAX
    done = await post(alice, GENOMES, GENOME | {"genotype": text})
    (row,) = await listed(alice)
    assert row["genotype"] == ""
    assert (await alice.client.get(f"{GENOMES}/{done['id']}/download")).text == text


async def test_every_order_of_the_galactic_federation_and_ours(alice: Alice) -> None:
    for place, (fitness, tick) in enumerate(((1.5, 9), (-2.0, 30), (7.25, 1))):
        one = {"genotype": f"a{place}", "fitness_score": fitness, "tick": tick, "name": f"g{place}"}
        await post(alice, GENOMES, one)
        await post(alice, SEEDS, {"config": f"a{place}", "max_pop": tick, "name": f"s{place}"})

    async def names(path: str, sort: str) -> list[str]:
        return [row["name"] for row in await listed(alice, f"{path}?sort_by={sort}")]

    assert await names(GENOMES, "fitness") == ["g2", "g0", "g1"]
    assert await names(GENOMES, "tick") == ["g1", "g0", "g2"]
    assert await names(GENOMES, "name") == ["g0", "g1", "g2"]
    assert await names(GENOMES, "recent") == ["g2", "g1", "g0"]
    assert await names(SEEDS, "pop") == ["s1", "s0", "s2"]
    for path in (GENOMES, SEEDS):
        for sort in ("downloads", "rating"):
            assert len(await names(path, sort)) == 3
    assert (await alice.client.get(f"{GENOMES}?sort_by=pop")).status_code == 400
    assert (await alice.client.get(f"{GENOMES}?limit=1001")).status_code == 400
    seen: list[str] = []
    page = (await alice.client.get(f"{GENOMES}?limit=2")).json()
    seen += [row["name"] for row in page["genomes"]]
    page = (await alice.client.get(f"{GENOMES}?limit=2&cursor={page['next']}")).json()
    seen += [row["name"] for row in page["genomes"]]
    assert (seen, page["next"]) == (["g2", "g0", "g1"], None)


async def test_the_same_bytes_again_are_the_same_record(alice: Alice) -> None:
    first = await post(alice, GENOMES, GENOME)
    assert (await post(alice, GENOMES, GENOME))["state"] == "unchanged"
    fitter = await post(alice, GENOMES, GENOME | {"fitness_score": 100.5})
    assert (fitter["id"], fitter["state"]) == (first["id"], "updated")
    kept = await post(alice, GENOMES, GENOME | {"fitness_score": 0, "only_new": True})
    assert (kept["state"], kept["entry"]) == ("known", None)
    dry = await post(alice, GENOMES, {"genotype": "ef", "dry_run": True})
    assert (dry["state"], dry["entry"]) == ("published", None)
    (row,) = await listed(alice)
    assert row["fitness_score"] == 100.5


async def test_a_dry_run_says_what_the_act_does(alice: Alice) -> None:
    fitter = GENOME | {"fitness_score": 100.5}
    for body, state in ((GENOME, "published"), (GENOME, "unchanged"), (fitter, "updated")):
        entries = (await alice.node.store.counts()).entries
        tried = await post(alice, GENOMES, body | {"dry_run": True})
        counts = await alice.node.store.counts()
        assert (counts.entries, counts.blobs) == (entries, min(entries, 1))
        done = await post(alice, GENOMES, body)
        assert (tried["state"], done["state"]) == (state, state)
        assert (tried["entry"], tried["id"]) == (None, done["id"])


async def test_a_dry_run_is_refused_where_the_act_would_be(alice: Alice) -> None:
    gone = {"record": "genome/" + (await post(alice, GENOMES, GENOME))["id"]}
    for said in (gone, gone | {"for_good": True}):
        await post(alice, "/api/records/deletion", said)
    for dry_run in (True, False):
        answer = await alice.client.post(GENOMES, json=GENOME | {"dry_run": dry_run})
        assert (answer.status_code, answer.json()["code"]) == (409, "let-go")


async def test_of_several_authors_ones_own_record_is_meant(alice: Alice) -> None:
    await from_peer(alice, BOB, b"abcd")
    carols = await from_peer(alice, CAROL, b"abcd", now_us=6)
    id = carols.rpartition("/")[2]
    others = sorted((BOB.did, CAROL.did))
    mine = await post(alice, GENOMES, {"genotype": "abcd"})
    assert mine["also_by"] == others
    one = (await alice.client.get(f"{GENOMES}/{id}")).json()
    assert (one["author_did"], one["also_by"]) == (alice.node.identity.did, others)
    hers = (await alice.client.get(f"{GENOMES}/{carols.replace('/', '%2F')}")).json()
    assert hers["author_did"] == CAROL.did
    await alice.node.store.set_petname("carol", CAROL.did, replaces=False)
    named = await alice.client.get(f"{GENOMES}/carol%2F{id}")
    assert named.json()["author_did"] == CAROL.did
    assert (await alice.client.get(f"{GENOMES}/carol%2F{id}/download")).content == b"abcd"
    assert (await alice.client.get(f"{GENOMES}/{'0' * 64}")).json()["code"] == "unknown-record"
    assert (await alice.client.get(f"{GENOMES}/abc")).json()["code"] == "invalid-name"


async def test_bytes_come_from_a_peer_and_are_those_of_the_record(
    alice: Alice, tmp_path: Path
) -> None:
    data = bytes(range(256)) * 200
    full = await from_peer(alice, BOB, data)
    address = f"{GENOMES}/{full.rpartition('/')[2]}/download"
    assert (await alice.client.get(address)).status_code == 504
    async with open_alice(tmp_path / "bob") as bob:
        await bob.node.store.put_blob(data)
        alice.network.bob = bob.node.store
        assert (await alice.client.get(address)).content == data


async def test_the_hall_of_fame_is_of_the_highest_levels_each_lineage_once(alice: Alice) -> None:
    assert (await alice.client.get(HALL)).json() == {"hall_of_fame": []}
    for level in range(12):
        facts = {"civilization_level": level // 2, "is_extinct": level == 4}
        await post(alice, "/api/registry/lineages", {"id": f"line-{level:02}", **facts})
    hall = (await alice.client.get(HALL)).json()["hall_of_fame"]
    assert [(row["id"], row["civilization_level"]) for row in hall] == [
        ("line-11", 5), ("line-10", 5), ("line-09", 4), ("line-08", 4), ("line-07", 3),
        ("line-06", 3), ("line-05", 2), ("line-04", 2), ("line-03", 1), ("line-02", 1),
    ]  # fmt: skip
    assert [row["is_extinct"] for row in hall].count(True) == 1
    await tells(alice, BOB, "line-03", 9)
    one = await alice.client.get("/api/registry/lineages/line-03")
    assert (one.json()["also_by"], one.json()["civilization_level"]) == ([BOB.did], 1)
    by_name = await listed(alice, "/api/registry/lineages?sort_by=name&limit=1")
    assert [row["id"] for row in by_name] == ["line-00"]
    wrong = await alice.client.post("/api/registry/lineages", json={"id": "a/b"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid-name")


async def fame(alice: Alice, query: str = "") -> list[tuple[str, int]]:
    """(id, level) of each, in order."""
    hall = (await alice.client.get(f"{HALL}{query}")).json()["hall_of_fame"]
    return [(row["id"], row["civilization_level"]) for row in hall]


async def tells(alice: Alice, who: Person, id: str, level: int) -> None:
    edit = lineage.publish_lineage(
        Words(""), lineage.Facts(civilization_level=level), now_us=5
    )  # fmt: skip
    entries = who.writes(by(who, "lin", id.encode()), edit)
    await alice.node.store.receive(entries, source="peer")


async def test_strangers_do_not_fill_the_hall_of_fame(alice: Alice) -> None:
    for number in range(120):  # more than is read at once
        await tells(alice, BOB, f"bob-{number:03}", 1_000 + number)
    for number in range(3):
        await tells(alice, CAROL, f"carol-{number}", 100 + number)
    await tells(alice, BOB, "mine", 9_999)
    await post(alice, "/api/registry/lineages", {"id": "mine", "civilization_level": 7})
    strangers = [("bob-119", 1_119), ("bob-118", 1_118), ("carol-2", 102), ("carol-1", 101)]
    assert await fame(alice) == [*strangers, ("mine", 7)]
    assert await fame(alice, "?trust=followed") == [("mine", 7)]
    await alice.node.store.set_petname("carol", CAROL.did, replaces=False)
    await tells(alice, BOB, "carol-0", 9_999)
    assert await fame(alice) == [*strangers, ("carol-0", 100), ("mine", 7)]
    assert await fame(alice, "?trust=followed") == [*strangers[2:], ("carol-0", 100), ("mine", 7)]
    wrong = await alice.client.get(f"{HALL}?trust=nobody")
    assert (wrong.status_code, wrong.json()["code"]) == (400, "bad-query")


async def test_whoever_repeats_what_is_told_by_a_followed_author_hides_nobody(alice: Alice) -> None:
    """Carol is followed, and tells of many lineages; bob says the same of each, but higher."""
    await alice.node.store.set_petname("carol", CAROL.did, replaces=False)
    for number in range(ROWS):
        await tells(alice, CAROL, f"line-{number:03}", 0)
        await tells(alice, BOB, f"line-{number:03}", 9_999)
    await tells(alice, person(4), "honest", 50)
    assert (await fame(alice))[0] == ("honest", 50)


async def test_a_genome_is_rated_and_whom_one_follows_is_averaged_apart(alice: Alice) -> None:
    id = (await post(alice, GENOMES, GENOME))["id"]
    address = f"{GENOMES}/{id}/ratings"
    rated = await alice.client.post(address, json={"stars": 4, "review": "walks"})
    assert (rated.status_code, rated.json()["average"]) == (201, 4.0)
    (row,) = await listed(alice)
    assert row["rating"] == {"average": 4.0, "count": 1}
    await alice.node.store.set_petname("me", alice.node.identity.did, replaces=False)
    assert (await alice.client.get(f"{GENOMES}/{id}")).json()["rating"]["followed_average"] == 4.0
    assert (await alice.client.get(address)).json()["followed_average"] == 4.0
    assert (await alice.client.delete(address)).status_code == 204
    assert (await alice.client.get(address)).json()["count"] == 0
    assert (await alice.client.delete(address)).json()["code"] == "not-rated"
    assert (await alice.client.post(f"{SEEDS}/{id}/ratings", json={"stars": 1})).status_code == 404


async def test_a_lineage_is_rated_and_the_rating_taken_back(alice: Alice) -> None:
    lines, did = "/api/registry/lineages", alice.node.identity.did
    for id in ("line-1", "ratings"):
        await post(alice, lines, {"id": id})
    for name in ("line-1", f"{did}%2Fline-1", "ratings", f"{did}%2Fratings"):
        rated = await alice.client.post(f"{lines}/{name}/ratings", json={"stars": 4})
        assert (rated.status_code, rated.json()["average"]) == (201, 4.0), name
        one = (await alice.client.get(f"{lines}/{name}")).json()
        assert (one["id"], one["rating"]["count"]) == (name.rpartition("%2F")[2], 1)
        assert (await alice.client.delete(f"{lines}/{name}/ratings")).status_code == 204
    assert (await alice.client.get(f"{lines}/line-1/ratings")).json()["count"] == 0
    none = await alice.client.delete(f"{lines}/line-1/ratings")
    assert (none.status_code, none.json()["code"]) == (404, "not-rated")
    none = await alice.client.post(f"{lines}/line-2/ratings", json={"stars": 4})
    assert (none.status_code, none.json()["code"]) == (404, "unknown-record")


async def test_what_is_deleted_is_on_no_list_and_its_bytes_are_not_said_anew(alice: Alice) -> None:
    done = await post(alice, GENOMES, GENOME)
    gone = await alice.client.post("/api/records/deletion", json={"record": f"genome/{done['id']}"})
    assert gone.status_code == 200, gone.text
    assert await listed(alice) == []
    again = await alice.client.post(GENOMES, json=GENOME)
    assert (again.status_code, again.json()["code"]) == (409, "deleted")
    await alice.client.post(
        "/api/records/deletion", json={"record": f"genome/{done['id']}", "undo": True}
    )
    assert len(await listed(alice)) == 1


@pytest_asyncio.fixture
async def counting(tmp_path: Path) -> AsyncGenerator[Alice]:
    config = Config(registry=RegistryConfig(count_downloads=True))
    async with open_alice(tmp_path / "counting", config=config) as alice:
        yield alice


async def test_a_download_counts_once_where_one_opted_in(counting: Alice) -> None:
    id = (await post(counting, GENOMES, GENOME))["id"]
    for _ in range(2):
        await counting.client.get(f"{GENOMES}/{id}/download")
    (row,) = await listed(counting)
    assert row["downloads"] == 1
    assert (await counting.node.store.counts()).entries == 2


async def test_the_blob_of_a_genome_outlives_gc(alice: Alice) -> None:
    data = bytes(range(256)) * 200
    done = await post(alice, GENOMES, {"content": base64.b64encode(data).decode()})
    await alice.client.post("/api/gc", json={})
    download = await alice.client.get(f"{GENOMES}/{done['id']}/download")
    assert download.content == data


# ── without a token ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", [GENOMES, SEEDS, "/api/registry/lineages"])
async def test_a_write_needs_a_token_where_nothing_else_is_set(alice: Alice, path: str) -> None:
    del alice.client.headers["authorization"]
    answer = await alice.client.post(path, json=GENOME)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")


async def test_original_clients_write_as_the_nodes_author(tmp_path: Path) -> None:
    async with open_alice(tmp_path / "a", config=Config(api=ApiConfig(compat=True))) as alice:
        del alice.client.headers["authorization"]
        await post(alice, GENOMES, GENOME)
        await post(alice, SEEDS, SEED)
        (row,) = await listed(alice)
        assert (row["author_did"], row["anonymous"]) == (alice.node.identity.did, False)
        assert (await alice.client.post("/api/gc", json={})).status_code == 401
        wrong = await alice.client.post(
            GENOMES, json=GENOME, headers={"authorization": "Bearer nonsense"}
        )
        assert wrong.status_code == 401


async def test_strangers_hand_in_what_is_marked_so_and_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish_life, "ANONYMOUS_SUBMISSIONS_MAX", 4)
    config = Config(api=ApiConfig(anonymous_submissions=True))
    async with open_alice(tmp_path / "a", config=config) as alice:
        mine = await post(alice, GENOMES, {"genotype": "aa", "name": "mine"})
        del alice.client.headers["authorization"]
        theirs = await post(alice, GENOMES, GENOME)
        assert theirs["state"] == "published"
        row = (await alice.client.get(f"{GENOMES}/{theirs['id']}")).json()
        assert (row["anonymous"], row["author_did"]) == (True, alice.node.identity.did)
        assert (await post(alice, GENOMES, GENOME | {"name": "spam"}))["state"] == "known"
        assert (await post(alice, GENOMES, {"genotype": "aa"}))["id"] == mine["id"]
        names = {one["name"]: one["anonymous"] for one in await listed(alice)}
        assert names == {"mine": False, "Test Genome": True}
        lineages = await alice.client.post("/api/registry/lineages", json={"id": "x"})
        assert lineages.status_code == 401
        for name in ("lab", "no such"):  # which there are is nobody's business
            elsewhere = await alice.client.post(GENOMES, json=GENOME | {"namespace": name})
            assert (elsewhere.status_code, "commons alone" in elsewhere.text) == (403, True)
        # What is refused counts too: it was read.
        pickled = await alice.client.post(GENOMES, json={"genotype": "cos\nsystem\n(S'x'\ntR."})
        assert (pickled.status_code, "pickle" in pickled.text) == (422, True)
        many = await alice.client.post(GENOMES, json=GENOME | {"genotype": "bb"})
        assert (many.status_code, many.json()["code"]) == (429, "too-many-submissions")
        large = "a" * (publish_life.ANONYMOUS_BYTES_MAX + 2)
        answer = await alice.client.post(SEEDS, json={"config": large})
        assert answer.json()["code"] == "too-large-for-a-stranger"
        assert not await alice.node.store.refused()  # strangers do not fill the list


async def test_a_remote_stranger_writes_nothing_by_compat(tmp_path: Path) -> None:
    """Reads need a token where others can reach the node, and so do all writes."""
    config = Config(api=ApiConfig(compat=True, host="192.0.2.1"))
    async with open_alice(tmp_path / "a", config=config) as alice:
        del alice.client.headers["authorization"]
        assert (await alice.client.post(GENOMES, json=GENOME)).status_code == 401


async def test_a_private_namespace_keeps_its_genomes(alice: Alice) -> None:
    answer = await alice.client.post("/api/namespaces", json={"name": "lab"})
    assert answer.status_code in (200, 201), answer.text
    done = await post(alice, GENOMES, GENOME | {"namespace": "lab"})
    assert await listed(alice) == []
    (row,) = await listed(alice, f"{GENOMES}?namespace=lab")
    assert (row["id"], row["namespace"]) == (done["id"], answer.json()["did"])
    assert (await alice.client.get(f"{GENOMES}/{done['id']}")).status_code == 404
    kept = await alice.client.get(f"{GENOMES}/{done['id']}/download?namespace=lab")
    assert kept.text == GENOME["genotype"]
    assert row["namespace"] != COMMONS.hex()
