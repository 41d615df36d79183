"""What comes is refused in words while the document can still go on in a new epoch."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from random import Random

import pytest

from crdt import rollover
from crdt.document import Editor, Plain
from crdt.preflight import CHANGE_BYTES_MAX, read_change
from registry.edits import Edit
from registry.errors import CannotTravel, UniverseFull
from tests.registry.people import ALICE_LAPTOP, NOON_US, Record
from tests.universe.passengers import (
    ACCEPT,
    EEL,
    FOX,
    KEYS,
    MEADOW,
    NO_ROOM,
    NOW,
    REEF,
    answered,
    lines_of,
    sent,
)
from tests.universe.worlds import PLAIN, world
from universe import room, shares
from universe.event import EVENT_BYTES_MAX, Event, encode_event
from universe.gate import due
from universe.gatebook import put_recall, put_receipts
from universe.parts import EVENTS_MAX, SNAPSHOTS_MAX
from universe.receipts import ARRIVAL, RETURN, Checked, Traveller, Who, sign_receipt
from universe.receipts import encode_signed as encode_receipt
from universe.record import DROPPED_MAX, add_event, add_snapshot, drop_snapshots
from universe.retention import ROOM_MAX, ROOM_VALUES_MAX
from universe.room import LOST, Held, Places
from universe.snapshot import encode_signed, sign_snapshot


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
            editor.put(("gate", f"recall-{number}"), number)

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
    said = r"the universe is full: 2 snapshots, 13 events and receipts, of 20 together; "
    # So few snapshots have room whatever there is: to let them go helps nobody.
    with pytest.raises(UniverseFull, match=said + "save without an event, or go on in a fork"):
        record.edit(add_event(event(2), now_us=NOON_US))
    assert record.edit(add_event(event(1), now_us=NOON_US)) is None, "what is there stays"
    with pytest.raises(CannotTravel, match=said + "nothing in it makes room: nobody") as full:
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


def test_who_was_called_back_returns_where_nothing_else_has_room() -> None:
    record = filled(11)
    departure = sent(FOX, MEADOW, REEF)
    record.edit(wrote(departure))
    (refused,) = answered(REEF, departure, verdict=NO_ROOM)
    (back,) = answered(MEADOW, departure, refused)
    for id in (departure.id, bytes(32), bytes([1]) * 32):
        record.edit(put_recall(id, now_us=NOON_US))
    with pytest.raises(CannotTravel, match="its gate signs no more"):
        record.edit(wrote(back))
    returned = sign_receipt(back.receipt, KEYS[MEADOW])
    record.edit(put_receipts([returned], now_us=NOON_US, returned=[departure.id]))
    kept = set(record.value["gate"])
    assert f"recall-{departure.id.hex()}" not in kept
    assert f"{back.receipt.seq:08x}-{back.id.hex()[:16]}" in kept
    assert f"recall-{bytes(32).hex()}" in kept, "others are still called back"


def test_who_was_called_back_returns_also_where_there_is_less_than_no_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    record = filled(11)
    departure = sent(FOX, MEADOW, REEF)
    record.edit(wrote(departure))
    (refused,) = answered(REEF, departure, verdict=NO_ROOM)
    record.edit(put_recall(departure.id, now_us=NOON_US))
    monkeypatch.setattr(room, "VALUES_MAX", 10)
    (back,) = due(
        MEADOW, KEYS[MEADOW].public, lines_of(departure, refused), NOW,
        judge=lambda one: ACCEPT, recalled=[departure.id], places=Places(-8, 0),
    )  # fmt: skip
    returned = sign_receipt(back, KEYS[MEADOW])
    record.edit(put_receipts([returned], now_us=NOON_US, returned=[departure.id]))
    assert f"recall-{departure.id.hex()}" not in record.value["gate"]
    with pytest.raises(CannotTravel, match="its gate signs no more"):
        record.edit(put_recall(departure.id, now_us=NOON_US))


def test_what_begins_the_epochs_of_a_gate_takes_no_place_of_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(room, "BEGUN_MAX", 5)
    record = filled(11)
    before = Held.in_value(record.value)

    def begins(editor: Editor) -> None:
        for epoch in (1, 2, 3):
            editor.put(("gate", f"e{epoch:08x}-{epoch:016x}"), b"a hand-over")
        for number in (1, 2):
            editor.put(("gate", f"{LOST}{number}"), number)

    def begins_again(editor: Editor) -> None:
        assert Held.of(editor) == before
        editor.put(("gate", f"{LOST}3"), 3)

    record.edit(begins)
    assert Held.in_value(record.value) == before
    record.edit(begins_again)
    assert Held.in_value(record.value).for_answers == before.for_answers - 1, "there is an end"


def test_own_travellers_come_back_before_anybody_else_is_answered() -> None:
    hen = Traveller.of(Who(MEADOW, "hen"), b"{}", "json")
    gone = [sent(FOX, MEADOW, REEF)]
    gone.append(sent(hen, MEADOW, REEF, *gone, migration=2))
    refused = answered(REEF, *gone, verdict=NO_ROOM)
    came = sent(EEL, REEF, MEADOW, *gone, *refused, migration=3)
    lines = lines_of(*gone, *refused, came)

    def kinds(places: Places, *recalled: bytes) -> list[str]:
        key = KEYS[MEADOW].public
        found = due(MEADOW, key, lines, NOW, judge=lambda one: ACCEPT, recalled=recalled,
                    places=places)  # fmt: skip
        return [one.kind for one in found]

    assert kinds(Places(3, 2)) == [RETURN, RETURN, ARRIVAL]
    assert kinds(Places(2, 2)) == [RETURN, RETURN]
    assert kinds(Places(1, 2)) == [RETURN], "as many as have room"
    assert kinds(Places(0, 0), *(one.id for one in gone)) == [RETURN, RETURN]
    # Those that no place is held for take the room of others, and no place of somebody else's.
    passage = came.receipt.passage
    assert kinds(Places(3, 1, {passage: 1})) == [RETURN, RETURN, ARRIVAL]
    assert kinds(Places(2, 1, {passage: 1})) == [RETURN, RETURN]
    assert kinds(Places(3, 3, {passage: 1})) == []
    assert kinds(Places(3, 3, {"another": 1})) == [RETURN, RETURN]
    assert kinds(Places(1, 0), *(one.id for one in gone)) == [RETURN, RETURN, ARRIVAL]


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
    most = room.VALUES_MAX + room.FOR_ANSWERS + told + room.BEGUN_MAX
    assert most <= rollover.PLACES_MAX
    assert room.FOR_OTHERS == shares.UNDER_WAY_MAX
    assert room.FOR_ANSWERS - room.FOR_OTHERS > 2 * shares.UNDER_WAY_MAX
    assert SNAPSHOTS_MAX + EVENTS_MAX <= ROOM_VALUES_MAX < room.VALUES_MAX
    assert room.SNAPSHOTS_LEAST > room.VALUES_MAX - ROOM_VALUES_MAX
    assert ROOM_MAX < SNAPSHOTS_MAX


def test_what_is_ordinary_never_fills_a_record_by_its_bytes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All places taken, by the births of a village and by the receipts of a gate."""
    monkeypatch.undo()
    agents = tuple(f"agent:{letter * 36}" for letter in "abc")
    birth = Event(
        123_456, NOON_US, "agent:born", "Bramble was born to Moss and Fern", day=51, importance=6,
        entities=agents[:1], parents=agents[1:], souls=agents[:1],
    )  # fmt: skip
    events: dict[str, Plain] = {
        f"{at:032x}": encode_event(replace(birth, tick=at)) for at in range(EVENTS_MAX)
    }
    assert 250 < len(encode_event(birth)) < 350
    signed = encode_signed(sign_snapshot(replace(PLAIN, parent=bytes(32)), ALICE_LAPTOP))
    snapshots: dict[str, Plain] = {f"{at:064x}": signed for at in range(SNAPSHOTS_MAX)}
    rest = room.VALUES_MAX - len(events) - len(snapshots)
    (arrived,) = answered(REEF, sent(FOX, MEADOW, REEF))
    receipt = encode_receipt(sign_receipt(arrived.receipt, KEYS[REEF]))
    gate: dict[str, Plain] = {f"{at:08x}-{at:016x}": receipt for at in range(rest)}
    full = rollover.extent({"events": events, "snapshots": snapshots, "gate": gate})
    assert full.is_carryable
    assert full.parts < rollover.PARTS_MAX / 5
    # With ten KB of genes, as creatures of Primordium have, every second day for ten years.
    genes, days = bytes(11 * 1024), range(0, 10 * 365, 2)
    departed: dict[str, Plain] = {f"{at:08x}-{at:016x}": genes for at in days}
    arrivals: dict[str, Plain] = {f"{at + 1:08x}-{at:016x}": receipt for at in days}
    travelled = rollover.extent({"events": events, "gate": departed | arrivals})
    assert travelled.is_carryable

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
