"""How a module and a genome do over time, from what alice and bob signed."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio

from node.config import Config, RegistryConfig
from registry.listed import rfc3339
from storage.listing import DAY_US
from tests.node.api.test_install import ADDER, DOUBLER, give, shared
from tests.node.api.test_life import GENOME, GENOMES, SEED, SEEDS, post
from tests.node.parts import Alice, open_alice
from tests.storage.people import NOW_US

LINEAGES = "/api/registry/lineages"


@pytest_asyncio.fixture
async def bob(tmp_path: Path) -> AsyncGenerator[Alice]:
    async with open_alice(tmp_path / "bob") as bob:
        yield bob


def a_year_later() -> int:
    return NOW_US + 365 * DAY_US


async def trends(alice: Alice, path: str, **query: str | int) -> Any:  # noqa: ANN401 - JSON
    answer = await alice.client.get(f"{path}/trends", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_module_is_shown_with_its_ratings_and_dependants(alice: Alice, bob: Alice) -> None:
    did = await shared(alice, bob)
    path = f"/api/modules/{ADDER}"
    rated = await alice.client.post(f"{path}/ratings", json={"stars": 4})
    assert rated.status_code == 201, rated.text
    found = await trends(alice, path, step="day", points=3)
    assert (found["id"], found["kind"], found["whole"]) == (f"{did}/{ADDER}", "module", True)
    assert len(found["points"]) == 3
    last = found["points"][-1]
    assert (last["ratings"], last["average"], last["dependants"]) == (1, 4.0, 1)
    assert last["since"] == rfc3339(alice.node.clock_us())[:10]
    none = await trends(alice, f"/api/modules/{DOUBLER}")
    assert (len(none["points"]), none["points"][-1]["dependants"]) == (26, 0)


async def test_a_genome_is_shown_the_same_by_both_who_hold_its_records(tmp_path: Path) -> None:
    """Alice fetches it twice, and counts once; bob's clock is a year ahead, and is told so."""
    counting = Config(registry=RegistryConfig(count_downloads=True))
    async with (
        open_alice(tmp_path / "alice", config=counting, clock=lambda: NOW_US) as alice,
        open_alice(tmp_path / "bob", config=counting, clock=a_year_later) as bob,
    ):
        id = (await post(alice, GENOMES, GENOME))["id"]
        child = GENOME | {"genotype": "7b7d", "parents": [id]}
        await post(alice, GENOMES, child)
        await post(alice, GENOMES, GENOME | {"genotype": "7b00", "lineage_id": id})
        await give(alice, bob)
        path = f"{GENOMES}/{id}"
        for _ in range(2):
            assert (await alice.client.get(f"{path}/download")).status_code == 200
        for node, stars in ((alice, 5), (bob, 2)):
            answer = await node.client.post(f"{path}/ratings", json={"stars": stars})
            assert answer.status_code == 201, answer.text
        assert (await bob.client.get(f"{path}/download")).status_code == 200
        await give(bob, alice)
        await give(alice, bob)
        found = await trends(alice, path)
        last = found["points"][-1]
        assert (last["downloads"], last["ratings"], last["average"], last["dependants"]) == (
            1, 1, 5.0, 1,
        )  # fmt: skip
        assert (found["ahead"]["downloads"], found["ahead"]["ratings"]) == (1, 1)
        assert found["ahead"]["average"] == 2.0
        theirs = await trends(bob, path, points=53)
        assert theirs["ahead"]["downloads"] == 0, "bob's clock thinks nothing of it"
        assert sum(one["downloads"] for one in theirs["points"]) == 2


async def test_a_seed_has_them_too_and_what_is_asked_wrongly_is_told(alice: Alice) -> None:
    id = (await post(alice, SEEDS, SEED))["id"]
    found = await trends(alice, f"{SEEDS}/{id}", step="day", points=1)
    assert (found["kind"], len(found["points"])) == ("seed", 1)
    for query in ("step=year", "points=0", "points=367", "points=x"):
        answer = await alice.client.get(f"{SEEDS}/{id}/trends?{query}")
        assert answer.status_code == 400, query
    missing = await alice.client.get(f"{SEEDS}/{'0' * 64}/trends")
    assert (missing.status_code, missing.json()["code"]) == (404, "unknown-record")


async def test_a_lineage_is_shown_with_who_rates_it_and_who_takes_it_up(
    alice: Alice, bob: Alice
) -> None:
    """Bob breeds two genomes of it and a lineage that descends from it, and counts once."""
    id = 'the "walkers" of Käfer'  # ids are text that people make up
    await post(alice, LINEAGES, {"id": id, "civilization_level": 3})
    await post(alice, LINEAGES, {"id": "beside", "name": id, "description": f'"parent":"{id}"'})
    await post(alice, GENOMES, GENOME | {"genotype": "7b", "name": id})
    for number in range(2):
        await post(bob, GENOMES, GENOME | {"genotype": f"7b0{number}", "lineage_id": id})
    await post(bob, LINEAGES, {"id": "younger", "parent": id})
    await give(bob, alice)
    path = f"{LINEAGES}/{quote(id)}"
    rated = await alice.client.post(f"{path}/ratings", json={"stars": 3})
    assert rated.status_code == 201, rated.text
    found = await trends(alice, path, step="day", points=2)
    assert (found["id"], found["kind"]) == (f"{alice.node.identity.did}/{id}", "lineage")
    last = found["points"][-1]
    assert (last["downloads"], last["ratings"], last["average"]) == (0, 1, 3.0)
    assert (last["dependants"], found["whole"]) == (1, True)
    await post(alice, GENOMES, GENOME | {"genotype": "7b10", "lineage_id": id})
    assert (await trends(alice, path))["points"][-1]["dependants"] == 2
    full = quote(f"{alice.node.identity.did}/{id}", safe="")
    assert (await trends(alice, f"{LINEAGES}/{full}"))["id"] == found["id"]
    missing = await alice.client.get(f"{LINEAGES}/nobody/trends")
    assert (missing.status_code, missing.json()["code"]) == (404, "unknown-record")


@pytest.mark.parametrize("path", ["/api/modules/org.example.none", f"{GENOMES}/x"])
async def test_of_what_is_not_there_nothing_is_told(alice: Alice, path: str) -> None:
    assert (await alice.client.get(f"{path}/trends")).status_code in (404, 422)
