"""Parents and children of several universes in one view, each creature once.

```
ada/main   eve ┬ adam               what was born before a fork is one creature in both,
           cain, abel               what is born after it is each universe's own, though
ada/harder  └── enoch (of cain)     both may call it by one name
```
Who is meant by a name says `universe.who`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from universe.event import DEATH, event_kind
from universe.histories import Happening, Histories, is_birth
from universe.who import Creature, Who, souls_told

FOUND_MAX: Final = 10_000
"""Of the ancestors, or the descendants, of one."""


@dataclass(slots=True)
class Person:
    """What is known of one. Parents, children and universes in the order in which they are told."""

    who: Creature
    parents: dict[Creature, None] = field(default_factory=dict[Creature, None])
    children: dict[Creature, None] = field(default_factory=dict[Creature, None])
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
        for one in histories.all_events():
            self._tell(one)

    def who(self, universe: str, name: str) -> Creature:
        """Whom this universe calls so."""
        return self._who.who(universe, name)

    def called(self, name: str) -> tuple[Creature, ...]:
        """All of that name or that soul, by their universe."""
        return tuple(
            sorted(who for who, one in self.people.items() if name == who.name or name in one.souls)
        )

    def ancestors(self, who: Creature, most: int = FOUND_MAX) -> tuple[Creature, ...]:
        """Nearest first, each once, itself never: also where strangers close a circle.

        The first `most` of them: whoever asks of many people asks for few of each.
        """
        return self._walk(who, lambda one: one.parents, most)

    def descendants(self, who: Creature, most: int = FOUND_MAX) -> tuple[Creature, ...]:
        """As `ancestors`."""
        return self._walk(who, lambda one: one.children, most)

    def _walk(
        self, who: Creature, next: Callable[[Person], Iterable[Creature]], most: int
    ) -> tuple[Creature, ...]:
        found = dict[Creature, None]()
        level = [who] if who in self.people else []
        while level:
            beyond: list[Creature] = []
            for one in (one for each in level for one in next(self.people[each])):
                if one == who or one in found:
                    continue
                found[one] = None
                beyond.append(one)
                if len(found) == most:
                    return tuple(found)
            level = beyond
        return tuple(found)

    def _tell(self, one: Happening) -> None:
        event, universe = one.event, one.universe
        named = [self._person(universe, name) for name in event.entities]
        parents = [self._person(universe, name) for name in event.parents]
        for person in named:
            person.souls.update(dict.fromkeys(soul for soul, _ in souls_told(one)))
            if event_kind(event.type) == DEATH:
                person.died.setdefault(universe, one)
            if not is_birth(event):
                continue
            person.born = person.born or one
            for parent in parents:
                if parent is not person:
                    person.parents.setdefault(parent.who)
                    parent.children.setdefault(person.who)

    def _person(self, universe: str, name: str) -> Person:
        who = self.who(universe, name)
        person = self.people.setdefault(who, Person(who))
        person.told_in.setdefault(universe)
        return person
