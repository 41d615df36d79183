"""What a file holds, item by item."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from blake3 import blake3

from registry.formats.errors import NOWHERE, Place
from registry.formats.words import Format, Kind

Scalar = str | int | float | bool
NO_FIELDS: Mapping[str, Scalar] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One item of a file: what is published as one record.

    `data` are its bytes exactly as they stood in the file (all of the file, where it is one item;
    the characters of the text, where it stood in a JSON string or a column of a table). They are
    what is kept; the rest is read out of them, cut and cleaned, for people to find it by.
    """

    kind: Kind
    format: Format  # of `data` alone: `read(found.format, found.data)` finds it again
    data: bytes
    name: str
    place: Place = NOWHERE
    description: str = ""
    tags: tuple[str, ...] = ()
    by: str = ""  # who made it, in the file's own words
    license: str = ""
    fitness_score: float | None = None
    offspring_count: int | None = None
    tick: int | None = None
    lineage: str = ""  # id of the lineage it belongs to; of a lineage: its own
    parents: tuple[str, ...] = ()  # identities of genomes of the same file
    # of a lineage
    civilization_level: int | None = None
    is_extinct: bool | None = None
    start_tick: int | None = None
    best_genotype: str = ""  # the identity of a genome of the same file
    parent_lineage: str = ""
    # of a seed
    avg_tick_time: float | None = None
    max_pop: int | None = None
    performance_summary: str = ""
    # what the format has besides: rule, width, population, nodes, generation, …
    fields: Mapping[str, Scalar] = field(default_factory=lambda: dict(NO_FIELDS))

    @property
    def identity(self) -> str:
        """BLAKE3 of the bytes, 64 hex digits: the name of a genome or seed everywhere."""
        return identity_of(self.data)


def identity_of(data: bytes) -> str:
    return blake3(data).hexdigest()
