"""What a benchmark says of a goal that it could not look at."""

import math
from pathlib import Path

import pytest

from scripts.benchmarks import snapshots
from scripts.benchmarks._others import PEERS_VARIABLE, all_held
from scripts.benchmarks._world import JSON


@pytest.mark.parametrize(
    ("goals", "held"),
    [
        ((True, True), True),
        ((True, None), None),
        ((None, False, True), False),
        ((False,), False),
    ],
)
def test_held_are_goals_that_were_looked_at(
    goals: tuple[bool | None, ...], held: bool | None
) -> None:
    assert all_held(goals) is held


def test_where_nothing_was_compared_it_is_not_said_that_it_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two states of a small world, where neither another program nor the script is installed."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv(PEERS_VARIABLE, str(tmp_path))
    monkeypatch.setattr(snapshots, "SNAPSHOTS", 2)
    monkeypatch.setattr(snapshots, "WORLDS", {JSON: 200_000})
    monkeypatch.setattr(snapshots, "RATIO_MIN", {JSON: 0})  # no goal of this one is looked at
    for goal in ("OLDEST_S_MAX", "PEAK_MIB_MAX"):
        monkeypatch.setattr(snapshots, goal, math.inf)
    monkeypatch.setattr(snapshots, "NEWEST_MAX", {JSON: math.inf})

    told = snapshots.main()

    assert told["held"] is None
    assert told[JSON]["restic"] == {"skipped": "restic is not installed"}
    assert told[JSON]["borg"] == {"skipped": "borg is not installed"}
    assert told["baseline"][JSON] == {"skipped": "restic is not installed"}


@pytest.mark.parametrize(("mb_s", "held"), [(10.0, True), (30.0, False)])
def test_what_the_script_that_we_are_measured_by_says_counts(mb_s: float, held: bool) -> None:
    figures = {JSON: {"put_mb_s": 20.0, "held": True}}
    assert snapshots.verdict(figures, {JSON: {"restic": {"ratio": 4.0, "mb_s": mb_s}}}) is held
    assert figures == {JSON: {"put_mb_s": 20.0}}
