"""Timelines, forks and rules of keeping over HTTP."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from crdt.change import SignedEntry
from crdt.keys import COMMONS
from node.api.timeline_models import TimelineQuery
from node.api.universe_models import SnapshotsQuery
from node.services import pruning, timelines
from node.services.passages import document_of
from registry.head import Words
from tests.node.api.test_snapshots import AT, PLACE, SAVE, put
from tests.node.parts import Alice
from tests.storage.people import BOB, NOW_US
from universe import record
from universe.record import Facts, fork_universe
from universe.room import VALUES_MAX
from universe.snapshot import decode_signed

pytestmark = pytest.mark.asyncio
UNION = {"type": "union:formed", "title": "A union", "entities": ["ann", "bob"], "souls": ["s1"]}


@pytest_asyncio.fixture(autouse=True)
async def main(alice: Alice) -> AsyncIterator[None]:
    body = {"id": "universe:main", "name": "Main", "ownerId": "player:alice", "isPublic": True}
    assert (await alice.client.post("/api/universe", json=body)).status_code == 201
    yield


async def told(alice: Alice, **event: object) -> dict[str, Any]:
    answer = await alice.client.post(f"{PLACE}/timeline", json=event)
    assert answer.status_code == 201, answer.text
    done: dict[str, Any] = answer.json()
    return done


async def timeline(alice: Alice, query: str = "", place: str = PLACE) -> dict[str, Any]:
    answer = await alice.client.get(f"{place}/timeline{query}")
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


async def forked(alice: Alice, place: str = PLACE, **body: object) -> dict[str, Any]:
    answer = await alice.client.post(f"{place}/fork", json={"name": "Fork", "ownerId": "p"} | body)
    assert answer.status_code == 201, answer.text
    done: dict[str, Any] = answer.json()
    return done


async def test_snapshots_and_events_are_one_line_by_tick(alice: Alice) -> None:
    await put(alice, b"late", "tick=900&type=auto")
    early = await put(alice, b"early", "tick=100&type=auto&day=1")
    wrapped = {"snapshot": SAVE, "tick": 400, "type": "canonical", "canonEvent": UNION}
    union = (await alice.client.post(AT, json=wrapped)).json()
    await told(alice, tick=500, type="birth", title="Cain", day=2.5, parents=["ann", "bob"])
    harvest = await told(alice, tick=100, type="harvest", snapshot=early["id"])
    shown = await timeline(alice)
    keys = ("tick", "day", "type", "word", "title", "canFork", "hasSnapshot")
    assert [tuple(one[key] for key in keys) for one in shown["entries"]] == [
        (100, None, "harvest", "harvest", "harvest", True, True),
        (400, None, "union:formed", "a union", "A union", True, True),
        (500, 2, "birth", "born", "Cain", False, False),
        (900, None, "auto", "autosave", "Autosave", True, True),
    ]
    assert harvest["entry"] == shown["entries"][0]
    assert shown["entries"][1]["snapshot"] == union["id"]
    assert [one["tick"] for one in shown["snapshots"]] == [100, 400, 900]
    assert (shown["universeId"], shown["lastUpdated"] > 1_600_000_000_000) == (
        "universe:main",
        True,
    )

    bare = await timeline(alice, "?bare=true")
    assert (bare["entries"], bare["snapshots"]) == (shown["entries"], [])

    canonical = await timeline(alice, "?canonicalOnly=true")
    assert [one["tick"] for one in canonical["entries"]] == [100, 400, 500]
    assert canonical["canonicalEvents"] == [union["entry"]]
    assert [one["tick"] for one in (await timeline(alice, "?from=400&to=500"))["entries"]] == [
        400,
        500,
    ]


async def test_an_event_is_answered_as_it_stands_in_the_timeline(
    alice: Alice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By what is at its tick alone, also where that is more than is looked at together."""
    monkeypatch.setattr(timelines, "AT_ONCE", 2)
    ids = [
        (await put(alice, f"{number}".encode(), f"tick={tick}&type=auto"))["id"]
        for number, tick in enumerate([4, 5, 5, 5, 5, 6])
    ]
    event = json.dumps(UNION)
    at = {"tick": "5", "type": "canonical", "event": event, "at": "1000000"}
    taken = await alice.client.post(AT, params=at, content=b"taken")
    assert taken.status_code == 201
    events = [
        {**UNION, "title": "names one of its tick", "tick": 5, "snapshot": ids[1]},
        {**UNION, "title": "names another", "tick": 5, "snapshot": ids[5]},
        {**UNION, "title": "names none", "tick": 5},
        {**UNION, "title": "where nothing is", "tick": 9},
        {**UNION, "tick": 5, "timestamp": 1_000},  # the very one that was kept for it
    ]
    answers = [(await told(alice, **one))["entry"] for one in events]
    listed = {one["event"]: one for one in (await timeline(alice))["entries"] if "event" in one}
    assert [listed[one["event"]] for one in answers] == answers
    opened = [ids[1], ids[5], ids[4], None, taken.json()["id"]]
    assert [one.get("snapshot") for one in answers] == opened
    assert [one.get("names") for one in answers] == [ids[1], ids[5], None, None, None]


