"""What comes is refused in words while the document can still go on in a new epoch."""

from dataclasses import replace

import pytest

from crdt import rollover
from crdt.document import Editor
from registry.edits import Edit
from registry.errors import CannotTravel, UniverseFull
from tests.registry.people import ALICE_LAPTOP, NOON_US, Record
from tests.universe.passengers import FOX, KEYS, MEADOW, REEF, answered, sent
from tests.universe.worlds import PLAIN, world
from universe import room
from universe.event import Event, encode_event
from universe.gatebook import put_recall, put_receipts
from universe.parts import EVENTS_MAX, SNAPSHOTS_MAX
from universe.receipts import Checked, sign_receipt
from universe.record import add_event, add_snapshot, drop_snapshots
from universe.retention import ROOM_MAX, ROOM_VALUES_MAX
from universe.snapshot import sign_snapshot


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "VALUES_MAX", 20)
    monkeypatch.setattr(room, "SNAPSHOTS_LEAST", 4)
    monkeypatch.setattr(room, "FOR_ANSWERS", 3)


def wrote(one: Checked) -> Edit:
    return put_receipts([sign_receipt(one.receipt, KEYS[one.receipt.universe])], now_us=NOON_US)


def filled(count: int) -> Record:
    """A universe of two snapshots and an event, whose gate keeps so much."""
    record = world()

    def edit(editor: Editor) -> None:
        for number in range(count):
            editor.put(("gate", f"lost-{number}"), number)

    record.edit(edit)
    return record


def event(tick: int) -> bytes:
    return encode_event(Event(tick, NOON_US, "milestone", f"Number {tick}"))


def snapshot(record: Record, tick: int) -> bytes:
    signed = sign_snapshot(replace(PLAIN, tick=tick), ALICE_LAPTOP)
    record.edit(add_snapshot(signed, now_us=NOON_US))
    return signed.id


def test_events_and_departures_leave_room_for_answers_and_snapshots() -> None:
    record = filled(11)
    record.edit(add_event(event(1), now_us=NOON_US))
    said = r"the universe is full: 2 snapshots, 13 events and receipts, of 20 together; let old"
    with pytest.raises(UniverseFull, match=said):
        record.edit(add_event(event(2), now_us=NOON_US))
    assert record.edit(add_event(event(1), now_us=NOON_US)) is None, "what is there stays"
    with pytest.raises(CannotTravel, match=said) as full:
        record.edit(wrote(sent(FOX, MEADOW, REEF)))
    assert full.value.why == "gate-full"
    (arrived,) = answered(REEF, sent(FOX, MEADOW, REEF))
    record.edit(wrote(arrived))
    for number in (1, 2):
        record.edit(put_recall(bytes([number]) * 32, now_us=NOON_US))
    with pytest.raises(CannotTravel, match="its gate signs no more, as the universe is full"):
        record.edit(put_recall(bytes([3]) * 32, now_us=NOON_US))
    for tick in (1, 2):
        snapshot(record, tick)
    assert len(record.value["snapshots"]) == 4, "so many have room whatever else there is"


def test_snapshots_are_refused_until_some_are_let_go() -> None:
    record = filled(4)
    kept = [snapshot(record, tick) for tick in range(13)]
    with pytest.raises(UniverseFull, match="15 snapshots, 5 events and receipts, of 20 together"):
        snapshot(record, 99)
    with pytest.raises(UniverseFull, match="panspermia universe prune"):
        record.edit(add_event(event(1), now_us=NOON_US))
    also = add_snapshot(
        sign_snapshot(replace(PLAIN, tick=50), ALICE_LAPTOP), now_us=NOON_US, also_drop=(kept[0],)
    )
    record.edit(also)
    record.edit(drop_snapshots((kept[1],), now_us=NOON_US))
    snapshot(record, 99)
    assert len(record.value["snapshots"]) == 15


def test_the_bounds_fit_into_one_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that there may be at once is carried, and an import of the largest makes no room."""
    monkeypatch.undo()
    told = 100  # of the universe itself, about
    assert room.VALUES_MAX + room.FOR_ANSWERS + told <= rollover.PLACES_MAX
    assert SNAPSHOTS_MAX + EVENTS_MAX <= ROOM_VALUES_MAX < room.VALUES_MAX
    assert room.SNAPSHOTS_LEAST > room.VALUES_MAX - ROOM_VALUES_MAX
    assert ROOM_MAX < SNAPSHOTS_MAX
