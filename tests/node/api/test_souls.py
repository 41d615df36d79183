"""Souls and families over HTTP, through a universe and its fork."""

from typing import Any

import pytest

from tests.node.api.test_snapshots import put
from tests.node.api.test_timelines import forked, main, told
from tests.node.parts import Alice

__all__ = ["main"]  # the fixture, which pytest finds by its name
pytestmark = pytest.mark.asyncio


async def answer(alice: Alice, path: str) -> dict[str, Any]:
    got = await alice.client.get(f"/api/universe/{path}")
    assert got.status_code == 200, got.text
    found: dict[str, Any] = got.json()
    return found


async def test_a_soul_and_its_family_are_followed_into_a_fork(alice: Alice) -> None:
    await told(alice, tick=1, type="birth", entities=["eve"], souls=["soul:e"])
    await told(alice, tick=50, type="agent:born", entities=["cain"], parents=["eve"])
    await put(alice, b"at 100", "tick=100")
    id = (await forked(alice))["universe"]["id"]
    place = f"/api/universe/{id}/timeline"
    death = {"tick": 120, "type": "agent:died", "entities": ["eve"], "souls": ["soul:e"]}
    assert (await alice.client.post(place, json=death)).status_code == 201
    did = alice.node.identity.did
    own, fork = f"{did}/universe:main", f"{did}/{id}"
    for at in ("universe:main", id):
        found = await answer(alice, f"{at}/souls?name=soul:e")
        assert (found["souls"], found["whole"]) == (["soul:e"], True)
        stays = found["soul"]["stays"]
        assert [(one["universe"], one["since"], one["began"], one["until"]) for one in stays] == [
            (own, 1, "born", None),
            (fork, 100, "forked", 120),
        ]
        assert (found["soul"]["present"], found["soul"]["inTransit"]) == ([own], [])
        (eve,) = (await answer(alice, f"{at}/lineage?name=eve"))["people"]
        assert eve["children"] == [{"universe": own, "name": "cain"}]
        assert (eve["died"], eve["toldIn"]) == ({fork: 120}, [own, fork])
        assert (await answer(alice, f"{at}/lineage"))["total"] == 2
    nobody = await answer(alice, "universe:main/souls?name=nobody")
    assert nobody["soul"]["stays"] == []
