"""`docs/protocol/passages.md` is what the code does. How it is read: `tests/documents.py`."""

from typing import Any

from crdt import cbor
from tests.documents import FOLDER, blocks, integers, quoted, rows, words
from tests.universe.passengers import FOX, GATES, MEADOW, NO_ROOM, REEF, answered, key_of, sent
from tests.universe.test_passage import PROPOSED, value
from universe import room
from universe.gates import sign_hand_over
from universe.receipts import KINDS, encode_receipt
from universe.travel import story_of

TEXT = (FOLDER / "passages.md").read_text()
LIMITED = (
    "universe.receipts", "universe.gates", "universe.gate", "universe.gatebook", "universe.passage",
    "universe.lines", "universe.travel", "universe.behind",
    "universe.shares", "node.services.verdicts", "node.services.coming",
    "node.services.gatebooks",
)  # fmt: skip
LEFT = sent(FOX, MEADOW, REEF)


def described(column: str) -> set[str]:
    return {words(row[column])[0] for row in rows(TEXT, column, "type")}


def said(statement: bytes) -> dict[str, Any]:
    fields: dict[str, Any] = cbor.decode(statement, bytes_max=1 << 16)
    return fields


def test_the_example_is_what_the_code_writes() -> None:
    statement = encode_receipt(LEFT.receipt)
    assert blocks(TEXT) == {"departure": statement}
    assert f"{len(statement)} bytes; its id is `{LEFT.id.hex()}`" in TEXT


def test_every_field_is_described() -> None:
    (refused,) = answered(REEF, LEFT, verdict=NO_ROOM)
    both = [said(encode_receipt(one.receipt)) for one in (LEFT, refused)]
    assert {key for one in both for key in one} == described("of a receipt")
    assert set(both[0]["traveller"]) | {"blob"} == described("of a traveller")
    hand_over = sign_hand_over(GATES[0].hand_over, key_of(101))
    assert set(said(hand_over.statement)) == described("of a hand-over")
    assert set(value(PROPOSED)["body"]) | {"every_us"} == described("of a passage")


def test_limits_quoted_are_the_constants_and_all_of_them() -> None:
    limits = {
        name: number
        for module in LIMITED
        for name, number in integers(module).items()
        if name.endswith("_MAX")
    }
    # Their other ones are of other documents.
    for name in ("node.services.timelines.VOTING_MAX", "node.services.passage_lists.AGREED_MAX"):
        limits[name] = integers(name.rpartition(".")[0])[name]
    assert quoted(TEXT) == limits


def test_places_quoted_are_those_that_a_gate_has() -> None:
    places = {
        row["in `universe.room`"]: int(row["places"]) for row in rows(TEXT, "of a gate", "places")
    }
    assert places == {
        "`FOR_ANSWERS`, `FOR_OTHERS`": room.FOR_ANSWERS - room.FOR_OTHERS,
        "`BEGUN_MAX`": room.BEGUN_MAX,
    }


def test_the_diagram_is_the_one_beside_the_code() -> None:
    diagram = TEXT.split("## Where a traveller is\n\n```\n")[1].split("```")[0]
    assert diagram in (story_of.__globals__["__doc__"] or "")
    assert all(kind in diagram for kind in KINDS)
