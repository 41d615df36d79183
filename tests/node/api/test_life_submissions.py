"""What a submission leaves out, says of its format, and what clients of the original may send."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from node.config import ApiConfig, Config
from tests.node.api.test_life import GENOME, GENOMES, SEED, SEEDS, listed, post
from tests.node.parts import Alice, open_alice

FULL: dict[str, Any] = GENOME | {
    "lineage_id": "line-1", "license": "MIT", "card": "# Card", "parents": ["0a" * 32],
    "format": "my-own", "file": "walker.txt",
}  # fmt: skip
GLIDER = "#N Glider\nx = 3, y = 3, rule = B3/S23\nbob$2bo$3o!\n"


async def test_what_is_not_said_again_stays_and_what_is_emptied_goes(alice: Alice) -> None:
    await post(alice, GENOMES, FULL)
    (first,) = await listed(alice)
    again = await post(alice, GENOMES, {"genotype": FULL["genotype"]})
    assert again["state"] == "unchanged"
    await post(alice, GENOMES, {"genotype": FULL["genotype"], "fitness_score": 7, "name": None})
    (row,) = await listed(alice)
    assert row == first | {"fitness_score": 7.0, "updated_at": row["updated_at"]}
    assert (row["license"], row["format"], row["file"]) == ("MIT", "my-own", "walker.txt")
    emptied: dict[str, Any] = {
        "license": "", "card": "", "parents": [], "lineage_id": "", "tags": [],
        "offspring_count": 0,
    }  # fmt: skip
    await post(alice, GENOMES, {"genotype": FULL["genotype"], **emptied})
    (row,) = await listed(alice)
    assert {key: row[key] for key in emptied} == emptied | {"lineage_id": None, "tags": ""}


async def test_of_seeds_and_lineages_stays_what_is_not_said_too(alice: Alice) -> None:
    await post(alice, SEEDS, SEED)
    (first,) = await listed(alice, SEEDS)
    assert (await post(alice, SEEDS, {"config": "{}"}))["state"] == "unchanged"
    await post(alice, SEEDS, {"config": "{}", "max_pop": 901})
    (row,) = await listed(alice, SEEDS)
    assert row == first | {"max_pop": 901, "updated_at": row["updated_at"]}
    lines = "/api/registry/lineages"
    line = {
        "id": "x", "name": "The X", "civilization_level": 3, "best_genotype": "0a" * 32,
        "parent": "w", "legends": [{"tick": 4, "reason": "survived"}], "is_extinct": True,
    }  # fmt: skip
    await post(alice, lines, line)
    await post(alice, lines, {"id": "x", "civilization_level": 4})
    (row,) = await listed(alice, lines)
    assert {key: row[key] for key in line} == line | {
        "civilization_level": 4, "legends": [{"tick": 4, "reason": "survived", "genome": None}],
    }  # fmt: skip
    await post(alice, lines, {"id": "x", "best_genotype": "", "legends": [], "parent": ""})
    (row,) = await listed(alice, lines)
    assert (row["best_genotype"], row["legends"], row["parent"]) == (None, [], None)


async def test_bytes_are_in_the_format_that_is_said(alice: Alice) -> None:
    done = await post(alice, GENOMES, {"genotype": GLIDER, "format": "rle"})
    assert done["format"] == "rle"
    for body, place in (
        ({"genotype": "x = 3, y = 3\nbob$2b@!\n", "format": "rle"}, "line 2"),
        ({"genotype": GENOME["genotype"], "format": "primordium-genotype"}, ""),
        ({"genotype": "{}", "format": "neat-network"}, ""),
        ({"genotype": GLIDER, "format": "bibites", "file": "g.rle"}, "g.rle"),
    ):
        wrong = await alice.client.post(GENOMES, json=body)
        assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid-file"), wrong.text
        assert place in wrong.json()["detail"]
    wrong = await alice.client.post(SEEDS, json={"config": "[world", "format": "primordium-config"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid-file"), wrong.text
    assert len(await listed(alice)) == 1
    assert await listed(alice, SEEDS) == []


HEX, JSON = "7b7d", {"content-type": "application/json"}
MESSY: dict[str, Any] = {
    "genotype": "abc", "author": " a\tb\n" + "c" * 200, "name": "n" * 65, "description": None,
    "tags": "one\ttwo, ,three\n," + "t" * 40 + ",a/../b", "fitness_score": 3, "tick": 12.0,
    "offspring_count": 7.9, "lineage_id": ["no", "text"], "generation": 9, "nested": {"a": [1]},
}  # fmt: skip
CLEAN: dict[str, Any] = {
    "genotype": "abc", "author": ("a b " + "c" * 200)[:128], "name": "n" * 64, "description": "",
    "tag_list": ["one two", "three", "t" * 32], "fitness_score": 3.0, "tick": 12,
    "offspring_count": 7, "lineage_id": None,
}  # fmt: skip


@pytest.mark.parametrize("api", [ApiConfig(compat=True), ApiConfig(anonymous_submissions=True)])
async def test_what_the_original_takes_is_taken_and_made_to_fit(
    tmp_path: Path, api: ApiConfig
) -> None:
    async with open_alice(tmp_path / "a", config=Config(api=api)) as alice:
        strict = await alice.client.post(GENOMES, json=MESSY)
        assert strict.status_code == 422, "with a token a slip shows"
        del alice.client.headers["authorization"]
        await post(alice, GENOMES, MESSY)
        (row,) = await listed(alice)
        assert {key: row[key] for key in CLEAN} == CLEAN
        huge = {"config": {"world": {"width": 1}}, "max_pop": 1e30, "name": "\u202egnp.exe"}
        await post(alice, SEEDS, huge | {"performance_summary": "é" * 4_000, "tags": 7})
        (row,) = await listed(alice, SEEDS)
        assert row["config"] == '{"world":{"width":1}}'
        assert (row["max_pop"], row["name"]) == ((1 << 32) - 1, "gnp.exe")
        assert row["performance_summary"] == "é" * 2_048
        await post(alice, SEEDS, {"author": "nobody", "config": None})
        assert {one["config"] for one in await listed(alice, SEEDS)} == {row["config"], "{}"}
        for body in ({"genotype": ""}, {"genotype": 7}, {}):
            none = await alice.client.post(GENOMES, json=body)
            assert (none.status_code, none.json()["code"]) == (422, "invalid-body"), none.text
        for raw in (b"[1]", b"7", b'"text"', b"null", b"{", b"[" * 100_000):
            wrong = await alice.client.post(
                GENOMES, content=raw, headers={"content-type": "application/json"}
            )
            assert wrong.status_code in (400, 422), raw[:9]


@pytest.mark.parametrize("api", [ApiConfig(compat=True), ApiConfig(anonymous_submissions=True)])
async def test_a_list_is_given_whatever_the_original_client_asks(
    tmp_path: Path, api: ApiConfig
) -> None:
    """Its server never refuses; who sends a token sees a slip, and all see one in a name but for
    --compat.
    """
    queries = (
        "limit=5000", "limit=0", "limit=-1", "limit=many", "limit=4294967295", "limit=2&limit=3",
        "sort_by=wisdom", "sort_by=", "sort_by=tick&limit=many", "limit=" + "9" * 5_000,
    )  # fmt: skip
    async with open_alice(tmp_path / "a", config=Config(api=api)) as alice:
        for number in range(3):
            await post(alice, GENOMES, GENOME | {"genotype": HEX + f"{number:02}", "tick": number})
            await post(alice, SEEDS, {"config": f'{{"{number}": 1}}'})
        for _ in range(2):  # the first time with a token, and then again
            for query in queries:
                wrong = await alice.client.get(f"{GENOMES}?{query}")
                assert wrong.status_code == 400, query
            token = alice.client.headers.pop("authorization")
            for path, name in ((GENOMES, "genomes"), (SEEDS, "seeds")):
                found = {q: await alice.client.get(f"{path}?{q}") for q in queries}
                assert {one.status_code for one in found.values()} == {200}
                counts = {q: len(one.json()[name]) for q, one in found.items()}
                assert counts == dict.fromkeys(queries, 3) | {"limit=0": 1}, path
            ticks = (await alice.client.get(f"{GENOMES}?sort_by=tick")).json()["genomes"]
            assert [row["tick"] for row in ticks] == [2, 1, 0]
            for sort in ("tick", "wisdom"):  # what a search calls it
                named = await alice.client.get(f"{GENOMES}?sort={sort}&limit=many")
                assert (named.status_code, len(named.json()["genomes"])) == (200, 3), sort
            hall = await alice.client.get("/api/registry/hall_of_fame?limit=3")
            assert (hall.status_code, hall.json()) == (200, {"hall_of_fame": []})
            for ours in ("cursor=x", "namespace=nowhere", "trust=none"):
                path = "/api/registry/hall_of_fame" if ours == "trust=none" else GENOMES
                assert (await alice.client.get(f"{path}?{ours}")).status_code in (400, 404), ours
            for slip in ("namspace=garden", "offset=7&sort_by=tick"):
                for path in (GENOMES, SEEDS, "/api/registry/hall_of_fame"):
                    passed = await alice.client.get(f"{path}?{slip}")
                    if api.compat:
                        assert passed.status_code == 200, slip
                    else:  # not only those clients have no token
                        problem = (passed.status_code, passed.json()["code"])
                        assert problem == (400, "unknown-parameter"), slip
            alice.client.headers["authorization"] = token


OPENED = [ApiConfig(compat=True), ApiConfig(anonymous_submissions=True)]


@pytest.mark.parametrize("api", OPENED)
async def test_no_stranger_says_what_format_or_area_a_genome_is_of(
    tmp_path: Path, api: ApiConfig
) -> None:
    """To the original these are words like any other, that it does not read."""
    async with open_alice(tmp_path / "a", config=Config(api=api)) as alice:
        assert (await alice.client.post("/api/namespaces", json={"name": "lab"})).status_code == 201
        del alice.client.headers["authorization"]
        for number, format in enumerate(("lenia", "no format", "my-own", 7, {"a": 1})):
            sent = GENOME | {"genotype": HEX + f"{number:02}", "format": format, "content": "####"}
            await post(alice, GENOMES, sent | {"kind": "seed", "id": "x", "entry": "y"})
        rows = await listed(alice)
        assert [row["format"] for row in rows] == ["primordium-genotype"] * 5
        kept = {key: value for key, value in GENOME.items() if key not in ("genotype", "tags")}
        assert all({key: row[key] for key in kept} == kept for row in rows)
        both = {"config": "{}", "config_json": "[]", "content": "AAAA", "format": "rle"}
        await post(alice, SEEDS, both)
        assert [row["config"] for row in await listed(alice, SEEDS)] == ["{}"]
        # Which there are is nobody's business, nor how long their names may be.
        for namespace in ("lab", "no such", " ", "x" * 129, "\U0001f9ec" * 70_000):
            for kind, one in ((GENOMES, GENOME), (SEEDS, SEED)):
                asked = await alice.client.post(kind, json=one | {"namespace": namespace})
                assert (asked.status_code, "commons alone" in asked.text) == (403, True)
        for known in ("commons", 7, None, ""):
            await post(alice, SEEDS, SEED | {"namespace": known})
            await post(alice, GENOMES, GENOME | {"namespace": known})
        assert {row["namespace"] for row in await listed(alice)} == {"commons"}
        coded = await alice.client.post(GENOMES, json={"content": "####"})
        assert coded.json()["errors"][0]["pointer"] == "/content"


BROKEN: list[tuple[bytes, int]] = [
    (b'{"genotype":"7b7d","fitness_score":1e400}', 422),
    (b'{"genotype":"7b7d","unread":{"a":1e400}}', 422),
    (b'{"genotype":"7b7d","tick":' + b"9" * 5_000 + b"}", 422),
    (b'{"genotype":"7b7d","fitness_score":NaN}', 400),
    (b'{"genotype":"7b7d","fitness_score":-Infinity}', 400),
    (b'{"genotype":"\\ud800"}', 400),
    (b'{"genotype":"7b7d","name":"\\udc00x"}', 400),
    (b'{"genotype":"\xed\xa0\x80"}', 400),
    (b'{"genotype":"7b7d","unread":"\xff"}', 400),
    (b'{"genotype":"7b7d","unread":' + b"[" * 10_000 + b"]" * 10_000 + b"}", 400),
    (b'{"genotype":"7b7d","unread":' + b'{"a":' * 10_000 + b"1" + b"}" * 10_000 + b"}", 400),
    (b'{"genotype":"7b7d"} and more', 400),
    (b"", 400),
    (b'{"genotype":"' + b"7" * (17 << 20) + b'"}', 413),
]


@pytest.mark.parametrize("api", OPENED)
async def test_a_body_that_is_none_is_told_so_and_nothing_is_published(
    tmp_path: Path, api: ApiConfig
) -> None:
    async with open_alice(tmp_path / "a", config=Config(api=api)) as alice:
        del alice.client.headers["authorization"]
        for body, status in BROKEN:
            wrong = await alice.client.post(GENOMES, content=body, headers=JSON)
            assert wrong.status_code == status, (body[:40], wrong.text)
            problem = wrong.json()
            assert problem["detail"]
            assert "//" not in json.dumps(problem.get("errors", []))
        whole = b'{"genotype":"7b7d"}'
        for headers, sent in (
            ({}, whole),
            ({"content-type": "text/plain"}, whole),
            (JSON | {"content-encoding": "gzip"}, gzip.compress(whole, mtime=0)),
        ):
            wrong = await alice.client.post(GENOMES, content=sent, headers=headers)
            assert wrong.status_code == 415, wrong.text
        assert not await listed(alice)
        # As the original has it, of a key that occurs twice the last counts.
        twice = b'{"genotype":"00","name":"a","genotype":"7b7d","name":"b"}'
        done = await alice.client.post(GENOMES, content=twice, headers=JSON)
        assert done.status_code == 200, done.text
        assert [(row["genotype"], row["name"]) for row in await listed(alice)] == [("7b7d", "b")]
