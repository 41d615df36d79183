"""Saves of a game that has no token: nothing said beside a state is a reason to lose the state."""

import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from crdt.change import DocumentId
from crdt.keys import COMMONS, AuthorKey
from node.api.requests import BOM
from node.config import ApiConfig, Config
from registry.head import Words
from tests.node.parts import Alice, open_alice
from tests.storage.people import BOB
from universe import record
from universe.event import NAMES_MAX
from universe.record import Facts, create_universe

PLACE = "/api/universe/universe:main"
AT = f"{PLACE}/snapshot"
IN_JSON = {"content-type": "application/json"}
STATE = {"universes": [{"tick": "5"}]}
BIRTH: dict[str, Any] = {"type": "birth", "title": "Eve", "entities": ["eve"]}


@pytest_asyncio.fixture
async def game(tmp_path: Path) -> AsyncGenerator[Alice]:
    """Of a node that lets its clients in, without a token, and with a universe of theirs."""
    async with open_alice(tmp_path, config=Config(api=ApiConfig(compat=True))) as alice:
        del alice.client.headers["authorization"]
        body = {"id": "universe:main", "name": "Main", "ownerId": "player:alice"}
        assert (await alice.client.post("/api/universe", json=body)).status_code == 201
        yield alice


async def kept(game: Alice, **beside: object) -> dict[str, Any]:
    """The entry of a save with this beside it; its state is there."""
    body = {"snapshot": STATE, "tick": 5, "type": "auto", "canonEvent": BIRTH} | beside
    answer = await game.client.post(AT, json=body)
    assert answer.status_code == 201, answer.text
    entry: dict[str, Any] = answer.json()["entry"]
    shown = (await game.client.get(f"{AT}/{entry['tick']}")).json()
    assert shown == {"snapshot": STATE, "entry": entry}
    return entry


WIDE = "\N{SEEDLING}"
EVENTS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"title": "x" * 300}, {"title": "x" * 199 + "…"}),
    ({"title": "two\nlines\there"}, {"title": "two lines here"}),
    ({"title": 7}, {"title": "7"}),
    ({"title": None, "description": "Once.\nTwice."}, {"title": "Once. Twice."}),
    ({"title": ""}, {"title": "born"}),
    ({"title": "\N{RIGHT-TO-LEFT OVERRIDE}Eve"}, {"title": "Eve"}),
    ({"type": "First Achievement"}, {"type": "first-achievement"}),
    ({"type": "WAR_EVENT"}, {"type": "war_event"}),
    ({"type": "!"}, {"type": "event"}),
    ({"type": None}, {"type": "event"}),
    ({"type": "Krieg " * 50}, {"type": ("krieg-" * 50)[:64].rstrip("-")}),
    ({"importance": -3, "day": -1}, {"day": 0}),
    ({"importance": 8.7, "day": "12"}, {"importance": 8, "day": 12}),
    ({"importance": 1e300, "day": 1e300}, {"importance": 1_000, "day": 1 << 53}),
    ({"importance": "much", "day": []}, {}),
    ({"entities": [1, 2.5, "eve", "eve", None, {}, True, "x" * 200, ""]},
     {"entities": ["1", "2.5", "eve", "x" * 127 + "…"]}),
    ({"entities": "eve"}, {"entities": []}),
    ({"entities": [f"{n}" for n in range(1000)]}, {"entities": [f"{n}" for n in range(NAMES_MAX)]}),
]  # fmt: skip


@pytest.mark.parametrize(("said", "shown"), EVENTS)
async def test_an_event_is_made_to_fit_and_the_answer_shows_it(
    game: Alice, said: dict[str, Any], shown: dict[str, Any]
) -> None:
    entry = await kept(game, canonEvent=BIRTH | said)
    assert {key: entry["canonEvent"].get(key) for key in shown} == shown
    timeline = (await game.client.get(f"{PLACE}/timeline")).json()["entries"]
    assert entry["canonEvent"]["title"] in {one.get("title") for one in timeline}


