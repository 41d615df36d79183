"""Whom names mean beyond passages, where there are too many of them."""

import pytest

from tests.universe.families import ISLE, MAIN, crossing, history, told
from universe import who
from universe.event import Event
from universe.histories import Histories
from universe.lineages import Lineages
from universe.who import Creature


@pytest.mark.parametrize(("most", "known"), [(8, 4), (7, 3), (6, 3), (0, 2)])
def test_of_all_who_arrive_each_keeps_as_many_names(
    monkeypatch: pytest.MonkeyPatch, most: int, known: int
) -> None:
    monkeypatch.setattr(who, "WAY_NAMES_MAX", most)
    births = [
        Event(1, at, "birth", body, entities=(body,), souls=tuple(f"{body}{n}" for n in range(3)))
        for at, body in enumerate(("kit", "zoe"))
    ]
    cubs = [
        told(50, "birth", f"cub of {body}{n}", parents=f"{body}{n}")
        for body in ("kit", "zoe")
        for n in ("", 0, 1, 2)
    ]
    ways = [crossing(MAIN, ISLE, 10, 20, body) for body in ("kit", "zoe")]
    view = Lineages(Histories([history(MAIN, births), history(ISLE, cubs)], ways))
    assert view.is_whole == (most == 8)
    for body in ("kit", "zoe"):
        children = view.children(Creature(MAIN, body))
        assert len(children) == known
        assert Creature(ISLE, f"cub of {body}") in children
