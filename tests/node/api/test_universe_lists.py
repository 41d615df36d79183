"""Lists of universes that are asked for again and again: what changed, and who may see what."""

from typing import Any

import pytest

from node.api import universes_shown
from node.api.problems import ENCODER
from registry.published import shown
from tests.node.api.test_namespaces import MEADOW, post
from tests.node.api.test_universes import from_peer, made
from tests.node.api.test_universes import games as games
from tests.node.parts import Alice
from tests.storage.people import BOB, CAROL

LISTS = ("", "?sort_by=name", "?sort_by=rating", "?limit=1000", "?ownerId=player:alice")


async def listed(alice: Alice, query: str = "", **headers: str) -> list[dict[str, Any]]:
    answer = await alice.client.get(f"/api/universes{query}", headers=headers)
    assert answer.status_code == 200, answer.text
    universes: list[dict[str, Any]] = answer.json()["universes"]
    return universes


async def named(alice: Alice, query: str = "") -> list[str]:
    return sorted(one["id"] for one in await listed(alice, query))


async def test_each_change_is_in_the_next_list(alice: Alice) -> None:
    await made(alice, id="universe:other")
    path = "/api/universe/universe:main"

    async def shown() -> dict[str, Any]:
        """As it is shown alone, once all lists have said the same, twice."""
        one: dict[str, Any] = (await alice.client.get(path)).json()["universe"]
        for query in LISTS * 2:
            assert one in await listed(alice, query), query
            assert len(await listed(alice, query)) == 2
        return one

    first = await made(alice)
    assert await shown() == first
    await made(alice, name="Renamed", config={"timeScale": 2})
    assert (await shown())["name"] == "Renamed"
    for tick, count in ((5, 1), (7, 2)):
        sent = await alice.client.post(f"{path}/snapshot?tick={tick}", content=b"%d" % tick)
        assert sent.status_code == 201
        one = await shown()
        assert (one["snapshotCount"], one["lastTick"], one["bytes"]) == (count, tick, count)
    assert (await alice.client.delete(path)).status_code == 200
    for query in LISTS:
        assert await named(alice, query) == ["universe:other"]
    undone = {"record": "universe/universe:main", "undo": True}
    assert (await alice.client.post("/api/records/deletion", json=undone)).status_code == 200
    assert (await shown())["snapshotCount"] == 2


@pytest.mark.parametrize("is_seen_first", [True, False])
async def test_a_private_one_is_in_no_list_of_public_ones(
    alice: Alice, is_seen_first: bool
) -> None:
    await made(alice)
    await made(alice, id="universe:secret", isPublic=False)
    both = ["universe:main", "universe:secret"]
    for _ in range(2):
        if is_seen_first:
            assert await named(alice) == both
        for query in ("?publicOnly=true", "?namespace=commons", "?publicOnly=true&sort_by=name"):
            assert await named(alice, query) == both[:1]
            answer = await alice.client.get(f"/api/universes{query}")
            assert "secret" not in answer.text
        assert await named(alice, "?namespace=private") == both[1:]
        await made(alice, description="Something was written")
        is_seen_first = True


async def test_what_lies_where_one_has_left_is_listed_no_more(alice: Alice) -> None:
    await made(alice)
    await post(alice, "/api/namespaces", {"name": "meadow", "did": MEADOW})
    await made(alice, id="universe:meadow", isPublic=None, namespace="meadow")
    for _ in range(2):
        for query in LISTS:
            assert await named(alice, query) == ["universe:main", "universe:meadow"]
        assert (await alice.client.delete("/api/namespaces/meadow")).status_code == 204
        for query in LISTS:
            assert await named(alice, query) == ["universe:main"]
        gone = await alice.client.get("/api/universes?namespace=meadow")
        assert (gone.status_code, gone.json()["code"]) == (404, "unknown-namespace")
        await post(alice, "/api/namespaces", {"name": "meadow", "did": MEADOW})


async def test_multiverse_clients_and_others_are_each_told_in_their_way(games: Alice) -> None:
    bobs = await from_peer(games, BOB)
    fork = await from_peer(games, CAROL, "universe:fork", parent=bobs)
    await made(games)
    bearer = games.bearer("read")
    for number in range(3):
        theirs = {one["fullName"]: one for one in await listed(games)}
        ours = {one["fullName"]: one for one in await listed(games, **bearer)}
        assert (theirs[bobs]["id"], ours[bobs]["id"]) == (bobs, "universe:main")
        assert (theirs[fork]["snapshotCount"], ours[fork]["snapshotCount"]) == (1, 0)
        ends = [one[fork]["forkOf"]["universeId"] for one in (theirs, ours)]
        assert ends == [bobs, "universe:main"]
        await made(games, name=f"Renamed {number}")


async def test_a_list_is_put_together_of_the_very_bytes_of_its_rows(alice: Alice) -> None:
    """Pages that change nothing keep their ETag, however they were put together."""
    for number in range(3):
        await made(alice, id=f"universe:{number}")
    first = await alice.client.get("/api/universes")
    assert first.content == ENCODER.encode(first.json())
    await post(alice, "/api/registry/lineages", {"id": "unrelated"}, 200)
    known = {"if-none-match": first.headers["etag"]}
    again = await alice.client.get("/api/universes", headers=known)
    assert again.status_code == 304
    await made(alice, id="universe:1", name="Renamed")
    changed = await alice.client.get("/api/universes", headers=known)
    assert (changed.status_code, "Renamed" in changed.text) == (200, True)


async def test_behind_a_start_lists_are_made_ready_for_the_first_who_asks(
    alice: Alice, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        await made(alice, id=f"universe:{number}")
    put_together = list[bytes]()

    def counted(fields: bytes, beside: dict[str, Any]) -> bytes:
        put_together.append(fields)
        return shown(fields, beside)

    monkeypatch.setattr(universes_shown, "shown", counted)
    monkeypatch.setattr(universes_shown, "MADE_READY", 2)
    await universes_shown.make_ready(alice.node.store)
    assert len(put_together) == 5
    assert len(await listed(alice)) == 5
    assert len(await listed(alice, "?sort_by=name")) == 5
    assert len(put_together) == 5
