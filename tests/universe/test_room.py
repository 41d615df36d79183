"""What comes is refused in words while the document can still go on in a new epoch."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from random import Random

import pytest

from crdt import rollover
from crdt.document import Editor
from crdt.preflight import CHANGE_BYTES_MAX, read_change
from registry.edits import Edit
from registry.errors import CannotTravel, UniverseFull
from tests.registry.people import ALICE_LAPTOP, NOON_US, Record
from tests.universe.passengers import FOX, KEYS, MEADOW, REEF, answered, sent
from tests.universe.worlds import PLAIN, world
from universe import room
from universe.event import EVENT_BYTES_MAX, Event, encode_event
from universe.gatebook import put_recall, put_receipts
from universe.parts import EVENTS_MAX, SNAPSHOTS_MAX
from universe.receipts import Checked, sign_receipt
from universe.record import DROPPED_MAX, add_event, add_snapshot, drop_snapshots
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
    fullest = room.VALUES_MAX + room.FOR_ANSWERS  # when answers have come since the last save
    assert fullest + 1 - ROOM_VALUES_MAX <= DROPPED_MAX, "a save takes along what makes its room"


def test_a_save_that_takes_along_as_many_as_it_may_fits_one_change(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With the largest event; ids are random, so nothing of them is packed."""
    monkeypatch.undo()
    record, drawn = world(), Random(1)
    ids = [drawn.randbytes(32) for _ in range(2 * DROPPED_MAX)]
    for at in range(0, len(ids), 64):

        def put(editor: Editor, some: Sequence[bytes]) -> None:
            for id in some:
                editor.put(("snapshots", id.hex()), b"x")

        record.edit(partial(put, some=ids[at : at + 64]))
    names = tuple(drawn.randbytes(60).hex() for _ in range(50))
    event = encode_event(Event(1, NOON_US, "birth", "Full", entities=names))
    assert len(event) > EVENT_BYTES_MAX * 3 // 4
    gone = tuple(drawn.sample(ids, DROPPED_MAX))
    signed = sign_snapshot(replace(PLAIN, tick=60), ALICE_LAPTOP)
    raw = record.edit(add_snapshot(signed, event, now_us=NOON_US, also_drop=gone))
    assert raw is not None
    assert read_change(raw).hash
    assert len(raw) < CHANGE_BYTES_MAX * 4 // 5
    assert len(record.value["snapshots"]) == len(ids) - DROPPED_MAX + 3
