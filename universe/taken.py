"""A snapshot as timelines and rules of keeping need it: which, of when, of what kind."""

from dataclasses import dataclass
from typing import Final

import msgspec

from storage.listing import SnapshotRow
from universe.snapshot import Decay, Snapshot, goes_by_itself, kind_of, kind_sent


@dataclass(frozen=True, slots=True)
class Taken:
    """`tick` in the time of its world; `at_us` in µs since 1970, as the author has it."""

    id: bytes
    tick: int
    kind: str
    """One of `universe.snapshot.KINDS`."""
    at_us: int
    size: int = 0
    """Bytes."""
    day: int | None = None
    event: bytes | None = None
    """Id of the canonical event that it belongs to."""
    decay: Decay | None = None
    is_inherited: bool = False
    """A fork began with it: it was taken in another universe."""
    sent: str = ""
    """Its kind as its program calls it."""
    blob: bytes = b""
    """Id of its bytes."""
    word: Decay | None = None
    """How long its program said it stays, where somebody asks for that: it goes then too, and by
    the rules as if nothing were said."""

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


def taken_of(row: SnapshotRow, *, is_as_sent: bool = False, is_decay_asked: bool = False) -> Taken:
    """Of a row, whose statement was verified when it came.

    `is_as_sent`: of the kind that its program calls it; `is_decay_asked`: with its `word`.
    """
    said = _DECAY.decode(row.decay) if row.decay else None
    decay = None if said is None else Decay(said.after, said.is_never, said.reason)
    obeyed = _obeyed(decay, is_wrapped=row.wrapped)
    kind, sent = kind_of(row.kind), kind_sent(row.kind)
    return Taken(
        row.id,
        row.tick,
        sent if is_as_sent else kind,
        row.at_us,
        row.size,
        row.day,
        row.event,
        obeyed,
        row.is_inherited,
        sent,
        row.blob,
        decay if is_decay_asked and obeyed is None else None,
    )


def taken_from(id: bytes, said: Snapshot) -> Taken:
    """The same of a statement of this id."""
    kind, sent = kind_of(said.kind), kind_sent(said.kind)
    decay = _obeyed(said.decay, is_wrapped=said.wrapped)
    return Taken(
        id,
        said.tick,
        kind,
        said.at_us,
        said.size,
        said.day,
        said.event,
        decay,
        sent=sent,
        blob=said.blob,
    )


def _obeyed(decay: Decay | None, *, is_wrapped: bool) -> Decay | None:
    """What of it counts."""
    if decay is None or not decay.goes or goes_by_itself(decay, is_wrapped=is_wrapped):
        return decay
    return None


class _Decay(msgspec.Struct, frozen=True):
    """As `universe.parts.decay_json` writes it."""

    after: int | None = msgspec.field(default=None, name="decayAfterTicks")
    is_never: bool = msgspec.field(default=False, name="neverDecay")
    reason: str = msgspec.field(default="", name="preservationReason")


_DECAY: Final = msgspec.json.Decoder(_Decay)
