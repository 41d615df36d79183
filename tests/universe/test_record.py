"""A universe as its document says it, whoever wrote that."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from crdt.document import Editor
from registry.errors import InvalidRecord, InvalidStatement, MalformedRecord, UniverseFull
from registry.head import Words
from tests.registry.people import ALICE_DID, ALICE_LAPTOP, NOON_US, Record
from tests.universe.worlds import FACTS, FULL, MAIN, MAIN_ID, PLAIN, UNION, WORDS, fork, world
from universe import parts, record
from universe.event import event_id
from universe.record import (
    CONFIG_BYTES_MAX,
    Facts,
    add_event,
    add_snapshot,
    create_universe,
    drop_snapshots,
    fork_universe,
    universe_listing,
    universe_of,
)
from universe.snapshot import sign_snapshot


def test_a_universe_is_what_was_said_of_it() -> None:
    universe = universe_of(MAIN_ID, world().value)
    assert (universe.id, universe.name, universe.ownerId) == (MAIN, "Main", "player:alice")
    assert (universe.isPublic, universe.visibility) == (True, "public")
    assert (universe.canonicalEventCount, universe.createdAt) == (1, NOON_US // 1_000)
    assert msgspec.json.decode(msgspec.json.encode(universe))["config"] == {"timeScale": 2}
    assert universe.full_name == f"{ALICE_DID}/{MAIN}"


def test_its_snapshots_and_events_are_read_one_by_one() -> None:
    listed = universe_listing(MAIN_ID, world().value).parts
    assert listed is not None
    rows = [listed.read_snapshot(*one) for one in listed.snapshots.items()]
    assert sorted(row.kind for row in rows if row) == ["auto", "canonical"]
    (canon,) = [row for row in rows if row and row.kind == "canonical"]
    assert (canon.day, canon.wrapped, canon.event) == (FULL.day, True, FULL.event)
    assert msgspec.json.decode(canon.decay) == {
        "decayAfterTicks": 500, "neverDecay": True, "preservationReason": "The first union.",
    }  # fmt: skip
    assert listed.events == {event_id(UNION): UNION}


def test_a_fork_begins_with_a_snapshot_of_its_parent() -> None:
    value = fork().value
    listing = universe_listing(replace(MAIN_ID, record=b"universe:fork"), value)
    universe = universe_of(replace(MAIN_ID, record=b"universe:fork"), value)
    signed = sign_snapshot(PLAIN, ALICE_LAPTOP)
    assert universe.forkOf is not None
    assert (universe.forkOf.universeId, universe.forkOf.snapshotTick) == (MAIN, PLAIN.tick)
    assert universe.parent == universe.forkOf.universe == f"{ALICE_DID}/{MAIN}"
    assert listing.parts is not None
    assert listing.parts.inherited == listing.parts.snapshots.keys() == {signed.id}


def test_the_same_said_again_changes_nothing() -> None:
    alices = world()
    assert alices.edit(create_universe(WORDS, FACTS, now_us=NOON_US + 5)) is None
    assert alices.edit(add_event(UNION, now_us=NOON_US + 5)) is None
    assert alices.edit(drop_snapshots((bytes(32),), now_us=NOON_US + 5)) is None
    changed = alices.edit(create_universe(Words("Other", None), Facts(), now_us=NOON_US + 5))
    assert changed is not None
    universe = universe_of(MAIN_ID, alices.value)
    assert (universe.name, universe.description, universe.ownerId) == (
        "Other", "A quiet ocean.", "player:alice",
    )  # fmt: skip


def test_there_is_no_room_for_more_than_a_document_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "SNAPSHOTS_MAX", 2)
    alices = world()
    third = sign_snapshot(replace(PLAIN, tick=2), ALICE_LAPTOP)
    with pytest.raises(UniverseFull):
        alices.edit(add_snapshot(third, now_us=NOON_US))
    oldest = sign_snapshot(PLAIN, ALICE_LAPTOP)
    alices.edit(add_snapshot(third, now_us=NOON_US, also_drop=(oldest.id,)))
    assert third.id.hex() in alices.value["snapshots"]
    assert oldest.id.hex() not in alices.value["snapshots"]
    monkeypatch.setattr(parts, "SNAPSHOTS_MAX", 1)
    few = universe_listing(MAIN_ID, alices.value).parts
    assert few is not None
    assert list(few.snapshots) == [min(bytes.fromhex(id) for id in alices.value["snapshots"])]


@pytest.mark.parametrize(
    ("words", "facts"),
    [
        (Words(" "), Facts()), (Words("x" * 100), Facts()), (Words("a\nb"), Facts()),
        (Words("x"), Facts(owner="x" * 200)), (Words("x"), Facts(config="[]")),
        (Words("x"), Facts(config="{")), (Words("x"), Facts(retention="5")),
        (Words("x"), Facts(config='{"a":"' + "x" * CONFIG_BYTES_MAX + '"}')),
    ],
)  # fmt: skip
def test_what_nobody_would_read_is_not_said(words: Words, facts: Facts) -> None:
    with pytest.raises(InvalidRecord):
        create_universe(words, facts, now_us=NOON_US)


def test_nothing_begins_with_what_nobody_signed() -> None:
    forged = replace(sign_snapshot(PLAIN, ALICE_LAPTOP), signature=bytes(64))
    with pytest.raises(InvalidStatement):
        fork_universe(Words("Fork"), Facts(), PLAIN.universe, forged, now_us=NOON_US)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("head", "name"), 5), (("head", "created_us"), -1), (("body", "owner"), "a\nb"),
        (("body", "config"), "{"), (("body", "config"), "[]"), (("body", "config"), 5),
        (("body", "gate"), b"short"), (("body", "forked_from"), "text"),
        (("body", "forked_from"), b"\xff"), (("body", "retention"), "x" * 5_000),
        (("body", "visibility"), 3),
    ],
)  # fmt: skip
def test_one_wrong_field_and_it_is_on_no_list(path: tuple[str, ...], value: Any) -> None:  # noqa: ANN401 - any scalar
    alices = world()
    alices.edit(put(path, value))
    if path == ("body", "visibility"):  # of what is public nobody reads it
        assert universe_of(MAIN_ID, alices.value).visibility == "public"
        return
    with pytest.raises(MalformedRecord):
        universe_of(MAIN_ID, alices.value)


def put(path: tuple[str, ...], value: Any) -> Callable[[Editor], None]:  # noqa: ANN401 - any scalar
    def edit(editor: Editor) -> None:
        editor.put(path, value)

    return edit


@pytest.mark.parametrize("id", [b"a/b", b"\xff", b"did:key:x", b" "])
def test_a_record_of_another_name_is_no_universe(id: bytes) -> None:
    with pytest.raises(MalformedRecord):
        universe_of(replace(MAIN_ID, record=id), world().value)
    other = Record(replace(MAIN_ID, kind="gen"))
    with pytest.raises(MalformedRecord):
        universe_of(other.id, other.value)
