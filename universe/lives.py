"""The lives that one soul has: where each of them was, universe by universe.

```
bob/isle   soul:1 of bob/isle ───────────────────────────▸    its own
eve/far    soul:1 of eve/far ── departs ─▸ visits the isle    a stranger's of the same name
```
Gates sign which universe a traveller is of, and whoever is in a universe when it is forked is of
the fork there. So two under one name may be in one universe. What is told there of the name means
who is in the body that it is about; else, of a birth, the universe's own, and else who came last.

Universes are gone through side by side: who arrives has the body that it left in, so each arrival
waits for its departure, and each fork for its parent.
"""

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Final

from universe.bodies import Body, Followed
from universe.histories import Crossing, Happening, Histories, is_birth
from universe.stays import (
    COMES,
    GOES,
    RETURNS,
    Stay,
    Turn,
    closed,
    forked,
    is_dead,
    is_rebirth,
    is_told_after,
    mentioned,
    opened,
    turns_of,
    ways_of,
)

LIVES_MAX: Final = 16
"""Of one name in one universe at one time, its own among them: more guests are not told of, as long
as nobody is gone."""


def lives_of(
    followed: Followed, histories: Histories, crossings: Sequence[Crossing]
) -> dict[str, list[list[Stay]]]:
    """By universe the stays of each life that was ever there. `crossings`: all that it made."""
    lands = {
        universe: _Land(universe, followed, histories, crossings)
        for universe in histories.universes()
    }
    _Passing(lands, followed).run()
    return {
        universe: [one.told_of() for one in land.all_lives if one.stays]
        for universe, land in lands.items()
    }


@dataclass(slots=True, eq=False)
class _Life:
    """One in one universe. `origin`: what a gate there signs that it is of."""

    origin: str
    body: Body
    stays: list[Stay] = field(default_factory=list[Stay])
    told: list[list[Happening]] = field(default_factory=list[list[Happening]])
    """In each of them."""
    was_dead: bool = False
    """When the universe began, and nothing has brought it back since."""
    was_gone: bool = False
    """As `was_dead`: it was known before the universe began, and was not there then."""

    @property
    def is_there(self) -> bool:
        return bool(self.stays) and self.stays[-1].until is None

    @property
    def is_dead(self) -> bool:
        return self.was_dead or is_dead(self.stays)

    def was_dead_at(self, tick: int) -> bool:
        """Whether that is the last that is told of it up to then."""
        return self.was_dead or is_dead([stay for stay in self.stays if stay.since <= tick])

    def is_known_at(self, tick: int) -> bool:
        return self.was_gone or any(stay.since <= tick for stay in self.stays)

    def may_be_told(self, one: Happening) -> bool:
        """What is about its body alone: while it is there, or where that is born again."""
        return self.is_there or (self.is_dead and is_rebirth(one))

    def begin(self, stay: Stay) -> None:
        self._tell(stay)
        self.was_dead = self.was_gone = False

    def _tell(self, stay: Stay) -> None:
        self.stays.append(replace(stay, origin=self.origin))
        self.told.append([])

    def take(self, universe: str, turn: Turn) -> None:
        is_known = bool(self.stays) or self.was_gone
        if not self.is_there and not (is_known and is_told_after(turn)):
            self.begin(opened(universe, turn))
        elif not self.stays:
            self._tell(mentioned(universe, turn.tick))
        is_there = self.is_there
        if turn.happening is not None:
            self.told[-1].append(turn.happening)
        if is_there and turn.rank == GOES:
            self.stays[-1] = closed(self.stays[-1], turn)

    def told_of(self) -> list[Stay]:
        """Its stays with what was told in each."""
        each = zip(self.stays, self.told, strict=True)
        return [replace(stay, events=tuple(told)) for stay, told in each]


def _past_of(universe: str, histories: Histories) -> tuple[str, int] | None:
    """(universe above, tick): whose past a fork goes on with. Its parent; of one that was set back
    to before its own beginning, and forked there, the parent of that."""
    past = histories.begins(universe)
    while past is not None:
        above = histories.begins(past[0])
        if above is None or past[1] >= above[1]:
            break
        past = above[0], past[1]
    return past


