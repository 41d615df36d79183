"""A snapshot as timelines and rules of keeping need it: which, of when, of what kind."""

from dataclasses import dataclass

from universe.snapshot import Decay, Snapshot


@dataclass(frozen=True, slots=True)
class Taken:
    """`tick` in the time of its world; `at_us` in µs since 1970, as the author has it."""

    id: bytes
    tick: int
    kind: str
    at_us: int
    size: int = 0
    """Bytes."""
    day: int | None = None
    event: bytes | None = None
    """Id of the canonical event that it belongs to."""
    decay: Decay | None = None
    is_inherited: bool = False
    """A fork began with it: it was taken in another universe."""

    @property
    def order(self) -> tuple[int, int, bytes]:
        """By tick; of several at one tick the later is the newer."""
        return self.tick, self.at_us, self.id


def taken_of(id: bytes, snapshot: Snapshot, *, is_inherited: bool = False) -> Taken:
    return Taken(
        id,
        snapshot.tick,
        snapshot.kind,
        snapshot.at_us,
        snapshot.size,
        snapshot.day,
        snapshot.event,
        snapshot.decay,
        is_inherited,
    )
