"""Souls and families over HTTP, through a universe and its fork."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from node.api.routes import souls
from node.services import crossings, histories, timelines
from tests.node.api.test_snapshots import put
from tests.node.api.test_timelines import forked, main, told
from tests.node.api.test_universes import from_peer
from tests.node.parts import Alice
from tests.node.served import shown, typed
from tests.node.services.test_rotted_gates import rots
from tests.storage.people import BOB, CAROL
from universe import lineages, who
from universe.crossings import crossings_of
from universe.histories import Crossing
from universe.travel import Story

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
        assert (eve["ancestors"], eve["descendants"]) == (0, 1)
        everybody = await answer(alice, f"{at}/lineage")
        assert everybody["total"] == 2
        # Of each of thousands that would be a walk over all of them.
        assert {(one["ancestors"], one["descendants"]) for one in everybody["people"]} == {
            (None, None)
        }
    nobody = await answer(alice, "universe:main/souls?name=nobody")
    assert nobody["soul"]["stays"] == []


async def post(alice: Alice, path: str, **body: object) -> dict[str, Any]:
    got = await alice.client.post(path, json=body)
    assert got.status_code in (200, 201), got.text
    done: dict[str, Any] = got.json()
    return done


async def goes_far(alice: Alice, soul: str, *, left: int, came: int) -> None:
    """From main, by a passage of its own; at these ticks."""
    ends = {"sourceUniverseId": "universe:main", "targetUniverseId": "universe:far"}
    passage = (await post(alice, "/api/passage", **ends, arrivals="ask"))["passage"]["id"]
    wish = {"soul": soul, "data": "e30=", "from": "universe:main", "migration": "01" * 16}
    await post(alice, f"/api/passage/{passage}/travel", **wish, tick=left)
    yes = {"migration": "01" * 16, "accept": True, "tick": came}
    await post(alice, f"/api/passage/{passage}/decide", **yes)


async def test_one_view_from_wherever_forks_and_passages_lead(alice: Alice) -> None:
    """Main, the fork of main that is nobody else's, far beyond a passage, and a fork of that."""
    did = alice.node.identity.did
    await post(alice, "/api/universe", id="universe:far", name="Far", isPublic=True)
    await told(alice, tick=1, type="birth", entities=["eve"], souls=["soul:e"])
    await put(alice, b"at 100", "tick=100")
    fork = (await forked(alice, visibility="private"))["universe"]["id"]
    await goes_far(alice, "soul:e", left=200, came=7)
    far = "/api/universe/universe:far"
    child = {"type": "birth", "entities": ["enoch"], "parents": ["eve"]}
    await post(alice, f"{far}/timeline", **child, tick=8)
    kept = await alice.client.post(f"{far}/snapshot?tick=9", content=b"at 9")
    assert kept.status_code == 201, kept.text
    other = (await post(alice, f"{far}/fork", name="Farther"))["universe"]["id"]
    places = ("universe:main", "universe:far", fork, other)
    views = [await answer(alice, f"{at}/souls?name=soul:e") for at in places]
    assert views[1:] == views[:1] * 3
    assert views[0]["whole"]
    stays = views[0]["soul"]["stays"]
    assert {
        (one["universe"].partition("/")[2], one["since"], one["began"], one["until"])
        for one in stays
    } == {
        ("universe:main", 1, "born", 200),
        (fork, 100, "forked", None),
        ("universe:far", 7, "arrived", None),
        (other, 9, "forked", None),
    }
    for at in places:
        (eve,) = (await answer(alice, f"{at}/lineage?name=soul:e"))["people"]
        assert (eve["universe"], eve["name"]) == (f"{did}/universe:main", "eve")
        assert eve["children"] == [{"universe": f"{did}/universe:far", "name": "enoch"}]


