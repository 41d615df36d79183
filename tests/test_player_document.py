"""`docs/protocol/players.md` is what the code does. How it is read: `tests/documents.py`."""

import importlib
from typing import get_args

from tests.documents import FOLDER, integers, number, rows, words
from tests.universe.test_player import alice
from universe.reputation import About

PLAYERS = (FOLDER / "players.md").read_text()


def test_limits_quoted_are_the_constants_and_all_of_them() -> None:
    table = {
        words(row["in the code"])[0]: number(row["at most"])
        for row in rows(PLAYERS, "at most", "in the code")
    }
    for name, most in table.items():
        module, _, constant = name.rpartition(".")
        assert getattr(importlib.import_module(module), constant) == most, name
    limited = (
        "universe.player", "universe.reputation", "storage.signed_of", "node.services.journeys",
    )  # fmt: skip
    limits = {name for module in limited for name in integers(module) if name.endswith("_MAX")}
    assert limits == set(table)


def test_every_field_that_is_written_is_described() -> None:
    described = {words(row["in a player"])[0] for row in rows(PLAYERS, "in a player", "type")}
    written = {f"{root}/{key}" for root, fields in alice().value.items() for key in fields}
    assert written == described


def test_every_kind_of_fact_is_described() -> None:
    told = [words(row["kind"]) for row in rows(PLAYERS, "kind", "what is held")]
    assert {one[0] for one in told if one} == set(get_args(About))
