"""Items of one file that are the same bytes: one publication, and nothing lost of what each says.

One row of a database tells of a genome as somebody submitted it, another as the best of its
lineage, a third as a fossil. One of them leads, the others fill in what it does not say, and what
each of them says is told on a card.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from registry.formats.found import Found, Scalar
from registry.formats.texts import line_of, tags_of
from registry.formats.words import Kind

T = TypeVar("T")

CARD_BYTES_MAX: Final = 16 << 10  # of what a record takes, with room
_ELSEWHERE: Final = ("downloads_elsewhere", "created_elsewhere")
LINE_CHARACTERS_MAX: Final = 1_500


@dataclass(frozen=True, slots=True)
class Merged:
    """`found` is what is published; `others` are the items that it stands for, too."""

    found: Found
    others: tuple[Found, ...] = ()

    def card(self, file: str) -> str:
        """Markdown that tells what each of the others says; "" without them.

        Indented, so that nothing in it is read as Markdown.
        """
        if not self.others:
            return ""
        card = (
            f"The same bytes stand in {line_of(file)} {len(self.others) + 1:,} times. Besides:\n\n"
        )
        for number, other in enumerate(self.others):
            line = f"    {said_of(other)}\n"
            if len((card + line).encode()) > CARD_BYTES_MAX:
                return f"{card}    … and {len(self.others) - number:,} more\n"
            card += line
        return card


def merged(items: Sequence[Found]) -> tuple[Merged, ...]:
    """Each of the items alone or with its like, in the order in which they come first."""
    alike: dict[tuple[Kind, str], list[Found]] = {}
    for number, item in enumerate(items):
        # Lineages are named by their id: the bytes of two may be the same, or none at all.
        name = f"{number}" if item.kind == "lineage" else item.identity
        alike.setdefault((item.kind, name), []).append(item)
    return tuple(map(_merge, alike.values()))


def said_of(item: Found) -> str:
    """All that an item says, on one line."""
    said: list[str] = [f"“{item.name}”"]
    words = {
        "by": item.by, "license": item.license, "fitness": item.fitness_score,
        "offspring": item.offspring_count, "tick": item.tick, "lineage": item.lineage,
        "tick time": item.avg_tick_time, "population": item.max_pop,
        "performance": item.performance_summary, "tags": " ".join(item.tags),
        **{word.replace("_", " "): item.fields[word] for word in _ELSEWHERE if word in item.fields},
    }  # fmt: skip
    said += [f"{word} {value}" for word, value in words.items() if value not in (None, "")]
    line = ", ".join(said) + (f": {item.description}" if item.description else "")
    place = f"{item.place}: " if str(item.place) else ""
    return line_of(place + line, LINE_CHARACTERS_MAX)


def _merge(items: list[Found]) -> Merged:
    if len(items) == 1:
        return Merged(items[0])
    place = max(range(len(items)), key=lambda place: _weight(items[place]))  # of equals the first
    lead, others = items[place], (*items[:place], *items[place + 1 :])
    fields: dict[str, Scalar] = {}
    for item in (*others, lead):
        fields |= item.fields

    def first(*values: str) -> str:
        return next((value for value in values if value), "")

    return Merged(
        replace(
            lead,
            description=first(lead.description, *(item.description for item in others)),
            tags=tags_of(*lead.tags, *(tag for item in others for tag in item.tags)),
            by=first(lead.by, *(item.by for item in others)),
            license=first(lead.license, *(item.license for item in others)),
            fitness_score=_known(lead.fitness_score, [item.fitness_score for item in others]),
            offspring_count=_known(lead.offspring_count, [item.offspring_count for item in others]),
            tick=_known(lead.tick, [item.tick for item in others]),
            lineage=first(lead.lineage, *(item.lineage for item in others)),
            parents=lead.parents or next((item.parents for item in others if item.parents), ()),
            avg_tick_time=_known(lead.avg_tick_time, [item.avg_tick_time for item in others]),
            max_pop=_known(lead.max_pop, [item.max_pop for item in others]),
            performance_summary=first(
                lead.performance_summary, *(item.performance_summary for item in others)
            ),
            fields=fields,
        ),
        others,
    )


def _known(own: T | None, others: Sequence[T | None]) -> T | None:
    return next((value for value in (own, *others) if value is not None), None)


def _weight(item: Found) -> tuple[bool, bool, float, bool]:
    """Whose word comes first: who names an author, then who claims the most, then who describes."""
    score = item.fitness_score if item.fitness_score is not None else item.max_pop
    return bool(item.by), score is not None, float(score or 0), bool(item.description)
