"""How the place of a traveller reads, whatever a stranger wrote into it."""

from node.commands.passage import place_text, stability_text, travellers_text
from node.commands.petnames import Petnames

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
    refused = {**FOX, "state": "refused", "reason": "no room"}
    assert place_text(refused, CALLED).endswith("refused: no room")


def test_what_a_stranger_wrote_moves_no_cursor() -> None:
    (line,) = travellers_text({"travellers": [{**FOX, "soul": "\x1b[2Jfox"}]}, CALLED)
    assert "\x1b" not in line
    assert line.endswith(f"(migration {'01' * 16})")


def test_what_is_left_of_a_passage_is_said_with_how_often_one_looks_after_it() -> None:
    one = {"stability": 90, "stabilityNow": 90, "maintenanceEvery": 0}
    assert stability_text(one) == "90 of 100"
    worn = {**one, "stabilityNow": 63, "maintenanceEvery": 43_200_000}
    assert stability_text(worn) == (
        "63 of 100, 90 when looked after; one means to look after it each 0.5 days"
    )