class _Land:
    """A universe with the lives in it, the last that came last, and what happens to them."""

    def __init__(
        self,
        universe: str,
        followed: Followed,
        histories: Histories,
        crossings: Sequence[Crossing],
    ) -> None:
        self.universe = universe
        self.begun = histories.begins(universe)
        self.past = _past_of(universe, histories)
        self.begun_us = histories.begun_us(universe)
        self.own = _Life(universe, Body())
        """The one that is no stranger there."""
        self.lives = [self.own]
        self._gone: dict[str, list[_Life]] = {}
        """Guests who made room for others, by their origin."""
        self._untold = set[str]()
        """Where guests are of who came and found no room."""
        self._followed = followed
        self._own = [one for one in histories.events(universe) if followed.may_be_its(one)]
        self._ways = ways_of(universe, crossings)
        self._turns: deque[Turn] = deque()
        self._left: dict[Crossing, _Life] = {}

    @property
    def all_lives(self) -> Sequence[_Life]:
        return [*chain.from_iterable(self._gone.values()), *self.lives]

    @property
    def next(self) -> Turn | None:
        return self._turns[0] if self._turns else None

    def begin(self, lands: Mapping[str, "_Land"]) -> None:
        """With those who were in its parent then, as far as that was gone through."""
        since, told = 0, self._own
        begun, past = self.begun, self.past
        if begun is not None and past is not None and (parent := lands.get(past[0])) is not None:
            tick = past[1]
            is_known = any(one.is_known_at(tick) for one in parent.all_lives)
            if is_known:
                told = [one for one in told if one.event.tick >= tick]  # the past is the parent's
            self.lives = list[_Life]()
            for one in parent.all_lives:
                life = self.own if one is parent.own else _Life(self.universe, Body())
                life.body = Body(one.body.at(tick))
                life.was_dead = one.was_dead_at(tick)
                life.was_gone = one.is_known_at(tick)
                if any(stay.holds(tick, self.begun_us) for stay in one.stays):
                    since = tick
                    life.begin(forked(self.universe, begun))
                if life is self.own or life.stays or life.was_dead:
                    self.lives.append(life)
            if not any(one.stays for one in self.lives):
                self.own.was_gone |= is_known  # also where it was a guest alone
            self.lives = self.lives[-LIVES_MAX:]  # first are those who had made room for others
        self._turns.extend(turns_of(told, self._ways, since))

    def take(self, came_in: Body | None) -> tuple[Crossing, Body] | None:
        """What happens next. `came_in`: the body of who arrives. Gives who left, and in which."""
        turn = self._turns.popleft()
        if turn.happening is not None:
            for one in self._told_of(turn.happening):
                one.take(self.universe, turn)
            return None
        assert turn.crossing is not None
        life = self._who_goes(turn.crossing, turn.rank)
        if life is None:
            return (turn.crossing, Body()) if turn.rank == GOES else None
        if turn.rank != GOES:
            self.lives.remove(life)
            self.lives.append(life)
        if came_in is not None:
            life.body.be_in(came_in.is_in, turn.tick)
        life.take(self.universe, turn)
        if turn.rank != GOES:
            return None
        self._left[turn.crossing] = life
        return turn.crossing, Body(life.body.is_in, life.body.is_known)

    def _who_goes(self, way: Crossing, rank: int) -> _Life | None:
        origin = way.origin or self.universe
        known = [one for one in self.lives if one.origin == origin]
        if rank == RETURNS and (it := self._left.get(way)) in known:
            return it
        fitting = [one for one in known if one.is_there == (rank == GOES)]
        went = [one for one in fitting if one.stays and one.stays[-1].ended == "left"]
        if fitting or (known and (rank == GOES or not way.origin)):
            return [*known, *fitting, *went][-1]
        guest = None if rank == GOES and origin in self._untold else self._guest(origin)
        if guest is None and rank != GOES:
            self._untold.add(origin)
        else:
            self._untold.discard(origin)
        return guest

    def _guest(self, origin: str) -> _Life | None:
        """One more; None: there is no room. Nobody is taken for another one."""
        guests = [one for one in self.lives if one is not self.own]
        if len(self.lives) >= LIVES_MAX:
            away = [one for one in guests if not one.is_there]
            if not away:
                return None
            gone = min(away, key=lambda one: one.is_dead)  # the dead may be born again
            self.lives.remove(gone)
            self._gone.setdefault(gone.origin, []).append(gone)
        known = self._gone.get(origin)
        self.lives.append(known.pop() if known else _Life(origin, Body()))
        return self.lives[-1]

    def _told_of(self, one: Happening) -> Collection[_Life]:
        """Of whom that is told."""
        followed = self._followed
        tie = followed.tie(self.universe, one)
        if tie is not None and not tie.is_its:
            for life in self.lives:
                if life.body.is_in == tie.body:
                    life.body.be_in(None, one.event.tick)
        told = self._of_body(one)
        if not followed.is_named(one):
            return told
        named = told[-1] if told else self._called(one)
        if tie is not None and tie.is_its:
            named.body.be_in(tie.body, one.event.tick)
        return [named]

    def _of_body(self, one: Happening) -> list[_Life]:
        """Those whose body that is about; of several in one body the last that came."""
        if len(self.lives) == 1 and self._followed.is_named(one):
            return []  # whatever its body, there is nobody else
        some = [life for life in self.lives if life.body.is_in and life.may_be_told(one)]
        meant = self._followed.meant(self.universe, one) if some else ()
        told = {life.body.is_in: life for life in some if life.body.is_in in meant}
        return [life for life in some if life in told.values()]

    def _called(self, one: Happening) -> _Life:
        """Who is meant by the name alone."""
        if is_birth(one.event):
            return self.own
        those = [life for life in self.lives if life.is_dead] if is_rebirth(one) else []
        those = those or [life for life in self.lives if life.is_there]
        if those or self.own.stays or self.own.was_gone:
            return [self.own, *those][-1]
        return ([self.own] + [life for life in self.lives if life.stays])[-1]