async def test_an_event_and_a_reason_of_wide_letters_are_cut_by_their_bytes(game: Alice) -> None:
    names = [WIDE * 100 + f"{n}" for n in range(NAMES_MAX)]
    long = {"title": WIDE * 500, "description": WIDE * 5_000}
    names_too = {"entities": names, "souls": names, "parents": names}
    decay = {"preservationReason": WIDE * 500, "neverDecay": True}
    entry = await kept(game, canonEvent=BIRTH | long | names_too, decayPolicy=decay)
    assert entry["canonEvent"]["entities"] == names[:10]
    assert len(entry["canonEvent"]["title"]) == 200
    assert len(entry["canonEvent"]["description"]) > 400
    assert entry["decayPolicy"]["neverDecay"] is True
    assert entry["decayPolicy"]["preservationReason"].startswith(WIDE * 40)


@pytest.mark.parametrize(
    ("beside", "shown"),
    [
        ({"day": -5, "type": "Auto "}, {"day": 0, "type": "auto"}),
        ({"day": "3", "type": "daily"}, {"day": 3, "type": "manual"}),
        ({"day": {}, "type": 5}, {"day": 0, "type": "manual"}),
        ({"canonEvent": "a birth"}, {"canonEvent": None}),
        ({"canonEvent": {}}, {"canonEvent": None}),
        ({"decayPolicy": []}, {"decayPolicy": None}),
        ({"decayPolicy": {"decayAfterTicks": -1, "neverDecay": "no"}}, {"decayPolicy": None}),
        ({"decayPolicy": {"decayAfterTicks": "72000", "preservationReason": "a\nb"}},
         {"decayPolicy": {"decayAfterTicks": 72000, "preservationReason": "a b"}}),
        ({"tick": "5", "more": [1]}, {"tick": 5}),
    ],
)  # fmt: skip
async def test_what_else_is_beside_it_is_made_to_fit(
    game: Alice, beside: dict[str, Any], shown: dict[str, Any]
) -> None:
    entry = await kept(game, **beside)
    assert {key: entry.get(key) for key in shown} == shown


