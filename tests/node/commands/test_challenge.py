"""How seeds and moments are written on the line, and how a standing reads."""

from datetime import UTC, datetime

import click
import pytest

from node.commands.challenge import moment_of, notes_of, seeds_of, standing_row
from node.commands.petnames import Petnames

BOB, CAROL = (f"did:key:z6Mk{name * 44}" for name in ("b", "c"))
CALLED = Petnames({"bob": BOB})


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("0", [0]), ("3,1,2,1", [1, 2, 3]), ("-2..1", [-2, -1, 0, 1]), ("1, 5..6", [1, 5, 6]),
        ("1..64", list(range(1, 65))), (str(1 << 63), [1 << 63]),
    ],
)  # fmt: skip
def test_seeds_are_written_singly_or_from_to(text: str, seeds: list[int]) -> None:
    assert seeds_of(text) == seeds


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "write them"), ("1,", "write them"), ("a", "write them"), ("2..1", "before it begins"),
        ("1..65", "at most 64"), ("0..9999999999999999999", "at most 64"),
        (",".join(map(str, range(65))), "at most 64"),
    ],
)  # fmt: skip
def test_seeds_that_are_none(text: str, why: str) -> None:
    with pytest.raises(click.UsageError, match=why):
        seeds_of(text)


def test_a_moment_ahead_is_of_this_clock() -> None:
    assert moment_of("2027-01-01") == "2027-01-01"
    assert datetime.fromisoformat(moment_of("+2w")) > datetime.now(UTC)
    with pytest.raises(click.UsageError, match="9999"):
        moment_of("+999999w")


SEED = {
    "seed": 1, "state": "verified", "ending": "result", "result": 5, "attestors": [BOB],
    "contradicted_by": [CAROL],
}  # fmt: skip
ROW = {
    "place": 1, "genome": "ab" * 32, "name": "", "total": 12_345, "verified": 2,
    "entered_by": [CAROL], "witnesses": [], "contradictions": 1, "seeds": [SEED],
}  # fmt: skip


def test_who_stands_where_is_one_line_and_what_is_odd_another() -> None:
    row = standing_row(ROW, 2, CALLED)
    assert row[:5] == (1, "12,345", "2 of 2", "abababababab", "-")
    assert str(row[6]).startswith("bob (")
    unseen, contradicted = notes_of(ROW, CALLED)
    assert "by the word of who entered it" in unseen
    assert "CONTRADICTION on 1" in contradicted
    assert list(notes_of({**ROW, "witnesses": [BOB], "seeds": []}, CALLED)) == []