class _Passing:
    """Goes through all universes at once, as far as each can go."""

    def __init__(self, lands: Mapping[str, _Land], followed: Followed) -> None:
        self._lands = lands
        self._followed = followed
        self._left: dict[Crossing, Body] = {}
        self._waiting: dict[Crossing, _Land] = {}
        """For who arrives there by it."""
        self._forks: dict[str, deque[_Land]] = {}
        """That are not begun yet, by parent and tick."""
        self._ready: deque[_Land] = deque()
        forks = [(land.past, land) for land in lands.values() if land.past is not None]
        for (parent, _), land in sorted(forks, key=lambda one: (one[0][1], one[1].universe)):
            if parent in lands:
                self._forks.setdefault(parent, deque()).append(land)

    def run(self) -> None:
        for land in self._lands.values():
            if land.past is None or land.past[0] not in self._lands:
                self._begin(land)
        while self._ready or self._waiting:
            if not self._ready:
                self._cut_circle()
            while self._ready:
                self._go_on(self._ready.popleft())

    def _begin(self, land: _Land) -> None:
        land.begin(self._lands)
        self._ready.append(land)

    def _go_on(self, land: _Land) -> None:
        while (turn := land.next) is not None:
            self._begin_forks(land, turn.tick)
            came_in = None
            if turn.rank == COMES and (way := turn.crossing) is not None:
                if way.source in self._lands and way not in self._left:
                    self._waiting[way] = land
                    return
                came_in = self._body_of(way)
            if (left := land.take(came_in)) is not None:
                way, self._left[way] = left[0], left[1]
                if way in self._waiting:
                    self._ready.append(self._waiting.pop(way))
        self._begin_forks(land, None)

    def _begin_forks(self, land: _Land, until: int | None) -> None:
        """Those that began before that tick; None: all."""
        forks = self._forks.get(land.universe, deque())
        while forks and (until is None or (forks[0].past or ("", 0))[1] < until):
            self._begin(forks.popleft())

    def _body_of(self, way: Crossing) -> Body | None:
        """The one that it left in, as far as that was told; else the one that its name means."""
        if not self._followed.bodies:
            return None
        left = self._left.get(way)
        return left if left is not None and left.is_known else Body(self._followed.who.leaving(way))

    def _cut_circle(self) -> None:
        """Each waits for another one: forks that began at the tick at which their parent waits are
        begun before that; else one arrives, and its departure is told later."""
        waiting = sorted(self._waiting.items(), key=lambda one: one[0].order)
        for _, land in waiting:
            if land.next is not None and land.universe in self._forks:
                self._begin_forks(land, land.next.tick + 1)
        if not self._ready:
            way, land = waiting[0]
            self._left[way] = Body()
            del self._waiting[way]
            self._ready.append(land)
