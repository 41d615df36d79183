"""A player's record: what may be said, and what of it is believed to have been said."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt import cbor
from crdt.change import DocumentId
from crdt.keys import COMMONS, AuthorKey
from registry.deletion import delete, is_deleted
from registry.errors import InvalidName, InvalidRecord, MalformedRecord
from tests.registry.people import ALICE, ALICE_DID, DAY_US, NOON_US, Record
from universe.player import (
    ID_BYTES_MAX,
    LINK_CHARACTERS_MAX,
    LINKS_MAX,
    listed_player,
    parse_player_id,
    player_listing,
    player_of,
    register_player,
)

ID = "player:3f0c7c6e-1d0e-4b57-9a5c-6a8f3f1d2c11"


def document(id: bytes = ID.encode()) -> DocumentId:
    return DocumentId(COMMONS, AuthorKey(ALICE.public), "pub", "player", id)


def alice() -> Record:
    record = Record(document())
    links = ("https://example.org/alice",)
    record.edit(register_player("Alice", "Grows worlds.", links, now_us=NOON_US))
    return record


def test_a_player_is_shown_as_they_say_it() -> None:
    record = alice()
    found = player_of(record.id, record.value)
    assert (found.id, found.author, found.full_name) == (ID, ALICE_DID, f"{ALICE_DID}/{ID}")
    assert (found.display_name, found.about) == ("Alice", "Grows worlds.")
    assert found.links == ("https://example.org/alice",)
    assert found.created_at == found.updated_at == NOON_US // 1_000
    row = player_listing(record.id, record.value)
    assert (row.kind, row.author, row.record) == ("player", ALICE_DID, ID)
    assert (row.name, row.description) == ("Alice", "Grows worlds.")
    assert ID in row.text
    assert "https://example.org/alice" in row.text
    assert listed_player(row.fields) == found
    assert {"id", "displayName", "createdAt"} <= msgspec.json.decode(row.fields).keys()


def test_what_is_said_already_is_not_said_again_and_what_is_left_out_stays() -> None:
    record = alice()
    later = NOON_US + DAY_US
    assert record.edit(register_player("Alice", now_us=later)) is None
    assert record.edit(register_player("Alicia", now_us=later)) is not None
    found = player_of(record.id, record.value)
    assert (found.display_name, found.about, len(found.links)) == ("Alicia", "Grows worlds.", 1)
    assert (found.created_at, found.updated_at) == (NOON_US // 1_000, later // 1_000)
    record.edit(register_player(None, "", (), now_us=later))
    found = player_of(record.id, record.value)
    assert (found.display_name, found.about, found.links) == ("Alicia", "", ())


def test_whoever_registers_again_is_there_again() -> None:
    record = alice()
    record.edit(delete(now_us=NOON_US))
    assert is_deleted(record.value)
    record.edit(register_player("Alice", now_us=NOON_US))
    assert not is_deleted(record.value)


def test_who_has_no_name_is_called_by_the_id() -> None:
    record = Record(document())
    record.edit(register_player("", now_us=NOON_US))
    assert player_of(record.id, record.value).display_name == ID


@pytest.mark.parametrize(
    "id", ["", "a/b", "a\nb", "a\u202eb", "x" * (ID_BYTES_MAX + 1), "é" * ID_BYTES_MAX, "\ud800"]
)
def test_such_a_one_is_no_id(id: str) -> None:
    with pytest.raises(InvalidName):
        parse_player_id(id)


@pytest.mark.parametrize(
    ("name", "about", "links", "pointers"),
    [
        ("a\nb", "", (), ["/name"]),
        ("x" * 65, "", (), ["/name"]),
        ("", "x" * 1_001, (), ["/description"]),
        ("", "", ("javascript:alert(1)",), ["/links/0"]),
        ("", "", ("https://ok", "https://a b"), ["/links/1"]),
        ("", "", ("https://" + "x" * LINK_CHARACTERS_MAX,), ["/links/0"]),
        ("", "", ("https://a",) * (LINKS_MAX + 1), ["/links"]),
    ],
)
def test_what_readers_would_refuse_is_not_signed(
    name: str, about: str, links: tuple[str, ...], pointers: list[str]
) -> None:
    with pytest.raises(InvalidRecord) as refused:
        register_player(name, about, links, now_us=NOON_US)
    assert [problem.pointer for problem in refused.value.problems] == pointers


def other(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    value = alice().value
    change(value)
    return value


@pytest.mark.parametrize(
    "value",
    [
        {},
        other(lambda value: value.pop("body")),
        other(lambda value: value.update(head=7)),
        other(lambda value: value["head"].update(name=b"x")),
        other(lambda value: value["head"].update(name="a\u202eb")),
        other(lambda value: value["head"].pop("created_us")),
        other(lambda value: value["body"].update(links="https://a")),
        other(lambda value: value["body"].update(links=b"\xff")),
        other(lambda value: value["body"].update(links=cbor.encode(["javascript:x"]))),
        other(lambda value: value["body"].update(links=cbor.encode(["https://a"] * 9))),
        other(lambda value: value["body"].update(links=cbor.encode([b"https://a"]))),
        other(lambda value: value["body"].update(links=cbor.encode({"https://a": 1}))),
    ],
)
def test_a_stranger_is_told_what_is_wrong(value: dict[str, Any]) -> None:
    with pytest.raises(MalformedRecord):
        player_listing(document(), value)


def test_another_kind_and_a_record_that_is_no_id_are_no_players() -> None:
    value = alice().value
    genome = DocumentId(COMMONS, AuthorKey(ALICE.public), "pub", "gen", ID.encode())
    for id in (genome, document(b"\xff"), document(b"a/b")):
        with pytest.raises(MalformedRecord):
            player_of(id, value)


@given(st.dictionaries(st.text(max_size=6), st.binary(max_size=40) | st.text() | st.integers()))
def test_whatever_a_body_holds_raises_nothing_but_ours(body: dict[str, Any]) -> None:
    value = alice().value | {"body": body}
    try:
        player_listing(document(), value)
    except MalformedRecord:
        assert "links" in body
