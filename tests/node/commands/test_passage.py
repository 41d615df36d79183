"""How the place of a traveller reads, whatever a stranger wrote into it."""

from pathlib import Path

import click
import pytest
from blake3 import blake3

from node.commands.passage import send
from node.commands.passage_text import (
    behind_text,
    end_text,
    late_text,
    place_text,
    rest_text,
    stability_text,
    state_text,
    travellers_text,
    waiting_text,
)
from node.commands.petnames import Petnames
from node.commands.traveller_files import MIGRATION, checked
from node.exit_codes import NOT_FOUND, UNVERIFIED
from node.failure import Failure, Json

BOB, CAROL = (f"did:key:z6Mk{name * 44}" for name in ("b", "c"))
CALLED = Petnames({"bob": BOB})
FOX = {
    "soul": "fox", "state": "in-transit", "universe": f"{BOB}/universe:reef",
    "source": f"{CAROL}/universe:cave", "migration": "01" * 16,
}  # fmt: skip


def test_a_traveller_is_in_one_place_or_under_way() -> None:
    text = place_text(FOX, CALLED)
    assert text.startswith("fox is on its way from z6Mk")
    assert text.endswith("/universe:reef")
    assert "bob" in text
    there = place_text({**FOX, "state": "in"}, CALLED)
    assert there.startswith("fox is in bob")
    own = place_text({**FOX, "state": "in"}, Petnames({"me": BOB}, own=BOB))
    assert own == "fox is in universe:reef (yours)"
    refused = {**FOX, "state": "refused", "reason": "no room"}
    assert place_text(refused, CALLED).endswith("refused: no room")


def test_who_calls_somebody_back_too_late_is_told_so() -> None:
    assert late_text({**FOX, "state": "in"}) == "It is under way no more: this calls nobody back."
    assert late_text(FOX) is None
    assert late_text({**FOX, "state": "refused", "reason": ""}) is None


def test_what_was_deleted_is_told_of_a_passage_and_of_who_is_there() -> None:
    one: Json = {"state": "open", "gone": []}
    assert state_text(one, CALLED, CAROL) == "open"
    gone = {"state": "gone", "gone": [FOX["universe"]]}
    assert state_text(gone, CALLED, BOB) == "gone: universe:reef (yours) was deleted"
    there = place_text({**FOX, "state": "in", "gone": True}, CALLED)
    assert there.endswith("/universe:reef, which was deleted")
    for why, said in (("day", "in a day"), ("refused", "in a row"), ("spent", "another passage")):
        assert said in rest_text("universe:reef (yours)", why)
    lost = behind_text(FOX["source"])
    assert lost.startswith(f"The gate of {FOX['source']} signs nothing")
    assert f"`panspermia passage gate {FOX['source']} --anyway`" in lost


def test_what_a_stranger_wrote_moves_no_cursor() -> None:
    (line,) = travellers_text({"travellers": [{**FOX, "soul": "\x1b[2Jfox"}]}, CALLED)
    assert "\x1b" not in line
    assert line.endswith(f"(migration {'01' * 16})")


def test_ones_own_end_is_told_from_the_other_of_the_same_id() -> None:
    assert end_text(f"{BOB}/universe:main", CALLED, BOB) == "universe:main (yours)"
    assert end_text(f"{BOB}/universe:main", CALLED, CAROL).startswith("bob (z6Mk")


def test_a_person_is_told_how_to_decide_of_who_waits() -> None:
    passage = {"fullName": f"{CAROL}/p", "state": "open", "arrivals": {BOB: "ask", CAROL: "accept"}}
    found = {"travellers": [{**FOX, "passage": f"{CAROL}/p"}, {**FOX, "passage": f"{CAROL}/q"}]}
    (line,) = waiting_text(passage, found, BOB)
    assert line.startswith("fox waits for you: panspermia passage decide did:key:")
    assert line.endswith(f"/p {'01' * 16} --accept (or --refuse)")
    assert list(waiting_text(passage, found, CAROL)) == []
    assert list(waiting_text(passage | {"state": "closed"}, found, BOB)) == []


def test_a_migration_is_taken_as_games_write_it() -> None:
    written = "D4E3F0A0-bf8c-5780-853c-86fa3b63ad31"
    assert MIGRATION.convert(written, None, None) == "d4e3f0a0bf8c5780853c86fa3b63ad31"
    assert MIGRATION.convert("01" * 16, None, None) == "01" * 16
    for wrong in ("", "01", "xyz", "01" * 17):
        with pytest.raises(click.BadParameter, match="32 hex digits"):
            MIGRATION.convert(wrong, None, None)


def test_what_is_left_of_a_passage_is_said_with_how_often_one_looks_after_it() -> None:
    one = {"stability": 90, "stabilityNow": 90, "maintenanceEvery": 0}
    assert stability_text(one) == "90 of 100"
    worn = {**one, "stabilityNow": 63, "maintenanceEvery": 43_200_000}
    assert stability_text(worn) == (
        "63 of 100, 90 when looked after; one means to look after it each 0.5 days"
    )


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(80_000_000)
    with pytest.raises(Failure) as failed:
        send.main(["p", str(large), "--soul", "fox"], standalone_mode=False)
    assert failed.value.problem["code"] == "traveller-too-large"
    assert "80,000,000 bytes; a traveller at most 8,388,608" in failed.value.problem["detail"]


def test_bytes_that_are_taken_are_those_that_left() -> None:
    data = b'{"legs":4}'
    other = {"soul": "hen", "size": len(data), "hash": "00" * 32}
    fox = {"soul": "fox", "size": len(data), "hash": blake3(data).hexdigest()}
    assert checked([other, fox], "01" * 16, data) is fox
    for found, ends in (([other], UNVERIFIED), ([], NOT_FOUND)):
        with pytest.raises(Failure) as failed:
            checked(found, "01" * 16, data)
        assert failed.value.exit == ends
