"""A world that changes, saved as JSON or as records: the same bytes on every run.

In each step 2 % of the entities change, one in 2,000 dies, so that all behind it moves, and as many
are born at the end. Of JSON most changes are in four regions, which move on every ten steps; of the
records they are everywhere.
"""

import struct
from dataclasses import dataclass
from random import Random
from typing import Final

JSON, RECORDS = "json", "records"
BYTES_OF: Final = {JSON: 422, RECORDS: 128}
CHANGED: Final = 0.02
DIED: Final = 0.0005
REGIONS: Final = 4
REGION: Final = 0.05  # of all entities
IN_REGIONS: Final = 0.8  # of the changes
STEPS_OF_A_REGION: Final = 10
GENOME_BYTES: Final = 48
MOODS: Final = ("idle", "wander", "gather", "build", "flee", "rest")

_RECORD: Final = struct.Struct("<QddIIII48s40x")


@dataclass(slots=True)
class _Entity:
    genome: bytes
    x: float
    y: float
    energy: int
    age: int = 0


class World:
    """Of about `size` bytes when it is saved."""

    def __init__(self, form: str, size: int) -> None:
        self._form = form
        self._random = Random(1)
        self._tick = 0
        self._entities: list[_Entity] = []
        self._saved: list[bytes] = []
        for _ in range(size // BYTES_OF[form]):
            self._bear()

    def step(self) -> None:
        """Time goes on."""
        self._tick += 1
        count = len(self._entities)
        of_regions = Random(self._tick // STEPS_OF_A_REGION)
        starts = [of_regions.randrange(count) for _ in range(REGIONS)]
        for _ in range(int(count * CHANGED)):
            at = self._random.randrange(count)
            if self._form == JSON and self._random.random() < IN_REGIONS:
                at = self._random.choice(starts) + self._random.randrange(int(count * REGION))
            self._move(at % count)
        for _ in range(max(1, int(count * DIED))):
            at = self._random.randrange(count)
            del self._entities[at], self._saved[at]
            self._bear()

    def save(self) -> bytes:
        """All of it."""
        if self._form == RECORDS:
            head = b"SAVE" + struct.pack("<QI112x", self._tick, len(self._entities))
            return head + b"".join(self._saved)
        head = b'{"header":{"tick":%d,"entities":%d},"entities":[\n'
        return head % (self._tick, len(self._entities)) + b",\n".join(self._saved) + b"\n]}\n"

    def _bear(self) -> None:
        random = self._random
        x, y = 4096 * random.random(), 4096 * random.random()
        born = _Entity(random.randbytes(GENOME_BYTES), x, y, random.randrange(10_000))
        self._entities.append(born)
        self._saved.append(self._written(born))

    def _move(self, at: int) -> None:
        one, random = self._entities[at], self._random
        one.x = (one.x + random.gauss(0, 1)) % 4096
        one.y = (one.y + random.gauss(0, 1)) % 4096
        one.energy = max(0, one.energy + random.randrange(-50, 50))
        one.age += 1
        self._saved[at] = self._written(one)

    def _written(self, one: _Entity) -> bytes:
        id = int.from_bytes(one.genome[:4], "big")  # as good as any
        kind, energy = id % 64, one.energy
        if self._form == RECORDS:
            return _RECORD.pack(id, one.x, one.y, energy, one.age, kind, id % 500, one.genome)
        return (
            f'{{"components":{{"agent":{{"behavior":"{MOODS[energy % 6]}","priority":{kind % 5}}},'
            f'"genome":{{"dna":"{one.genome.hex()}","lineage":"L{kind:05d}"}},'
            f'"inventory":{{"berry":{id % 7},"stone":{id % 11},"wood":{id % 500}}},'
            f'"needs":{{"age":{one.age},"energy":{energy},"hunger":{energy / 10_007:.3f}}},'
            f'"position":{{"chunkX":{one.x // 32:.0f},"chunkY":{one.y // 32:.0f},'
            f'"type":"position","version":1,"x":{one.x:.6f},"y":{one.y:.6f}}}}},'
            f'"id":"entity-{id:010d}","version":1}}'
        ).encode()
