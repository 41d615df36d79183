"""Lists of passages: however many others make, none is left out, and what owners said is first."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import httpx2
import pytest_asyncio

from crdt.change import SignedEntry
from node.config import ApiConfig, Config
from tests.node.api.test_passages import FAR, MAIN, has_universe, ok
from tests.node.halves import MANY, flood, said_by
from tests.node.parts import Alice, open_alice
from tests.node.served import shown, typed
from tests.storage.people import BOB, CAROL

PASSAGES = "/api/passages"
BOTH = f"{BOB.did}/universe:b"


async def hears(alice: Alice, entries: Sequence[SignedEntry]) -> None:
    for at in range(0, len(entries), 250):
        received = await alice.node.store.receive(entries[at : at + 250], source="sync")
        assert not received.refused


async def listed(alice: Alice, **query: str | int) -> Any:  # noqa: ANN401 - of a JSON body
    return ok(await alice.client.get(PASSAGES, params=query))


def names(page: Any) -> list[str]:  # noqa: ANN401 - of a JSON body
    return [one["fullName"] for one in page["passages"]]


async def all_pages(alice: Alice, **query: str | int) -> list[list[str]]:
    pages = [page := await listed(alice, **query)]
    while page["next"] is not None:
        page = await listed(alice, **query, cursor=page["next"])
        pages.append(page)
    return [names(each) for each in pages]


@pytest_asyncio.fixture
async def alice(tmp_path: Path) -> AsyncGenerator[Alice]:
    async with open_alice(tmp_path) as alice:
        for id in (MAIN, FAR):
            await has_universe(alice, id)
        yield alice


async def test_ones_own_come_first_in_whichever_namespace_they_lie(alice: Alice) -> None:
    """Commons, where others propose, is told of before a group only where that is newer."""
    ok(await alice.client.post("/api/namespaces", json={"name": "guild"}), 201)
    for id in ("universe:x", "universe:y"):
        made = {"id": id, "name": id, "namespace": "guild"}
        ok(await alice.client.post("/api/universe", json=made), 201)
    for id, ends in (("guild", ("universe:x", "universe:y")), ("own", (MAIN, FAR))):
        way = {"id": id, "sourceUniverseId": ends[0], "targetUniverseId": ends[1]}
        ok(await alice.client.post("/api/passage", json=way), 201)
    a, c = (f"{BOB.did}/universe:{name}" for name in "ac")
    await hears(alice, flood(BOB, a, c, count=3))
    mine = [f"{alice.node.identity.did}/{id}" for id in ("own", "guild")]
    theirs = [f"{BOB.did}/passage:{number}" for number in (2, 1, 0)]
    (page,) = await all_pages(alice)
    assert (sorted(page[:2]), page[2:]) == (sorted(mine), theirs)
    assert [*chain(*await all_pages(alice, limit=1))] == page


async def test_who_makes_a_thousand_passages_hides_no_other(alice: Alice) -> None:
    a, b, c = (f"{BOB.did}/universe:{name}" for name in "abc")
    old = said_by(BOB, "old", a, b)
    await hears(alice, [old, *await asyncio.to_thread(flood, BOB, a, c)])
    name = f"{BOB.did}/old"
    for asked in (b, "universe:b"):
        page = await listed(alice, universeId=asked)
        assert (names(page), page["next"]) == ([name], None)
    first, *others = await all_pages(alice, limit=300)
    assert [len(each) for each in (first, *others)] == [300, 300, 300, 101]
    assert len(set(chain(first, *others))) == MANY + 1
    assert others[-1][-1] == name
    first, *others = await all_pages(alice, universeId="universe:a")
    assert (len(first), len(set(chain(first, *others)))) == (100, MANY + 1)


async def test_own_passages_come_before_however_many_of_others(tmp_path: Path) -> None:
    async with open_alice(tmp_path, config=Config(api=ApiConfig(compat=True))) as alice:
        for id in (MAIN, FAR):
            await has_universe(alice, id)
        body = {"sourceUniverseId": MAIN, "targetUniverseId": FAR, "id": "passage:mine"}
        ok(await alice.client.post("/api/passage", json=body), 201)
        mine = f"{alice.node.identity.did}/passage:mine"
        alone = await listed(alice)
        assert (names(alone), alone["next"]) == ([mine], None)
        token = alice.client.headers.pop("Authorization")
        assert [*await listed(alice)] == ["passages"]  # as their server has it
        entries = await asyncio.to_thread(flood, BOB, f"{BOB.did}/universe:a", BOTH)
        await hears(alice, entries)
        page = await listed(alice)
        assert (len(page["passages"]), names(page)[0]) == (MANY, mine)
        more = await listed(alice, cursor=page["next"])
        assert (len(more["passages"]), [*more]) == (1, ["passages"])
        alice.client.headers["Authorization"] = token
        assert [len(each) for each in await all_pages(alice)] == [100] * 10 + [1]


async def test_what_the_owner_of_a_universe_agreed_to_comes_before_what_others_propose(
    alice: Alice,
) -> None:
    carols = f"{CAROL.did}/universe:c"
    name = f"{CAROL.did}/passage:agreed"
    entries = [
        said_by(CAROL, "passage:agreed", carols, BOTH),
        said_by(BOB, "passage:agreed", carols, BOTH, proposal=name),
        *flood(CAROL, carols, BOTH, 3),
        # Bob names no end of his: it is no passage, and fills no page.
        said_by(BOB, "passage:none", carols, f"{alice.node.identity.did}/{MAIN}"),
        # He accepts what was never proposed so.
        said_by(
            BOB, "passage:0", carols, f"{BOB.did}/universe:x", proposal=f"{CAROL.did}/passage:0"
        ),
    ]
    await hears(alice, entries)
    others = [f"{CAROL.did}/passage:{number}" for number in (2, 1, 0)]
    one_by_one = await all_pages(alice, universeId=BOTH, limit=1)
    assert [*chain(*one_by_one)] == [name, *others]
    assert names(await listed(alice, universeId=BOTH)) == [name, *others]
    states = [one["state"] for one in (await listed(alice, universeId=BOTH))["passages"]]
    assert states == ["open", "proposed", "proposed", "proposed"]
    assert names(await listed(alice, universeId=MAIN)) == []


async def test_a_cursor_is_of_one_list(alice: Alice) -> None:
    await hears(alice, flood(BOB, f"{BOB.did}/universe:a", BOTH, 2))
    more = (await listed(alice, limit=1))["next"]
    answer: httpx2.Response = await alice.client.get(
        PASSAGES, params={"cursor": more, "universeId": BOTH}
    )
    assert (answer.status_code, answer.json()["code"]) == (404, "cursor-unknown")
    for wrong in ("0", "1001"):
        answer = await alice.client.get(PASSAGES, params={"limit": wrong})
        assert answer.status_code in (400, 422)


async def test_the_shell_lists_all_pages(alice: Alice) -> None:
    entries = await asyncio.to_thread(flood, BOB, f"{BOB.did}/universe:a", BOTH, MANY + 1)
    await hears(alice, entries)
    async with shown(alice) as home:
        done = await typed(home, "--json", "passage", "list", "--universe", BOTH)
        told = json.loads(done.stdout)["passages"]
        assert {one["id"] for one in told} == {f"passage:{n}" for n in range(MANY + 1)}
        table = await typed(home, "passage", "list")
        assert len(table.stdout.splitlines()) == 1 + MANY + 1
