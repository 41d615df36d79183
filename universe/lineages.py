"""Parents and children of several universes in one view, each creature once.

```
ada/main   eve ┬ adam               what was born before a fork is one creature in both,
           cain, abel               what is born after it is each universe's own, though
ada/harder  └── enoch (of cain)     both may call it by one name
```
Who is meant by a name says `universe.who`.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, TypeAlias

from universe.event import DEATH, event_kind
from universe.histories import Happening, Histories, is_birth
from universe.who import Creature, Who, souls_told

FOUND_MAX: Final = 10_000
"""Of the ancestors, or the descendants, of one."""
STEPS_MAX: Final = 2_000_000
"""From one to a birth and from there to one, for all that is asked of one view: a second. As many
as 16 walks up and 16 down take, where 20,000 births each tell of one child of two."""

Named: TypeAlias = Sequence[Creature]
"""Whom one event names: the born, or their parents. It may tell of 64 born of 64, so it is one
object that all of these share, and no pair of them is kept."""


@dataclass(slots=True)
class Person:
    """What is known of one. Births and universes in the order in which they are told."""

    who: Creature
    parents: list[Named] = field(default_factory=list[Named])
    """By its births. It may be among them itself, as among `children`."""
    children: list[Named] = field(default_factory=list[Named])
    """By their births."""
    souls: dict[str, None] = field(default_factory=dict[str, None])
    born: Happening | None = None
    died: dict[str, Happening] = field(default_factory=dict[str, Happening])
    """In each universe that tells of it: after a fork one may live and the other not."""
    told_in: dict[str, None] = field(default_factory=dict[str, None])


class Lineages:
    """Everybody whom these universes tell of."""

    def __init__(self, histories: Histories) -> None:
        self._who = Who(histories)
        self.people: dict[Creature, Person] = {}
        self._steps_left = STEPS_MAX
        self._begins = {at: histories.begins(at) for at in histories.universes()}
        for one in histories.all_events():
            self._tell(one)

    @property
    def is_whole(self) -> bool:
        """False once what was asked took too many steps: that, and what is asked from then on, is
        told in part. And where too many names go beyond passages: some mean two creatures then."""
        return self._steps_left >= 0 and self._who.is_whole

    def who(self, universe: str, name: str, tick: int | None = None) -> Creature:
        """Whom this universe calls so; by that tick, where several did in turn."""
        return self._who.who(universe, name, tick)

    def called(self, name: str) -> tuple[Creature, ...]:
        """All of that name or that soul, by their universe."""
        return tuple(
            sorted(who for who, one in self.people.items() if name == who.name or name in one.souls)
        )

    def parents(self, who: Creature, most: int = FOUND_MAX) -> tuple[Creature, ...]:
        """The first `most` that are told, each once, itself never."""
        return tuple(islice(self._walk(who, lambda one: one.parents, is_far=False), most))

    def children(self, who: Creature, most: int = FOUND_MAX) -> tuple[Creature, ...]:
        """As `parents`."""
        return tuple(islice(self._walk(who, lambda one: one.children, is_far=False), most))

    def ancestors(self, who: Creature, most: int = FOUND_MAX) -> tuple[Creature, ...]:
        """Nearest first, each once, itself never: also where strangers close a circle.

        The first `most` of them: whoever asks of many people asks for few of each.
        """
        return tuple(islice(self._walk(who, lambda one: one.parents), most))

    def descendants(self, who: Creature, most: int = FOUND_MAX) -> tuple[Creature, ...]:
        """As `ancestors`."""
        return tuple(islice(self._walk(who, lambda one: one.children), most))

    def _walk(
        self, who: Creature, next: Callable[[Person], Sequence[Named]], *, is_far: bool = True
    ) -> Iterator[Creature]:
        found, told = {who}, set[int]()
        left = deque([who] if who in self.people else [])
        while left:
            for named in next(self.people[left.popleft()]):
                is_new = id(named) not in told  # else another one of those whom it names led here
                self._steps_left -= 1 + (len(named) if is_new else 0)
                if self._steps_left < 0:
                    return
                told.add(id(named))
                for one in named if is_new else ():
                    if one not in found:
                        found.add(one)
                        yield one
                        if is_far:
                            left.append(one)

    def _tell(self, one: Happening) -> None:
        event, universe = one.event, one.universe
        named = [self._person(universe, name, event.tick) for name in event.entities]
        begun = self._begins[universe]
        if begun is not None and event.tick < begun[1] + is_birth(event):
            # The past of who was there before the fork is for its ancestors to tell. Of its tick
            # too births are: who was there was not born then.
            named = [person for person in named if person.who.universe == universe]
        for person in named:
            person.souls.update(dict.fromkeys(soul for soul, _ in souls_told(one)))
            if event_kind(event.type) == DEATH:
                person.died.setdefault(universe, one)
        parents = [self._person(universe, name, event.tick) for name in event.parents]
        if is_birth(event):
            _join(one, named, parents)

    def _person(self, universe: str, name: str, tick: int) -> Person:
        who = self.who(universe, name, tick)
        person = self.people.setdefault(who, Person(who))
        person.told_in.setdefault(universe)
        return person


def _join(birth: Happening, born: Sequence[Person], parents: Sequence[Person]) -> None:
    children, from_whom = (tuple(one.who for one in ones) for ones in (born, parents))
    for person in born:
        person.born = person.born or birth
        if parents:
            person.parents.append(from_whom)
    for person in parents:
        if born:
            person.children.append(children)