async def test_where_no_event_has_room_the_state_is_kept_without_it(
    game: Alice, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Events go never: from then on each save of a birth would be lost."""
    monkeypatch.setattr(record, "EVENTS_MAX", 2)
    for number in range(2):
        await kept(game, tick=number, canonEvent={"type": "birth", "title": f"Born {number}"})
    entry = await kept(game, tick=5, type="canonical")
    assert (entry["type"], entry.get("canonEvent")) == ("canonical", None)
    assert "no room for the event of tick 5: kept without it" in caplog.text
    body = {"snapshot": STATE, "tick": 5, "type": "canonical", "canonEvent": BIRTH}
    again = await game.client.post(AT, json=body)
    assert (again.status_code, again.json()["known"]) == (200, True)
    told = await game.client.post(AT, json=body, headers=game.bearer())
    assert (told.status_code, told.json()["code"]) == (507, "universe-full")
    assert "2 events, at most 2" in told.json()["detail"]


async def test_the_tick_and_the_state_are_not_guessed(game: Alice) -> None:
    for body, code in (
        ({"snapshot": STATE}, "bad-tick"),
        ({"snapshot": STATE, "tick": -1}, "bad-tick"),
        ({"tick": 1, "canonEvent": BIRTH}, "invalid-body"),
    ):
        answer = await game.client.post(AT, json=body)
        assert answer.status_code in (400, 422)
        assert (answer.json()["code"], bool(answer.json()["error"])) == (code, True)
    assert (await game.client.get(f"{PLACE}/snapshots")).json()["snapshots"] == []


@pytest.mark.parametrize("has_token", [True, False])
async def test_a_mark_before_json_says_nothing(game: Alice, *, has_token: bool) -> None:
    headers = {"content-type": "application/json"} | (game.bearer() if has_token else {})
    body = BOM + json.dumps({"snapshot": STATE, "tick": 7}).encode()
    answer = await game.client.post(AT, content=body, headers=headers)
    assert answer.status_code == 201, answer.text
    assert (await game.client.get(f"{AT}/7?raw=true")).json() == STATE
    other = BOM + b'{"id": "universe:other", "name": "Other"}'
    answer = await game.client.post("/api/universe", content=other, headers=headers)
    assert (answer.status_code, answer.json()["universe"]["name"]) == (201, "Other")
    twice = await game.client.post(AT, content=BOM + body, headers=headers)
    assert (twice.status_code, twice.json()["code"]) == (422, "invalid-body")


async def test_json_that_comes_as_text_is_told_what_is_missing(game: Alice) -> None:
    body = json.dumps({"snapshot": STATE, "tick": 7})
    for media in ("text/plain;charset=UTF-8", "application/x-www-form-urlencoded"):
        answer = await game.client.post(AT, content=body, headers={"content-type": media})
        assert (answer.status_code, answer.json()["code"]) == (400, "bad-tick")
        assert answer.json()["error"].startswith(f"this came as {media.partition(';')[0]}: JSON ")
        assert "`Content-Type: application/json`" in answer.json()["error"]


async def test_who_has_a_token_is_told_what_is_wrong(game: Alice) -> None:
    for said in ({"title": "x" * 300}, {"entities": [1]}, {"importance": -1}, {"type": "A war"}):
        body = {"snapshot": STATE, "tick": 5, "canonEvent": BIRTH | said}
        answer = await game.client.post(AT, json=body, headers=game.bearer("write"))
        assert answer.status_code in (400, 422), answer.text
    assert (await game.client.get(f"{PLACE}/snapshots")).json()["snapshots"] == []


@pytest.mark.parametrize("is_public", [True, False])
async def test_a_game_goes_on_with_a_universe_that_was_deleted(
    game: Alice, *, is_public: bool
) -> None:
    """As its client does at each autosave: ask for the universe, make it, send the save."""
    id, said = "universe:deleted", {"name": "World", "ownerId": "player:alice"}
    place, body = f"/api/universe/{id}", {"id": id, "isPublic": is_public, **said}

    async def autosave(tick: int) -> tuple[int, str]:
        state = ""
        if (await game.client.get(place)).status_code == 404:
            made = await game.client.post("/api/universe", json=body)
            assert (made.status_code, made.json().get("success")) == (201, True), made.text
            state = made.json()["state"]
        save = {"snapshot": STATE, "tick": tick, "type": "auto"}
        return (await game.client.post(f"{place}/snapshot", json=save)).status_code, state

    async def ticks() -> list[int]:
        found = (await game.client.get(f"{place}/snapshots")).json()["snapshots"]
        return [one["tick"] for one in found]

    assert await autosave(1) == (201, "created")
    assert await autosave(2) == (201, "")
    before = (await game.client.get(place)).json()["universe"]
    assert (await game.client.delete(place)).json()["success"] is True
    listed = (await game.client.get("/api/universes?ownerId=player:alice")).json()["universes"]
    assert id not in {one["id"] for one in listed}
    # What was public is not made private by a word; what was private comes back as it was.
    other: tuple[dict[str, Any], dict[str, str]] = (body | {"isPublic": not is_public}, {})
    for refused, headers in (
        (body, game.bearer("write")),
        *([other] if is_public else []),
        (body | {"name": "x" * 5_000}, {}),
    ):
        answer = await game.client.post("/api/universe", json=refused, headers=headers)
        assert answer.status_code in (409, 422), answer.text
        assert (await game.client.get(place)).status_code == 404
    body["isPublic"] = True  # as games ask, whatever it was
    assert await autosave(3) == (201, "restored")
    assert await autosave(4) == (201, "")
    assert await ticks() == [1, 2, 3, 4]
    after = (await game.client.get(place)).json()["universe"]
    for key in ("id", "name", "ownerId", "createdAt", "isPublic", "namespace"):
        assert after[key] == before[key]


async def test_a_world_of_any_name_is_taken_as_is_its_fork(game: Alice) -> None:
    body = {"id": "universe:long", "name": "My\nworld " + "x" * 200, "ownerId": "player:alice"}
    for headers, status in (({}, 201), (game.bearer(), 422)):
        made = await game.client.post("/api/universe", json=body, headers=headers)
        assert made.status_code == status, made.text
    place = "/api/universe/universe:long"
    name = (await game.client.get(place)).json()["universe"]["name"]
    assert (name, len(name)) == ("My world " + "x" * 55, 64)
    save = {"snapshot": STATE, "tick": 1}
    assert (await game.client.post(f"{place}/snapshot", json=save)).status_code == 201
    fork = {"name": "F\n" * 100, "ownerId": "player:alice", "snapshotTick": 1}
    made = await game.client.post(f"{place}/fork", json=fork)
    assert made.status_code == 201, made.text


async def saved(game: Alice, tick: int, **beside: object) -> dict[str, Any]:
    """As games do: each is called made by hand, and goes after so long."""
    short: dict[str, Any] = {"type": "manual", "decayPolicy": {"decayAfterTicks": 10}}
    body = {"snapshot": {"tick": tick}, "tick": tick, "canonEvent": None} | short | beside
    answer = await game.client.post(AT, json=body)
    assert answer.status_code == 201, answer.text
    done: dict[str, Any] = answer.json()
    return done


async def ruled(game: Alice, **rule: object) -> None:
    body = {"id": "universe:main", "name": "Main", "ownerId": "player:alice", "retention": rule}
    answer = await game.client.post("/api/universe", json=body)
    assert answer.status_code == 201, answer.text


async def test_saves_of_a_game_stay_however_short_it_says_and_make_room_when_there_are_many(
    game: Alice,
) -> None:
    first = await saved(game, 0)
    assert first["entry"]["decayPolicy"] == {"decayAfterTicks": 10}
    await saved(game, 1, decayPolicy={"neverDecay": True})
    await saved(game, 2, type="canonical", canonEvent=BIRTH)
    assert [(await saved(game, tick))["dropped"] for tick in (100, 200, 300)] == [0, 0, 0]
    await ruled(game, auto={"thin_over": 3})
    done = await saved(game, 400)
    assert [one["tick"] for one in done["droppedSnapshots"]] == [0, 100]
    assert {one["type"] for one in done["droppedSnapshots"]} == {"manual"}
    assert await left(game) == [1, 2, 200, 300, 400]


async def test_a_save_of_a_game_is_noted_as_what_it_is_and_shown_to_it_as_it_was_sent(
    game: Alice,
) -> None:
    policy = {"decayAfterTicks": 10, "preservationReason": "for a while"}
    sent = [await saved(game, 1, decayPolicy=policy), await saved(game, 2, type=None)]
    sent += [await saved(game, 3, type="auto"), await saved(game, 4, type="canonical")]
    plain = await game.client.post(f"{AT}?tick=5", content=b"a world")
    assert plain.status_code == 201
    again = {"snapshot": {"tick": 1}, "tick": 1, "type": "manual", "decayPolicy": policy}
    answer = await game.client.post(AT, json=again)
    assert (answer.status_code, answer.json()["id"]) == (200, sent[0]["id"])

    types = ["manual", "manual", "auto", "canonical", "manual"]
    counted = ["auto", "auto", "auto", "canonical", "auto"]
    entries = [*(one["entry"] for one in sent), plain.json()["entry"]]
    for headers, expected in (({}, types), (game.bearer("read"), counted)):
        listed = (await game.client.get(f"{PLACE}/snapshots", headers=headers)).json()
        assert [one["type"] for one in listed["snapshots"]] == expected
        line = (await game.client.get(f"{PLACE}/timeline", headers=headers)).json()
        assert [one["type"] for one in line["snapshots"]] == expected
        assert [one["type"] for one in line["entries"]] == expected
        titles = ["Saved" if one == "manual" else one.capitalize() for one in expected]
        titles[2] = "Autosave"
        assert [one["title"].replace("Autosave", "Auto") for one in line["entries"]] == [
            one.replace("Autosave", "Auto") for one in titles
        ]
        for tick, kind in enumerate(expected[:4], 1):
            shown = (await game.client.get(f"{AT}/{tick}", headers=headers)).json()
            assert (shown["snapshot"], shown["entry"]["type"]) == ({"tick": tick}, kind)
            near = (await game.client.get(f"{PLACE}/nearest/{tick}", headers=headers)).json()
            assert near["entry"]["type"] == kind
        assert listed["snapshots"][0]["decayPolicy"] == policy
    assert [one["type"] for one in entries] == types
    listed = (await game.client.get(f"{PLACE}/snapshots")).json()["snapshots"]
    assert listed == entries


async def test_one_upload_with_a_token_drops_nothing_that_a_game_kept(game: Alice) -> None:
    for tick in range(20):
        assert (await saved(game, tick * 100))["dropped"] == 0
    by_hand = await game.client.post(f"{AT}?tick=5000", content=b"a world", headers=game.bearer())
    in_json = {"snapshot": STATE, "tick": 5001, "type": "manual"}
    too = await game.client.post(AT, json=in_json, headers=game.bearer())
    for answer in (by_hand, too):
        assert (answer.status_code, answer.json()["dropped"]) == (201, 0)
    pruned = await game.client.post(f"{PLACE}/prune", json={}, headers=game.bearer())
    assert (pruned.json()["rule"][0][:5], pruned.json()["dropped"]) == ("auto:", [])
    assert len(await left(game)) == 22
    # Only who asks for it has them go.
    asked = {"decayed": True}
    for query, count in (("?dryRun=true", 22), ("", 2)):
        pruned = await game.client.post(f"{PLACE}/prune{query}", json=asked, headers=game.bearer())
        assert len(pruned.json()["dropped"]) == 20
        assert len(await left(game)) == count


@pytest.mark.parametrize(
    ("rule", "goes", "also"),
    [
        ({"newest": 2}, [0, 4, 8, 12], [0, 4, 8, 12]),
        ({"newest": 5}, [0], [0, 4, 8]),
        ({"older_than_ticks": 6}, [0, 4, 8, 12], [0, 4, 8, 12]),
        ({"thin_over": 2}, [0, 4, 8, 12], [0, 4, 8, 12]),
        ({"thin_over": 4}, [0, 4], [0, 4, 8]),
        ({}, [], [0, 4, 8]),
    ],
)
async def test_who_asks_for_what_a_game_said_has_that_go_beside_what_the_rule_lets_go(
    game: Alice, rule: dict[str, int], goes: list[int], also: list[int]
) -> None:
    for tick in range(0, 24, 4):
        await saved(game, tick)  # to stay for 10
    asked = {"retention": {"auto": rule}}
    for said, query, ticks in (({}, "?dryRun=true", goes), ({"decayed": True}, "", also)):
        body = asked | said
        pruned = await game.client.post(f"{PLACE}/prune{query}", json=body, headers=game.bearer())
        assert [one["tick"] for one in pruned.json()["dropped"]] == ticks
    assert await left(game) == [tick for tick in range(0, 24, 4) if tick not in also]


async def test_what_somebody_keeps_by_hand_never_goes_as_a_game_saves(game: Alice) -> None:
    await ruled(game, auto={"newest": 3}, manual={})
    for tick in range(3):
        at = f"{AT}?tick={tick}"
        answer = await game.client.post(at, content=b"dear %d" % tick, headers=game.bearer())
        assert answer.status_code == 201
    for tick in range(3, 9):
        await saved(game, tick)
    assert await left(game) == [0, 1, 2, 6, 7, 8]
    await ruled(game, auto={"thin_over": 2})
    await saved(game, 9)
    assert await left(game) == [0, 1, 2, 8, 9]
    await ruled(game, auto={"thin_over": 2}, manual={"newest": 1})
    await saved(game, 10)
    assert await left(game) == [2, 9, 10]


async def test_what_came_in_json_before_goes_with_no_upload_either(game: Alice) -> None:
    """As older nodes signed it of a game too: by hand, and to go after so long."""
    said = {"snapshot": STATE, "type": "manual", "decayPolicy": {"decayAfterTicks": 10}}
    for tick in (0, 100, 200):
        answer = await game.client.post(AT, json=said | {"tick": tick}, headers=game.bearer())
        assert (answer.status_code, answer.json()["dropped"]) == (201, 0)
    assert (await saved(game, 300))["dropped"] == 0
    answer = await game.client.post(f"{AT}?tick=400", content=b"a world", headers=game.bearer())
    assert answer.json()["dropped"] == 0
    shown = await game.client.get(f"{PLACE}/snapshots", headers=game.bearer())
    kinds = [one["type"] for one in shown.json()["snapshots"]]
    assert kinds == ["manual", "manual", "manual", "auto", "manual"]
    asked = await game.client.post(f"{PLACE}/cleanup", json={"currentTick": 400})
    assert asked.json()["cleanup"]["decayed"] == 4
    assert await left(game) == [400]


@pytest.mark.parametrize("is_game_first", [True, False])
async def test_a_save_that_goes_by_its_query_is_not_the_one_that_a_game_sends_in_json(
    game: Alice, *, is_game_first: bool
) -> None:
    """Of the same bytes; else the game's goes, or who asked that theirs goes is not heard."""
    policy = {"decayAfterTicks": 10}
    query = f"{AT}?tick=5&type=auto&decay={json.dumps(policy)}"
    body = {"snapshot": {"tick": 5}, "tick": 5, "type": "auto", "decayPolicy": policy}

    async def by_query() -> tuple[int, bool]:
        answer = await game.client.post(query, content=_compact({"tick": 5}), headers=game.bearer())
        return answer.status_code, answer.json()["known"]

    async def by_game() -> tuple[int, bool]:
        answer = await game.client.post(AT, content=_compact(body), headers=IN_JSON)
        return answer.status_code, answer.json()["known"]

    first, second = (by_game, by_query) if is_game_first else (by_query, by_game)
    assert [await first(), await second()] == [(201, False)] * 2
    assert [await by_game(), await by_query()] == [(200, True)] * 2
    one, two = (await game.client.get(f"{PLACE}/snapshots")).json()["snapshots"]
    assert one["checksum"] == two["checksum"]
    done = await saved(game, 100)
    assert [each["tick"] for each in done["droppedSnapshots"]] == [5]
    (there, _) = (await game.client.get(f"{PLACE}/snapshots")).json()["snapshots"]
    assert (there["tick"], there["wrapped"]) == (5, True)


async def test_how_a_save_came_that_stays_does_not_count(game: Alice) -> None:
    for tick, policy in ((5, None), (6, {"neverDecay": True}), (7, {"preservationReason": "x"})):
        body = {"snapshot": {"tick": tick}, "tick": tick, "type": "auto", "decayPolicy": policy}
        decay = "" if policy is None else f"&decay={json.dumps(policy)}"
        answer = await game.client.post(AT, content=_compact(body), headers=IN_JSON)
        state, query = _compact({"tick": tick}), f"{AT}?tick={tick}&type=auto{decay}"
        again = await game.client.post(query, content=state, headers=game.bearer())
        assert (answer.status_code, again.status_code) == (201, 200)


def _compact(said: object) -> bytes:
    return json.dumps(said, separators=(",", ":")).encode()


async def test_what_a_list_does_not_know_is_passed_over_without_a_token(game: Alice) -> None:
    for tick in (1, 2, 3):
        await kept(game, tick=tick, canonEvent=None)
    told = "?_=1760000000&limit=2&limitless=1&&=x&a%00b=%ff"
    for path, name, count in (
        (f"{PLACE}/snapshots", "snapshots", 2),
        (f"{PLACE}/timeline", "entries", 2),
        (f"{PLACE}/forks", "forks", 0),
        (f"/api/multiverse{PLACE.removeprefix('/api')}/snapshots", "snapshots", 2),
        ("/api/universes", "universes", 1),
        ("/api/passages", "passages", 0),
        ("/api/player/player:alice/universes", "universeIds", 1),
    ):
        answer = await game.client.get(path + told)
        assert answer.status_code == 200, (path, answer.text)
        assert len(answer.json()[name]) == count
        slip = await game.client.get(f"{path}?limitless=1", headers=game.bearer("read"))
        assert (slip.status_code, slip.json()["code"]) == (400, "unknown-parameter")
    for path in (PLACE, "/api/player/player:alice", "/api/multiverse/stats"):
        assert (await game.client.get(path + told)).status_code == 200
    most = await game.client.get(f"{PLACE}/snapshots?limit=99999")
    assert len(most.json()["snapshots"]) == 3
    # What it does know is read, and a slip where something is written or deleted is refused.
    assert (await game.client.get(f"{PLACE}/timeline?from=x&y=z")).status_code == 400
    assert (await game.client.delete(f"{PLACE}?dryrun=true")).status_code == 400
    assert (await game.client.get(PLACE)).status_code == 200


async def left(game: Alice) -> list[int]:
    found = (await game.client.get(f"{PLACE}/snapshots")).json()["snapshots"]
    return sorted(one["tick"] for one in found)


@pytest.mark.parametrize("base", ["/api/universe", "/api/multiverse/universe"])
async def test_a_cleanup_lets_go_what_stayed_as_long_as_it_was_to(game: Alice, base: str) -> None:
    short = {"decayPolicy": {"decayAfterTicks": 100}, "type": "auto", "canonEvent": None}
    await kept(game, tick=0, **short)
    await kept(game, tick=10, **short)
    await kept(game, tick=20, decayPolicy={"neverDecay": True}, canonEvent=None)
    await kept(game, tick=30, decayPolicy={"decayAfterTicks": 1}, type="canonical")
    await kept(game, tick=40, type="manual", canonEvent=None)
    await kept(game, tick=50, **short | {"type": "manual"})
    await kept(game, tick=60, **short)
    event = await kept(game, tick=65, **short)
    told = {"tick": 66, "type": "birth", "snapshot": event["id"]}
    assert (await game.client.post(f"{PLACE}/timeline", json=told)).status_code == 201
    await kept(game, tick=70, **short)
    forked = {"name": "F", "snapshotTick": 10, "ownerId": "player:alice"}
    assert (await game.client.post(f"{PLACE}/fork", json=forked)).status_code == 201

    at = f"{base}/universe:main"
    now = (await game.client.get(f"{at}/decay-preview")).json()
    assert (now["currentTick"], now["snapshotsToDecay"], now["snapshots"]) == (70, 0, [])
    shown = (await game.client.get(f"{at}/decay-preview?currentTick=155&x=y")).json()
    assert {name: shown[name] for name in ("universeId", "currentTick", "snapshotsToDecay")} == {
        "universeId": "universe:main", "currentTick": 155, "snapshotsToDecay": 2,
    }  # fmt: skip
    assert [(one["tick"], one["tau"], one["type"]) for one in shown["snapshots"]] == [
        (0, 155, "auto"), (50, 105, "manual"),
    ]  # fmt: skip
    assert shown["snapshots"][0]["decayPolicy"] == {"decayAfterTicks": 100}
    assert shown["snapshots"][0]["filename"] == "0.json"
    assert await left(game) == [0, 10, 20, 30, 40, 50, 60, 65, 70]

    sizes = [one["fileSize"] for one in shown["snapshots"]]
    done = (await game.client.post(f"{at}/cleanup", json={"currentTick": 155.5, "more": 1})).json()
    assert done["cleanup"] == {
        "totalSnapshots": 9, "decayed": 2, "preserved": 7, "bytesFreed": sum(sizes),
    }  # fmt: skip
    message = f"2 snapshots let go, {sum(sizes)} B; 7 kept"
    assert (done["success"], done["message"]) == (True, message)
    assert await left(game) == [10, 20, 30, 40, 60, 65, 70]
    again = (await game.client.post(f"{at}/cleanup", json={"currentTick": 155})).json()
    assert again["cleanup"]["decayed"] == 0
    # Far ahead all goes that may; the newest, the fork's, the event's and the canonical one stay.
    far = (await game.client.post(f"{at}/cleanup", json={"currentTick": 2**53 - 1})).json()
    assert far["cleanup"]["decayed"] == 1
    assert await left(game) == [10, 20, 30, 40, 65, 70]
    fork = (await game.client.get(f"{PLACE}/forks")).json()["forks"][0]["id"]
    begun = await game.client.post(f"{base}/{fork}/cleanup", json={"currentTick": 9_999})
    assert begun.json()["cleanup"] == {
        "totalSnapshots": 1, "decayed": 0, "preserved": 1, "bytesFreed": 0,
    }  # fmt: skip


async def test_a_cleanup_that_says_no_tick_drops_nothing(game: Alice) -> None:
    decay = {"decayAfterTicks": 1}
    for tick in (0, 10):
        await kept(game, tick=tick, decayPolicy=decay, canonEvent=None)
    cleanup, preview = f"{PLACE}/cleanup", f"{PLACE}/decay-preview"
    others: list[object] = [None, "9", -1, 2**53, [9]]
    bodies: list[object] = [{}, [], 7, *({"currentTick": one} for one in others)]
    for wrong in bodies:
        answer = await game.client.post(cleanup, json=wrong)
        assert (answer.status_code, bool(answer.json()["error"])) == (422, True), wrong
    assert (await game.client.post(cleanup, content=b"{")).status_code == 415
    for text in ("", "x", "-1", "nan", "inf", "1e99", str(2**53)):
        answer = await game.client.get(f"{preview}?currentTick={text}")
        assert (answer.status_code, answer.json()["code"]) == (400, "bad-query"), text
    body = {"currentTick": 10}
    reader = await game.client.post(cleanup, json=body, headers=game.bearer("read"))
    assert reader.status_code == 403
    none = await game.client.post("/api/universe/universe:none/cleanup", json=body)
    assert none.status_code == 404
    assert await left(game) == [0, 10]
    written = await game.client.post(cleanup, json=body, headers=game.bearer("write"))
    assert written.json()["cleanup"]["decayed"] == 1
    assert await left(game) == [10]


async def test_whose_universe_it_is_not_is_told_what_to_do(game: Alice) -> None:
    document = DocumentId(COMMONS, AuthorKey(BOB.root.public), "pub", "uni", b"universe:his")
    edit = create_universe(Words("His"), Facts(visibility="public"), now_us=5_000)
    entries = BOB.writes(document, edit)
    assert not (await game.node.store.receive(entries, source="peer")).refused
    his = f"/api/universe/{BOB.did}%2Funiverse:his"
    for method, path, body in (
        ("POST", f"{his}/snapshot", {"snapshot": STATE, "tick": 5}),
        ("POST", f"{his}/timeline", {"tick": 5, "type": "birth"}),
        ("POST", f"{his}/cleanup", {"currentTick": 5}),
        ("DELETE", his, None),
    ):
        answer = await game.client.request(method, path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (403, "no-capability"), path
        said = f"{BOB.did}/universe:his is another player's: fork it, and go on in the fork"
        assert answer.json()["error"].startswith(said)
    assert (await game.client.get(f"{his}/decay-preview")).json()["snapshotsToDecay"] == 0
    assert (await game.client.get(f"{his}/snapshots")).json()["snapshots"] == []
