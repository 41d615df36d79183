"""Autosaves stay as long as there is room; what goes is said, and nothing that is needed goes."""

import logging
from collections.abc import Sequence
from typing import Any

import pytest
from httpx2 import Response

from crdt import authority, rollover
from crdt.change import DocumentId
from crdt.document import Editor
from crdt.keys import COMMONS
from node.services import pruning, snapshot_change
from node.services.universes import document_of
from storage.documents import Documents
from tests.node.api.test_snapshots import PLACE, listed, put
from tests.node.api.test_snapshots import main as main
from tests.node.parts import Alice
from universe import record, retention, room
from universe.event import Event, encode_event, event_id

MINUTE_US = 60_000_000


async def ticks(alice: Alice) -> list[int]:
    return [one["tick"] for one in await listed(alice)]


async def ruled(alice: Alice, **auto: object) -> None:
    answer = await alice.client.post(f"{PLACE}/prune", json={"retention": {"auto": auto}})
    assert answer.status_code == 200, answer.text


async def test_what_was_saved_days_ago_stays(alice: Alice) -> None:
    """Twelve autosaves of one evening three days ago, and one of now."""
    then_us = alice.node.clock_us() - 3 * 24 * 60 * MINUTE_US
    for tick in range(12):
        query = f"tick={tick}&type=auto&at={then_us + tick * MINUTE_US}"
        await put(alice, b"%d" % tick, query)
    done = await put(alice, b"now", "tick=99&type=auto")
    assert (done["dropped"], done["droppedSnapshots"]) == (0, [])
    assert await ticks(alice) == [*range(12), 99]
    shown = (await alice.client.get(PLACE)).json()
    assert shown["rule"][0].startswith("auto: up to 2,000 are kept; of more, the oldest")
    made = await alice.client.post("/api/universe", json={"name": "New", "isPublic": True})
    assert made.json()["rule"] == shown["rule"]


