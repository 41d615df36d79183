"""Souls and families across universes, over HTTP. Universes by their full names."""

from typing import Annotated

from msgspec import Meta, Struct

from node.api.universe_models import UniverseQuery


class ToldQuery(UniverseQuery, frozen=True):
    name: Annotated[str, Meta(max_length=128)] = ""
    """Of a soul or a creature; without one, who there is."""


class ToldEvent(Struct, frozen=True):
    id: str
    tick: int
    type: str
    title: str


class StayShown(Struct, frozen=True):
    """One time in one universe, in its ticks."""

    universe: str
    since: int
    began: str
    """`born`, `told`, `forked`, `arrived`, `returned`."""
    until: int | None
    ended: str | None
    """`died`, `left`; null beside an `until`: it is told of, and was not there."""
    cameFrom: str | None
    wentTo: str | None
    events: tuple[ToldEvent, ...]
    """The first of them."""
    eventCount: int
    """Of all."""
    origin: str
    """The universe that it is of there, as gates sign: where several go by one name, each has
    another one. Whose that is, it is."""


class TransitShown(Struct, frozen=True):
    """A journey that nobody answered yet."""

    source: str
    target: str
    left: int
    """In ticks of its source."""
    origin: str
    """As of a stay."""


class SoulShown(Struct, frozen=True):
    name: str
    stays: tuple[StayShown, ...]
    """Where it is now, and the first of the others along its way: 1,000. Of their events 10,000,
    an equal share of each. Of several who go by that name one's own are first, then who is of the
    universe that is asked, then of people who have a petname."""
    stayCount: int
    """Of all."""
    present: tuple[str, ...]
    """Where it is now: in several after a fork."""
    inTransit: tuple[TransitShown, ...]
    """The first 1,000, in that order too."""
    inTransitCount: int


class LeftOut(Struct, frozen=True):
    """A traveller whose journey goes through too much to read, or through what is damaged here."""

    origin: str
    soul: str


class SoulsShown(Struct, frozen=True):
    souls: tuple[str, ...]
    """Who is told of, by name: the first 1,000."""
    total: int
    soul: SoulShown | None
    whole: bool
    """Whether everything was read that is known here. False also where too many names go beyond
    passages to know of each whom it means."""
    untold: tuple[str, ...]
    """Universes of which others were forked, or to which somebody travelled, and that are deleted
    or not known here: of what happened there nothing is told."""
    unread: tuple[str, ...]
    """Universes whose gate's receipts are damaged here, or depend on too much: who passed them is
    told only as far as other gates say so."""
    leftOut: tuple[LeftOut, ...]
    """Whose journeys are not told, one's own travellers first: 1,000. Of these it is told that they
    left home, where that is the last that its gate signed of them."""
    leftOutCount: int
    """Of all."""


class CreatureShown(Struct, frozen=True):
    universe: str
    """Where it was born, or first told of."""
    name: str


class PersonShown(Struct, frozen=True):
    universe: str
    name: str
    souls: tuple[str, ...]
    born: int | None
    died: dict[str, int]
    """Tick by universe."""
    toldIn: tuple[str, ...]
    parents: tuple[CreatureShown, ...]
    children: tuple[CreatureShown, ...]
    ancestors: int | None
    """Counted of those who are named; 10,000 at most. So are descendants. Null also where that
    would take too many steps."""
    descendants: int | None


class LineageShown(Struct, frozen=True):
    people: tuple[PersonShown, ...]
    total: int
    whole: bool
    """False where universes or journeys were left out, souls, parents or children of those people,
    counts that take too many steps, or names beyond passages."""
    untold: tuple[str, ...]
    unread: tuple[str, ...]
    leftOut: tuple[LeftOut, ...]
    leftOutCount: int
    """This and those above as for souls."""