async def test_of_a_traveller_through_many_universes_one_story_is_made(
    alice: Alice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each universe gave the whole story: of 62 and 2,000 receipts of each, 3.8 million ways."""
    made = list[str]()

    def counted(story: Story) -> Iterator[Crossing]:
        made.append(story.who.soul)
        return crossings_of(story)

    monkeypatch.setattr(crossings, "crossings_of", counted)
    await told(alice, tick=1, type="birth", entities=["eve"], souls=["soul:e"])
    places = ["universe:main", *(f"universe:{n}" for n in range(3))]
    for n, (at, there) in enumerate(pairwise(places)):
        await post(alice, "/api/universe", id=there, name="There", isPublic=True)
        ends = {"sourceUniverseId": at, "targetUniverseId": there}
        id = (await post(alice, "/api/passage", **ends, arrivals="ask"))["passage"]["id"]
        wish = {"soul": "soul:e", "data": "e30=", "from": at, "migration": f"{n:032x}"}
        origin = {} if n == 0 else {"origin": f"{alice.node.identity.did}/universe:main"}
        await post(alice, f"/api/passage/{id}/travel", **wish, **origin, tick=10 * n + 5)
        yes = {"migration": f"{n:032x}", "accept": True, "tick": 10 * n + 7}
        await post(alice, f"/api/passage/{id}/decide", **yes)
    found = [(await answer(alice, f"{at}/souls?name=soul:e"))["soul"]["stays"] for at in places]
    assert [one["universe"].partition("/")[2] for one in found[0]] == places
    assert found[1:] == found[:1] * 3
    assert made == ["soul:e"] * 4  # one for each view


async def test_a_death_that_names_the_body_alone_is_that_of_its_soul(alice: Alice) -> None:
    """So (S1) clients tell it: their events have no souls."""
    await post(alice, "/api/universe", id="universe:far", name="Far", isPublic=True)
    await told(alice, tick=5, type="birth", entities=["kit"], souls=["sk"])
    await goes_far(alice, "sk", left=10, came=20)
    far = "/api/universe/universe:far/timeline"
    await post(alice, far, tick=50, type="death", entities=["kit"])
    did = alice.node.identity.did
    for at in ("universe:main", "universe:far"):
        by_soul, by_body = [
            (await answer(alice, f"{at}/souls?name={name}"))["soul"] for name in ("sk", "kit")
        ]
        assert (by_soul["stays"], by_soul["present"]) == (by_body["stays"], [])
        assert [(one["until"], one["ended"]) for one in by_soul["stays"]] == [
            (10, "left"), (50, "died"),
        ]  # fmt: skip
        (kit,) = (await answer(alice, f"{at}/lineage?name=sk"))["people"]
        assert (kit["name"], kit["died"]) == ("kit", {f"{did}/universe:far": 50})
    async with shown(alice) as home:
        lines = (await typed(home, "universe", "souls", "universe:far", "kit")).output.splitlines()
    came = "universe:far (yours)  20 arrived from universe:main (yours) … 50 died"
    assert f"{came}, of universe:main (yours)" in lines


async def test_a_fork_has_who_was_in_the_state_that_it_began_with(alice: Alice) -> None:
    """Nobody says a tick: who leaves does so at that of the last state, which has it still."""
    await post(alice, "/api/universe", id="universe:far", name="Far", isPublic=True)
    await told(alice, tick=1, type="birth", entities=["eve"], souls=["soul:e"])
    await put(alice, b"at 100", "tick=100")
    kept = await alice.client.post("/api/universe/universe:far/snapshot?tick=9", content=b"at 9")
    assert kept.status_code == 201, kept.text
    ends = {"sourceUniverseId": "universe:main", "targetUniverseId": "universe:far"}
    passage = (await post(alice, "/api/passage", **ends, arrivals="ask"))["passage"]["id"]
    wish = {"soul": "soul:e", "data": "e30=", "from": "universe:main", "migration": "01" * 16}
    await post(alice, f"/api/passage/{passage}/travel", **wish)
    yes = {"migration": "01" * 16, "accept": True}
    await post(alice, f"/api/passage/{passage}/decide", **yes)
    before = (await forked(alice))["universe"]["id"]
    other = (await post(alice, "/api/universe/universe:far/fork", name="Farther"))["universe"]["id"]
    soul = (await answer(alice, f"{other}/souls?name=soul:e"))["soul"]
    stays = [(one["universe"].partition("/")[2], one["since"], one["until"])
             for one in soul["stays"]]  # fmt: skip
    assert stays == [
        ("universe:main", 1, 100), ("universe:far", 9, None), (before, 100, None),
    ]  # fmt: skip
    main = f"{alice.node.identity.did}/universe:main"
    assert (await answer(alice, f"{before}/souls?name=soul:e"))["untold"] == []
    gone = await alice.client.delete("/api/universe/universe:main")
    assert gone.status_code == 200, gone.text
    for at in (before, "universe:far"):
        for kind in ("souls", "lineage"):
            assert (await answer(alice, f"{at}/{kind}?name=soul:e"))["untold"] == [main]


async def test_however_many_strangers_fork_ones_own_forks_are_told_and_drawn(
    alice: Alice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(histories, "UNIVERSES_MAX", 3)
    monkeypatch.setattr(timelines, "FAMILY_MAX", 3)
    await told(alice, tick=1, type="birth", entities=["eve"], souls=["soul:e"])
    await put(alice, b"at 100", "tick=100")
    main = f"{alice.node.identity.did}/universe:main"
    for number in range(4):  # each comes before one's own, by its id
        await from_peer(alice, BOB, f"universe:a{number}", parent=main)
    mine = (await forked(alice, id="universe:z"))["universe"]["fullName"]
    found = await answer(alice, "universe:main/souls?name=soul:e")
    assert {main, mine} <= {one["universe"] for one in found["soul"]["stays"]}
    assert not found["whole"]
    tree = (await answer(alice, "universe:main/forks?tree=true"))["tree"]
    assert len(tree) == 3
    assert mine in {place["universe"] for place in tree}


async def test_events_that_name_very_many_are_told_in_part_the_nearest_first(
    alice: Alice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """20,000 of 128 names each took two gigabytes."""
    await told(alice, tick=1, type="birth", entities=["a", "b"], parents=["eve", "adam"])
    await put(alice, b"at 100", "tick=100")
    fork = (await forked(alice))["universe"]["id"]
    line = f"/api/universe/{fork}/timeline"
    for tick, name in ((110, "c"), (120, "d")):
        await post(alice, line, tick=tick, type="birth", entities=[name], souls=[f"s{name}"])
    everybody = ["a", "adam", "b", "c", "d", "eve"]
    for most, names in ((8, everybody), (7, [*everybody[:3], *everybody[4:]]), (3, [])):
        monkeypatch.setattr(histories, "NAMES_MAX", most)
        found = await answer(alice, "universe:main/lineage")
        assert sorted(one["name"] for one in found["people"]) == names
        assert found["whole"] == (most == 8)
    monkeypatch.setattr(histories, "NAMES_MAX", 4)
    view = await answer(alice, f"{fork}/souls")  # from there it is the fork that is near
    assert (view["souls"], view["whole"]) == (["sc", "sd"], False)


async def test_of_very_many_relatives_a_part_is_told_and_said_to_be(
    alice: Alice, monkeypatch: pytest.MonkeyPatch
) -> None:
    kin = {"entities": ["a", "b", "c", "d"], "parents": ["e", "f", "g", "h"]}
    await told(alice, tick=1, type="birth", **kin)
    whole = await answer(alice, "universe:main/lineage")
    assert [len(one["parents"] + one["children"]) for one in whole["people"]] == [4] * 8
    assert (whole["total"], whole["whole"]) == (8, True)
    monkeypatch.setattr(souls, "NAMES_MAX", 31)
    cut = await answer(alice, "universe:main/lineage")
    assert [len(one["parents"] + one["children"]) for one in cut["people"]] == [1] * 8
    assert (cut["total"], cut["whole"]) == (8, False)
    of_one = await answer(alice, "universe:main/lineage?name=e")
    assert of_one["whole"]
    assert [(one["ancestors"], one["descendants"]) for one in of_one["people"]] == [(0, 4)]
    monkeypatch.setattr(lineages, "STEPS_MAX", 9)  # its children take 5, to count them 5
    uncounted = await answer(alice, "universe:main/lineage?name=e")
    (one,) = uncounted["people"]
    assert (len(one["children"]), one["ancestors"], one["descendants"]) == (4, None, None)
    assert not uncounted["whole"]


async def test_of_very_many_souls_the_first_are_listed_and_all_are_counted_and_followed(
    alice: Alice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(souls, "SOULS_MAX", 2)
    for at, names in enumerate((["c", "d"], ["b", "a"])):
        await told(alice, tick=at, type="birth", entities=[f"kit{at}"], souls=names)
    found = await answer(alice, "universe:main/souls")
    assert (found["souls"], found["total"], found["whole"]) == (["a", "b"], 4, True)
    one = await answer(alice, "universe:main/souls?name=d")
    assert (one["souls"], one["total"]) == (["a", "b"], 4)
    assert [stay["since"] for stay in one["soul"]["stays"]] == [0]
    async with shown(alice) as home:
        listed = await typed(home, "universe", "souls", "universe:main")
    assert listed.output.splitlines() == ["a", "b", "and 2 more: name one of them"]


async def test_of_very_many_stays_where_it_is_now_is_told_and_of_the_others_the_first(
    alice: Alice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stranger's gate makes thousands of journeys, and tells thousands of events of each."""
    monkeypatch.setattr(souls, "STAYS_MAX", 2)
    monkeypatch.setattr(souls, "TOLD_MAX", 5)
    for tick in (1, 11, 21):
        kind = "birth" if tick == 1 else "rebirth"
        await told(alice, tick=tick, type=kind, entities=["kit"], souls=["sk"])
        await told(alice, tick=tick + 1, type="harvest", entities=["kit"])
        await told(alice, tick=tick + 2, type="harvest", entities=["kit"])
        if tick < 21:
            await told(alice, tick=tick + 3, type="death", entities=["kit"])
    soul = (await answer(alice, "universe:main/souls?name=sk"))["soul"]
    assert [
        (one["since"], one["until"], len(one["events"]), one["eventCount"])
        for one in soul["stays"]
    ] == [(1, 4, 2, 4), (21, None, 2, 3)]  # fmt: skip
    assert (soul["stayCount"], soul["inTransitCount"], soul["inTransit"]) == (3, 0, [])
    async with shown(alice) as home:
        lines = (await typed(home, "universe", "souls", "universe:main", "sk")).output.splitlines()
    assert "  and 2 more events: the timeline has them" in lines
    assert lines[-1] == "and 1 more times that it was somewhere"


async def test_of_very_many_under_way_the_first_are_told_and_all_are_counted(
    alice: Alice, monkeypatch: pytest.MonkeyPatch
) -> None:
    await post(alice, "/api/universe", id="universe:far", name="Far", isPublic=True)
    ends = {"sourceUniverseId": "universe:main", "targetUniverseId": "universe:far"}
    passage = (await post(alice, "/api/passage", **ends, arrivals="ask"))["passage"]["id"]
    wish = {"soul": "sk", "data": "e30=", "from": "universe:main", "migration": "01" * 16}
    await post(alice, f"/api/passage/{passage}/travel", **wish, tick=5)
    main = f"{alice.node.identity.did}/universe:main"
    under_way = {"source": main, "target": main.replace("main", "far"), "left": 5, "origin": main}
    for most in (1, 0):
        monkeypatch.setattr(souls, "STAYS_MAX", most)
        soul = (await answer(alice, "universe:main/souls?name=sk"))["soul"]
        assert (soul["inTransit"], soul["inTransitCount"]) == ([under_way] * most, 1)
    async with shown(alice) as home:
        told = await typed(home, "universe", "souls", "universe:main", "sk")
    assert told.output.splitlines()[-1] == "and 1 more under way"


async def test_of_several_of_one_name_ones_own_are_first_and_each_says_whose_it_is(
    alice: Alice,
) -> None:
    await told(alice, tick=1, type="birth", entities=["kit"], souls=["sk"])
    await put(alice, b"at 100", "tick=100")
    main = f"{alice.node.identity.did}/universe:main"
    mine = (await forked(alice, id="universe:z"))["universe"]["fullName"]
    bobs, carols = [await from_peer(alice, one, "universe:a", parent=main) for one in (BOB, CAROL)]

    async def stays(at: str) -> list[tuple[str, str]]:
        soul = (await answer(alice, f"{quote(at, safe='')}/souls?name=kit"))["soul"]
        return [(one["universe"], one["origin"]) for one in soul["stays"]]

    own = [(one, one) for one in (main, mine)]
    for asked, other in ((bobs, carols), (carols, bobs)):
        assert await stays(asked) == [*own, (asked, asked), (other, other)]
    for named, other in ((BOB, carols), (CAROL, bobs)):
        friend = {"author": named.did, "replace": True}
        got = await alice.client.put("/api/names/friend", json=friend)
        assert got.status_code in (200, 201), got.text
        theirs = f"{named.did}/universe:a"
        assert await stays(main) == [*own, (theirs, theirs), (other, other)]


async def test_where_ones_own_world_rotted_the_rest_is_told_and_who_is_left_out_is_named(
    alice: Alice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await post(alice, "/api/universe", id="universe:far", name="Far", isPublic=True)
    await told(alice, tick=1, type="birth", entities=["eve"], souls=["soul:e"])
    await goes_far(alice, "soul:e", left=10, came=7)
    rots(tmp_path / "alice", "universe:far")
    did = alice.node.identity.did
    own, far = f"{did}/universe:main", f"{did}/universe:far"
    for kind in ("souls", "lineage"):
        found = await answer(alice, f"universe:main/{kind}?name=soul:e")
        assert (found["whole"], found["unread"]) == (False, [far])
        assert (found["leftOut"], found["leftOutCount"]) == (
            [{"origin": own, "soul": "soul:e"}], 1,
        )  # fmt: skip
    soul = (await answer(alice, "universe:main/souls?name=soul:e"))["soul"]
    assert (soul["present"], [one["target"] for one in soul["inTransit"]]) == ([], [far])
    assert (await answer(alice, "universe:far/souls"))["unread"] == [far]
    async with shown(alice) as home:
        lines = (await typed(home, "universe", "souls", "universe:main", "soul:e")).output
    for words in ("Who passed universe:far (yours) is told", "The journey of soul:e of"):
        assert words in lines
    monkeypatch.setattr(souls, "LEFT_OUT_MAX", 0)
    found = await answer(alice, "universe:main/souls")
    assert (found["leftOut"], found["leftOutCount"]) == ([], 1)
    async with shown(alice) as home:
        lines = (await typed(home, "universe", "lineage", "universe:main")).output
    assert "and 1 more travellers: the same of these" in lines


async def test_a_child_that_was_born_elsewhere_is_listed_with_where(alice: Alice) -> None:
    await told(alice, tick=1, type="birth", entities=["eve"])
    await told(alice, tick=2, type="birth", entities=["cain"], parents=["eve"])
    await put(alice, b"at 100", "tick=100")
    await forked(alice, id="universe:z")
    line = "/api/universe/universe:z/timeline"
    await post(alice, line, tick=101, type="birth", entities=["cain"], parents=["eve"])
    async with shown(alice) as home:
        lines = (await typed(home, "universe", "lineage", "universe:main")).output
    assert {" ".join(one.split()) for one in lines.splitlines()[1:]} == {
        "eve universe:main (yours) 1 cain, cain (universe:z (yours))",
        "cain universe:main (yours) 2 eve",
        "cain universe:z (yours) 101 eve (universe:main (yours))",
    }


async def test_of_very_many_people_the_first_are_listed_and_all_are_counted_and_found(
    alice: Alice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(souls, "PEOPLE_MAX", 2)
    monkeypatch.setattr(souls, "COUNTED_OF_MAX", 1)
    kin = {"entities": ["d", "b", "c"], "souls": ["s"], "parents": ["a"]}
    await told(alice, tick=1, type="birth", **kin)
    found = await answer(alice, "universe:main/lineage")
    assert [one["name"] for one in found["people"]] == ["a", "b"]
    assert (found["total"], found["whole"]) == (4, True)
    (last,) = (await answer(alice, "universe:main/lineage?name=d"))["people"]
    assert (last["ancestors"], last["parents"][0]["name"]) == (1, "a")
    async with shown(alice) as home:
        listed = (await typed(home, "universe", "lineage", "universe:main")).output
    assert "and 2 more: name one of them" in listed
    await put(alice, b"at 100", "tick=100")
    await forked(alice, id="universe:z")
    line = "/api/universe/universe:z/timeline"
    for name in ("b", "c"):
        await post(alice, line, tick=101, type="birth", entities=[name], souls=["s"])
    named = await answer(alice, "universe:main/lineage?name=s")
    assert [one["ancestors"] for one in named["people"]] == [0, None]
    assert named["total"] == 2


async def test_of_very_many_names_that_go_beyond_passages_each_traveller_keeps_the_first(
    alice: Alice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A body may have 64 souls and go round thousands of times: that took gigabytes."""
    await post(alice, "/api/universe", id="universe:far", name="Far", isPublic=True)
    await told(alice, tick=1, type="birth", entities=["kit"], souls=["a", "b", "c"])
    await goes_far(alice, "kit", left=10, came=7)
    far = "/api/universe/universe:far/timeline"
    await post(alice, far, tick=8, type="birth", entities=["cub"], parents=["c"])
    did = alice.node.identity.did
    kit = {"universe": f"{did}/universe:main", "name": "kit"}
    for most, parent in ((4, kit), (3, {"universe": f"{did}/universe:far", "name": "c"})):
        monkeypatch.setattr(who, "WAY_NAMES_MAX", most)
        found = await answer(alice, "universe:main/lineage?name=cub")
        (cub,) = found["people"]
        assert (cub["parents"], found["whole"]) == ([parent], most == 4)
    for name in ("a", "b"):  # as others are told in these, they are no names of souls alone
        await told(alice, tick=2, type="milestone", entities=[name], souls=["x"])
    for most in (4, 3):
        monkeypatch.setattr(who, "WAY_NAMES_MAX", most)
        soul = await answer(alice, "universe:main/souls?name=c")
        assert soul["whole"] == (most == 4)
        assert [one["universe"].partition("/")[2] for one in soul["soul"]["stays"]] == [
            "universe:main", "universe:far",
        ]  # fmt: skip