async def test_saves_that_waited_are_thinned_by_when_they_were_made(alice: Alice) -> None:
    """Three an hour, of five hours in which no node was there; all are uploaded now."""
    await ruled(alice, thin=True)
    hour_ms = 60 * MINUTE_US // 1_000
    then_ms = (alice.node.clock_us() // 1_000 // hour_ms - 6) * hour_ms
    for tick in range(15):
        made_ms = then_ms + tick // 3 * hour_ms + tick % 3 * 600_000
        await put(alice, b"%d" % tick, f"tick={tick}&type=auto&made_ms={made_ms}")
    await put(alice, b"now", "tick=99&type=auto")
    assert await ticks(alice) == [2, 5, 8, 11, 14, 99]


async def test_when_a_save_was_made_is_taken_from_clocks_that_can_be_right(alice: Alice) -> None:
    now_ms = alice.node.clock_us() // 1_000
    year_ms = 365 * 24 * 60 * MINUTE_US // 1_000
    event = '&type=canonical&event={"type":"birth"}'
    for tick, (made_ms, is_taken) in enumerate(
        [(now_ms - 60_000, True), (now_ms - 5 * year_ms, True), (now_ms + year_ms, False),
         (0, False), (1_577_836_799_999, False)]
    ):  # fmt: skip
        done = await put(alice, b"x", f"tick={tick}&made_ms={made_ms}{event}")
        assert (done["entry"]["timestamp"] == made_ms) is is_taken, made_ms
        assert is_taken or now_ms <= done["entry"]["timestamp"] < now_ms + year_ms
        story = (await alice.client.get(f"{PLACE}/timeline")).json()["entries"]
        times = {one["timestamp"] for one in story if one["tick"] == tick}
        assert (times == {made_ms}) is is_taken, "its event is of the same time"
    body: dict[str, Any] = {"snapshot": {}, "tick": 9, "type": "auto"}
    wrapped = await alice.client.post(f"{PLACE}/snapshot?made_ms={now_ms - 1}", json=body)
    assert wrapped.json()["entry"]["timestamp"] == now_ms - 1
    both = await put(alice, b"y", f"tick=10&made_ms={now_ms - 1}&at=7000")
    assert both["entry"]["timestamp"] == 7


async def test_an_upload_says_what_went(alice: Alice, caplog: pytest.LogCaptureFixture) -> None:
    await ruled(alice, newest=2)
    first = [
        await put(alice, b"%d" % tick, f"tick={tick}&type=auto&at={tick}") for tick in range(20)
    ]
    caplog.set_level(logging.INFO, "node.api.routes.snapshot_uploads")
    done = await put(alice, b"now", "tick=20&type=auto")
    assert done["dropped"] == 19
    gone: list[dict[str, Any]] = done["droppedSnapshots"]
    assert [one["tick"] for one in gone] == list(range(16)), "the answer stays small"
    assert gone[0] == {
        "id": first[0]["id"], "tick": 0, "type": "auto", "timestamp": 0, "fileSize": 1,
        "why": "2 newer ones are kept", "blob": first[0]["entry"]["blob"],
    }  # fmt: skip
    assert [one.getMessage() for one in caplog.records] == [
        f"{alice.node.identity.did}/universe:main: what went with an upload, by the"
        " universe's rule or its own: 19, of tick "
        + ", ".join(f"{tick} (blob {one['entry']['blob']})" for tick, one in enumerate(first[:16]))
        + " …;"
        " panspermia gc gives the room back"
    ]
    again = await put(alice, b"now", "tick=20&type=auto")
    assert (again["known"], again["dropped"]) == (True, 0)
    assert await ticks(alice) == [19, 20]


async def test_a_full_universe_still_takes_autosaves_and_loses_nothing_that_is_needed(
    alice: Alice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest that is needed for nothing makes room, also where the oldest of all are needed."""
    monkeypatch.setattr(record, "SNAPSHOTS_MAX", 10)
    monkeypatch.setattr(retention, "ROOM_MAX", 9)
    kept = [await put(alice, b"%d" % tick, f"tick={tick}&type=auto") for tick in range(6)]
    await put(alice, b"dear", "tick=6")
    fork = await alice.client.post(f"{PLACE}/fork", json={"name": "F", "snapshotTick": 0})
    assert fork.status_code == 201, fork.text
    for tick in (1, 2):
        event = {"tick": tick, "type": "birth", "snapshot": kept[tick]["id"]}
        assert (await alice.client.post(f"{PLACE}/timeline", json=event)).status_code == 201
    went: list[int] = []
    for tick in range(7, 20):
        done = await put(alice, b"%d" % tick, f"tick={tick}&type=auto")
        went += [one["tick"] for one in done["droppedSnapshots"]]
    assert went == [3, 4, 5, *range(7, 15)], "as many as are too many"
    assert await ticks(alice) == [0, 1, 2, 6, *range(15, 20)]
    again = (await alice.client.post(f"{PLACE}/prune", json={})).json()
    assert again["dropped"] == []


async def test_a_universe_takes_an_autosave_however_much_came_since_the_last(
    alice: Alice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of another device, or answers of its gate: more than one act makes room for."""
    for module in (record, pruning, snapshot_change):
        monkeypatch.setattr(module, "DROPPED_MAX", 4)
    monkeypatch.setattr(room, "VALUES_MAX", 40)
    monkeypatch.setattr(retention, "ROOM_VALUES_MAX", 36)
    for tick in range(30):
        assert (await put(alice, b"%d" % tick, f"tick={tick}&type=auto"))["dropped"] == 0
    (row,) = await alice.node.store.called("universe", "universe:main", [COMMONS])

    def told(editor: Editor) -> None:
        for number in range(25):
            event = encode_event(Event(number, 1, "birth", f"{number}"))
            editor.put(("events", event_id(event).hex()), event)

    document = document_of(row)
    signer = await alice.node.signers.for_document(document)
    await alice.node.store.commit(document, told, signer)
    gone = 0
    for tick in range(30, 34):
        done = await put(alice, b"%d" % tick, f"tick={tick}&type=auto")
        gone += done["dropped"]
        assert await ticks(alice) == [*range(gone, tick + 1)]
    assert gone == 34 + 25 - 36, "in the end all that are too many"


async def test_a_universe_never_ends_to_be_saved_for_what_its_document_holds(
    alice: Alice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sizes a hundredth of the real ones: it is refused in words while it can still go on."""
    monkeypatch.setattr(rollover, "PLACES_MAX", 100)
    monkeypatch.setattr(rollover, "CHANGES_FULL", 20)
    monkeypatch.setattr(authority, "CHANGES_MAX", 50)
    monkeypatch.setattr(room, "VALUES_MAX", 80)
    monkeypatch.setattr(room, "SNAPSHOTS_LEAST", 8)
    monkeypatch.setattr(room, "FOR_ANSWERS", 4)
    monkeypatch.setattr(retention, "ROOM_VALUES_MAX", 76)

    async def told(tick: int) -> Response:
        event = {"tick": tick, "type": "birth", "title": f"Born at {tick}"}
        return await alice.client.post(f"{PLACE}/timeline", json=event)

    async def saved(tick: int) -> Response:
        return await alice.client.post(
            f"{PLACE}/snapshot?tick={tick}&type=auto", content=b"%d" % tick,
            headers={"content-type": "application/octet-stream"},
        )  # fmt: skip

    assert {(await told(tick)).status_code for tick in range(30)} == {201}
    # The usual rule: autosaves make room beside the events.
    went = [(await saved(tick)).json()["dropped"] for tick in range(60)]
    assert went == [0] * 46 + [1] * 14
    await ruled(alice)  # keep all
    while (answer := await saved(100 + len(await ticks(alice)))).status_code == 201:
        assert len(await ticks(alice)) <= 50
    full = answer.json()
    assert (answer.status_code, full["code"]) == (507, "universe-full")
    assert "panspermia universe prune" in full["detail"]
    assert "50 snapshots, 30 events" in full["detail"]
    for tick in range(60):  # however often it is tried
        assert (await saved(300 + tick)).json()["code"] == "universe-full"
        assert (await told(300 + tick)).json()["code"] == "universe-full"
    await ruled(alice, newest=40)
    for tick in range(400, 500):
        assert (await saved(tick)).status_code == 201
    assert (await told(500)).status_code == 201
    assert len(await ticks(alice)) == 40


async def test_an_upload_reads_no_document_of_a_universe_with_a_gate(
    alice: Alice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What its gate keeps takes room too: the row of the universe says how much that is."""
    other = {"id": "universe:far", "name": "Far", "isPublic": True}
    assert (await alice.client.post("/api/universe", json=other)).status_code == 201
    passage = {
        "id": "gap", "sourceUniverseId": "universe:main", "targetUniverseId": "universe:far",
        "type": "gate",
    }  # fmt: skip
    assert (await alice.client.post("/api/passage", json=passage)).status_code == 201
    sent = {"soul": "fox", "data": "e30=", "from": "universe:main", "migration": "7f" * 16}
    gone = await alice.client.post("/api/passage/gap/travel", json=sent)
    assert gone.status_code in (200, 201, 202), gone.text
    told = (await alice.client.get(PLACE)).json()["universe"]
    assert told["gate"]
    assert told["receiptCount"] == 2, "who let it out, and that it left"
    reads: list[object] = []
    read_each = Documents.read_each

    async def counted(self: Documents, documents: Sequence[DocumentId]) -> object:
        reads.extend(documents)
        return await read_each(self, documents)

    monkeypatch.setattr(Documents, "read_each", counted)
    monkeypatch.setattr(retention, "ROOM_VALUES_MAX", 4)
    went = [
        (await put(alice, b"%d" % tick, f"tick={tick}&type=auto"))["dropped"] for tick in range(4)
    ]
    assert went == [0, 0, 1, 1]
    assert reads == []
