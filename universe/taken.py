"""A snapshot as timelines and rules of keeping need it: which, of when, of what kind."""

from dataclasses import dataclass
from typing import Final

import msgspec

from storage.listing import SnapshotRow
from universe.snapshot import Decay


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


@dataclass(frozen=True, slots=True)
class Together:
    """What goes into one change before a snapshot: no row says it yet."""

    added: tuple[Taken, ...] = ()
    gone: frozenset[bytes] = frozenset()
    """Ids."""
    named: frozenset[bytes] = frozenset()
    """Ids that events of those added name."""


def taken_of(row: SnapshotRow) -> Taken:
    """Of a row, whose statement was verified when it came."""
    decay = _DECAY.decode(row.decay) if row.decay else None
    return Taken(
        row.id,
        row.tick,
        row.kind,
        row.at_us,
        row.size,
        row.day,
        row.event,
        None if decay is None else Decay(decay.after, decay.is_never, decay.reason),
        row.is_inherited,
    )


class _Decay(msgspec.Struct, frozen=True):
    """As `universe.parts.decay_json` writes it."""

    after: int | None = msgspec.field(default=None, name="decayAfterTicks")
    is_never: bool = msgspec.field(default=False, name="neverDecay")
    reason: str = msgspec.field(default="", name="preservationReason")


_DECAY: Final = msgspec.json.Decoder(_Decay)
