"""Histories of a few universes, written shortly."""

from collections.abc import Iterable

from universe.event import Event, encode_event, event_id
from universe.forks import Branch
from universe.histories import Crossing, Histories, History

MAIN, FORK, ISLE = "ada/main", "ada/fork", "bob/isle"


def told(tick: int, type: str, *entities: str, soul: str = "", parents: str = "") -> Event:
    souls = (soul,) if soul else ()
    return Event(
        tick, tick, type, f"{type} of {entities}", entities=entities, souls=souls,
        parents=tuple(parents.split()),
    )  # fmt: skip


def history(
    universe: str, events: Iterable[Event], parent: str | None = None, tick: int = 0
) -> History:
    ids = {event_id(encode_event(one)): one for one in events}
    return History(Branch(universe, parent=parent, tick=tick), ids)


def crossing(
    source: str, target: str, left: int, arrived: int | None, entity: str = "eve", soul: str = ""
) -> Crossing:
    migration = f"{source}{target}{left}{entity}".encode()
    return Crossing(migration, source, target, left, entity, arrived, soul=soul)


BIRTHS = [
    told(10, "birth", "eve"),
    told(20, "birth", "adam"),
    told(100, "agent:born", "cain", soul="soul:c", parents="eve adam"),
]
FAMILY = Histories(
    [
        history(MAIN, [*BIRTHS, told(600, "birth", "seth", parents="eve adam")]),
        history(
            FORK,
            [*BIRTHS, told(600, "birth", "seth", parents="eve"), told(700, "agent:died", "eve")],
            MAIN,
            400,
        ),
        history(ISLE, [told(95, "birth", "enoch", parents="cain")]),
    ],
    [crossing(FORK, ISLE, 650, 90, "cain", "soul:c")],
)
