"""Epochs: how a long document goes on in a new one.

Automerge keeps every change for ever, so a document that lives long gets slow. When it has grown,
its next writer begins the next *epoch* of the record: another document, from the skeleton on, into
which what there is now is carried over by as many changes as it takes. The last of them sets
`carried` at the root, to the heads of the epoch before; with it the new epoch is *open*. Until then
readers stay with the old one, so nobody sees half a record. The newest open epoch is the record.

What came to the old epoch and is not under those heads stays there, held and told.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from crdt.digest import DIGEST_BYTES
from crdt.document import DEPTH_MAX, Document, Editor, KeyPath, Plain, Scalar

CARRIED: Final = "carried"  # the one value at the root; roots of skeletons are maps of other names
CHANGES_FULL = 2_000  # of one epoch, then it is carried over: they load in 20 ms
OPS_FULL = 20_000  # as above; under `crdt.authority.OPS_MAX`, which leaves room for who was away
# More is not worth carrying: the new epoch would soon be full as well, or at once.
PLACES_MAX = OPS_FULL // 2
PARTS_MAX = CHANGES_FULL // 2  # changes that carry: large values fill one each
# Of one change that carries: far below what the library compresses or a payload may hold.
PART_BYTES_MAX = 32_768
PART_PLACES_MAX = 2_000
PLACE_BYTES_MAX = 63_500  # of one key and value: what came in one change, save for some heads

_PLACE_BYTES: Final = 16  # what an operation takes beside its key and value, about


class _Map:
    """Stands for an empty map among the values."""


@dataclass(frozen=True, slots=True)
class Extent:
    """How much of a value a new epoch would have to take."""

    places: int
    parts: int
    """Changes that carry them."""

    @property
    def is_carryable(self) -> bool:
        return self.parts < PARTS_MAX and self.places <= PLACES_MAX

    def is_less_than(self, other: "Extent") -> bool:
        return self != other and self.places <= other.places and self.parts <= other.parts


_Place: TypeAlias = tuple[KeyPath, Scalar | _Map]


@dataclass(slots=True)
class _Part:
    """What one change carries over: places in the order in which they are made."""

    places: list[_Place] = field(default_factory=list[_Place])
    size: int = 0


def is_full(changes: int, ops: int) -> bool:
    """Whether a document of so many valid changes and operations is to go on in a new epoch."""
    return changes >= CHANGES_FULL or ops >= OPS_FULL


def is_carryable(value: Mapping[str, Plain]) -> bool:
    """Whether a new epoch of this value would have room to grow."""
    return extent(value).is_carryable


def extent(value: Mapping[str, Plain]) -> Extent:
    """What would be carried of it."""
    parts = list(_parts(value))
    return Extent(sum(len(part.places) for part in parts), len(parts))


def has_room(changes: int, ops: int) -> bool:
    """Whether a roll-over fits beside what lies in the next epoch: hardly more than half of one."""
    return changes <= PARTS_MAX and ops <= PLACES_MAX


def carried_heads(value: Mapping[str, Plain]) -> tuple[bytes, ...] | None:
    """The heads of the epoch before that came over into this document; None while it is not open.

    Whoever may write the document wrote this: it is a claim, and any bytes of that shape will do.
    """
    joined = value.get(CARRIED)
    if not isinstance(joined, bytes) or not joined or len(joined) % DIGEST_BYTES:
        return None
    return tuple([joined[at : at + DIGEST_BYTES] for at in range(0, len(joined), DIGEST_BYTES)])


def carry_over(old: Document, new: Document) -> list[bytes]:
    """Writes what `old` holds into `new`, which is empty; the raw changes, parents first.

    Maps and plain values come over, a text as a plain one. What no record of ours has stays behind,
    or whoever put it there would keep the others from going on: lists, texts longer than a change,
    numbers that are none. Nothing is deleted, so two such merge, whatever each of them has.
    """
    parts: list[Sequence[_Place]] = [part.places for part in _parts(old.to_py())]
    # As many of the heads as fit: they only tell what came later.
    heads = sorted(old.heads())[: PLACE_BYTES_MAX // DIGEST_BYTES]
    parts.append([((CARRIED,), b"".join(heads))])
    raws = [new.change(_writing(places)) for places in parts]
    return [raw for raw in raws if raw is not None]


def _writing(places: Sequence[_Place]) -> Callable[[Editor], None]:
    def edit(editor: Editor) -> None:
        for path, value in places:
            if isinstance(value, _Map):
                editor.make_map(path)
                continue
            if editor.is_map(path):  # of the skeleton, in whose place somebody put a value
                editor.delete(path)
            editor.put(path, value)

    return edit


def _parts(value: Mapping[str, Plain]) -> Iterator[_Part]:
    part = _Part()
    for path, item in _places(value):
        size = _PLACE_BYTES + len(path[-1].encode()) + _size(item)
        if part.places and (
            part.size + size > PART_BYTES_MAX or len(part.places) == PART_PLACES_MAX
        ):
            yield part
            part = _Part()
        part.places.append((path, item))
        part.size += size
    if part.places:
        yield part


def _places(value: Mapping[str, Plain], above: KeyPath = ()) -> Iterator[_Place]:
    """Every map and value, a map before what is in it, keys ascending."""
    assert len(above) <= DEPTH_MAX, "reading a document bounds how deep it is"
    for key in sorted(value):
        item = value[key]
        if isinstance(item, list) or (key == CARRIED and not above):
            continue
        if isinstance(item, float) and not math.isfinite(item):
            continue
        place = _Map() if isinstance(item, dict) else item
        if len(key.encode()) + _size(place) > PLACE_BYTES_MAX:
            continue
        yield (*above, key), place
        if isinstance(item, dict):
            yield from _places(item, (*above, key))


def _size(item: Scalar | _Map) -> int:
    match item:
        case str():
            return len(item.encode())
        case bytes():
            return len(item)
        case _:
            return 8
