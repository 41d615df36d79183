"""What `info NAME --trends` prints."""

import click
import pytest

from node.commands.trends import print_trends, sparkline
from node.failure import Json


@pytest.mark.parametrize(
    ("values", "drawn"),
    [([0, 1, 2, 4, 8], "▁▂▃▅█"), ([0, 0], "▁▁"), ([7], "█"), ([1, 1_000_000], "▂█"), ([], "")],
)
def test_the_highest_is_as_high_as_there_is_and_little_is_not_nothing(
    values: list[int], drawn: str
) -> None:
    assert sparkline(values) == drawn


def sums(downloads: int = 0, ratings: int = 0, average: float | None = None) -> Json:
    return {"downloads": downloads, "ratings": ratings, "average": average, "dependants": 0}


def test_each_number_has_its_line_and_what_is_in_no_point_is_said(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = {
        "id": "did:key:zBob/" + "a" * 64, "kind": "seed", "step": "week", "whole": False,
        "points": [
            {"since": "2026-11-09", **sums(1_000, 3, 5.0)},
            {"since": "2026-11-16", **sums(0, 1, 1.0)},
        ],
        "before": sums(7), "ahead": sums(0, 2, 5.0), "undated": sums(1),
    }  # fmt: skip
    with click.Context(click.Command("info"), obj={}):
        print_trends(found)
    assert capsys.readouterr().out.splitlines() == [
        "a" * 64,
        "by week since 2026-11-09; authors, each counted once",
        "fetched by    █▁  1,000, 7 before that, 1 at a time that nobody noted",
        "rated by      █▄  4, 2 dated in the future, by a clock that is wrong, 4.0 of 5",
        "More records build on it than are looked at.",
    ]


def test_a_lineage_is_not_fetched_but_taken_up(capsys: pytest.CaptureFixture[str]) -> None:
    point = {"since": "2026-11-16", **sums(0, 1, 4.0), "dependants": 2}
    found = {
        "id": "did:key:zBob/line-1", "kind": "lineage", "step": "week", "whole": True,
        "points": [point], "before": sums(), "ahead": sums(), "undated": sums(),
    }  # fmt: skip
    with click.Context(click.Command("info"), obj={}):
        print_trends(found)
    assert capsys.readouterr().out.splitlines()[2:] == [
        "rated by      █  1, 4.0 of 5",
        "taken up by   █  2",
    ]