async def test_a_timeline_has_pages(alice: Alice) -> None:
    for tick in range(7):
        await told(alice, tick=tick // 3, type="milestone", title=str(tick))
    found: list[str] = []
    query = "?limit=3"
    while query:
        page = await timeline(alice, query)
        found += [one["title"] for one in page["entries"]]
        query = f"?limit=3&cursor={page['next']}" if page["next"] else ""
    assert sorted(found) == [str(tick) for tick in range(7)]
    other = await alice.client.get(f"{PLACE}/timeline?limit=3&from=1&cursor=" + "A" * 30)
    assert (other.status_code, other.json()["code"]) == (404, "cursor-unknown")


async def test_an_event_of_one_time_said_twice_is_one(alice: Alice) -> None:
    event = UNION | {"tick": 5, "timestamp": 1_790_000_000_123}
    one, again = [await told(alice, **event) for _ in range(2)]
    assert one == again
    assert one["entry"]["timestamp"] == 1_790_000_000_123
    assert len((await timeline(alice))["entries"]) == 1
    key = {"Idempotency-Key": "game-0001"}
    for _ in range(2):  # of no time: told when it came, so it is the key that says it is one
        untimed = UNION | {"tick": 6}
        answer = await alice.client.post(f"{PLACE}/timeline", json=untimed, headers=key)
        assert answer.status_code == 201
    assert len((await timeline(alice))["entries"]) == 2


@pytest.mark.parametrize(
    ("event", "status"),
    [
        ({"tick": 1}, 422),
        ({"tick": -1, "type": "birth"}, 422),
        ({"tick": 1, "type": "Not a type"}, 422),
        ({"tick": 1, "type": "birth", "title": "two\nlines"}, 422),
        ({"tick": 1, "type": "birth", "importance": 5_000}, 422),
        ({"tick": 1, "type": "birth", "entities": ["x"] * 65}, 422),
        ({"tick": 1, "type": "birth", "snapshot": "00" * 32}, 404),
        ({"tick": 1, "type": "birth", "timestamp": 1e300}, 422),
    ],
)
async def test_what_is_no_event_is_refused(
    alice: Alice, event: dict[str, Any], status: int
) -> None:
    answer = await alice.client.post(f"{PLACE}/timeline", json=event)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"] == answer.json()["detail"]
    assert (await timeline(alice))["entries"] == []


async def test_a_fork_opens_what_it_began_with_and_goes_on_by_itself(alice: Alice) -> None:
    first = await put(alice, b"a world at 100", "tick=100")
    await put(alice, b"a world at 900", "tick=900")
    done = await forked(alice, snapshotTick=450)
    universe = done["universe"]
    assert done["forkedFrom"] == {
        "universeId": "universe:main",
        "fullName": f"{alice.node.identity.did}/universe:main",
        "snapshotTick": 100,
        "snapshot": first["id"],
    }
    assert (universe["forkOf"]["snapshotTick"], universe["snapshotCount"]) == (100, 0)
    assert universe["lastTick"] == 100
    assert (universe["ownerId"], universe["visibility"]) == ("p", "public")
    place = f"/api/universe/{universe['id']}"
    assert (await alice.client.get(f"{place}/snapshot/100")).content == b"a world at 100"
    assert (await alice.client.get(f"{place}/snapshot/latest")).content == b"a world at 100"
    (entry,) = (await timeline(alice, place=place))["entries"]
    assert (entry["type"], entry["title"], entry["canFork"]) == ("fork", "Forked here", True)
    own = await alice.client.post(f"{place}/snapshot?tick=200", content=b"another way")
    assert own.status_code == 201
    assert [one["tick"] for one in (await timeline(alice))["entries"]] == [100, 900]
    forks = (await alice.client.get(f"{PLACE}/forks")).json()
    assert [one["id"] for one in forks["forks"]] == [universe["id"]]
    assert forks["sourceUniverseId"] == "universe:main"


async def test_a_timeline_comes_whole_to_clients_that_know_no_pages() -> None:
    assert TimelineQuery().limit == SnapshotsQuery().limit > VALUES_MAX


async def test_a_fork_takes_a_tick_as_text_as_an_upload_does(alice: Alice) -> None:
    for tick in (100, 900, (1 << 63) - 1):
        await put(alice, f"at {tick}".encode(), f"tick={tick}")
    begun: list[int] = []
    for said in ("7", "100", "0450", 900.0, str((1 << 63) - 1)):
        body = {"name": "F", "snapshotTick": said}
        made = await alice.client.post(f"{PLACE}/fork", json=body)
        if made.status_code == 201:
            begun.append(made.json()["forkedFrom"]["snapshotTick"])
        else:
            assert (said, made.json()["code"]) == ("7", "unknown-snapshot")
    assert begun == [100, 100, 900, (1 << 63) - 1]
    for said in ("", "x", "-1", "1.5", "latest", "²", str(1 << 63), "9" * 5_000, 1.5):
        wrong = await alice.client.post(f"{PLACE}/fork", json={"name": "F", "snapshotTick": said})
        assert (wrong.status_code, wrong.json()["code"]) == (400, "bad-tick")
    for other in (-1, True, [7]):
        wrong = await alice.client.post(f"{PLACE}/fork", json={"name": "F", "snapshotTick": other})
        assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid-body")


async def test_a_fork_of_a_fork_outlives_its_parents_and_gc(alice: Alice) -> None:
    await put(alice, b"the one world", "tick=100")
    child = (await forked(alice, name="Child"))["universe"]["id"]
    grandchild = (await forked(alice, f"/api/universe/{child}", name="Grandchild"))["universe"][
        "id"
    ]
    tree = (await alice.client.get(f"{PLACE}/forks?tree=true")).json()
    assert [(one["name"], one["depth"], one["isKnown"]) for one in tree["tree"]] == [
        ("Main", 0, True),
        ("Child", 1, True),
        ("Grandchild", 2, True),
    ]
    did = alice.node.identity.did
    assert tree["lines"] == [
        f"{did}/universe:main  Main  ◂ here",
        f"└─ tick 100  {did}/{child}  Child",
        f"   └─ tick 100  {did}/{grandchild}  Grandchild",
    ]
    would = (await alice.client.delete(f"{PLACE}?dryRun=true")).json()
    assert would["dryRun"]
    assert "universe:main with 1 snapshots would be" in would["message"]
    assert "1 forks of it stay" in would["message"]
    assert (await alice.client.get(PLACE)).status_code == 200
    for name in ("universe:main", child):
        assert (await alice.client.delete(f"/api/universe/{name}")).status_code == 200
    await alice.node.store.gc(grace_us=0)
    opened = await alice.client.get(f"/api/universe/{grandchild}/snapshot/latest")
    assert opened.content == b"the one world"
    orphan = (await alice.client.get(f"/api/universe/{grandchild}/forks?tree=true")).json()
    assert [(one["name"], one["isKnown"]) for one in orphan["tree"]] == [
        ("", False),
        ("Grandchild", True),
    ]


async def test_a_fork_copies_nothing(alice: Alice) -> None:
    await put(alice, bytes(range(256)) * 40_000, "tick=100")
    before = (await alice.client.get("/api/status")).json()["blobs"]
    for _ in range(20):
        await forked(alice)
    assert (await alice.client.get("/api/status")).json()["blobs"] == before


async def test_what_cannot_be_forked_is_said(alice: Alice) -> None:
    none = await alice.client.post(f"{PLACE}/fork", json={"name": "F"})
    assert (none.status_code, none.json()["code"]) == (404, "unknown-snapshot")
    await put(alice, b"later", "tick=100")
    early = await alice.client.post(f"{PLACE}/fork", json={"name": "F", "snapshotTick": 99})
    assert early.status_code == 404
    assert "its first is of tick 100" in early.json()["detail"]
    taken = await alice.client.post(f"{PLACE}/fork", json={"name": "F", "id": "universe:main"})
    assert (taken.status_code, taken.json()["code"]) == (409, "universe-exists")
    for body in (
        {},
        {"name": ""},
        {"name": "F", "snapshotTick": -1},
        {"name": "F", "snapshot": "x"},
    ):
        answer = await alice.client.post(f"{PLACE}/fork", json=body)
        assert answer.status_code == 422, body
    said = "/snapshot: is not the id of a snapshot: 64 digits, 0-9 and a-f"
    assert answer.json()["detail"] == said


async def test_a_private_universe_is_forked_in_private(alice: Alice) -> None:
    await alice.client.post("/api/universe", json={"id": "mine", "name": "Mine"})
    await alice.client.post("/api/universe/mine/snapshot?tick=1", content=b"hidden")
    done = await forked(alice, "/api/universe/mine")
    assert done["universe"]["visibility"] == "private"


async def test_what_a_rule_does_not_keep_is_shown_and_then_dropped(alice: Alice) -> None:
    for tick in range(6):
        await put(alice, b"%d" % tick, f"tick={tick}&type=auto")
    await put(alice, b"dear", "tick=2&type=canonical")
    begun = (await forked(alice, snapshotTick=1))["forkedFrom"]["snapshot"]
    rule = {"retention": {"auto": {"newest": 2}}}
    would = (await alice.client.post(f"{PLACE}/prune?dryRun=true", json=rule)).json()
    assert [(one["tick"], one["why"]) for one in would["dropped"]] == [
        (0, "2 newer ones are kept"),
        (2, "2 newer ones are kept"),
        (3, "2 newer ones are kept"),
    ]
    assert (would["kept"], would["bytes"], would["dryRun"]) == (4, 3, True)
    in_body = await alice.client.post(f"{PLACE}/prune", json=rule | {"dryRun": True})
    assert in_body.json() == would
    keyed = {"idempotency-key": "p1"}
    for query, status in (("?dryRun=true", 200), ("", 422)):
        at = f"{PLACE}/prune{query}"
        assert (await alice.client.post(at, json=rule, headers=keyed)).status_code == status
    unknown = await alice.client.post(f"{PLACE}/prune", json={"rule": {"auto": {"newest": 1}}})
    assert (unknown.status_code, "`rule`" in unknown.text) == (422, True)
    assert len((await timeline(alice))["entries"]) == 7
    nothing = (await alice.client.post(f"{PLACE}/prune", json={})).json()
    assert nothing["dropped"] == []
    done = (await alice.client.post(f"{PLACE}/prune", json=rule)).json()
    assert done["dropped"] == would["dropped"]
    left = (await timeline(alice))["entries"]
    assert [(one["tick"], one["type"]) for one in left] == [
        (1, "auto"),
        (2, "canonical"),
        (4, "auto"),
        (5, "auto"),
    ]
    assert left[0]["snapshot"] == begun
    again = (await alice.client.post(f"{PLACE}/prune", json={})).json()
    assert (again["dropped"], again["rule"][0]) == ([], "auto: the newest 2")
    wrong = await alice.client.post(f"{PLACE}/prune", json={"retention": {"auto": {"newest": 0}}})
    assert wrong.status_code == 422


async def test_what_the_rule_does_not_keep_goes_with_the_next_upload(alice: Alice) -> None:
    async def ruled(**auto: int) -> None:
        rule = {"retention": {"auto": auto}}
        assert (await alice.client.post(f"{PLACE}/prune", json=rule)).status_code == 200

    async def ticks(*taken: int) -> list[int]:
        for tick in taken:
            await put(alice, b"%d" % tick, f"tick={tick}&type=auto")
        return [one["tick"] for one in (await timeline(alice))["entries"]]

    await ruled(newest=1)
    assert await ticks(0) == [0]
    assert await ticks(1) == [1], "the new one counts"
    await ruled(newest=3)
    assert await ticks(2, 3, 4) == [2, 3, 4]
    await ruled(older_than_ticks=100)
    assert await ticks(104) == [4, 104]
    assert await ticks(1_000) == [1_000]
    assert await ticks(50) == [50, 1_000], "the last one kept stays, wherever it is"


async def test_what_goes_is_decided_when_the_bytes_are_here(alice: Alice) -> None:
    """A body may take hours: what was told meanwhile counts."""
    keep_three = {"id": "universe:main", "name": "Main", "retention": {"auto": {"newest": 3}}}
    assert (await alice.client.post("/api/universe", json=keep_three)).status_code < 300
    taken = [await put(alice, b"%d" % tick, f"tick={tick}&type=auto") for tick in range(3)]
    begun, goes_on = asyncio.Event(), asyncio.Event()

    async def body() -> AsyncGenerator[bytes]:
        yield b"a slow "
        begun.set()
        await goes_on.wait()
        yield b"world"

    upload = asyncio.ensure_future(
        alice.client.post(f"{PLACE}/snapshot?tick=3&type=auto", content=body())
    )
    async with asyncio.timeout(60):
        await begun.wait()
        event = {"tick": 0, "type": "birth", "snapshot": taken[0]["id"]}
        assert (await alice.client.post(f"{PLACE}/timeline", json=event)).status_code == 201
        goes_on.set()
        assert (await upload).status_code == 201
    found = (await alice.client.get(f"{PLACE}/snapshots")).json()["snapshots"]
    assert sorted(one["tick"] for one in found) == [0, 1, 2, 3]


async def test_a_snapshot_goes_when_its_own_decay_says_so_and_not_before(alice: Alice) -> None:
    """Whatever the rule is: one that keeps all is for those that say nothing."""
    everything: dict[str, Any] = {"retention": {"auto": {}}}
    assert (await alice.client.post(f"{PLACE}/prune", json=everything)).status_code == 200

    async def keep(tick: int, kind: str, **decay: object) -> list[dict[str, Any]]:
        query = f"tick={tick}&type={kind}&decay={json.dumps(decay)}" if decay else f"tick={tick}"
        done = await put(alice, f"{tick} {kind}".encode(), query)
        gone: list[dict[str, Any]] = done["droppedSnapshots"]
        return gone

    async def ticks() -> list[tuple[int, str]]:
        found = (await alice.client.get(f"{PLACE}/snapshots")).json()["snapshots"]
        return [(one["tick"], one["type"]) for one in found]

    dear = [(0, "auto"), (0, "canonical"), (2, "auto")]
    await keep(0, "auto", decayAfterTicks=10, neverDecay=True)
    await keep(0, "canonical", decayAfterTicks=10)
    await keep(1, "auto", decayAfterTicks=10)
    await keep(1, "manual", decayAfterTicks=10)
    await keep(2, "auto", preservationReason="the first house")
    await keep(11, "manual")
    first = [(0, "auto"), (0, "canonical"), (1, "auto"), (1, "manual"), (2, "auto"), (11, "manual")]
    assert sorted(await ticks()) == first
    gone = await keep(12, "manual")
    assert sorted((one["tick"], one["type"]) for one in gone) == [(1, "auto"), (1, "manual")]
    assert "its author keeps it for 10" in gone[0]["why"]
    assert sorted(await ticks()) == [*dear, (11, "manual"), (12, "manual")]
    await keep(1, "auto", decayAfterTicks=10)
    assert (await alice.client.post(f"{PLACE}/prune", json={})).json()["dropped"] == []


async def test_of_many_that_are_to_go_some_go_in_each_change(
    alice: Alice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of years that were brought in: all of them would not fit one."""
    monkeypatch.setattr(record, "DROPPED_MAX", 2)
    monkeypatch.setattr(pruning, "DROPPED_MAX", 2)
    for tick in range(6):
        await put(alice, b"%d" % tick, f"tick={tick}&type=auto&at={tick + 1}")
    rule = {"retention": {"auto": {"newest": 1}}}
    made = {"id": "universe:main", "name": "Main", "isPublic": True} | rule
    assert (await alice.client.post("/api/universe", json=made)).status_code == 201
    await put(alice, b"now", "tick=6&type=auto")
    assert [one["tick"] for one in (await timeline(alice))["entries"]] == [2, 3, 4, 5, 6]
    done = (await alice.client.post(f"{PLACE}/prune", json={})).json()
    assert [one["tick"] for one in done["dropped"]] == [2, 3, 4, 5]
    assert [one["tick"] for one in (await timeline(alice))["entries"]] == [6]


async def test_what_an_event_needs_stays_also_where_much_goes(alice: Alice) -> None:
    taken = [await put(alice, b"%d" % tick, f"tick={tick}&type=auto") for tick in range(5)]
    event = {"tick": 2, "type": "birth", "snapshot": taken[2]["id"]}
    assert (await alice.client.post(f"{PLACE}/timeline", json=event)).status_code == 201
    rule = {"retention": {"auto": {"newest": 1}}}
    would = (await alice.client.post(f"{PLACE}/prune?dryRun=true", json=rule)).json()
    assert ([one["tick"] for one in would["dropped"]], would["kept"]) == ([0, 1, 3], 2)


async def test_what_opens_at_a_tick_is_told_without_its_bytes(alice: Alice) -> None:
    first = await put(alice, b"a", "tick=100")
    for at in ("100", "899", "latest"):
        found = (await alice.client.get(f"{PLACE}/nearest/{at}")).json()
        assert (found["entry"]["id"], found["held"]) == (first["id"], True), at
    none = await alice.client.get(f"{PLACE}/nearest/99")
    assert (none.status_code, none.json()["code"]) == (404, "unknown-snapshot")
    assert "its first is of tick 100" in none.json()["detail"]
    wrong = await alice.client.get(f"{PLACE}/nearest/soon")
    assert (wrong.status_code, wrong.json()["code"]) == (400, "bad-tick")


async def test_a_universe_may_have_its_rule_from_the_beginning(alice: Alice) -> None:
    rules: list[tuple[str, dict[str, Any], int]] = [
        ("kept", {"auto": {}}, 201),
        ("odd", {"auto": {"new": 1}}, 422),
    ]
    for id, retention, code in rules:
        body: dict[str, Any] = {"id": id, "name": "N", "retention": retention}
        answer = await alice.client.post("/api/universe", json=body)
        assert answer.status_code == code, answer.text
    shown = (await alice.client.post("/api/universe/kept/prune?dryRun=true", json={})).json()
    assert shown["rule"][0] == "auto: all are kept"


async def test_forks_of_a_deleted_universe_are_still_drawn_beside_each_other(alice: Alice) -> None:
    await put(alice, b"at 100", "tick=100")
    one, other = [
        (await forked(alice, id=f"universe:{name}"))["universe"]["fullName"] for name in "ab"
    ]
    assert (await alice.client.delete(PLACE)).status_code == 200
    for id in ("universe:a", "universe:b"):
        answer = await alice.client.get(f"/api/universe/{id}/forks?tree=true")
        tree = answer.json()["tree"]
        gone = f"{alice.node.identity.did}/universe:main"
        assert [(place["universe"], place["isKnown"], place["parent"]) for place in tree] == [
            (gone, False, None),
            (one, True, gone),
            (other, True, gone),
        ]
        assert [place.get("isDeleted", False) for place in tree] == [True, False, False]
        assert answer.json()["lines"][0] == f"{gone}  (deleted)"


async def test_forks_are_told_a_page_at_a_time_and_ones_own_are_first(alice: Alice) -> None:
    await put(alice, b"the one world", "tick=100")
    ids = sorted([(await forked(alice, name=f"Fork {n}"))["universe"]["id"] for n in range(5)])
    parent = f"{alice.node.identity.did}/universe:main"
    (row,) = await alice.node.store.called("universe", "universe:main", [COMMONS])
    (taken,) = await alice.node.store.snapshots(row.number)
    origin = await alice.node.store.signed_snapshot(row.number, taken.id)
    assert origin is not None
    bobs: list[SignedEntry] = []
    for number in range(3):
        document = document_of(f"{BOB.did}/universe:{number}", "uni", COMMONS)
        words, signed = Words(f"Bob's {number}"), decode_signed(origin)
        edit = fork_universe(words, Facts(visibility="public"), parent, signed, now_us=NOW_US)
        bobs += BOB.writes(document, edit)
    assert not (await alice.node.store.receive(bobs, source="sync")).refused
    pages = [page := (await alice.client.get(f"{PLACE}/forks?limit=2")).json()]
    while page["next"] is not None:
        asked = {"limit": 2, "cursor": page["next"]}
        page = (await alice.client.get(f"{PLACE}/forks", params=asked)).json()
        pages.append(page)
    assert [len(page["forks"]) for page in pages] == [2, 2, 2, 2]
    found = [one["fullName"] for page in pages for one in page["forks"]]
    own = [f"{alice.node.identity.did}/{id}" for id in ids]
    assert found == [*own, *(f"{BOB.did}/universe:{number}" for number in range(3))]
    of_another = await alice.client.get(
        f"/api/universe/{ids[0]}/forks", params={"cursor": pages[0]["next"]}
    )
    assert of_another.status_code == 404
