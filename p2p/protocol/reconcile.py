"""Range-based set reconciliation of one area: what to answer to the peer's ranges.

Both hold sets of ids in one order. Whoever gets a range compares it with its own:

    same fingerprint                        nothing more to say
    the peer holds none of it               announce all of ours
    we hold at most 64 of it                list them: the other side sees what either lacks
    otherwise                               split it in 16 and send 16 fingerprints

and to a list: ask for what we lack, announce what the list lacks. An answer is a function of the
frame it answers and of the store: nothing is remembered between two frames, and one frame is in
flight. What would make an answer too long is repeated unsplit, so the peer splits it instead; if
even that would be too many ranges for a frame, the last of them become one.

Source: Meyer, "Range-Based Set Reconciliation" (SRDS 2023); negentropy for the 16 ways.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from crdt.area import Area
from crdt.keys import NamespaceKey
from crdt.order import Bounds, RangeSummary, area_bounds
from p2p.protocol.effects import Holds, KeptOut, ListIds, Split, Summarise
from p2p.protocol.frames import RangeItem
from p2p.protocol.limits import LIST_IDS_MAX, RANGE_ITEMS_MAX, RANGES_BYTES, SPLIT_PARTS
from p2p.protocol.outbox import Steps
from p2p.protocol.ranges import (
    Enumerated,
    Range,
    Summarised,
    estimated_bytes,
    read_ranges,
    shorten,
    write_ranges,
)

# Each may need a Skip before it, and at least one of them is answered in full.
UNEQUAL_MAX = (RANGE_ITEMS_MAX - SPLIT_PARTS) // 2


@dataclass(frozen=True, slots=True)
class Offer:
    """Entries that the peer lacks: all of ours in this range but those it listed."""

    bounds: Bounds
    count: int  # ours in the range, so that a long one can be listed in parts
    besides: frozenset[bytes] = frozenset()


@dataclass(frozen=True, slots=True)
class Answer:
    """What follows from one frame of ranges. No items: nothing is left to compare."""

    items: tuple[RangeItem, ...]
    lacking: tuple[bytes, ...] = ()
    kept_out: tuple[bytes, ...] = ()
    """Lacking too, and not wanted: the store has no room for them."""
    offers: tuple[Offer, ...] = ()


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """One area of one namespace, compared with one peer."""

    namespace: NamespaceKey
    area: Area
    answer_bytes: int = RANGES_BYTES  # about; an answer always settles at least one range

    @property
    def bounds(self) -> Bounds:
        return area_bounds(self.area)

    def begin(self) -> Steps[Answer]:
        """The first ranges: everything, in 16 parts or as a list."""
        (own,) = yield from self._summarise((self.bounds,))
        described = yield from self._describe([(self.bounds, own)], [])
        return Answer(write_ranges(described, self.bounds))

    def answer(self, items: Sequence[RangeItem]) -> Steps[Answer]:
        """The answer to the peer's ranges; raises `RemoteProtocolError` where they are none."""
        theirs = read_ranges(items, self.bounds)
        own = yield from self._summarise(tuple(range.bounds for range in theirs))
        listed = [range for range in theirs if isinstance(range, Enumerated)]
        held = yield from self._held([id for range in listed for id in range.ids])
        lacking = tuple(id for range in listed for id in range.ids if id not in held)
        kept_out = yield from self._kept_out(lacking)
        offers: list[Offer] = []
        unequal: list[tuple[Bounds, RangeSummary]] = []
        for range, summary in zip(theirs, own, strict=True):
            match range:
                case Enumerated(bounds=bounds, ids=ids):
                    if summary.count > sum(id in held for id in ids):
                        offers.append(Offer(bounds, summary.count, frozenset(ids)))
                case Summarised(bounds=bounds, summary=other):
                    if other.count == 0 and summary.count > 0:
                        offers.append(Offer(bounds, summary.count))
                    elif other != summary:
                        unequal.append((bounds, summary))
        unequal = yield from self._merge_last(unequal)
        described = yield from self._describe(*self._fit(unequal))
        return Answer(
            write_ranges(described, self.bounds),
            tuple(id for id in lacking if id not in kept_out),
            tuple(id for id in lacking if id in kept_out),
            tuple(offers),
        )

    def _merge_last(
        self, unequal: list[tuple[Bounds, RangeSummary]]
    ) -> Steps[list[tuple[Bounds, RangeSummary]]]:
        """No more ranges than an answer has room for: the last of too many become one."""
        if len(unequal) <= UNEQUAL_MAX:
            return unequal
        kept, merged = unequal[: UNEQUAL_MAX - 1], unequal[UNEQUAL_MAX - 1 :]
        bounds = Bounds(merged[0][0].lower, merged[-1][0].upper)
        (own,) = yield from self._summarise((bounds,))
        return [*kept, (bounds, own)]

    def _fit(
        self, unequal: list[tuple[Bounds, RangeSummary]]
    ) -> tuple[list[tuple[Bounds, RangeSummary]], list[Range]]:
        """The first ranges that may be answered in full, and the others, repeated unsplit."""
        repeated: list[Range] = [Summarised(bounds, summary) for bounds, summary in unequal]
        size = sum(map(estimated_bytes, repeated))
        items = 2 * len(repeated)
        full = 0
        for (_, summary), plain in zip(unequal, repeated, strict=True):
            size += _described_bytes(summary) - estimated_bytes(plain)
            items += SPLIT_PARTS - 1
            if full and (size > self.answer_bytes or items > RANGE_ITEMS_MAX):
                break
            full += 1
        return unequal[:full], repeated[full:]

    def _describe(
        self, unequal: list[tuple[Bounds, RangeSummary]], repeated: list[Range]
    ) -> Steps[list[Range]]:
        """Each unequal range as a list, or as the fingerprints of its parts; then the repeated."""
        short = [bounds for bounds, own in unequal if 0 < own.count <= LIST_IDS_MAX]
        long = [bounds for bounds, own in unequal if own.count > LIST_IDS_MAX]
        lists = iter((yield from self._list(tuple(short))))
        splits = iter((yield from self._split(tuple(long))))
        described: list[Range] = []
        for bounds, own in unequal:
            if own.count == 0:
                described.append(Enumerated(bounds, ()))
            elif own.count <= LIST_IDS_MAX:
                described.append(Enumerated(bounds, tuple(next(lists))))
            else:
                described += next(splits)
        return described + repeated

    def _split(self, ranges: tuple[Bounds, ...]) -> Steps[list[list[Range]]]:
        """The parts of each range, with our fingerprints; an empty part is a list of nothing."""
        if not ranges:
            return []
        covers: Sequence[Sequence[Bounds]] = yield Split(
            self.namespace, self.area, ranges, SPLIT_PARTS
        )
        parts = [shorten(cover) for cover in covers]
        summaries = iter(
            (yield from self._summarise(tuple(part for cover in parts for part in cover)))
        )
        return [[_describe_part(part, next(summaries)) for part in cover] for cover in parts]

    def _summarise(self, ranges: tuple[Bounds, ...]) -> Steps[Sequence[RangeSummary]]:
        if not ranges:
            return ()
        summaries: Sequence[RangeSummary] = yield Summarise(self.namespace, self.area, ranges)
        return summaries

    def _list(self, ranges: tuple[Bounds, ...]) -> Steps[Sequence[Sequence[bytes]]]:
        if not ranges:
            return ()
        lists: Sequence[Sequence[bytes]] = yield ListIds(
            self.namespace, self.area, ranges, LIST_IDS_MAX
        )
        return lists

    def _held(self, ids: list[bytes]) -> Steps[frozenset[bytes]]:
        if not ids:
            return frozenset()
        held: frozenset[bytes] = frozenset((yield Holds(self.namespace, tuple(ids))))
        return held

    def _kept_out(self, lacking: tuple[bytes, ...]) -> Steps[frozenset[bytes]]:
        if not lacking:
            return frozenset()
        kept_out: frozenset[bytes] = frozenset((yield KeptOut(self.namespace, lacking)))
        return kept_out


def _describe_part(part: Bounds, own: RangeSummary) -> Range:
    return Summarised(part, own) if own.count else Enumerated(part, ())


def _described_bytes(own: RangeSummary) -> int:
    """About how long a range gets when it is answered in full."""
    if own.count <= LIST_IDS_MAX:
        return 12 + 16 * own.count
    return 32 * SPLIT_PARTS
