"""Alice looks for modules by what they say and by what they are."""

import pytest

from tests.node.modules import NOTHING, new_module
from tests.node.parts import Alice


async def publish_two(alice: Alice) -> None:
    for body in (
        new_module(),
        new_module(id="org.example.empty", text=NOTHING),
    ):
        answer = await alice.client.post("/api/modules", json=body)
        assert answer.status_code == 201, answer.text


async def ids(alice: Alice, **query: str | list[str]) -> list[str]:
    answer = await alice.client.get("/api/search", params=query)
    assert answer.status_code == 200, answer.text
    return sorted(hit["id"].rpartition("/")[2] for hit in answer.json()["results"])


async def test_modules_are_found_by_what_they_export_and_import(alice: Alice) -> None:
    await publish_two(alice)
    add, empty = "org.example.add", "org.example.empty"
    for what, found in (
        ({"exports": "add"}, [add]),
        ({"exports": "add(i32,i32)->i32"}, [add]),
        ({"exports": "function add"}, [add]),
        ({"capability": "func add", "q": "adds"}, [add]),
        ({"exports": "add(i64, i64) -> i64"}, []),
        ({"exports": "memory *"}, []),
        ({"imports": "-"}, [add, empty]),
        ({"imports": "env.*"}, []),
        ({"license": "mit", "sort": "fitness"}, [add, empty]),
        ({"size_max": "100", "exports": ["add", "function *"]}, [add]),
        ({"size_min": "100"}, []),
    ):
        assert await ids(alice, **what) == found, what


@pytest.mark.parametrize(
    "query",
    ["exports=*", "exports=ha*", "imports=env", "imports=e*v.x", "imports=a.b()->i32",
     "exports=memory+m()->i32"],
)  # fmt: skip
async def test_a_filter_that_says_nothing_is_told_so(alice: Alice, query: str) -> None:
    answer = await alice.client.get(f"/api/search?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid-filter")


async def test_facets_count_what_is_found(alice: Alice) -> None:
    await publish_two(alice)
    answer = await alice.client.get("/api/search?facets=tag&facets=kind&facets=license&limit=1")
    page = answer.json()
    assert page["facets"]["kind"] == [{"value": "module", "count": 2}]
    assert page["facets"]["license"] == [{"value": "mit", "count": 2}]
    assert {"value": "math", "count": 2} in page["facets"]["tag"]
    assert (len(page["results"]), page["total"]) == (1, 2)
    narrowed = (await alice.client.get("/api/search?facets=tag&tag=none")).json()
    assert (narrowed["facets"], narrowed["total"]) == ({"tag": []}, 0)
    plain = (await alice.client.get("/api/search?q=add")).json()
    assert plain["facets"] == {}


async def test_a_slip_is_told_with_what_was_meant(alice: Alice) -> None:
    await publish_two(alice)
    page = (await alice.client.get("/api/search?q=nubmers")).json()
    assert (page["matched"], page["meant"]) == ("slips", "numbers")
    assert "<b>numbers</b>" in page["results"][0]["snippet"]
    nothing = (await alice.client.get("/api/search?q=xyzzyplugh")).json()
    assert (nothing["matched"], nothing["results"]) == ("none", [])


async def test_a_cursor_is_of_one_search(alice: Alice) -> None:
    await publish_two(alice)
    first = (await alice.client.get("/api/search?imports=-&limit=1")).json()
    rest = (await alice.client.get(f"/api/search?imports=-&cursor={first['next']}")).json()
    assert len(first["results"]) == len(rest["results"]) == 1
    assert first["results"] != rest["results"]
    other = await alice.client.get(f"/api/search?license=mit&cursor={first['next']}")
    assert (other.status_code, other.json()["code"]) == (404, "cursor-unknown")


async def test_genomes_are_found_beside_modules_by_what_they_are(alice: Alice) -> None:
    await publish_two(alice)
    for name, fitness in (("weak", 1.5), ("strong", 99.0)):
        body = {
            "genotype": f"7b{ord(name[0]):x}7d", "author": "somebody", "name": f"{name} worm",
            "description": "crawls about in numbers", "tags": "worm,life",
            "fitness_score": fitness, "offspring_count": 1, "tick": 1,
        }  # fmt: skip
        answer = await alice.client.post("/api/registry/genomes", json=body)
        assert answer.status_code == 200, answer.text
    page = (await alice.client.get("/api/search?q=numbers&facets=kind&facets=format")).json()
    kinds = {one["value"]: one["count"] for one in page["facets"]["kind"]}
    assert kinds == {"genome": 2, "module": 2}
    (format,) = page["facets"]["format"]
    assert format["count"] == 2
    fittest = (await alice.client.get("/api/search?kind=genome&sort=fitness")).json()["results"]
    assert [(hit["name"], hit["fitness"]) for hit in fittest] == [
        ("strong worm", 99.0),
        ("weak worm", 1.5),
    ]
    assert {hit["format"] for hit in fittest} == {format["value"]}
    only = await alice.client.get(f"/api/search?format={format['value']}&tag=life&q=worm")
    assert len(only.json()["results"]) == 2
